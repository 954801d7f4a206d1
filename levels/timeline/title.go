package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Begin is when the first run began.
func (t Transition) Begin() time.Time { return t.Runs[0].Begin }

// End is when the last run ended.
func (t Transition) End() time.Time {
	end := t.Runs[0].end()
	for _, run := range t.Runs {
		if run.end().After(end) {
			end = run.end()
		}
	}

	return end
}

// Took is the time from the first beginning to the last end.
func (t Transition) Took() time.Duration { return t.End().Sub(t.Begin()) }

// Cause is that of the operation, or else of the first run of the first node.
func (t Transition) Cause() string {
	if i := slices.IndexFunc(t.Runs, func(run Run) bool { return run.Operation != 0 }); i >= 0 {
		return t.Runs[i].cause()
	}
	first := t.Nodes()[0]

	return t.Runs[slices.IndexFunc(t.Runs, func(run Run) bool { return run.Node == first })].cause()
}

// Terms are the lowest and the highest term of the runs.
func (t Transition) Terms() (first, last levels.Term) {
	first, last = t.Runs[0].Term, t.Runs[0].Term
	for _, run := range t.Runs {
		first, last = min(first, run.Term), max(last, run.Term)
	}

	return first, last
}

// Nodes lists the nodes that took part: first those of an operation, then those that were
// master, then those that became it, then the others, each kind in the order of their names.
func (t Transition) Nodes() []levels.NodeID {
	rank := map[levels.NodeID]int{}
	for _, run := range t.Runs {
		own := 4
		switch {
		case run.Operation != 0:
			own = 1
		case run.cedes():
			own = 2
		case run.leads():
			own = 3
		}
		if known, seen := rank[run.Node]; !seen || own < known {
			rank[run.Node] = own
		}
	}
	nodes := make([]levels.NodeID, 0, len(rank))
	for node := range rank {
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b levels.NodeID) int {
		return cmp.Or(cmp.Compare(rank[a], rank[b]), compareNames(string(a), string(b)))
	})

	return nodes
}

// Title says in a few words what the transition was.
func (t Transition) Title() string {
	old, heir := t.masters()
	operation, operated := t.operation()
	whom := names(operated)
	switch {
	case operation == levels.OperationSwitchover && slices.Contains(operated, heir):
		return fmt.Sprintf("switchover of %s, which stays master", whom)
	case operation == levels.OperationSwitchover && heir != "":
		return fmt.Sprintf("switchover from %s to %s", whom, heir)
	case operation != levels.OperationUnknown && heir != "" && !slices.Contains(operated, heir):
		return fmt.Sprintf("%v of %s, %s takes over", operation, whom, heir)
	case operation != levels.OperationUnknown:
		return fmt.Sprintf("%v of %s", operation, whom)
	case t.all(levels.Init):
		return "init of " + names(t.Nodes())
	case heir != "" && old != "" && old != heir:
		return fmt.Sprintf("failover from %s to %s", old, heir)
	case heir != "":
		return "failover to " + string(heir)
	case old != "":
		return string(old) + " gives up the mastership"
	default:
		return fmt.Sprintf("%v of %s", t.Runs[0].Sequence, names(t.Nodes()))
	}
}

// masters are the node that gave the mastership up and the last one that took it by
// promote; empty when there is none.
func (t Transition) masters() (old, heir levels.NodeID) {
	for _, run := range t.Runs {
		switch {
		case old == "" && run.cedes():
			old = run.Node
		case run.leads() && run.Sequence == levels.Promote:
			heir = run.Node
		}
	}

	return old, heir
}

// operation is the kind of the first operation, and the nodes that have one of this kind.
func (t Transition) operation() (kind levels.OperationKind, nodes []levels.NodeID) {
	for _, run := range t.Runs {
		own := run.OperationKind
		if run.shutdown() == levels.OperationClusterShutdown {
			own = levels.OperationClusterShutdown
		}
		if kind == levels.OperationUnknown {
			kind = own
		}
		if kind != levels.OperationUnknown && own == kind && !slices.Contains(nodes, run.Node) {
			nodes = append(nodes, run.Node)
		}
	}
	slices.SortFunc(nodes, func(a, b levels.NodeID) int { return compareNames(string(a), string(b)) })

	return kind, nodes
}

func (t Transition) all(sequence levels.Sequence) bool {
	return !slices.ContainsFunc(t.Runs, func(run Run) bool { return run.Sequence != sequence })
}

// names lists a few nodes and counts the others.
func names(nodes []levels.NodeID) string {
	const shown = 6
	list := make([]string, 0, shown+1)
	for i, node := range nodes {
		if i == shown && len(nodes) > shown+1 {
			list = append(list, fmt.Sprintf("%d more", len(nodes)-shown))

			break
		}
		list = append(list, string(node))
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}

	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// compareNames orders n2 before n10.
func compareNames(a, b string) int {
	for a != "" && b != "" {
		headA, headB := chunk(a), chunk(b)
		order := cmp.Compare(headA, headB)
		if digit(a[0]) && digit(b[0]) {
			x, y := strings.TrimLeft(headA, "0"), strings.TrimLeft(headB, "0")
			order = cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), order)
		}
		if order != 0 {
			return order
		}
		a, b = a[len(headA):], b[len(headB):]
	}

	return cmp.Compare(len(a), len(b))
}

// chunk is the run of digits, or of anything else, with which the name begins.
func chunk(name string) string {
	end := 1
	for end < len(name) && digit(name[end]) == digit(name[0]) {
		end++
	}

	return name[:end]
}

func digit(b byte) bool { return b >= '0' && b <= '9' }
