package history

import (
	"fmt"
	"time"
)

// Rules say what is allowed.
type Rules struct {
	// Waking is how long the services of a node that was stopped as a whole may run beside
	// a new master after the node goes on: nobody on the node could know before. 0 = not at all.
	Waking time.Duration
}

// Report is what Check found.
type Report struct {
	// Violations are for people, each with its times; empty when all is well.
	Violations []string
	// Woken is the longest that services of a node that went on ran beside a new master.
	Woken time.Duration
	// Starts counts the masterships' starts, Unnamed those whose term is not known.
	Starts, Unnamed int
}

func (r *Report) violated(format string, args ...any) {
	r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
}

// Check finds what must never be: two that lead at once, one that leads and is second on one
// node, a start against the kernel's lock, a term that does not rise.
func Check(records []Record, rules Rules) Report {
	var report Report
	lives, paused := Lives(records), pauses(records)
	for i, life := range lives {
		for _, other := range lives[:i] {
			report.pair(other, life, paused, rules)
		}
		report.lock(life, lives, paused)
	}
	report.terms(lives)

	return report
}

// pair judges two lives, the one that began later last.
func (r *Report) pair(one, other Life, paused map[string][]span, rules Rules) {
	exclusive := one.Duty == Lead && other.Duty == Lead || one.Node == other.Node
	if !exclusive {
		return
	}
	for _, both := range common(one.running(paused[one.Node]), other.running(paused[other.Node])) {
		if one.Node != other.Node && (woken(paused[one.Node], both, rules.Waking) || woken(paused[other.Node], both, rules.Waking)) {
			r.Woken = max(r.Woken, both.to-both.from)

			continue
		}
		r.violated("two at once for %v from %s on: %v, and %v", both.to-both.from, clock(both.from), one, other)
	}
}

// lock judges a start that found the lock taken: by a process that its node's pause excuses,
// or by one that lived.
func (r *Report) lock(life Life, lives []Life, paused map[string][]span) {
	if life.clashed == 0 || life.Duty != Lead {
		return
	}
	for _, other := range lives {
		if other.Name == life.Name || other.Duty != life.Duty {
			continue
		}
		for _, pause := range paused[other.Node] {
			if other.Start < pause.from && pause.from <= life.clashed && life.clashed <= pause.to {
				return
			}
		}
	}
	r.violated("the lock was taken at %s by a process that still existed, when %v began", clock(life.clashed), life)
}

// terms judges that they rise strictly from start to start.
func (r *Report) terms(lives []Life) {
	var last Life
	for _, life := range lives {
		if life.Duty != Lead {
			continue
		}
		r.Starts++
		if life.Term == 0 {
			r.Unnamed++

			continue
		}
		if life.Term <= last.Term {
			r.violated("term %d after term %d: %v after %v", life.Term, last.Term, life, last)
		}
		last = life
	}
}
