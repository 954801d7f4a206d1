package sim

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// ViolationError is a broken invariant.
type ViolationError struct {
	// Name is the invariant's, "I1".
	Name string
	// At is the true time since the beginning.
	At   time.Duration
	Text string
}

// Error is the violation in one line.
func (v *ViolationError) Error() string { return fmt.Sprintf("%s at %v: %s", v.Name, v.At, v.Text) }

// Outcome is what a run came to.
type Outcome struct {
	// Violation is nil when everything held.
	Violation *ViolationError
	// Steps counts calls of Machine.Step; Masters counts masterships.
	Steps, Masters int
	// End is the true time of the last event; Agreed how long after healing all agreed.
	End, Agreed time.Duration
}

// Runner plays plans, one after the other, and counts the rare states that it meets.
type Runner struct {
	// Rare counts, over all runs, how often each row of the table was met.
	Rare Tally

	w world
}

// world is one history in progress.
type world struct {
	plan  Plan
	t     int64
	end   int64
	queue queue
	nodes []node
	net   network
	truth truth
	rare  *Tally
	log   io.Writer

	calm bool // faults are over
	// due is when there must be a master, and agreement soon after.
	due      int64
	agreed   int64 // 0 = not yet
	agreedOn int   // masterships by then
	airs     []int // faults of KindAir in force
	vice     int   // whom the newest master named, -1 = nobody
	faulty   int   // the one node whose disk may lie, -1 = none
	fence    int   // the node that is off by an operator's word, -1 = none
	steps    int
	broken   *ViolationError
}

// Run plays a plan to its end, or to the first broken invariant. It is the same every time.
func (r *Runner) Run(plan Plan) Outcome { return r.run(plan, nil) }

// Trace is Run with a transcript.
func (r *Runner) Trace(plan Plan, transcript io.Writer) Outcome { return r.run(plan, transcript) }

func (r *Runner) run(plan Plan, log io.Writer) (outcome Outcome) {
	w := &r.w
	w.rare, w.log = &r.Rare, log
	w.begin(plan)
	defer func() {
		if panicked := recover(); panicked != nil {
			w.fail("panic", "%v", panicked)
		}
		outcome = Outcome{Violation: w.broken, Steps: w.steps, Masters: w.truth.masterships, End: time.Duration(w.t)}
		if w.agreed != 0 {
			outcome.Agreed = time.Duration(w.agreed) - plan.Heal
		}
		if w.broken != nil {
			w.printf("%s", w.broken.Error())
			w.describe()
		}
	}()
	for w.broken == nil {
		m, more := w.queue.pop()
		if !more || m.at > w.end {
			break
		}
		w.t = max(w.t, m.at)
		w.handle(m)
	}

	return outcome
}

func (w *world) begin(plan Plan) {
	w.plan, w.t, w.end, w.calm, w.due, w.agreed, w.agreedOn = plan, 0, math.MaxInt64, false, 0, 0, 0
	w.airs, w.vice, w.faulty, w.fence, w.steps, w.broken = w.airs[:0], -1, -1, -1, 0, nil
	w.queue.reset()
	w.net.reset(&w.plan)
	w.truth.reset()
	if cap(w.nodes) < MaxNodes {
		w.nodes = make([]node, MaxNodes)
	}
	w.nodes = w.nodes[:plan.Nodes]
	for i := range w.nodes {
		w.nodes[i] = newNode(&w.plan, i)
		w.push(moment{at: int64(plan.Boot[i]), what: whatStart, node: int8(i)})
	}
	for i := range plan.Faults {
		w.push(moment{at: int64(plan.Faults[i].At), what: whatBegin, arg: int32(i)})
	}
	w.push(moment{at: int64(plan.Heal), what: whatHeal})
}

func (w *world) push(m moment) { w.queue.push(m) }

// after makes a node's moment; a later one of another generation voids it.
func (w *world) after(n *node, delay time.Duration, what what, gen uint32) {
	w.push(moment{at: w.t + int64(delay), what: what, node: int8(n.index), gen: gen})
}

func (w *world) handle(m moment) {
	switch m.what {
	case whatDeliver:
		w.deliver(m.arg)
	case whatBegin:
		if !w.calm {
			w.inject(int(m.arg))
		}
	case whatEnd:
		if !w.calm {
			w.relieve(int(m.arg), m.gen)
		}
	case whatHeal:
		w.heal()
	case whatProbe:
		w.look()
	case whatStart:
		if n := &w.nodes[m.node]; m.gen == n.startGen && n.machine == nil {
			w.start(n)
		}
	case whatTick, whatDemote, whatRested, whatRelease, whatResume:
		if n := &w.nodes[m.node]; n.machine != nil {
			w.handleTimer(n, m)
		}
	}
}

// handleTimer takes a moment of a running agent; one of another generation is void.
func (w *world) handleTimer(n *node, m moment) {
	switch {
	case m.what == whatTick && m.gen == n.tickGen:
		w.tick(n)
	case m.what == whatDemote && m.gen == n.demoteGen:
		w.demoteActs(n)
	case m.what == whatRested && m.gen == n.restGen:
		w.rested(n)
	case m.what == whatRelease && m.gen == n.restGen:
		w.giveBack(n, true)
	case m.what == whatResume && m.gen == n.pauseGen && n.paused:
		w.resume(n)
	}
}

// fail notes the first broken invariant.
func (w *world) fail(name, format string, args ...any) {
	if w.broken == nil {
		w.broken = &ViolationError{Name: name, At: time.Duration(w.t), Text: fmt.Sprintf(format, args...)}
	}
}

func (w *world) printf(format string, args ...any) {
	if w.log != nil {
		_, _ = fmt.Fprintf(w.log, "%12v  "+format+"\n", append([]any{time.Duration(w.t)}, args...)...)
	}
}

// describe ends a transcript with what every node thinks.
func (w *world) describe() {
	for i := range w.nodes {
		n := &w.nodes[i]
		if w.log != nil && n.machine != nil {
			w.printf("%s reads %v, serving %v:\n%s", n.id, n.clock.read(w.t), n.serving, n.machine.Describe())
		}
	}
}

// generatorOf gives each link and node a generator of its own.
func generatorOf(seed, stream uint64) rand.PCG { return *rand.NewPCG(seed, stream) }

// fraction draws from 0 up to most, evenly.
func fraction(draw *rand.PCG, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}

	return time.Duration(draw.Uint64() % uint64(most+1))
}
