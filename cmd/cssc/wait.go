package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// settledStatus waits until the node has come to rest, and returns the status of then.
func (a *app) settledStatus(ctx context.Context) (*report, error) {
	var status *report
	err := a.withAgent(ctx, limitOperation, func(ctx context.Context, agent agentPort) error {
		events, err := agent.Events(ctx)
		if err != nil {
			return err
		}
		status, err = waitSettled(ctx, agent, events)

		return err
	})

	return status, err
}

func waitSettled(ctx context.Context, agent agentPort, events <-chan event) (*report, error) {
	ticker := time.NewTicker(time.Second) // for what no event tells
	defer ticker.Stop()
	for {
		status, err := agent.Status(ctx)
		switch {
		case err == nil && settled(status):
			return status, nil
		case err != nil && ctx.Err() == nil && !passing(err):
			return nil, err
		}
		select {
		case _, open := <-events:
			if !open && ctx.Err() == nil {
				return nil, fmt.Errorf("wait for the node to settle: %w", errNoBus)
			}
		case <-ticker.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for the node to settle: %w", ctx.Err())
		}
	}
}

// settled says that nothing goes on by itself: the node is up or down, or a run is held.
func settled(status *report) bool {
	if status.Run != nil {
		return status.Run.Phase == levels.PhaseHeld
	}

	return !status.Syncing && (status.State == levels.StateUp || status.State == levels.StateDown)
}

// passing says that an unanswered question is worth asking again: the agent is not
// there, has just come, went away over the answer, or has too much to do.
func passing(err error) bool {
	for _, sentinel := range []error{errNoAgent, levels.ErrTryAgain, dbusapi.ErrTimeout, levels.ErrBusy} {
		if errors.Is(err, sentinel) {
			return true
		}
	}

	return false
}
