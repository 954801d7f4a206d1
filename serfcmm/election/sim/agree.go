package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// disagreement says what is missing from L1 and L3; empty when all agree.
func (w *world) disagreement() string {
	leader := w.leader()
	if leader < 0 {
		return w.reasons()
	}
	master := &w.nodes[leader]
	if !master.serving {
		return "the master " + string(master.id) + " does not serve"
	}
	want := master.machine.View()
	if want.Lease.From <= master.clock.read(int64(w.plan.Heal)) {
		return "no majority has answered the master " + string(master.id) + " since"
	}
	if want.Vice == "" && w.othersEligible(leader) {
		return "the master " + string(master.id) + " names no vice"
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.machine == nil || n.paused || n.planned {
			return string(n.id) + " is away, or about to hand over"
		}
		view := n.machine.View()
		if n.table.Vote && !view.Proven {
			return string(n.id) + " cannot vote yet"
		}
		if view.Master != master.id || view.Term != want.Term || view.Vice != want.Vice {
			return fmt.Sprintf("%s sees master %q, vice %q, term %d, and %s itself %q, %q, %d",
				n.id, view.Master, view.Vice, view.Term, master.id, want.Master, want.Vice, want.Term)
		}
	}

	return ""
}

// leader is who leads, -1 when nobody does.
func (w *world) leader() int {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.machine != nil && n.leading && !n.lost && n.machine.MayAct(n.clock.read(w.t)) {
			return i
		}
	}

	return -1
}

func (w *world) othersEligible(leader int) bool { return w.plan.Eligible&^(1<<leader) != 0 }

// reasons says why nobody leads, node by node.
func (w *world) reasons() string {
	var all []string
	for i := range w.nodes {
		if n := &w.nodes[i]; n.machine != nil {
			view := n.machine.View()
			all = append(all, fmt.Sprintf("%s is %v (%s)", n.id, view.Phase, view.Why))
		}
	}

	return strings.Join(all, "; ")
}

func (w *world) sinceHeal() time.Duration { return time.Duration(w.t) - w.plan.Heal }

func text(term election.Term) string { return strconv.FormatUint(uint64(term), 10) }
