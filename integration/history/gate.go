package history

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Gates say what the levels of init wait for.
type Gates struct {
	// Top is the highest numbered level of init.
	Top Level
	// Vice: the vice waits for the master, too.
	Vice bool
	// News is how long a node may go by what the master before the present one had reached.
	News time.Duration
}

// GateReport is what CheckGates found.
type GateReport struct {
	// Violations are for people, each with its time; empty when all is well.
	Violations []string
	// Runs counts the inits, Gated the levels that were entered with a gate before them.
	Runs, Gated int
}

// run is one init of a node.
type run struct {
	node        string
	role        string
	from, until time.Duration
	canceled    bool
	// parts are the participants by level and name, each level with at least the callback.
	parts map[Level]map[string]*part
}

// part is from the first beginning of a participant to its last end; 0 = not done.
type part struct{ begin, end time.Duration }

// claim is when a node is known to be the master.
type claim struct {
	node string
	term uint64
	at   time.Duration
}

// CheckGates finds every entering of an init level before the one below was reached on the
// node itself, and, on a node that is gated, on the master. Every node must have a callback
// at every level of init and at level 0 of promote; with the one at init:0 a run begins.
func CheckGates(steps []Step, gates Gates) GateReport {
	var report GateReport
	runs, masters := report.runs(steps)
	for _, node := range slices.Sorted(maps.Keys(runs)) {
		for _, r := range runs[node] {
			report.Runs++
			report.order(r, gates)
			if r.role != "master" && (r.role != "vice" || gates.Vice) {
				report.gate(r, runs, masters, gates)
			}
		}
	}

	return report
}

func (g *GateReport) violated(format string, args ...any) {
	g.Violations = append(g.Violations, fmt.Sprintf(format, args...))
}

// runs sorts the steps into the inits of each node, and finds who was the master when.
func (g *GateReport) runs(steps []Step) (map[string][]*run, []claim) {
	runs, known := map[string][]*run{}, map[claim]bool{}
	var masters []claim
	for _, step := range steps {
		if c := (claim{node: step.Node, term: step.Term}); step.Role == "master" && !known[c] {
			known[c] = true
			masters = append(masters, claim{step.Node, step.Term, step.At})
		}
		if step.Sequence != "init" {
			continue
		}
		all := runs[step.Node]
		if step.Word == Begin && step.Level == 0 && step.Part == "" {
			if step.Role == "" || step.Role == "unknown" || step.Master == "" {
				g.violated("%s begins init at %s without a role (%q) or a master (%q)", step.Node, clock(step.At), step.Role, step.Master)
			}
			if len(all) > 0 {
				all[len(all)-1].until = step.At
			}
			all = append(all, &run{node: step.Node, role: step.Role, from: step.At, until: 1 << 62, parts: map[Level]map[string]*part{}})
			runs[step.Node] = all
		}
		if len(all) == 0 {
			g.violated("%s has init:%v at %s before any init:0", step.Node, step.Level, clock(step.At))

			continue
		}
		all[len(all)-1].take(step)
	}

	return runs, masters
}

func (r *run) take(step Step) {
	if step.Word == Canceled {
		r.canceled = true

		return
	}
	level := r.parts[step.Level]
	if level == nil {
		level = map[string]*part{}
		r.parts[step.Level] = level
	}
	switch p := level[step.Part]; {
	case step.Word == Begin && p == nil:
		level[step.Part] = &part{begin: step.At}
	case step.Word == Begin:
		p.end = 0 // once more
	case p != nil:
		p.end = step.At
	}
}

// reached is when the last participant of the level was done; false when one is not, or when
// nothing of it has begun.
func (r *run) reached(level Level) (time.Duration, bool) {
	var at time.Duration
	for _, p := range r.parts[level] {
		if p.end == 0 {
			return 0, false
		}
		at = max(at, p.end)
	}

	return at, len(r.parts[level]) > 0
}

// below is the level before this one.
func (gates Gates) below(level Level) Level {
	if level == LastLevel {
		return gates.Top
	}

	return level - 1
}

// order judges the levels of one node: nothing begins before all of the level below is done.
func (g *GateReport) order(r *run, gates Gates) {
	for level, parts := range r.parts {
		if level == 0 {
			continue
		}
		at, reached := r.reached(gates.below(level))
		for name, p := range parts {
			if !reached || p.begin < at {
				g.violated("%s begins %q of init:%v at %s, and has not reached init:%v", r.node, name, level, clock(p.begin), gates.below(level))
			}
		}
	}
}

// gate judges the levels of a gated node by those of the master.
func (g *GateReport) gate(r *run, runs map[string][]*run, masters []claim, gates Gates) {
	for level, parts := range r.parts {
		if level == 0 {
			continue
		}
		g.Gated++
		for name, p := range parts {
			if !open(p.begin, gates.below(level), runs, masters, gates.News) {
				g.violated("%s begins %q of init:%v at %s, and no master has reached init:%v", r.node, name, level, clock(p.begin), gates.below(level))
			}
		}
	}
}

// open says whether the master at that time, or the one before while the news was on its
// way, had reached the level.
func open(at time.Duration, level Level, runs map[string][]*run, masters []claim, news time.Duration) bool {
	for _, master := range slices.Backward(masters) {
		if master.at > at {
			continue
		}
		if had(runs[master.node], at, level) {
			return true
		}
		if at-master.at > news {
			return false
		}
	}

	return false
}

// had says whether the node's init, as it stood then, had reached the level or was complete.
func had(runs []*run, at time.Duration, level Level) bool {
	for _, r := range slices.Backward(runs) {
		if r.from > at {
			continue
		}
		for _, enough := range []Level{level, LastLevel} {
			if when, reached := r.reached(enough); reached && when <= at {
				return true
			}
		}

		return false
	}

	return false
}
