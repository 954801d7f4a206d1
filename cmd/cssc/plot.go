package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels/timeline"
)

// How wide a chart is where no terminal says.
const plainColumns = 120

func (a *app) plotCommand() *cobra.Command {
	var choice runChoice
	var whole, asText bool
	var file string
	cmd := &cobra.Command{
		Use:   "plot [RUN]",
		Short: "Draw the time line of a transition: all nodes, levels and participants",
		Long: "Draw the time line of RUN, or of the newest run of any node, and of every run on any\n" +
			"node that belongs to the same transition. A file gets a picture in SVG, a terminal a chart.",
		Example: "  cssc plot\n" +
			"  cssc plot 12 > switchover.svg\n" +
			"  cssc plot 8 --node n2 --transition=false --output promote.svg",
		Args:              arguments(0, "RUN"),
		ValidArgsFunction: a.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if choice, err = choice.numbered("cssc plot", args); err != nil {
				return err
			}
			found, err := a.find(cmd.Context(), choice, whole)
			if err != nil {
				return err
			}
			a.complainMissing(found.missing)
			text, err := a.drawn(found, asText || a.terminalOut && file == "")
			if err != nil {
				return err
			}
			if file == "" {
				return a.write(text)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return fmt.Errorf("plot: write the picture: %w", err)
			}

			return nil
		},
	}
	a.runFlags(cmd, &choice)
	cmd.Flags().BoolVar(&whole, "transition", true, "draw all that belongs to the same transition; =false draws the run alone")
	cmd.Flags().BoolVar(&asText, "text", false, "draw a chart of characters instead of SVG")
	cmd.Flags().StringVarP(&file, "output", "o", "", "write to `FILE` instead of standard output")
	_ = cmd.MarkFlagFilename("output", "svg", "txt")

	return cmd
}

// runFlags are what names a run beside its number.
func (a *app) runFlags(cmd *cobra.Command, choice *runChoice) {
	cmd.Flags().StringVar(&choice.node, "node", "", "RUN is counted on `NODE`, not on this node")
	completes(cmd, "node", a.nodesThat(anyNode))
}

// numbered reads [RUN].
func (c runChoice) numbered(command string, args []string) (runChoice, error) {
	named, err := chooseRun(command, args)
	if err == nil && named.node != "" {
		err = usage("%s: run %q: want a number as in the first column of cssc history", command, named.node)
	}
	named.node = c.node

	return named, err
}

// drawn is the transition in the form that is wanted.
func (a *app) drawn(found transition, asText bool) (string, error) {
	if a.asJSON {
		return indented(transitionDocumentOf(found))
	}
	notes := make([]string, len(found.missing))
	for i, node := range found.missing {
		notes[i] = node.words()
	}
	chart := timeline.Lay(found.Transition, notes)
	if !asText {
		return chart.SVG(), nil
	}
	columns := a.width()
	if columns == 0 {
		columns = plainColumns
	}

	return chart.Text(columns, a.paintLook), nil
}

func transitionDocumentOf(found transition) transitionDocument {
	first, last := found.Terms()
	document := transitionDocument{
		Title: found.Title(), Cause: found.Cause(), FirstTerm: first, LastTerm: last,
		StartedAt: found.Begin().Format(time.RFC3339Nano), EndedAt: found.End().Format(time.RFC3339Nano),
		NotShown: list(found.missing), Runs: []record{},
	}
	for _, run := range found.Runs {
		document.Runs = append(document.Runs, record{
			RunRecord: run.RunRecord, Incarnation: run.Incarnation,
			StartedAt: run.Begin.Format(time.RFC3339Nano), EndedAt: run.End.Format(time.RFC3339Nano),
		})
	}

	return document
}

// paintLook colours a piece of a chart as the picture does.
func (a *app) paintLook(look timeline.Look, words string) string {
	p := a.paint()
	switch look {
	case timeline.LookRun:
		return p.strong(words)
	case timeline.LookBroken, timeline.LookFailed:
		return p.bad(words)
	case timeline.LookCanceled, timeline.LookIdle:
		return p.dim(words)
	case timeline.LookCallback:
		return p.with("34", words)
	case timeline.LookStart:
		return p.good(words)
	case timeline.LookStop:
		return p.with("35", words)
	case timeline.LookWaiting, timeline.LookHeld:
		return p.warn(words)
	default:
		return words
	}
}
