package election

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The explorer runs the real Step breadth-first over every order in which messages may come,
// get lost or come twice, clocks may tick, and nodes may die, in clusters of two and three
// nodes, from a few beginnings, as deep as its limit goes; from there it walks on at random, the
// same way each time. In every state it checks Machine.Check, I1, I2, I6 and I8; at the
// end it demands that each rare state of the table was met. All clocks are one here; what clocks
// that err can do is explored by the model beside this package and by the simulator.

// world is one state of the exploration. Sites are shared between worlds until they change.
type world struct {
	t     *testing.T
	plot  plot
	now   Instant
	sites []*site
	air   []Message
	spent map[string]int
	// holders are the nodes that were elected, by term.
	holders map[Term]NodeID
	horizon Instant
	depth   int
	parent  *world
	move    string
}

// site is a node: its machine and what outlives it.
type site struct {
	machine *Machine
	disk    *State
	wake    Instant
}

// plot is a beginning, and how often things may go wrong from there.
type plot struct {
	name    string
	nodes   []Node
	hold    bool
	budgets map[string]int
	// slow: pre-votes and their answers are on their way like other messages.
	slow  bool
	begin func(*world)
	// whole: nothing may be left to explore.
	whole bool
	// horizon: no time passes beyond it; 0 = none.
	horizon time.Duration
	limit   int
}

const (
	walks      = 300
	walkLength = 40
)

func TestExplore(t *testing.T) {
	t.Parallel()
	sometimes := rareStates()
	total := 0
	for _, p := range plots() {
		count, depth, whole := explore(t, p, sometimes)
		t.Logf("%-36s %6d states, all to a depth of %d moves, nothing left: %t", p.name, count, depth, whole)
		total += count
		if p.whole && !whole {
			t.Errorf("%s: more than %d states, want all of them explored", p.name, count)
		}
	}
	t.Logf("%d states in all", total)
	for _, name := range slices.Sorted(maps.Keys(sometimes)) {
		if *sometimes[name] == 0 {
			t.Errorf("never met: %s", name)
		} else {
			t.Logf("%7d × %s", *sometimes[name], name)
		}
	}
}

func plots() []plot {
	three := []Node{{"n1", true, true}, {"n2", true, true}, {"n3", true, true}}
	two := three[:2]
	leading := (*world).elect
	masterless := func(w *world) {
		w.elect()
		w.air = nil
		w.restart(0, true) // and its release is lost
		w.air = nil
	}

	half := 80 * time.Millisecond // of a lease

	return []plot{
		{name: "two elect, half a lease long", whole: true, horizon: half, nodes: two, budgets: map[string]int{"lose": 1, "again": 1}, limit: 20000},
		{name: "one of two is cut, half a lease", whole: true, horizon: half, nodes: two, begin: leading, budgets: map[string]int{"power": 1}, limit: 20000},
		{name: "one of two hands over, half a lease", whole: true, horizon: half, nodes: two, begin: leading, budgets: map[string]int{"release": 1}, limit: 20000},
		{name: "three at peace, half a lease", whole: true, horizon: half, nodes: three, begin: leading, budgets: map[string]int{"again": 1}, limit: 20000},
		{name: "an election", nodes: three, begin: nil, budgets: map[string]int{"lose": 1, "again": 1}, limit: 6000},
		{name: "an election with slow pre-votes", nodes: three, slow: true, begin: nil, budgets: map[string]int{"lose": 1}, limit: 6000},
		{name: "a candidate or voter is cut off", nodes: three, begin: nil, budgets: map[string]int{"power": 1, "lose": 1}, limit: 6000},
		{name: "a master whose agent dies", nodes: three, begin: leading, budgets: map[string]int{"kill": 1, "stall": 1, "lose": 2}, limit: 6000},
		{name: "a master whose node is cut", nodes: three, begin: leading, budgets: map[string]int{"power": 2, "lose": 1}, limit: 6000},
		{name: "a master that stalls", nodes: three, begin: leading, budgets: map[string]int{"stall": 2, "again": 1}, limit: 6000},
		{name: "a master that stalls, slow pre-votes", nodes: three, slow: true, begin: leading, budgets: map[string]int{"stall": 1}, limit: 16000},
		{name: "a master that nobody answers", nodes: three, begin: leading, budgets: map[string]int{"lose": 6, "stall": 1, "plan": 1}, limit: 6000},
		{name: "a handover", nodes: three, begin: leading, budgets: map[string]int{"release": 1, "lose": 2, "again": 1}, limit: 6000},
		{name: "a handover there and back", nodes: three, begin: leading, budgets: map[string]int{"release": 3, "again": 2}, limit: 6000},
		{name: "a handover and a death", nodes: three, begin: leading, budgets: map[string]int{"release": 1, "power": 1, "again": 1}, limit: 6000},
		{name: "a planned restart", nodes: three, begin: leading, budgets: map[string]int{"plan": 1, "kill": 2, "again": 1}, limit: 6000},
		{name: "two nodes that hold", nodes: two, hold: true, begin: leading, budgets: map[string]int{"release": 1, "power": 1, "lose": 1, "again": 1}, limit: 6000},
		{name: "two nodes that need each other", nodes: two, begin: masterless, budgets: map[string]int{"power": 1, "lose": 1, "again": 1}, limit: 6000},
	}
}

// explore visits the states of a plot, each once, up to its limit, and goes on from there at
// random, for depth. It returns how many states were visited, to which depth all of them, and
// whether those were all there are.
func explore(t *testing.T, p plot, sometimes map[string]*int) (count, depth int, whole bool) {
	t.Helper()
	first := newWorld(t, p)
	if p.begin != nil {
		p.begin(first)
	}
	if p.horizon > 0 {
		first.horizon = first.now.Add(p.horizon)
	}
	seed := maphash.MakeSeed()
	seen := map[uint64]bool{}
	queue := []*world{first}
	for len(queue) > 0 && len(seen) < p.limit {
		here := queue[0]
		queue = queue[1:]
		depth = here.depth
		for _, next := range here.moves() {
			there := here.apply(next, sometimes)
			if key := there.key(seed); !seen[key] {
				seen[key] = true
				queue = append(queue, there)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(len(p.name))))
	count, whole = len(seen), len(queue) == 0
	for range walks {
		if whole {
			break
		}
		for here := queue[random.IntN(len(queue))]; here.depth < depth+walkLength; count++ {
			moves := here.moves()
			if len(moves) == 0 {
				break
			}
			here = here.apply(moves[random.IntN(len(moves))], sometimes)
		}
	}

	return count, depth, whole
}

// apply makes a move and checks what came of it.
func (w *world) apply(next move, sometimes map[string]*int) *world {
	w.t.Helper()
	there := w.fork(next.name)
	before := there.look()
	next.do(there)
	there.check()
	there.meet(sometimes, before, next)

	return there
}

func newWorld(t *testing.T, p plot) *world {
	t.Helper()
	w := &world{t: t, plot: p, now: Instant(time.Hour), spent: map[string]int{}, holders: map[Term]NodeID{}}
	for _, node := range p.nodes {
		config := Config{
			Self: node.ID, Nodes: p.nodes, Hash: "a", Lease: 160 * time.Millisecond, DriftPermille: 100, RenewEvery: 40 * time.Millisecond,
			CeaseAfter: 100 * time.Millisecond, KillMargin: 20 * time.Millisecond, Stagger: 20 * time.Millisecond,
			RestartGrace: 400 * time.Millisecond, FormationTimeout: time.Minute, TwoNodeHold: p.hold,
		}
		if err := config.Validate(); err != nil {
			t.Fatal(err)
		}
		state := &State{Hash: "a", Voters: config.voters()}
		w.sites = append(w.sites, &site{disk: state, machine: New(Start{
			Config: config, State: state, Standing: Standing{Qualified: true, Up: true}, Now: w.now, FirstRound: Round(w.now),
		})})
	}
	for i := range w.sites {
		w.step(i, Ticked{})
	}

	return w
}

// elect lets everything go well until the master has heard everybody.
func (w *world) elect() {
	w.t.Helper()
	for range 40 {
		for len(w.air) > 0 {
			message := w.air[0]
			w.air = w.air[1:]
			w.step(w.index(message.To), Received{message})
		}
		if m := w.sites[0].machine; m.leads() && m.vice != "" {
			return
		}
		i, at := w.earliest()
		w.now = max(w.now, at)
		w.step(i, Ticked{})
	}
	w.t.Fatalf("%s: no master to begin with\n%s", w.plot.name, w.describe())
}

func (w *world) index(id NodeID) int {
	return slices.IndexFunc(w.sites, func(s *site) bool { return s.machine.config.Self == id })
}

// earliest is who wants to be woken first, and when.
func (w *world) earliest() (int, Instant) {
	best := -1
	for i, s := range w.sites {
		if s.wake != 0 && (best < 0 || s.wake < w.sites[best].wake) {
			best = i
		}
	}
	if best < 0 {
		return 0, w.now
	}

	return best, w.sites[best].wake
}

func (w *world) fork(name string) *world {
	return &world{
		t: w.t, plot: w.plot, now: w.now, sites: slices.Clone(w.sites), air: slices.Clone(w.air), spent: maps.Clone(w.spent), holders: maps.Clone(w.holders), horizon: w.horizon,
		depth: w.depth + 1, parent: w, move: name,
	}
}

// step is one turn of an owner: disk first, then the messages.
func (w *world) step(i int, event Event) {
	w.t.Helper()
	before := w.sites[i]
	s := &site{machine: before.machine.fork(), disk: before.disk}
	w.sites[i] = s
	result := s.machine.Step(w.now, event)
	s.wake = result.Wake
	if result.Persist != nil {
		s.disk = result.Persist
	}
	if err := s.machine.Check(); err != nil {
		w.t.Fatalf("%v\n%s", err, w.describe())
	}
	if lease := s.machine.Lease(); lease.Term != 0 && lease.Term != before.machine.Lease().Term {
		w.elected(lease.Term, s.machine.config.Self)
	}
	var prompt []Message
	for _, action := range result.Actions {
		if send, ok := action.(Send); ok {
			w.saved(s, send.Message)
			if isPrompt(send.Message) && !w.plot.slow {
				prompt = append(prompt, send.Message)
			} else {
				w.send(send.Message)
			}
		}
	}
	for _, message := range prompt {
		if to := w.index(message.To); w.reachable(to) {
			w.step(to, Received{message})
		}
	}
}

// isPrompt: pre-votes change nothing, so that their orders matter little.
func isPrompt(m Message) bool { return m.Kind == KindPreVote || m.Kind == KindPreVoteReply }

func (w *world) reachable(i int) bool { return i >= 0 && w.sites[i].machine.phase != PhaseAway }

// send puts a message in the air. Probes and reports matter only to voters without a state, of
// which there are none here; a newer renewal or promise takes the place of an older one.
func (w *world) send(m Message) {
	switch m.Kind {
	case KindProbe, KindReport:
		return
	case KindRenew, KindPromise:
		w.air = slices.DeleteFunc(w.air, func(o Message) bool {
			return o.Kind == m.Kind && o.From == m.From && o.To == m.To && o.Lease == m.Lease
		})
	default:
		same := func(o Message) bool {
			return o.Kind == m.Kind && o.From == m.From && o.To == m.To && o.Term == m.Term && o.Round == m.Round && o.Refusal == m.Refusal
		}
		if slices.ContainsFunc(w.air, same) {
			return
		}
	}
	w.air = append(w.air, m)
}

// restart is the death of a node, or of its agent only, and what comes back at once.
func (w *world) restart(i int, power bool) {
	w.t.Helper()
	old := w.sites[i]
	start := Start{
		Config: old.machine.config, State: old.disk, Standing: old.machine.standing, Now: w.now, FirstRound: old.machine.round + 1000,
		FirstSerial: old.machine.serial + 1000,
	}
	if !power {
		start.Lease, start.Acted, start.Vice, start.Serving = old.machine.Lease(), old.machine.acted, old.machine.vice, old.machine.serving
	}
	w.sites[i] = &site{machine: New(start), disk: old.disk}
	w.step(i, Ticked{})
}

// elected is I2: a term has one holder, and terms of masterships rise.
func (w *world) elected(term Term, id NodeID) {
	w.t.Helper()
	if holder, held := w.holders[term]; held && holder != id {
		w.t.Fatalf("I2: term %d is held by %s and %s\n%s", term, holder, id, w.describe())
	}
	for other := range w.holders {
		if other > term {
			w.t.Fatalf("I2: %s is elected in term %d after term %d\n%s", id, term, other, w.describe())
		}
	}
	w.holders[term] = id
}

// saved is I8: what a message tells is on the disk.
func (w *world) saved(s *site, m Message) {
	w.t.Helper()
	d := s.disk
	good := true
	switch {
	case m.Kind == KindVote:
		good = d.Term == m.Term && d.Vote == m.From && d.Promised == m.From
	case m.Kind == KindVoteReply && m.Refusal == RefusalNone:
		good = d.Term == m.Term && d.Vote == m.To && d.Promised == m.To && d.PromisedTerm >= m.Term
	case m.Kind == KindPromise && m.Refusal == RefusalNone:
		good = d.Promised == m.To && d.PromisedTerm >= m.Term && d.MasterTerm == m.Term && d.Hold >= s.machine.promise.until.Sub(w.now)
	}
	if !good {
		w.t.Fatalf("I8: %s tells %s %v %d, on disk is %+v\n%s", m.From, m.To, m.Kind, m.Term, *d, w.describe())
	}
}

// check is I1 and I6: at most one node acts, and only while a majority is bound to it.
func (w *world) check() {
	w.t.Helper()
	acting := 0
	for _, s := range w.sites {
		if !s.machine.MayAct(w.now) {
			continue
		}
		acting++
		bound := 0
		for _, other := range w.sites {
			p := other.machine.promise
			if other == s || p.to == s.machine.config.Self && p.until > w.now {
				bound++
			}
		}
		if bound < s.machine.majority() {
			w.t.Fatalf("I6: %s acts with %d voters bound to it\n%s", s.machine.config.Self, bound, w.describe())
		}
	}
	if acting > 1 {
		w.t.Fatalf("I1: %d masters at once\n%s", acting, w.describe())
	}
}

// describe tells how this state was reached, and what it is.
func (w *world) describe() string {
	var path []string
	for at := w; at != nil; at = at.parent {
		path = append(path, at.move)
	}
	slices.Reverse(path)
	text := "after " + strings.Join(path, ", ") + "\n"
	for _, s := range w.sites {
		text += s.machine.Describe() + fmt.Sprintf("  disk %+v\n", *s.disk)
	}
	for _, m := range w.air {
		text += fmt.Sprintf("in the air: %s→%s %v %d %v\n", m.From, m.To, m.Kind, m.Term, m.Refusal)
	}

	return text
}
