package main

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels/timeline"
)

func (a *app) blameCommand() *cobra.Command {
	var choice runChoice
	var all bool
	cmd := &cobra.Command{
		Use:   "blame [RUN]",
		Short: "List the participants of a run by the time they took",
		Long: "List the participants of RUN, or of this node's newest run, by the time they took, the\n" +
			"slowest first; with --all those of every run on any node that belongs to the same\n" +
			"transition, or to the newest one. What a level waited for is not a participant: see cssc plot.",
		Example:           "  cssc blame\n  cssc blame 12 --all\n  cssc blame 8 --node n2",
		Args:              arguments(0, "RUN"),
		ValidArgsFunction: a.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if choice, err = choice.numbered("cssc blame", args); err != nil {
				return err
			}
			found, err := a.find(cmd.Context(), choice, all)
			if err != nil {
				return err
			}
			a.complainMissing(found.missing)
			blamed := blame(found.Runs)
			if a.asJSON {
				return a.printJSON(list(blamed))
			}
			a.print(a.blameGrid(blamed), "nobody took part in it")

			return nil
		},
	}
	a.runFlags(cmd, &choice)
	cmd.Flags().BoolVar(&all, "all", false, "the participants of the whole transition, on every node")

	return cmd
}

// blame lists who took part, the slowest first.
func blame(runs []timeline.Run) []blameDocument {
	var blamed []blameDocument
	for _, run := range runs {
		for _, level := range run.Levels {
			for _, p := range level.Participants {
				took := time.Duration(0)
				if p.Started != 0 && p.Ended > p.Started {
					took = p.Ended.Sub(p.Started)
				}
				blamed = append(blamed, blameDocument{
					TookUSec: took.Microseconds(), Node: string(run.Node), Run: run.Run, Sequence: run.Sequence, Level: level.Level,
					Kind: p.Kind, Name: p.Name, Stop: p.Stop, Outcome: p.Outcome, Reason: p.Reason,
				})
			}
		}
	}
	slices.SortStableFunc(blamed, func(x, y blameDocument) int { return cmp.Compare(y.TookUSec, x.TookUSec) })

	return blamed
}

func (a *app) blameGrid(blamed []blameDocument) *grid {
	g := &grid{header: []string{"TOOK", "NODE", "RUN", "SEQUENCE", "LEVEL", "KIND", "NAME", "OUTCOME", "REASON"}}
	for _, b := range blamed {
		outcome := b.Outcome.String()
		if a.terminalOut {
			outcome = outcomeMark(a.paint(), b.Outcome) + " " + outcome
		}
		kind := b.Kind.String()
		if b.Stop {
			kind += " stop"
		}
		took := span(time.Duration(b.TookUSec) * time.Microsecond)
		g.add(took, printable(b.Node), strconv.FormatUint(uint64(b.Run), 10), b.Sequence.String(), b.Level.String(), kind,
			printable(b.Name), outcome, printable(b.Reason))
	}

	return g
}
