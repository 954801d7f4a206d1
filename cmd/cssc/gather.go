package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/timeline"
)

// limitGather bounds the questions to every node, one after the other.
const limitGather = time.Minute

// gathered is the history of several nodes.
type gathered struct {
	records []record
	// missing are the nodes that did not tell theirs.
	missing []missingNode
}

// missingNode is a node whose runs are not shown, with the reason.
type missingNode struct {
	Node   string `json:"node"`
	Reason string `json:"reason"`
}

func (m missingNode) words() string { return m.Node + ": " + m.Reason }

// gather asks every node for its newest runs; limit 0 = as many as it tells.
func (a *app) gather(ctx context.Context, limit int) (gathered, error) {
	var found gathered
	err := a.withAgent(ctx, limitGather, func(ctx context.Context, agent agentPort) error {
		status, err := agent.Status(ctx)
		if err != nil {
			return err
		}
		found = gatherFrom(ctx, agent, status, limit)

		return ctx.Err()
	})

	return found, err
}

// gatherFrom asks the nodes one after the other; their agents answer in no time or not at
// all, and one that is not heard is not asked.
func gatherFrom(ctx context.Context, agent agentPort, status *report, limit int) gathered {
	var found gathered
	for _, node := range status.Nodes {
		if silent(node) || left(node) {
			found.missing = append(found.missing, missingNode{string(node.Node), "it is not heard"})

			continue
		}
		name := string(node.Node)
		if node.Self {
			name = ""
		}
		records, err := agent.NodeHistory(ctx, name, limit)
		if err != nil {
			why := strings.TrimPrefix(err.Error(), fmt.Sprintf("history of %s: ", node.Node))
			found.missing = append(found.missing, missingNode{string(node.Node), why})

			continue
		}
		for i := range records {
			records[i].Node = node.Node
		}
		found.records = append(found.records, records...)
	}

	return found
}

// newestFirst merges by time and keeps as many as limit; 0 = all.
func (g *gathered) newestFirst(limit int) {
	slices.SortStableFunc(g.records, func(x, y record) int {
		return cmp.Or(y.begin().Compare(x.begin()), cmp.Compare(x.Node, y.Node), cmp.Compare(y.Run, x.Run))
	})
	if limit > 0 && len(g.records) > limit {
		g.records = g.records[:limit]
	}
}

// begin is zero when the record does not say.
func (r record) begin() time.Time {
	stamp, _ := time.Parse(time.RFC3339Nano, r.StartedAt)

	return stamp
}

// timed is the record for package timeline; a record without times gives zero ones.
func (r record) timed() timeline.Run {
	end, _ := time.Parse(time.RFC3339Nano, r.EndedAt)

	return timeline.Run{RunRecord: r.RunRecord, Incarnation: r.Incarnation, Begin: r.begin().Local(), End: end.Local()}
}

func (a *app) complainMissing(missing []missingNode) {
	for _, node := range missing {
		a.complainf("%s %s\n", a.errorPaint().warn("warning:"), printable("not shown: "+node.words()))
	}
}

// transition is a run, or the whole transition that it belongs to, with what is not shown.
type transition struct {
	timeline.Transition

	missing []missingNode
}

// find reads the run that is chosen, or the newest of this node. When the whole transition is
// wanted it reads all that belongs to it on every node, and the newest run is that of any node.
func (a *app) find(ctx context.Context, choice runChoice, whole bool) (transition, error) {
	var found transition
	err := a.withAgent(ctx, limitGather, func(ctx context.Context, agent agentPort) error {
		status, err := agent.Status(ctx)
		if err != nil {
			return err
		}
		if whole && !choice.given && choice.node == "" {
			return found.newest(ctx, agent, status)
		}
		records, err := agent.NodeHistory(ctx, choice.node, 0)
		if err != nil {
			return err
		}
		chosen, err := choice.among(records)
		if err != nil {
			return err
		}
		chosen.Node = levels.NodeID(cmp.Or(choice.node, string(status.Node)))
		if !whole {
			found.Transition = timeline.Single(chosen.timed())

			return nil
		}
		found.complete(chosen, gatherFrom(ctx, agent, status, 0), status)

		return ctx.Err()
	})

	return found, err
}

// newest is the transition of the newest run of any node.
func (t *transition) newest(ctx context.Context, agent agentPort, status *report) error {
	all := gatherFrom(ctx, agent, status, 0)
	if err := ctx.Err(); err != nil {
		return err
	}
	all.newestFirst(0)
	chosen, err := runChoice{}.among(all.records)
	if err != nil {
		return err
	}
	t.complete(chosen, all, status)

	return nil
}

// complete adds to the run all that belongs to it.
func (t *transition) complete(chosen record, all gathered, status *report) {
	runs := make([]timeline.Run, 0, len(all.records))
	for _, r := range all.records {
		runs = append(runs, r.timed())
	}
	t.Transition = timeline.Of(chosen.timed(), runs)
	t.missing = append(all.missing, tooLate(status, all.records, t.Begin())...)
}

// tooLate lists the nodes whose answer does not reach back to then, though they may have run
// something before.
func tooLate(status *report, records []record, then time.Time) []missingNode {
	var list []missingNode
	for _, node := range status.Nodes {
		first, oldest := record{}, time.Time{}
		for _, r := range records {
			if r.Node == node.Node && (oldest.IsZero() || r.begin().Before(oldest)) {
				first, oldest = r, r.begin()
			}
		}
		if first.Run > 1 && oldest.After(then) {
			list = append(list, missingNode{
				string(node.Node), fmt.Sprintf("what it tells begins with its run %d, %s", first.Run, clockWords(first.StartedAt)),
			})
		}
	}

	return list
}
