package sim

import (
	"math/rand/v2"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	// What waits for a paused process is bounded.
	maxInbox = 256
	// So many older state files are there for a disk that is rolled back.
	maxOld = 4
)

// node is one machine with its owner: agent, guard, disk and members.
type node struct {
	index   int
	id      election.NodeID
	table   election.Node
	config  election.Config
	clock   clock
	draw    rand.PCG
	machine *election.Machine // nil while no agent runs

	disk *election.State
	old  []*election.State
	boot int
	// off: the power is off until startGen's moment; booted: a boot is in progress.
	off bool

	paused bool
	frozen bool
	inbox  []letter
	// held are the actions of the step after which the process was paused.
	held   *held
	midway midway

	// record is what the guard and the next agent of this boot know of the lease. armed:
	// the guard kills at its end.
	record election.Lease
	armed  bool
	// serving: members of the mastership run. told: the machine was told so, and not yet
	// that they have ended.
	serving, told bool
	leading       bool
	term          election.Term
	lost, acted   bool
	planned       bool // a demote for a release is under way
	releasing     bool // it has ended, and the release comes in a while
	target        election.NodeID
	away          time.Duration // a restart is planned for so long; 0 = none

	standing election.Standing
	left     bool
	leaving  bool
	unsaved  int

	tickGen, demoteGen, restGen, startGen, pauseGen uint32
	wake                                            election.Instant
	named                                           election.NodeID // the vice that it named last, as master
	namedAt                                         int64           // when it named another than before
	drifted                                         int64           // when its configuration changed last
	todo                                            []election.Event
	question                                        *letter // what the present step answers
	// campaign is the term that it asks votes for now, wanted the newest that it ever did.
	campaign, wanted election.Term
	// woken is when the process started, or last went on after a pause.
	woken int64
	// fenced are the nodes that an operator has told this one to count as off.
	fenced uint8
	// worded is the true time until which a lease rests on an operator's word.
	worded int64
	// heard is what each node has last said; reported are those that have told their terms.
	heard    [MaxNodes]heard
	reported uint8
	// forgot: it may have forgotten votes and promises. trusted: an operator says no matter.
	forgot, trusted bool
	// lives is when the present life began, stopped when the last one ended; promisedAt is
	// when it last answered; leaseEnd is where its last lease ended; blank is when it last
	// started without a state. True time all of them.
	lives, stopped, promisedAt, leaseEnd, blank int64
	goodbyes                                    bool
	// ticks counts wake-ups that follow each other within a microsecond; the last was at ticked.
	ticks        int
	ticked       int64
	born         election.Instant // its reading when the present life began
	releaseHeard election.Term
}

// midway says what strikes between the actions of the next step that has any.
type midway struct {
	kind  Kind // KindUnknown = nothing
	fault int
}

// held is a result whose actions wait for a paused process.
type held struct {
	result   election.Result
	at       int64
	question *letter
}

func newNode(plan *Plan, index int) node {
	config := plan.config(index)

	return node{
		index: index, id: config.Self, table: config.Nodes[index], config: config,
		draw: generatorOf(plan.Seed, uint64(1000+index)), standing: election.Standing{Qualified: true, Up: true},
		disk: firstDisk(plan), off: true,
	}
}

// firstDisk is what a node finds at the very beginning.
func firstDisk(plan *Plan) *election.State {
	if plan.Fresh {
		return nil
	}

	state := &election.State{Hash: "a"}
	for i := range plan.Nodes {
		if plan.Voters>>i&1 == 1 {
			state.Voters = append(state.Voters, name(i))
		}
	}

	return state
}

// start brings up the agent: after a boot with a new clock, otherwise with what the old
// agent has left in this boot.
func (w *world) start(n *node) {
	if n.off {
		n.off = false
		n.boot++
		n.clock = newClock(w.t, election.Instant(1+fraction(&n.draw, 20*time.Second)), w.wrong(n))
	}
	now := n.clock.read(w.t)
	n.told = n.told || n.record.Term != 0 // it died before it could act on its election
	start := election.Start{
		Config: n.config, Lease: n.record, Acted: n.acted && n.record.Term != 0, Vice: n.named, Serving: n.told, Standing: n.standing,
		Left: n.left, Now: now, FirstRound: election.Round(now), FirstSerial: uint64(w.t) + 1,
	}
	if n.disk != nil {
		state := *n.disk
		start.State = &state
	}
	w.printf("%s starts at its %v: state %+v, lease %v, serving %v, disk %v", n.id, now, start.State, start.Lease, start.Serving, n.disk != nil)
	n.machine = election.New(start)
	n.leading, n.lost, n.planned, n.releasing, n.away, n.leaving = false, false, false, false, 0, false
	n.woken, n.lives, n.campaign = w.t, w.t, 0
	n.todo, n.inbox, n.paused, n.frozen, n.held, n.midway = n.todo[:0], n.inbox[:0], false, false, nil, midway{}
	w.noteStart(n, start)
	w.feed(n, election.Ticked{})
	switch {
	case n.machine == nil || !n.told:
	case n.acted:
		n.lost = true
		w.restsIn(n, w.plan.Lease/2)
	case !n.leading && !n.lost:
		n.lost, n.acted = true, true
		w.feed(n, election.DemoteActed{})
		w.restsIn(n, w.plan.Lease/2)
	}
}

// wrong is the error of a node's clock as the plan has it by now.
func (w *world) wrong(n *node) int64 {
	if rate := n.clock.rate; rate != 0 {
		return rate - million
	}

	return w.plan.Wrong[n.index]
}

// stop ends the agent's process. Members and guard go on.
func (n *node) stop() {
	n.machine, n.paused, n.frozen, n.held, n.midway = nil, false, false, nil, midway{}
	n.todo, n.inbox, n.wake = n.todo[:0], n.inbox[:0], 0
	n.tickGen++
	n.demoteGen++
	n.restGen++
	n.pauseGen++
}

// powerOff takes everything that is not on disk.
func (n *node) powerOff() {
	n.stop()
	n.off, n.serving, n.told, n.record, n.armed = true, false, false, election.Lease{}, false
	n.leading, n.lost, n.acted = false, false, false
}

// settle lets the guard do what it would have done by now.
func (w *world) settle(n *node) {
	if !n.armed || n.frozen || n.clock.read(w.t) < n.record.Until {
		return
	}
	n.armed = false
	if !n.serving {
		return
	}
	w.printf("%s: the guard kills the members", n.id)
	n.serving = false
	if over := n.clock.when(n.record.Until); n.record.Term != 0 && n.machine != nil && !n.paused && over > n.woken {
		w.fail("guard", "%s: the guard had to kill the members at %v, the agent was awake", n.id, time.Duration(over))
	}
	w.rare.met(RareGuard)
}

// holds says whether this node is the master at this instant: by its lease check, by a
// lease record that its next agent will take up, or by members that run.
func (w *world) holds(n *node) bool {
	if n.off {
		return false
	}
	now := n.clock.read(w.t)
	if n.machine != nil && n.machine.MayAct(now) {
		return true
	}
	if n.machine == nil && n.record.Term != 0 && now < n.record.Until {
		return true
	}

	killed := n.armed && now >= n.record.Until

	return n.serving && !n.frozen && !killed
}

// tick is the wake-up that the last result asked for.
func (w *world) tick(n *node) {
	if n.paused {
		return // the next one comes when it goes on
	}
	if w.t-n.ticked > 1000 {
		n.ticks = 0
	}
	n.ticks++
	n.ticked = w.t
	if n.ticks > 100 {
		w.fail("busy", "%s wants to be woken at once for the hundredth time in a row", n.id)
	}
	w.feed(n, election.Ticked{})
}

// rearm asks for the tick that the machine wants.
func (w *world) rearm(n *node, wake election.Instant) {
	if wake == n.wake && n.clock.read(w.t) < wake {
		return // the one under way will do
	}
	n.wake = wake
	n.tickGen++
	if wake == 0 || wake == election.Forever {
		return
	}
	at := max(n.clock.when(wake), w.t+1)
	if at < w.t+int64(time.Hour) {
		w.push(moment{at: at, what: whatTick, node: int8(n.index), gen: n.tickGen})
	}
}

// receive feeds a message to the machine.
func (w *world) receive(n *node, l letter) {
	n.question = &l
	w.noteReceived(n, &l)
	w.feed(n, election.Received{Message: l.message})
	n.question = nil
}

// feed takes one event and those that its actions cause.
func (w *world) feed(n *node, event election.Event) {
	n.todo = append(n.todo, event)
	w.drain(n)
}

// drain takes the events that wait.
func (w *world) drain(n *node) {
	for len(n.todo) > 0 && n.machine != nil && !n.paused && w.broken == nil {
		next := n.todo[0]
		n.todo = append(n.todo[:0], n.todo[1:]...)
		w.step(n, next)
	}
}

// step is one turn of the owner's loop.
func (w *world) step(n *node, event election.Event) {
	w.settle(n)
	now := n.clock.read(w.t)
	before := n.machine.Lease()
	result := n.machine.Step(now, event)
	w.steps++
	if w.log != nil {
		w.transcribe(n, now, event, &result)
	}
	if err := n.machine.Check(); err != nil {
		w.fail("check", "%s: %v", n.id, err)
	}
	if result.Err != nil {
		w.refused(n, event)
	} else {
		w.accepted(n, event)
	}
	w.checkLease(n, before, n.machine.Lease())
	if term := n.machine.Lease().Term; term != 0 && term != before.Term {
		w.checkElected(n, term)
	}
	w.rearm(n, result.Wake)
	if n.midway.kind != KindUnknown && len(result.Actions) > 0 {
		w.strike(n, result)
	} else {
		w.perform(n, &result, w.t, len(result.Actions))
	}
	w.checkOneMaster(n)
}
