package agent

import (
	"context"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
)

// answerTurn answers another node that asks for the turn; a new master does so when it has
// settled.
func (a *Agent) answerTurn(ctx context.Context, from levels.NodeID, asked turnQuestion) (any, error) {
	word := turnWord{
		asked:  fleet.TurnAsked{From: from, Kind: asked.Kind, By: fmt.Sprintf("%s on %s", asked.By, from)},
		answer: make(chan fleet.TurnAnswer, 1),
	}
	if err := a.sayTurn(ctx, word); err != nil {
		return nil, err
	}
	select {
	case given := <-word.answer:
		return turnReply{Outcome: given.Outcome, Turn: given.Turn, Text: given.Text}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the turn: %w", context.Cause(ctx))
	case <-a.done:
		return nil, errStopped
	}
}

// answerOver takes another node's word that its turn is over.
func (a *Agent) answerOver(ctx context.Context, from levels.NodeID, asked overQuestion) (any, error) {
	return overReply{}, a.sayTurn(ctx, turnWord{over: &fleet.TurnOver{From: from, Turn: asked.Turn, Number: asked.Number}})
}

// answerIdle tells a new master whether anything is in progress here.
func (a *Agent) answerIdle(ctx context.Context, from levels.NodeID, asked idleQuestion) (any, error) {
	word := turnWord{idle: make(chan idleReply, 1), master: from, term: asked.Term}
	if err := a.sayTurn(ctx, word); err != nil {
		return nil, err
	}
	select {
	case given := <-word.idle:
		return given, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the agent: %w", context.Cause(ctx))
	case <-a.done:
		return nil, errStopped
	}
}

func (a *Agent) sayTurn(ctx context.Context, word turnWord) error {
	select {
	case a.turns <- word:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the agent: %w", context.Cause(ctx))
	case <-a.done:
		return errStopped
	}
}
