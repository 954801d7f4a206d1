package sim

import (
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// who resolves the node of a fault: by its number, or by the role it has now.
func (w *world) who(node int) int {
	switch node {
	case NodeMaster:
		for i := range w.nodes {
			if n := &w.nodes[i]; n.leading && !n.lost && n.machine != nil {
				return i
			}
		}

		return 0
	case NodeVice:
		if w.vice >= 0 {
			return w.vice
		}

		return w.plan.Nodes - 1
	}

	return min(max(node, 0), w.plan.Nodes-1)
}

// inject begins a fault. What ends by time gets its end here, for the node that it hit.
func (w *world) inject(i int) {
	f := &w.plan.Faults[i]
	n := &w.nodes[w.who(f.Node)]
	w.printf("fault %d: %v", i, f.text())
	end := moment{at: w.t + int64(f.For), what: whatEnd, arg: int32(i), node: int8(n.index), gen: uint32(n.index)}
	switch f.Kind {
	case KindCut:
		w.setCut(f, n.index, 1)
		w.flap(f, i, n.index)
	case KindAir:
		w.airs = append(w.airs, i)
		w.worsen()
	case KindReplay:
		w.replay(f.Count)
	case KindStall, KindFreeze:
		w.pause(n, f, i)
	case KindKill, KindCrash:
		w.killOrCrash(n, f, i)
	case KindClock:
		w.turnClock(n, f.Wrong)
	case KindRestart, KindHandover, KindReset, KindFence:
		w.ask(n, f)
	case KindDrift, KindLock, KindDown, KindLeave, KindUnsaved:
		w.setNode(n, f, true)
	case KindUnknown:
	}
	if f.For > 0 {
		w.push(end)
	}
}

// relieve ends a fault on the node that it hit.
func (w *world) relieve(i int, hit uint32) {
	f := &w.plan.Faults[i]
	n := &w.nodes[hit&0xff]
	switch f.Kind {
	case KindCut:
		w.relieveCut(f, i, hit)
	case KindAir:
		for at, other := range w.airs {
			if other == i {
				w.airs = append(w.airs[:at], w.airs[at+1:]...)

				break
			}
		}
		w.worsen()
	case KindDrift, KindLock, KindDown, KindLeave, KindUnsaved:
		w.setNode(n, f, false)
	case KindUnknown, KindReplay, KindStall, KindFreeze, KindKill, KindCrash, KindClock, KindHandover, KindRestart, KindReset, KindFence:
	}
}

// setCut adds to, or takes from, the number of faults that cut each link.
func (w *world) setCut(f *Fault, hit int, by int8) {
	from, to := f.From, f.To
	if from == 0 && to == 0 {
		from, to = 1<<hit, 0xff&^(1<<hit)
	}
	for a := range w.plan.Nodes {
		for b := range w.plan.Nodes {
			out := f.Way&WayOut != 0 && from>>a&1 == 1 && to>>b&1 == 1
			in := f.Way&WayIn != 0 && to>>a&1 == 1 && from>>b&1 == 1
			if a != b && (out || in) {
				w.net.cut[a][b] += by
			}
		}
	}
}

// A cut that comes and goes keeps in gen whom it hit and whether it is open now.
const flapping, open = 1 << 8, 1 << 9

func (w *world) flap(f *Fault, i, hit int) {
	if f.Every > 0 {
		w.push(moment{at: w.t + int64(f.Every), what: whatEnd, arg: int32(i), gen: uint32(hit) | flapping})
	}
}

func (w *world) relieveCut(f *Fault, i int, hit uint32) {
	index := int(hit & 0xff)
	if f.Every == 0 {
		w.setCut(f, index, -1)

		return
	}
	if hit&flapping == 0 {
		return // it ends with its last change
	}
	next := hit ^ open
	if hit&open == 0 {
		w.setCut(f, index, -1)
		if w.t+int64(f.Every) >= int64(f.At+f.For) {
			return
		}
	} else {
		w.setCut(f, index, 1)
	}
	w.push(moment{at: w.t + int64(f.Every), what: whatEnd, arg: int32(i), gen: next})
}

func (w *world) pause(n *node, f *Fault, i int) {
	if n.machine == nil || n.paused {
		return
	}
	if f.Mid {
		n.midway = midway{f.Kind, i}

		return
	}
	w.pauseFor(n, f)
}

func (w *world) pauseFor(n *node, f *Fault) {
	w.settle(n)
	n.paused, n.frozen = true, f.Kind == KindFreeze
	n.pauseGen++
	w.after(n, f.For, whatResume, n.pauseGen)
}

// resume goes on: first with the actions of the step in which it was stopped, then with
// what has come meanwhile, the overdue tick before or after it.
func (w *world) resume(n *node) {
	w.printf("%s goes on", n.id)
	if n.serving && n.armed && n.clock.read(w.t) >= n.record.Until {
		w.rare.met(RareStalled)
	}
	n.frozen = false
	w.settle(n)
	n.paused, n.woken = false, w.t
	if h := n.held; h != nil {
		n.held = nil
		n.question = h.question
		w.perform(n, &h.result, h.at, len(h.result.Actions))
		n.question = nil
	}
	if n.told && !n.serving && n.leading && !n.lost && n.machine != nil && n.machine.MayAct(n.clock.read(w.t)) {
		n.serving = true // the levels start again what a guard has killed that did not know of the last renewal
	}
	w.drain(n)
	inbox := n.inbox
	n.inbox = nil
	if n.draw.Uint64()%2 == 0 {
		w.feed(n, election.Ticked{})
	}
	for _, l := range inbox {
		if n.machine == nil || n.paused {
			return
		}
		w.receive(n, l)
	}
	if n.machine != nil && !n.paused {
		w.feed(n, election.Ticked{})
	}
}

func (w *world) killOrCrash(n *node, f *Fault, i int) {
	if n.off || n.machine == nil && f.Kind == KindKill {
		return
	}
	if f.Mid && n.machine != nil && !n.paused {
		n.midway = midway{f.Kind, i}

		return
	}
	w.die(n, f)
}

// die ends the agent or the whole node, and says when it is back.
func (w *world) die(n *node, f *Fault) {
	w.settle(n)
	n.startGen++
	n.stopped = w.t
	w.after(n, f.For, whatStart, n.startGen)
	if f.Kind == KindKill {
		n.stop()
		if !f.Record {
			n.record.Term = 0 // the guard keeps its own copy
		}

		return
	}
	n.powerOff()
	switch f.Disk {
	case DiskLost:
		if w.mayLose(n) {
			n.disk, n.old = nil, nil
			w.truth.lost++
		}
	case DiskOld:
		if w.mayLie(n) {
			n.disk, n.old = n.old[0], nil
			w.truth.lost++
			w.faulty = n.index
			w.rare.met(RareRolledBack)
		}
	case DiskKept:
	}
}

// mayLose says whether every majority would keep a voter that remembers.
func (w *world) mayLose(n *node) bool {
	if !n.table.Vote {
		return true
	}
	forgetful := 1
	for i := range w.nodes {
		if other := &w.nodes[i]; other != n && other.table.Vote && !other.remembers() {
			forgetful++
		}
	}

	return forgetful < w.plan.majority() && w.fence < 0 && (w.faulty < 0 || w.faulty == n.index)
}

// remembers says that the node has a state, has taken part, and has been proven with it.
// Whoever has never taken part is as good for the proof of a first formation as one that
// has forgotten everything.
func (n *node) remembers() bool {
	return n.disk != nil && n.disk.Term > 0 && (n.machine == nil || n.machine.View().Proven)
}

// mayLie says whether the node's disk may lie: only where any two majorities share another
// voter, and only one node.
func (w *world) mayLie(n *node) bool {
	return n.table.Vote && !w.plan.Hold && len(n.old) > 0 && (w.faulty < 0 || w.faulty == n.index) &&
		2*w.plan.majority()-ones(w.plan.Voters) >= 2 && w.fence < 0 && w.othersRemember(n)
}

// strike stops or ends the process between the actions of a step.
func (w *world) strike(n *node, result election.Result) {
	f := &w.plan.Faults[n.midway.fault]
	n.midway = midway{}
	w.rare.met(RareMidway)
	if f.Kind == KindStall {
		if result.Persist != nil && n.draw.Uint64()%2 == 0 {
			if w.persist(n, result.Persist) {
				result.Persist = nil
			}
		}
		n.held = &held{result, w.t, n.question}
		w.pauseFor(n, f)

		return
	}
	switch limit := int(n.draw.Uint64() % uint64(len(result.Actions)+3)); {
	case limit <= len(result.Actions):
		w.perform(n, &result, w.t, limit)
	case limit == len(result.Actions)+1 && result.Persist != nil:
		w.persist(n, result.Persist) // and dies before the lease record is written
	}
	if n.machine != nil {
		w.printf("%s dies in the middle of this step", n.id)
		w.die(n, f)
	}
}

func (w *world) turnClock(n *node, wrong int64) {
	if n.off {
		return
	}
	n.clock.turn(w.t, wrong)
	n.wake++ // so that the tick is asked for again
	if n.machine != nil && !n.paused {
		w.feed(n, election.Ticked{})
	}
}

// heal ends every fault. Whoever was away comes back.
func (w *world) heal() {
	w.printf("all faults are over")
	w.calm = true
	w.fence = -1
	w.net.cut = [MaxNodes][MaxNodes]int8{}
	w.net.air = Air{Least: min(w.plan.Air.Least, w.plan.Lease/200), Most: min(w.plan.Air.Most, w.plan.Lease/100)}
	for i := range w.nodes {
		n := &w.nodes[i]
		n.midway, n.unsaved = midway{}, 0
		w.restore(n)
	}
	w.due = w.t + int64(w.patience())
	w.push(moment{at: w.t + int64(w.plan.Renew), what: whatProbe})
}

func (w *world) restore(n *node) {
	if n.config.Hash != "a" {
		n.config.Hash, n.drifted = "a", w.t
	}
	n.left, n.leaving = false, false
	n.standing = election.Standing{Qualified: true, Up: true}
	if n.machine == nil {
		n.startGen++
		w.start(n)
	}
	if n.paused {
		w.resume(n)
	}
	for _, event := range []election.Event{
		election.Configured{Config: n.config}, election.StandingChanged{Standing: n.standing}, election.JoinAsked{},
	} {
		if n.machine != nil {
			w.feed(n, event)
		}
	}
}

// patience is how long after healing there must be a master: three leases, after what was
// promised for longer than one, and what nobody remembers, has run out.
func (w *world) patience() time.Duration {
	extra := w.plan.Window
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.blank > 0 || n.forgot { // it waits for what it may have promised, from when it started
			extra = max(extra, time.Duration(n.blank-w.t)+max(w.plan.Lease, w.plan.Grace)*5/4)
		}
		if n.disk != nil && n.disk.Hold != election.Endless {
			extra = max(extra, n.disk.Hold*5/4-w.plan.Lease)
		}
	}

	return 3*w.plan.Lease + extra
}
