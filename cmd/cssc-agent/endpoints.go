package main

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/agent"
	"github.com/cssc-ha/cssc/agent/endpoints"
	"github.com/cssc-ha/cssc/levels"
)

// shown is the agent as the endpoints want it.
type shown struct{ *node }

// Snapshot is the newest published status.
func (s shown) Snapshot() *endpoints.Snapshot {
	status := s.agent.Status()
	if status == nil {
		return nil
	}

	return onPage(status)
}

// Mandate is the lease check.
func (s shown) Mandate(term levels.Term) (time.Duration, bool) { return s.agent.Mandate(term) }

// Pulse asks the loop.
func (s shown) Pulse(ctx context.Context) error { return s.agent.Pulse(ctx) }

// Traffic is that of the way to the other nodes; of a cluster of one there is none.
func (s shown) Traffic() endpoints.Traffic {
	if way := s.way.Load(); way != nil {
		return endpoints.Traffic(way.Stats())
	}

	return endpoints.Traffic{}
}

// onPage is a status in the terms of the endpoints.
func onPage(status *agent.Status) *endpoints.Snapshot {
	return &endpoints.Snapshot{
		View: status.View, Version: status.Version, Quorate: status.Quorate, Headless: status.Headless,
		NeedReload: status.NeedReload, Problems: len(status.Problems), Nodes: status.Nodes, Why: status.Why,
		Voters: status.Voters, VotersHeard: status.VotersHeard,
	}
}
