package agent

import (
	"context"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// lingering is the last part of a shutdown in which a node stays a voter: without its vote
// the master would lose the majority, and its services would be killed before they could
// be stopped in order.
type lingering struct {
	staying *levels.LeaveCluster // nil = no
	// stayingFor is the master that needs the vote; stayUntil is when the patience ends.
	stayingFor levels.NodeID
	stayUntil  levels.Instant
}

// hasLeft says that this node is no member any more, as an earlier life of the agent left it.
func (l *loop) hasLeft() bool {
	switch l.view.State {
	case levels.StateDown:
		return true
	case levels.StateLeaving:
		leaving := l.machine.Save().Leave

		return leaving == nil || !leaving.Linger
	case levels.StateJoining, levels.StateInitializing, levels.StateUp, levels.StateShuttingDown:
	}

	return false
}

// depart is the end of a shutdown, at once or when the vote is not needed any more.
func (l *loop) depart(ctx context.Context, action levels.LeaveCluster) {
	if !action.Linger || l.fleet == nil {
		l.goAway(ctx, action)

		return
	}
	if l.staying != nil || l.telling[callLeave] {
		return
	}
	l.staying, l.stayingFor = &action, levels.NodeID(l.election.View().Master)
	l.stayUntil = l.ports.Clock().Add(l.config.Load().Shutdown.Timeout)
	if l.needed() {
		l.journal.tell(ctx, msgFleet, "topic", "linger", "text",
			fmt.Sprintf("all is stopped here; this node stays a voter until %s has stopped, too", l.stayingFor))
	}
	l.mayDepart(ctx)
}

// mayDepart ends the waiting.
func (l *loop) mayDepart(ctx context.Context) {
	if l.staying == nil || l.needed() {
		return
	}
	action := *l.staying
	l.staying = nil
	l.goAway(ctx, action)
}

func (l *loop) goAway(ctx context.Context, action levels.LeaveCluster) {
	_ = l.elect(ctx, election.LeaveAsked{})
	l.leave(action)
}

// needed says that the vote of this node still counts for somebody. A node that comes back by
// itself waits until the master has gone, so that it cannot be given a role for a moment.
func (l *loop) needed() bool {
	master := levels.NodeID(l.election.View().Master)
	switch {
	case l.announced, l.ports.Clock() >= l.stayUntil:
		return false
	case !l.said: // the agent has just started, and will hear of a master if there is one
		return true
	case master != "" && master != l.view.Node:
		l.stayingFor = master

		return true
	case l.staying.Mode != levels.ModeReboot && l.staying.Mode != levels.ModeStandalone:
		return false
	}
	for _, card := range l.way.Seen() {
		if card.Node == l.stayingFor {
			return card.Alive && card.State != levels.StateLeaving && card.State != levels.StateDown
		}
	}

	return false
}
