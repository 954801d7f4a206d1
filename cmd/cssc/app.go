package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is one invocation of cssc. It belongs to the goroutine that runs it.
type app struct {
	system

	asJSON  bool
	address string
	timeout time.Duration
}

// The time limits where --timeout does not say otherwise.
const (
	limitCall      = 15 * time.Second
	limitKeys      = 40 * time.Second // every node is asked, more than once
	limitOperation = 30 * time.Minute
	// One on the whole cluster takes as long as all its nodes.
	limitCluster = 24 * time.Hour
)

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cssc",
		Short: "Show and steer the services of a cluster, level by level",
		Long: "cssc shows and steers the services of a cluster, level by level.\n" +
			"It asks the agent of this node; begin with: cssc status",
		Args:              a.groupArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	root.PersistentFlags().BoolVar(&a.asJSON, "json", false, "print JSON, as described in cssc(1)")
	root.PersistentFlags().StringVar(&a.address, "bus", "", "`ADDRESS` of the D-Bus bus instead of the system bus")
	root.PersistentFlags().DurationVar(&a.timeout, "timeout", 0, "give up after this time, such as 90s or 10m")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	freely(root, "bus", "timeout")
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.timeout < 0 {
			return usage("--timeout %s: must not be negative", a.timeout)
		}

		return nil
	}
	root.AddCommand(
		a.statusCommand(), a.nodesCommand(), a.registrationsCommand(), a.membersCommand(),
		a.operationsCommand(), a.historyCommand(), a.plotCommand(), a.blameCommand(), a.eventsCommand(), a.watchCommand(), a.explainCommand(),
		a.sequenceCommand(), a.shutdownCommand(), a.rebootCommand(), a.startCommand(), a.switchoverCommand(), a.lockCommand(), a.unlockCommand(),
		a.attachCommand(), a.detachCommand(), a.syncCommand(),
		a.keysCommand(), a.voterCommand(), a.failoverCommand(),
		a.runCallbackCommand(), a.verifyCommand(), a.doctorCommand(), a.reportCommand(), a.reloadCommand(), a.versionCommand(),
	)

	return root
}

// limited bounds ctx by --timeout, or by the command's own limit.
func (a *app) limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if a.timeout > 0 {
		limit = a.timeout
	}

	return context.WithTimeout(ctx, limit)
}

// withAgent connects, calls work within the limit, and closes.
func (a *app) withAgent(ctx context.Context, limit time.Duration, work func(context.Context, agentPort) error) error {
	ctx, cancel := a.limited(ctx, limit)
	defer cancel()
	agent, err := a.dial(ctx, a.address)
	if err != nil {
		return err
	}
	defer func() { _ = agent.Close() }()

	return work(ctx, agent)
}

// ask is withAgent for one question with an answer.
func ask[T any](ctx context.Context, a *app, question func(agentPort, context.Context) (T, error)) (T, error) {
	var answer T
	err := a.withAgent(ctx, limitCall, func(ctx context.Context, agent agentPort) error {
		var err error
		answer, err = question(agent, ctx)

		return err
	})

	return answer, err
}

func (a *app) status(ctx context.Context) (*report, error) {
	return ask(ctx, a, agentPort.Status)
}

// groupArgs is the argument check of commands that only hold others.
func (a *app) groupArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hints := []string{"all commands: " + cmd.CommandPath() + " --help"}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hints = []string{"did you mean: " + cmd.CommandPath() + " " + strings.Join(near, ", ")}
	}

	return failed(exitUsage, fmt.Errorf("unknown command %q", args[0]), hints...)
}

// arguments checks that between least and len(names) arguments are there.
func arguments(least int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return failed(exitUsage, fmt.Errorf("%s: %s is missing", cmd.CommandPath(), names[len(args)]),
				"usage: "+cmd.UseLine())
		case len(args) > len(names):
			return failed(exitUsage, fmt.Errorf("%s: unexpected argument %q", cmd.CommandPath(), args[len(names)]),
				"usage: "+cmd.UseLine())
		default:
			return nil
		}
	}
}

// flagError explains a wrong flag and suggests the nearest right one.
func flagError(cmd *cobra.Command, err error) error {
	hints := []string{"all flags: " + cmd.CommandPath() + " --help"}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if near := nearestFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			hints = []string{"did you mean: --" + near}
		}
	}

	return failed(exitUsage, fmt.Errorf("%s: %w", cmd.CommandPath(), err), hints...)
}

func nearestFlag(cmd *cobra.Command, name string) string {
	best, bestDistance := "", 3
	consider := func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		distance := editDistance(name, flag.Name)
		if strings.HasPrefix(flag.Name, name) && len(name) > 1 {
			distance = 1
		}
		if distance < bestDistance {
			best, bestDistance = flag.Name, distance
		}
	}
	cmd.Flags().VisitAll(consider)
	cmd.InheritedFlags().VisitAll(consider)

	return best
}

// editDistance counts the single-character changes between two words.
func editDistance(from, to string) int {
	row := make([]int, len(to)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(from) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(to) {
			change := previous
			if from[i] != to[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(change, row[j]+1, previous+1)
		}
	}

	return row[len(to)]
}

// oneOf lists words for a message: "a, b or c".
func oneOf(words []string) string {
	words = slices.Clone(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}

	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
