package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// show publishes when somebody asked or something important happened, and otherwise
// at most once in publishPause: a turn that follows another at once only makes the
// status stale.
func (l *loop) show(ctx context.Context, now levels.Instant, actions []levels.Action) {
	if len(l.askers) == 0 && now < l.showDue() && !l.urgent && !slices.ContainsFunc(actions, important) {
		l.stale.Store(true) // also without an event: a problem may have come or gone

		return
	}
	l.publish(ctx, now)
	l.shownAt = now
	l.stale.Store(false)
	l.eventful, l.unshown, l.urgent = false, false, false
	for _, shown := range l.askers {
		close(shown)
	}
	l.askers = nil
}

// showDue is when what has become stale is published without being asked for. Messages of
// other nodes that change nothing come many times a second, and wait longer.
func (l *loop) showDue() levels.Instant {
	switch {
	case l.eventful:
		return l.shownAt.Add(publishPause)
	case l.unshown:
		return l.shownAt.Add(min(publishPause+time.Duration(len(l.config.Load().Nodes))*gossipPause, quietPause))
	default:
		return l.shownAt.Add(quietPause)
	}
}

// important says whether the news may not wait. A level reached and a participant that
// failed come in numbers and may.
func important(action levels.Action) bool {
	switch action.(type) {
	case levels.TellStateChanged, levels.TellSequenceStarted, levels.TellSequenceFinished, levels.TellHeld,
		levels.TellMasterReady, levels.TellQualified, levels.TellOperationStarted, levels.TellOperationFinished,
		levels.TellTargetLost, levels.LeaveCluster:
		return true
	default:
		return false
	}
}

// publish makes the state of this turn visible, when it differs from the one
// before or there is something to tell.
func (l *loop) publish(ctx context.Context, now levels.Instant) {
	view := l.machine.View()
	next := l.makeStatus(now, view)
	before := l.Agent.status.Load()
	notices := l.notices
	l.notices = nil
	l.tellProblems(ctx, before, next)
	if before != nil && len(notices) == 0 && len(l.askers) == 0 && sameStatus(before, next) {
		return
	}
	l.Agent.status.Store(next)
	l.ports.Bus.Publish(next, notices)
	l.wantStatus = statusLine(next)
	l.sayStatus(now)
}

// sayStatus brings the status line to systemd, which tells the whole bus of each:
// at once after a rest, else when the rest is over.
func (l *loop) sayStatus(now levels.Instant) {
	if l.wantStatus == l.status || l.status != "" && now < l.statusAt.Add(statusPause) {
		return
	}
	l.status, l.statusAt = l.wantStatus, now
	l.notify("STATUS=" + l.status)
}

// sameStatus leaves out the remaining lease and when each node was heard: they change all
// the time and are worth no signal. Whoever asks gets them as of now.
func sameStatus(a, b *Status) bool {
	return reflect.DeepEqual(withoutTimes(a), withoutTimes(b))
}

func withoutTimes(status *Status) Status {
	bare := *status
	bare.LeaseRemaining = 0
	bare.Nodes = slices.Clone(status.Nodes)
	for i := range bare.Nodes {
		bare.Nodes[i].Heard = 0
	}

	return bare
}

func (l *loop) makeStatus(_ levels.Instant, view *levels.View) *Status {
	observed := l.observation(view)
	c := l.config.Load()
	l.explain(view)
	l.tellBar(view)
	l.endpointProblem()
	_, changed := l.problems["reload"]
	next := &Status{
		View: *view, Version: l.options.Version, Quorate: observed.Quorate, LeaseRemaining: observed.LeaseRemaining,
		Headless:   view.State == levels.StateUp && view.Master == "",
		ConfigHash: c.Hash, NeedReload: changed, Problems: l.problems.list(),
		Nodes:    slices.Clone(observed.Nodes),
		Election: observed.Election, Why: observed.Why, Voters: observed.Voters, VotersHeard: observed.VotersHeard,
	}
	next.Operations = l.allOperations(view.Operations)
	for i := range next.Nodes {
		node := &next.Nodes[i]
		if node.Self { // the machine knows this node best
			node.State, node.Role, node.Term, node.Qualified = view.State, view.Role, view.Term, view.Qualified
			node.Reached, node.ReachedAny = view.Reached, view.ReachedAny
			node.Version, node.ConfigHash = l.options.Version, c.Hash
			if len(c.Nodes) == 1 {
				node.Address = c.Nodes[0].Address
			}
		}
	}

	return next
}

// explain says why a node that could serve does not.
func (l *loop) explain(view *levels.View) {
	if view.State == levels.StateJoining && !view.Qualified && l.begun {
		l.problems.set("joining", "this node is disqualified and no other can be master: init waits until \"cssc unlock\"")
	} else {
		l.problems.clear("joining")
	}
}

// tellProblems writes each problem to the journal when it comes and when it goes.
func (l *loop) tellProblems(ctx context.Context, before, next *Status) {
	var old []string
	if before != nil {
		old = before.Problems
	}
	for _, problem := range next.Problems {
		if !slices.Contains(old, problem) {
			l.journal.tell(ctx, msgProblem, "problem", problem)
		}
	}
	for _, problem := range old {
		if !slices.Contains(next.Problems, problem) {
			l.journal.tell(ctx, msgProblemSolved, "problem", problem)
		}
	}
}

// statusLine is what "systemctl status" shows.
func statusLine(status *Status) string {
	text := fmt.Sprintf("%s, %s", status.State, status.Role)
	if status.Term > 0 {
		text += fmt.Sprintf(" of term %d", status.Term)
	}
	switch run := status.Run; {
	case run != nil && run.Reason != "":
		text += fmt.Sprintf(", %s level %s %s: %s", run.Sequence, run.Level, run.Phase, run.Reason)
	case run != nil:
		text += fmt.Sprintf(", %s level %s %s", run.Sequence, run.Level, run.Phase)
	case status.Ready:
		text += ", init complete"
	}

	return text
}

// follow does what a turn has made necessary outside of the machine.
func (l *loop) follow(ctx context.Context, now levels.Instant) {
	if l.connected && !l.greeted {
		l.greeted = true
		l.greet()
	}
	quiet := l.view.Run == nil && len(l.queue) == 0
	l.tidy(ctx, now, quiet)
	l.tellElection(ctx)
	l.rejoin(ctx)
	l.mayDepart(ctx)
	l.followShutdown(ctx)
	if l.syncDue() && len(l.queue) == 0 && now >= l.syncAt {
		l.wantSync = false
		l.pushFrom(fromSync, levels.SyncRequested{})
	}
}

// syncDue says that members came since the last sync and nothing is in its way.
func (l *loop) syncDue() bool {
	return l.wantSync && l.open && l.view.Run == nil && l.view.State == levels.StateUp
}
