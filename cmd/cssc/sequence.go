package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// A busy agent is asked again after this pause.
const pause = 200 * time.Millisecond

func (a *app) sequenceCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "sequence",
		Short: "Show the run in progress; retry, skip or abort one that is held",
		Args:  a.groupArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(exitUsage, fmt.Errorf("%s: which command?", cmd.CommandPath()),
				"one of: show, retry, skip, abort")
		},
	}
	group.AddCommand(
		a.sequenceShowCommand(),
		a.resolveCommand("retry", "Invoke what failed in a held run again",
			"asks the failed participants again", agentPort.Retry),
		a.resolveCommand("skip", "Let a held run go on without what failed",
			"goes on without the failed participants", agentPort.Skip),
		a.resolveCommand("abort", "End a held run as failed",
			"ends as failed", agentPort.Abort),
	)

	return group
}

func (a *app) sequenceShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the run in progress with its participants",
		Example: "  cssc sequence show",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := a.status(cmd.Context())
			if err != nil {
				return err
			}
			switch {
			case a.asJSON:
				return a.printJSON(status.Run)
			case status.Run == nil:
				a.printf("no sequence is running; what ran before: cssc history\n")
			case a.terminalOut:
				a.printf("%s", a.runScreen(status))
			default:
				a.printf("%s", runLines(status.Run))
			}

			return nil
		},
	}
}

func (a *app) resolveCommand(
	verb, short, effect string, act func(agentPort, context.Context, levels.Sequence) error,
) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " [SEQUENCE]",
		Short: short,
		Long: short + ".\n\nSEQUENCE is " + oneOf(sequenceWords()) +
			"; without it, the one that is held.",
		Example:           "  cssc sequence " + verb + " init",
		ValidArgsFunction: onlyArgument(a.completeHeld),
		Args:              arguments(0, "SEQUENCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sequence, err := namedSequence(args)
			if err != nil {
				return err
			}

			return a.withAgent(cmd.Context(), limitCall, func(ctx context.Context, agent agentPort) error {
				if sequence == levels.SequenceUnknown {
					if sequence, err = heldSequence(ctx, agent); err != nil {
						return err
					}
				}
				if err := act(agent, ctx, sequence); err != nil {
					return prefixed(verb+" "+sequence.String(), err)
				}
				if a.asJSON {
					return a.printJSON(actionDocument{Action: verb, Sequence: sequence.String()})
				}
				a.printf("%s %s; see how it goes on with: cssc status\n", sequence, effect)

				return nil
			})
		},
	}
}

// namedSequence is the one on the command line; unknown when there is none.
func namedSequence(args []string) (levels.Sequence, error) {
	if len(args) == 0 {
		return levels.SequenceUnknown, nil
	}
	sequence, err := levels.ParseSequence(args[0])
	if err != nil {
		return 0, failed(exitUsage, fmt.Errorf("sequence %q: no such sequence", args[0]),
			"the sequences are: "+oneOf(sequenceWords()))
	}

	return sequence, nil
}

// heldSequence is the one that is held now.
func heldSequence(ctx context.Context, agent agentPort) (levels.Sequence, error) {
	status, err := agent.Status(ctx)
	if err != nil {
		return 0, err
	}
	if status.Run == nil || status.Run.Phase != levels.PhaseHeld {
		return 0, fmt.Errorf("no run is held: %w", levels.ErrNotHeld)
	}

	return status.Run.Sequence, nil
}

func sequenceWords() []string {
	var words []string
	for _, sequence := range levels.Sequences() {
		words = append(words, sequence.String())
	}

	return words
}

// runLines is a run for programs, the lines "run", "participant" and "resume" of
// the plain status.
func runLines(run *levels.RunView) string {
	var lines strings.Builder
	fmt.Fprintf(&lines, "run %d sequence=%s level=%s phase=%s cause=%s reason=%s\n",
		run.Run, run.Sequence, run.Level, run.Phase, quoted(run.Cause), quoted(run.Reason))
	for _, participant := range run.Participants {
		fmt.Fprintf(&lines, "participant %s kind=%s position=%s outcome=%s reason=%s\n", quoted(participant.Name),
			participant.Kind, participant.Position, participant.Outcome, quoted(participant.Reason))
	}
	if run.Phase == levels.PhaseHeld {
		for _, verb := range []string{"retry", "skip", "abort"} {
			fmt.Fprintf(&lines, "resume %q\n", "cssc sequence "+verb+" "+run.Sequence.String())
		}
	}

	return lines.String()
}

func (a *app) syncCommand() *cobra.Command {
	return a.actCommand("sync", "Start what is missing at levels already reached, in level order",
		"the agent starts what is missing; see it with: cssc members\n", syncWhenQuiet)
}

// syncWhenQuiet asks again while the agent is busy with a run or with a sync of its
// own, which follows every change of a unit file.
func syncWhenQuiet(agent agentPort, ctx context.Context) error { //nolint:revive // the shape of a method expression
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		err := agent.Sync(ctx)
		if !errors.Is(err, levels.ErrBusy) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}

func (a *app) reloadCommand() *cobra.Command {
	return a.actCommand("reload", "Make the agent read its configuration again",
		"the configuration is in force\n", agentPort.Reload)
}

// actCommand is a command without arguments that asks one thing of the agent.
func (a *app) actCommand(name, short, done string, act func(agentPort, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   short,
		Example: "  cssc " + name,
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAgent(cmd.Context(), limitCall, func(ctx context.Context, agent agentPort) error {
				if err := act(agent, ctx); err != nil {
					return prefixed(name, err)
				}
				if a.asJSON {
					return a.printJSON(actionDocument{Action: name})
				}
				a.printf("%s", done)

				return nil
			})
		},
	}
}
