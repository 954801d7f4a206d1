package sim

import (
	"math"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// ask is an operator's request to a node.
func (w *world) ask(n *node, f *Fault) {
	if n.machine == nil || n.paused {
		return
	}
	leads := n.leading && !n.lost && !n.planned
	switch f.Kind {
	case KindHandover:
		if leads {
			w.handOver(n, f.Other)
		}
	case KindRestart:
		if leads && n.away == 0 {
			n.away = f.For
			w.feed(n, election.RestartPlanned{})
		}
	case KindReset:
		w.reset()
	case KindFence:
		w.fenceOff(n)
	case KindUnknown, KindCut, KindAir, KindReplay, KindStall, KindFreeze, KindKill, KindCrash, KindClock, KindDrift, KindLock, KindDown,
		KindLeave, KindUnsaved:
	}
}

// handOver demotes, and releases to the node of the fault when nothing runs any more.
func (w *world) handOver(n *node, to int) {
	n.planned, n.target = true, ""
	if to != NodeNone {
		if target := w.who(to); target != n.index {
			n.target = w.nodes[target].id
		} else {
			n.target = w.nodes[(target+1)%w.plan.Nodes].id
		}
	}
	w.restsIn(n, w.plan.Lease/2)
	if n.serving && n.draw.Uint64()%8 == 0 { // too early: must be refused
		w.feed(n, election.ReleaseAsked{To: n.target})
	}
}

// reset lets an operator trust a voter without a state, where the word of one voter that
// may have forgotten its vote does no harm.
func (w *world) reset() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.machine == nil || n.paused || n.boot < 2 || n.machine.View().Proven || !n.table.Vote {
			continue
		}
		if (w.faulty < 0 || w.faulty == i) && 2*w.plan.majority()-ones(w.plan.Voters) >= 2 && w.fence < 0 && w.othersRemember(n) &&
			ones((n.reported|1<<i)&w.plan.Voters) >= w.plan.majority() {
			w.feed(n, election.ResetAsked{})

			return
		}
	}
}

func (w *world) othersRemember(n *node) bool {
	for i := range w.nodes {
		if other := &w.nodes[i]; other != n && other.table.Vote && !other.remembers() {
			return false
		}
	}

	return true
}

// fenceOff says of a node that is off that it is, and keeps it off until the faults are
// over. Only where there are two nodes: the word takes the place of the other's vote, so with
// more of them it would have to be said to all at once.
func (w *world) fenceOff(n *node) {
	if w.fence >= 0 || w.faulty >= 0 || w.plan.Nodes != 2 || w.plan.Voters != 3 {
		return
	}
	for i := range w.nodes {
		other := &w.nodes[i]
		if other == n || !other.off && w.t-n.heard[i].true > int64(w.plan.Lease)/2 {
			continue
		}
		w.feed(n, election.FencedAsked{Node: other.id})
		if w.fence == i && !other.off {
			w.fail("fence", "%s takes %s for off, which it heard %v ago", n.id, other.id, time.Duration(w.t-n.heard[i].true))
		}
		if w.fence == i {
			other.startGen++ // it stays off
		}

		return
	}
}

// setNode begins or ends what lasts on a node.
func (w *world) setNode(n *node, f *Fault, begin bool) {
	var event election.Event
	switch f.Kind {
	case KindDrift:
		n.config.Hash = "a"
		if begin {
			n.config.Hash = "b"
		}
		n.drifted = w.t
		event = election.Configured{Config: n.config}
	case KindLock, KindDown:
		if f.Kind == KindLock {
			n.standing.Qualified = !begin
		} else {
			n.standing.Up = !begin
		}
		event = election.StandingChanged{Standing: n.standing}
		if begin && f.Kind == KindLock && n.leading && !n.lost && !n.planned && n.machine != nil {
			w.handOver(n, NodeNone)
		}
	case KindUnsaved:
		n.unsaved += delta(begin)
	case KindLeave:
		event = w.leaveOrJoin(n, begin)
	case KindUnknown, KindCut, KindAir, KindReplay, KindStall, KindFreeze, KindKill, KindCrash, KindClock, KindHandover, KindRestart,
		KindReset, KindFence:
	}
	if event != nil && n.machine != nil {
		if n.paused {
			n.todo = append(n.todo, event)
		} else {
			w.feed(n, event)
		}
	}
}

// leaveOrJoin leaves only when nothing of a mastership runs: a master demotes first.
func (w *world) leaveOrJoin(n *node, begin bool) election.Event {
	switch {
	case !begin:
		n.left, n.leaving = false, false

		return election.JoinAsked{}
	case n.told:
		n.leaving = true
		if n.leading && !n.lost && !n.planned && n.machine != nil {
			w.handOver(n, NodeNone)
		}

		return nil
	}
	n.left = true

	return election.LeaveAsked{}
}

func delta(begin bool) int {
	if begin {
		return 1
	}

	return -1
}

// look asks, after healing, whether all agree.
func (w *world) look() {
	why := w.disagreement()
	switch {
	case w.agreed != 0 && w.truth.masterships != w.agreedOn:
		w.fail("L3", "the master changed although all agreed and nothing happened")
	case w.agreed == 0 && why == "":
		w.agreed, w.agreedOn = w.t, w.truth.masterships
		w.end = min(w.end, w.t+int64(w.plan.Settle)+1)
		w.printf("all agree")
	case w.agreed == 0 && w.t > w.due && w.truth.acting < 0:
		w.fail("L1", "no master %v after healing: %s", w.sinceHeal(), why)
	case w.agreed == 0 && w.t > w.due+int64(w.plan.Lease):
		w.fail("L3", "%v after healing: %s", w.sinceHeal(), why)
	}
	if w.end == math.MaxInt64 || w.plan.Settle > 0 {
		w.push(moment{at: w.t + int64(w.plan.Renew), what: whatProbe})
	}
}
