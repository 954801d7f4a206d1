package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "history [RUN]",
		Short: "List the runs of sequences on this node, the newest first, or show one",
		Example: "  cssc history --limit 5\n" +
			"  cssc history 12",
		Args: arguments(0, "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("cssc history: --limit %d: must not be negative", limit)
			}
			if len(args) > 0 {
				return a.showRun(cmd.Context(), args[0])
			}
			records, err := a.records(cmd.Context(), limit)
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.printJSON(records)
			}
			a.print(a.historyGrid(records), "nothing has run on this node")

			return nil
		},
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "show at most this many `RUNS`; 0 = all that are kept")

	return cmd
}

func (a *app) records(ctx context.Context, limit int) ([]record, error) {
	return ask(ctx, a, func(agent agentPort, ctx context.Context) ([]record, error) {
		return agent.History(ctx, limit)
	})
}

func (a *app) historyGrid(records []record) *grid {
	g := &grid{header: []string{"RUN", "SEQUENCE", "OUTCOME", "TERM", "STARTED", "TOOK", "CAUSE", "REASON"}}
	for _, r := range records {
		outcome := r.Outcome
		if a.terminalOut {
			outcome = runMark(a.paint(), r.Outcome) + " " + r.Outcome
		}
		g.add(strconv.FormatUint(uint64(r.Run), 10), r.Sequence.String(), outcome,
			strconv.FormatUint(uint64(r.Term), 10), clockWords(r.StartedAt), span(r.Ended.Sub(r.Started)),
			printable(r.Cause), printable(r.Reason))
	}

	return g
}

func runMark(p paint, outcome string) string {
	switch outcome {
	case "completed":
		return p.good("✓")
	case "failed":
		return p.bad("✗")
	default:
		return p.warn("–")
	}
}

// clockWords shortens a time of the record for a table.
func clockWords(at string) string {
	stamp, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return printable(at)
	}

	return stamp.Local().Format("2006-01-02 15:04:05")
}

// showRun prints one run with its levels and participants.
func (a *app) showRun(ctx context.Context, number string) error {
	run, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return usage("cssc history: run %q: want a number as in the first column of cssc history", number)
	}
	records, err := a.records(ctx, 0)
	if err != nil {
		return err
	}
	index := slices.IndexFunc(records, func(r record) bool { return uint64(r.Run) == run })
	if index < 0 {
		return failed(exitRefused, fmt.Errorf("run %d: not in the history", run), "the runs that are kept: cssc history -n 0")
	}
	found := records[index]
	if a.asJSON {
		return a.printJSON(found)
	}
	a.printf("%s", a.recordText(found))

	return nil
}

func (a *app) recordText(r record) string {
	var lines strings.Builder
	p := a.paint()
	fmt.Fprintf(&lines, "%s run %d, %s %s, term %d, %s, cause: %s\n", p.strong(r.Sequence.String()), r.Run,
		r.Outcome, span(r.Ended.Sub(r.Started)), r.Term, clockWords(r.StartedAt), printable(r.Cause))
	if r.Reason != "" {
		fmt.Fprintf(&lines, "  %s\n", printable(r.Reason))
	}
	for _, level := range r.Levels {
		took := "not reached"
		if level.Reached != 0 {
			took = span(level.Reached.Sub(level.Entered))
		}
		fmt.Fprintf(&lines, "  level %s  %s\n", p.strong(level.Level.String()), p.dim(took))
		for _, wait := range level.Waits {
			fmt.Fprintf(&lines, "    %s  %s  %s\n", wait.Phase, p.dim(span(wait.Until.Sub(wait.Since))), printable(wait.Reason))
		}
		for _, participant := range level.Participants {
			fmt.Fprintf(&lines, "    %s\n", a.participantLine(participant))
		}
	}

	return lines.String()
}

// pastEvents turns records into the events that they were made of, oldest first.
func pastEvents(records []record) []event {
	var list []event
	for _, r := range slices.Backward(records) {
		start, err := time.Parse(time.RFC3339Nano, r.StartedAt)
		if err != nil {
			continue
		}
		at := func(then levels.Instant) string {
			return start.Add(then.Sub(r.Started)).Format(time.RFC3339Nano)
		}
		list = append(list, event{Name: "SequenceStarted", At: r.StartedAt, Fields: map[string]any{
			"sequence": r.Sequence.String(), "run": uint64(r.Run), "term": uint64(r.Term), "cause": r.Cause,
		}})
		list = append(list, levelEvents(r, at)...)
		list = append(list, event{Name: "SequenceFinished", At: r.EndedAt, Fields: map[string]any{
			"sequence": r.Sequence.String(), "run": uint64(r.Run), "outcome": r.Outcome, "reason": r.Reason,
		}})
	}

	return list
}

func levelEvents(r record, at func(levels.Instant) string) []event {
	var list []event
	for _, level := range r.Levels {
		participants := slices.Clone(level.Participants)
		slices.SortStableFunc(participants, func(x, y levels.Participant) int { return cmp.Compare(x.Ended, y.Ended) })
		for _, participant := range participants {
			if participant.Outcome != levels.OutcomeFailed && participant.Outcome != levels.OutcomePassed {
				continue
			}
			list = append(list, event{Name: "ComponentFailed", At: at(participant.Ended), Fields: map[string]any{
				"component": participant.Name, "sequence": r.Sequence.String(),
				"level": level.Level.String(), "reason": participant.Reason,
			}})
		}
		if level.Reached != 0 && len(level.Participants) > 0 { // no signal tells of an empty one
			list = append(list, event{Name: "LevelReached", At: at(level.Reached), Fields: map[string]any{
				"sequence": r.Sequence.String(), "level": level.Level.String(), "run": uint64(r.Run),
			}})
		}
	}

	return list
}
