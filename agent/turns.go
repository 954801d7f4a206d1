package agent

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
)

const (
	// A wait: turnTimeout bounds one question for a turn; a new master waits a second before it answers.
	turnTimeout = 2 * time.Second
	// A wait: idleTimeout bounds the question of a new master, which does not wait longer itself.
	idleTimeout = time.Second
	// A wait: overTimeout bounds the word that a turn is over, which may be lost.
	overTimeout = 2 * time.Second
)

// A turnWord is another node's question for a turn, its word that one is over, or a new
// master's question whether this node has something in progress.
type turnWord struct {
	asked fleet.TurnAsked
	over  *fleet.TurnOver
	// answer has capacity 1; nil but for a question for a turn.
	answer chan fleet.TurnAnswer
	// idle has capacity 1; nil but for the question of the master of the term.
	idle   chan idleReply
	master levels.NodeID
	term   levels.Term
}

// askTurn asks the master.
func (l *loop) askTurn(action fleet.AskTurn) {
	question := turnQuestion{Kind: action.Kind, By: action.By}
	l.work(turnTimeout, func(ctx context.Context) message {
		answered := fleet.TurnAnswered{Ticket: action.Ticket, From: action.To}
		answer, err := askNode[turnReply](ctx, l.Agent, inquiry{action.To, askForTurn, question, turnTimeout})
		if err == nil {
			answered.Answer = fleet.TurnAnswer{Outcome: answer.Outcome, Turn: answer.Turn, Text: answer.Text}
		}

		return fleetNews{answered}
	})
}

// tellOver tells the master that a turn is over; it sees it by gossip too.
func (l *loop) tellOver(action fleet.TellOver) {
	word := overQuestion{Turn: action.Turn, Number: action.Number}
	l.work(overTimeout, func(ctx context.Context) message {
		_, _ = askNode[overReply](ctx, l.Agent, inquiry{action.To, askTurnOver, word, overTimeout})

		return nil
	})
}

// askIdle asks a node what it has in progress.
func (l *loop) askIdle(action fleet.AskIdle) {
	l.work(idleTimeout, func(ctx context.Context) message {
		// Who does not answer, or does not know the question, is not idle.
		answer, _ := askNode[idleReply](ctx, l.Agent, inquiry{action.To, askIdle, idleQuestion{Term: action.Term}, idleTimeout})

		return fleetNews{fleet.IdleAnswered{From: action.To, Roll: action.Roll, Idle: answer.Idle, Number: answer.Number}}
	})
}

// hearTurn takes a question or a word of another node.
func (l *loop) hearTurn(ctx context.Context, word turnWord) {
	now := l.ports.Clock()
	switch {
	case l.fleet == nil && word.answer != nil:
		word.answer <- fleet.TurnAnswer{Outcome: fleet.TurnNotMaster}
	case l.fleet == nil && word.idle != nil:
		word.idle <- idleReply{}
	case word.idle != nil:
		l.seeCluster(ctx, now)
		idle, number := l.fleet.Idle(word.master, word.term)
		word.idle <- idleReply{Idle: idle, Number: number} // capacity 1, sent once
	case word.over != nil:
		l.drive(ctx, now, *word.over)
	default:
		l.lastQuestion++
		word.asked.Question = l.lastQuestion
		l.turnAnswers[l.lastQuestion] = word.answer
		l.seeCluster(ctx, now)
		l.drive(ctx, now, word.asked)
	}
}
