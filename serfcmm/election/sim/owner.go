package sim

import (
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// perform does what the agent does with a result: the state file, the lease record, then
// the actions in their order, up to the given number of them. The step was at the time at.
func (w *world) perform(n *node, result *election.Result, at int64, limit int) {
	saved := true
	if result.Persist != nil {
		saved = w.persist(n, result.Persist)
	}
	w.writeRecord(n)
	for _, action := range result.Actions[:limit] {
		if n.machine == nil {
			return // it has gone for its planned restart
		}
		switch action := action.(type) {
		case election.Send:
			if saved {
				w.send(n, action.Message, at)
			}
		case election.RoleDecided:
			w.roleDecided(n, action)
		case election.KillMembers:
			w.kill(n)
		case election.RestartGranted:
			w.restartGranted(n, action)
		case election.Note:
			w.noted(action)
		case election.MasterProgressed:
		}
	}
	if !saved && n.machine != nil {
		n.todo = append(n.todo, election.PersistFailed{})
	}
}

// persist writes the state file, which may fail.
func (w *world) persist(n *node, state *election.State) bool {
	if n.unsaved > 0 {
		w.rare.met(RareUnsaved)

		return false
	}
	w.checkState(n, state)
	if n.forgot && len(state.Voters) > 0 {
		w.proven(n, state)
	}
	if n.disk != nil {
		if len(n.old) == maxOld {
			n.old = append(n.old[:0], n.old[1:]...)
		}
		n.old = append(n.old, n.disk)
	}
	n.disk = state

	return true
}

// writeRecord tells guard and successor what the lease is. An empty record disarms the
// guard: the agent says that there is nothing to guard.
func (w *world) writeRecord(n *node) {
	lease := n.machine.Lease()
	if lease == n.record {
		return
	}
	if lease.Term != 0 {
		n.leaseEnd = n.clock.when(lease.Until)
	}
	if lease.Term == 0 && n.told {
		n.record.Term = 0 // the guard keeps its deadline until all has come to rest

		return
	}
	n.record = lease
	n.armed = lease.Term != 0 && lease.Until != election.Forever
}

func (w *world) send(n *node, message election.Message, at int64) {
	to := w.index(message.To)
	if to < 0 || to == n.index || message.From != n.id {
		w.fail("send", "%s sends %v from %q to %q", n.id, message.Kind, message.From, message.To)

		return
	}
	w.checkSend(n, to, &message, at)
	w.post(n.index, to, message)
}

// index finds a node by its name; -1 = none.
func (w *world) index(id election.NodeID) int {
	for i := range w.nodes {
		if w.nodes[i].id == id {
			return i
		}
	}

	return -1
}

// roleDecided begins to serve, or to demote, as the levels would.
func (w *world) roleDecided(n *node, d election.RoleDecided) {
	switch {
	case d.Role == election.RoleMaster && !d.Lost:
		if n.lost && n.term == d.Term {
			w.takenBack(n)
		}
		n.lost = false
		if !n.leading || n.term != d.Term || !n.told && !n.releasing {
			w.elected(n, d.Term)
		}
		w.viceNamed(n, d.Vice)
	case d.Lost:
		n.lost = true
		w.noteLost(n)
		w.demote(n)
	default:
		n.leading = false
		if n.told {
			w.demote(n)
		}
	}
}

func (w *world) elected(n *node, term election.Term) {
	n.leading, n.term, n.planned, n.acted = true, term, false, false
	n.demoteGen++
	n.restGen++
	// The lease check before the first side effect: the agent may have stood still since.
	n.serving, n.told = n.machine.MayAct(n.clock.read(w.t)), true
	n.todo = append(n.todo, election.ServingChanged{Serving: true})
}

// takenBack: a majority answered before the demote acted.
func (w *world) takenBack(n *node) {
	if n.acted {
		w.fail("I3", "%s takes term %d back after its demote has acted", n.id, n.term)
	}
	w.rare.met(RareTakenBack)
	n.demoteGen++
}

// demote plans the demote of a lost lease; it acts after a moment, unless one for a
// release is at it already.
func (w *world) demote(n *node) {
	if !n.told || n.acted {
		return
	}
	if n.planned {
		n.acted = true
		n.todo = append(n.todo, election.DemoteActed{})

		return
	}
	n.demoteGen++
	w.after(n, fraction(&n.draw, w.plan.Lease/3), whatDemote, n.demoteGen)
}

func (w *world) demoteActs(n *node) {
	if n.acted || !n.told {
		return
	}
	if n.paused {
		w.after(n, w.plan.Lease/16, whatDemote, n.demoteGen)

		return
	}
	n.acted = true
	w.restsIn(n, w.plan.Lease*8/10)
	w.feed(n, election.DemoteActed{})
}

func (w *world) restsIn(n *node, most time.Duration) {
	n.restGen++
	w.after(n, fraction(&n.draw, most), whatRested, n.restGen)
}

// rested: the demote has ended. What the operation wants comes next.
func (w *world) rested(n *node) {
	if n.paused {
		w.after(n, w.plan.Lease/16, whatRested, n.restGen)

		return
	}
	release := n.planned && n.leading
	n.serving, n.told, n.acted, n.planned = false, false, false, false
	w.feed(n, election.ServingChanged{})
	n.releasing = release && n.draw.Uint64()%2 == 0
	if n.releasing {
		w.after(n, fraction(&n.draw, w.plan.Lease/4), whatRelease, n.restGen)

		return
	}
	w.giveBack(n, release)
}

// giveBack releases the role of which nothing runs any more, and leaves if that was the plan.
func (w *world) giveBack(n *node, release bool) {
	if n.paused {
		w.after(n, w.plan.Lease/16, whatRelease, n.restGen)

		return
	}
	n.releasing = false
	if release && n.machine != nil && n.leading { // also when the lease is running out by now
		w.feed(n, election.ReleaseAsked{To: n.target})
	}
	if n.leaving && n.machine != nil && !n.told {
		n.leaving, n.left = false, true
		w.feed(n, election.LeaveAsked{})
	}
}

// kill ends the members within no time; their targets come to rest a little later.
func (w *world) kill(n *node) {
	if !n.told {
		return
	}
	if n.serving {
		w.rare.met(RareKilled)
	}
	n.serving = false
	if !n.acted {
		n.acted = true
		n.todo = append(n.todo, election.DemoteActed{})
	}
	w.restsIn(n, w.plan.Lease/8)
}

// restartGranted: the agent goes, for as long as was planned.
func (w *world) restartGranted(n *node, granted election.RestartGranted) {
	if n.away == 0 || granted.Until == 0 && n.draw.Uint64()%2 == 0 {
		n.away = 0

		return
	}
	w.checkGrace(n, granted)
	away := n.away
	if granted.Until != 0 && granted.Until.Sub(n.clock.read(w.t)) > w.plan.Lease {
		w.rare.met(RareGrace)
	}
	n.startGen++
	w.after(n, away, whatStart, n.startGen)
	w.printf("%s goes for a planned restart of %v", n.id, away)
	n.stopped = w.t
	n.stop()
}

// refused is what an operator does when a request is not taken.
func (w *world) refused(n *node, event election.Event) {
	if _, release := event.(election.ReleaseAsked); release && n.leading && !n.lost && !n.told {
		n.serving, n.told = true, true
		n.todo = append(n.todo, election.ServingChanged{Serving: true})
	}
}

func (w *world) accepted(n *node, event election.Event) {
	switch event := event.(type) {
	case election.FencedAsked:
		w.fence = w.index(event.Node)
		n.fenced |= 1 << w.fence
		w.truth.fenced(w.fence)
		w.rare.met(RareFenced)
	case election.ResetAsked:
		w.faulty, n.trusted = n.index, true
		w.rare.met(RareReset)
	case election.LeaveAsked:
		w.rare.met(RareLeft)
	}
}
