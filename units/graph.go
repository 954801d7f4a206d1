package units

import (
	"slices"
	"strings"
)

// graph says what starts before what: an edge for each successor.
type graph map[string][]string

// edge orders earlier before later.
type edge struct{ earlier, later string }

func (g graph) add(e edge) { g[e.earlier] = append(g[e.earlier], e.later) }

// cycle returns one cycle, its first unit repeated at the end, or nil.
func (g graph) cycle() []string {
	const (
		fresh = iota
		open
		closed
	)
	mark := map[string]int{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		mark[name] = open
		path = append(path, name)
		for _, next := range g[name] {
			switch mark[next] {
			case open:
				return append(slices.Clone(path[slices.Index(path, next):]), next)
			case fresh:
				if found := visit(next); found != nil {
					return found
				}
			}
		}
		mark[name] = closed
		path = path[:len(path)-1]

		return nil
	}
	for _, name := range sortedUnits(g) {
		if mark[name] == fresh {
			if found := visit(name); found != nil {
				return found
			}
		}
	}

	return nil
}

// path returns a way from one unit to another, both included, or nil.
func (g graph) path(from, to string) []string {
	came := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			var way []string
			for name := to; name != ""; name = came[name] {
				way = append(way, name)
			}
			slices.Reverse(way)

			return way
		}
		for _, next := range g[queue[0]] {
			if _, seen := came[next]; !seen {
				came[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}

	return nil
}

// dropped is an edge that would have closed a cycle.
type dropped struct {
	edge
	cycle []string
}

// text is the cycle in the order of starting: "a → b → a".
func (d dropped) text() string { return strings.Join(d.cycle, " → ") }

// weave adds the candidates to the graph, leaving out those that close a cycle; when
// it was acyclic before it is so afterwards.
func (g graph) weave(candidates []edge) (left []dropped) {
	trial := make(graph, len(g))
	for name, next := range g {
		trial[name] = slices.Clone(next)
	}
	for _, e := range candidates {
		trial.add(e)
	}
	if trial.cycle() == nil { // as nearly always: one look for all
		for _, e := range candidates {
			g.add(e)
		}

		return nil
	}
	for _, e := range candidates {
		if way := g.path(e.later, e.earlier); way != nil {
			left = append(left, dropped{e, append([]string{e.earlier}, way...)})
		} else {
			g.add(e)
		}
	}

	return left
}
