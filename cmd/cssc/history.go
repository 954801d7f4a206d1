package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	var all bool
	cmd := &cobra.Command{
		Use:   "history [NODE] [RUN]",
		Short: "List the runs of sequences, the newest first, or show one",
		Long: "List the runs of sequences on this node, on NODE, or with --all on every node, the\n" +
			"newest first. With RUN, a number of the first column, show that run with its levels,\n" +
			"waits and participants.",
		Example: "  cssc history --limit 5\n" +
			"  cssc history 12\n" +
			"  cssc history n2 8\n" +
			"  cssc history --all",
		Args:              arguments(0, "NODE", "RUN"),
		ValidArgsFunction: a.completeNodeOrRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("cssc history: --limit %d: must not be negative", limit)
			}
			choice, err := chooseRun("cssc history", args)
			if err != nil {
				return err
			}
			if all && len(args) > 0 {
				return usage("cssc history --all: takes neither NODE nor RUN")
			}
			switch {
			case all:
				return a.listAll(cmd.Context(), limit)
			case choice.given:
				return a.showRun(cmd.Context(), choice)
			default:
				return a.listHistory(cmd.Context(), choice.node, limit)
			}
		},
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "show at most this many `RUNS`; 0 = all that are kept")
	cmd.Flags().BoolVar(&all, "all", false, "show the runs of every node")
	freely(cmd, "limit")

	return cmd
}

func (a *app) listHistory(ctx context.Context, node string, limit int) error {
	records, err := ask(ctx, a, func(agent agentPort, ctx context.Context) ([]record, error) {
		return agent.NodeHistory(ctx, node, limit)
	})
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(list(records))
	}
	a.print(a.historyGrid(records, false), "nothing has run there")

	return nil
}

func (a *app) listAll(ctx context.Context, limit int) error {
	found, err := a.gather(ctx, limit)
	if err != nil {
		return err
	}
	found.newestFirst(limit)
	a.complainMissing(found.missing)
	if a.asJSON {
		return a.printJSON(list(found.records))
	}
	a.print(a.historyGrid(found.records, true), "nothing has run on any node")

	return nil
}

func (a *app) records(ctx context.Context, limit int) ([]record, error) {
	return ask(ctx, a, func(agent agentPort, ctx context.Context) ([]record, error) {
		return agent.History(ctx, limit)
	})
}

func (a *app) historyGrid(records []record, several bool) *grid {
	g := &grid{header: []string{"RUN", "SEQUENCE", "OUTCOME", "TERM", "STARTED", "TOOK", "CAUSE", "REASON"}}
	if several {
		g.header = append([]string{"NODE"}, g.header...)
	}
	for _, r := range records {
		outcome := r.Outcome
		if a.terminalOut {
			outcome = runMark(a.paint(), r.Outcome) + " " + printable(r.Outcome)
		}
		cells := []string{
			strconv.FormatUint(uint64(r.Run), 10), r.Sequence.String(), outcome,
			strconv.FormatUint(uint64(r.Term), 10), clockWords(r.StartedAt), span(r.Ended.Sub(r.Started)),
			printable(r.Cause), printable(r.Reason),
		}
		if several {
			cells = append([]string{printable(string(r.Node))}, cells...)
		}
		g.add(cells...)
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
func (a *app) showRun(ctx context.Context, choice runChoice) error {
	found, err := ask(ctx, a, func(agent agentPort, ctx context.Context) (record, error) {
		records, err := agent.NodeHistory(ctx, choice.node, 0)
		if err != nil {
			return record{}, err
		}

		return choice.among(records)
	})
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(found)
	}
	a.printf("%s", a.recordText(found))
	if a.terminalOut {
		more := "drawn: " + choice.command("plot") + "   the slowest first: " + choice.command("blame")
		if found.Outcome == "failed" {
			more += "   as it is now: " + strings.TrimSpace("cssc explain "+choice.node)
		}
		a.printf("%s\n", a.paint().dim(printable(more)))
	}

	return nil
}

func (a *app) recordText(r record) string {
	var lines strings.Builder
	p := a.paint()
	fmt.Fprintf(&lines, "%s run %d, %s %s, term %d, %s, cause: %s\n", p.strong(r.Sequence.String()), r.Run,
		printable(r.Outcome), span(r.Ended.Sub(r.Started)), r.Term, clockWords(r.StartedAt), printable(r.Cause))
	if r.OperationReason != "" {
		fmt.Fprintf(&lines, "  the reason given for the operation: %s\n", printable(r.OperationReason))
	}
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
			fmt.Fprintf(&lines, "    %s  %s  %s\n", p.warn(wait.Phase.String()), p.dim(span(wait.Until.Sub(wait.Since))), printable(wait.Reason))
		}
		for _, participant := range level.Participants {
			fmt.Fprintf(&lines, "    %s\n", a.participantLine(participant))
		}
	}

	return lines.String()
}

// runChoice is the run that a command line names, and the node that counts it.
type runChoice struct {
	node  string // empty: this node
	run   uint64
	given bool // else the newest
}

// chooseRun reads [NODE] [RUN]: a single number is a run.
func chooseRun(command string, args []string) (runChoice, error) {
	var choice runChoice
	if len(args) == 2 {
		choice.node, args = args[0], args[1:]
	}
	if len(args) == 0 {
		return choice, nil
	}
	run, err := strconv.ParseUint(args[0], 10, 64)
	switch {
	case err == nil:
		choice.run, choice.given = run, true
	case choice.node == "" && strings.Trim(args[0], "0123456789") != "":
		choice.node = args[0]
	default:
		return choice, usage("%s: run %q: want a number as in the first column of cssc history", command, args[0])
	}

	return choice, nil
}

// among finds the run in the history of its node, the newest first.
func (c runChoice) among(records []record) (record, error) {
	where := "cssc history -n 0"
	if c.node != "" {
		where = "cssc history -n 0 " + c.node
	}
	index := 0
	if c.given {
		index = slices.IndexFunc(records, func(r record) bool { return uint64(r.Run) == c.run })
	}
	switch {
	case index < 0:
		return record{}, failed(exitRefused, fmt.Errorf("run %d: not in the history", c.run), "the runs that are kept: "+where)
	case len(records) == 0:
		return record{}, failed(exitRefused, fmt.Errorf("history: nothing has run there yet"))
	default:
		return records[index], nil
	}
}

// command is what to type about the same run.
func (c runChoice) command(verb string) string {
	text := fmt.Sprintf("cssc %s %d", verb, c.run)
	if c.node != "" {
		text += " --node " + c.node
	}

	return text
}

// recentRuns are looked through for one that failed.
const recentRuns = 20

// failureReason points to the newest run that failed, for explain. It says nothing bad of
// now: what is the matter now, other reasons tell.
func failureReason(records []record) []reason {
	index := slices.IndexFunc(records, func(r record) bool { return r.Outcome == "failed" })
	if index < 0 {
		return nil
	}
	r := records[index]
	text := fmt.Sprintf("the last run that failed is run %d, %s, %s", r.Run, r.Sequence, clockWords(r.StartedAt))
	if r.Reason != "" {
		text += ": " + r.Reason
	}

	return []reason{{"history", false, text, []string{fmt.Sprintf("cssc history %d; cssc plot %d", r.Run, r.Run)}}}
}
