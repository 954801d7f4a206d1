package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// The bounds of what may belong together, see the doc of the package.
const (
	// Slack covers the way of news from node to node and the difference of their clocks.
	Slack = 5 * time.Second
	// Patience covers what is waited for within a transition: the lease of a lost master, an
	// election, the answer of another node.
	Patience = time.Minute
)

// Transition is the runs of all nodes that belong together, in the order of their
// beginning. It is never empty, but for the zero value.
type Transition struct {
	Runs []Run
}

// Single is a transition of one run, whatever it belongs to.
func Single(run Run) Transition { return Transition{Runs: []Run{run}} }

// Of is the transition to which the run belongs. The run itself need not be among runs;
// one that stands twice counts once.
func Of(run Run, runs []Run) Transition {
	all := distinct(append([]Run{run}, runs...))
	start := slices.IndexFunc(all, func(other Run) bool { return other.same(run) })
	next := successors(all)
	found := map[int]bool{start: true}
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for other := range all {
			if !found[other] && (next[at] == other+1 || next[other] == at+1 || linked(all[at], all[other])) {
				found[other] = true
				queue = append(queue, other)
			}
		}
	}
	var transition Transition
	for at := range all {
		if found[at] {
			transition.Runs = append(transition.Runs, all[at])
		}
	}

	return transition
}

func (r Run) same(other Run) bool {
	return r.Node == other.Node && r.Run == other.Run && r.Incarnation == other.Incarnation && r.Begin.Equal(other.Begin)
}

// distinct sorts by beginning, node and number, each run once.
func distinct(runs []Run) []Run {
	slices.SortStableFunc(runs, func(a, b Run) int {
		return cmp.Or(a.Begin.Compare(b.Begin), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Incarnation, b.Incarnation))
	})

	return slices.CompactFunc(runs, Run.same)
}

// successors has, for each demote of a master, the index of the run that brings up its
// successor, plus one; 0 = none.
func successors(runs []Run) []int {
	next := make([]int, len(runs))
	for i := range runs {
		if runs[i].cedes() {
			next[i] = successor(runs, runs[i]) + 1
		}
	}

	return next
}

// successor is the index of the first run that makes a master under the next term of which
// there is any run, or under the same term elsewhere; -1 when there is none. When only others
// tell of that term, its master is not among those who tell.
func successor(runs []Run, demoted Run) int {
	best := -1
	for i, run := range runs { // by their beginning
		heir := run.leads() && (run.Term > demoted.Term || run.Node != demoted.Node)
		if run.Term < demoted.Term || run.Term == demoted.Term && !heir || gap(run, demoted) > Patience {
			continue
		}
		if best < 0 || run.Term < runs[best].Term || run.Term == runs[best].Term && heir && !runs[best].leads() {
			best = i
		}
	}
	if best >= 0 && !runs[best].leads() {
		return -1
	}

	return best
}

// linked says whether two runs belong together by what they are; the order does not matter.
func linked(a, b Run) bool {
	if a.Node != b.Node {
		return linkedAcross(a, b)
	}
	if b.Begin.Before(a.Begin) {
		a, b = b, a
	}
	apart := gap(a, b)
	switch {
	case a.Incarnation != b.Incarnation || apart > Patience:
		return false
	case a.Operation != 0 && a.Operation == b.Operation:
		return true
	case apart > Slack || b.Run != a.Run+1:
		return false
	case a.Outcome != "completed":
		return true
	case b.Operation != 0:
		return false
	case a.Sequence == levels.Demote: // a mastership that began and ended between them is no part of it
		return b.Term <= a.Term+1
	case a.Sequence == levels.Init || a.Sequence == levels.Qualify:
		return b.Sequence == levels.Promote && b.target() == levels.RoleVice && a.Term == b.Term
	default:
		return false
	}
}

// linkedAcross is linked for two nodes.
func linkedAcross(a, b Run) bool {
	apart := gap(a, b)
	switch {
	case a.shutdown() == levels.OperationClusterShutdown && b.shutdown() == levels.OperationClusterShutdown:
		return apart <= Patience
	case a.Term != b.Term || apart > Slack:
		return false
	case a.Sequence == levels.Init || b.Sequence == levels.Init:
		return a.Sequence == b.Sequence
	case a.shutdown() == levels.OperationShutdown && b.shutdown() == levels.OperationShutdown:
		return true
	case a.demotesMaster() || b.demotesMaster(): // it belongs to the mastership that comes
		return false
	default:
		return a.Operation == 0 || b.Operation == 0
	}
}
