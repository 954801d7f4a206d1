package agent

import (
	"context"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

// Keys asks every node for the cluster's keys, or changes them first.
func (a *Agent) Keys(_ context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	return nil, fmt.Errorf("keys %s: %w", request.Verb, errNoCluster())
}

// ResetVoter lets this node vote again although its state file was lost.
func (a *Agent) ResetVoter(context.Context, string) error {
	return fmt.Errorf("reset voter: %w", errNoCluster())
}

// Failover takes a person's word that a node is off and stays off.
func (a *Agent) Failover(_ context.Context, request levels.FailoverRequest) error {
	return fmt.Errorf("failover from %s: %w", request.Fenced, errNoCluster())
}

// errNoCluster refuses what has no meaning on a node that is alone.
func errNoCluster() error {
	return fmt.Errorf("%w: this node is not a member of a cluster of several nodes", levels.ErrRefused)
}
