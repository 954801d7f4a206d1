package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// personsWord is a person's word to the election, and where the answer goes.
type personsWord struct {
	event election.Event
	// what and by go into the journal.
	what, by string
	answer   chan error // capacity 1
}

// Keys asks every node for the cluster's keys, or changes them first.
func (a *Agent) Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	peers := a.peers.Load()
	if c := a.config.Load(); c == nil || c.ClusterOfOne() || peers == nil {
		return nil, fmt.Errorf("keys %s: %w", request.Verb, errNoCluster())
	}
	a.journal.tell(ctx, msgElection, "topic", "keys", "text", fmt.Sprintf("keys %s, asked by %s", request.Verb, request.By))

	return (*peers).Keys(ctx, request)
}

// ResetVoter lets this node vote again although its state file was lost.
func (a *Agent) ResetVoter(ctx context.Context, by string) error {
	return a.tellElection(ctx, personsWord{event: election.ResetAsked{}, what: "reset voter", by: by})
}

// Failover takes a person's word that a node is off and stays off.
func (a *Agent) Failover(ctx context.Context, request levels.FailoverRequest) error {
	return a.tellElection(ctx, personsWord{
		event: election.FencedAsked{Node: election.NodeID(request.Fenced)},
		what:  fmt.Sprintf("failover from %s (%s)", request.Fenced, request.Reason), by: request.By,
	})
}

func (a *Agent) tellElection(ctx context.Context, said personsWord) error {
	if c := a.config.Load(); c == nil || c.ClusterOfOne() {
		return fmt.Errorf("%s: %w", said.what, errNoCluster())
	}
	said.answer = make(chan error, 1)
	select {
	case a.words <- said:
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for the agent: %w", said.what, context.Cause(ctx))
	case <-a.done:
		return errStopped
	}
	select {
	case err := <-said.answer:
		return asRefusal(err)
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for the agent: %w", said.what, context.Cause(ctx))
	case <-a.done:
		return errStopped
	}
}

// asRefusal puts the election's sentinels into those of levels, which the bus knows.
func asRefusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, election.ErrUnknownNode):
		return fmt.Errorf("%w: %s", levels.ErrInvalid, err.Error())
	default:
		return fmt.Errorf("%w: %s", levels.ErrRefused, err.Error())
	}
}

// heed carries out a person's word.
func (l *loop) heed(ctx context.Context, said personsWord) {
	err := l.elect(ctx, said.event)
	l.journal.tell(ctx, msgElection, "topic", "operator", "text", fmt.Sprintf("%s, asked by %s", said.what, said.by), "error", errorText(err))
	said.answer <- err
}

// errNoCluster refuses what has no meaning on a node that is alone.
func errNoCluster() error {
	return fmt.Errorf("%w: this node is not a member of a cluster of several nodes", levels.ErrRefused)
}
