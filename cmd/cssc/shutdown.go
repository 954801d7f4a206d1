package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// operationFlags are what the commands that ask for an operation have in common.
type operationFlags struct {
	dryRun, noWait, yes, force bool
	reason                     string
}

func (o *operationFlags) add(cmd *cobra.Command, dangerous bool) {
	flags := cmd.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "print what would be done, and do nothing")
	flags.BoolVar(&o.noWait, "no-wait", false, "do not wait for the end")
	flags.StringVar(&o.reason, "reason", "", "why, in `WORDS` for the journal and the history")
	freely(cmd, "reason")
	if dangerous {
		flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
		flags.BoolVar(&o.force, "force", false, "do it although no other node can take over; of all nodes: go on without those that fail")
	}
}

func (a *app) shutdownCommand() *cobra.Command {
	var flags operationFlags
	var all bool
	endings := make([]bool, levels.ModeStandalone+1)
	cmd := &cobra.Command{
		Use:   "shutdown [NODE | --all]",
		Short: "Stop the cluster services of a node in reverse order, then reboot it or end otherwise",
		Long: "Stop the cluster services of a node in reverse order, leave the cluster, and then\n" +
			"reboot (the default), power off, halt, stay up without the cluster, or reboot\n" +
			"without it once. NODE is this node when it is not given. With --all every node is\n" +
			"shut down: those without a role and the spares at once, then the vice, the master last.",
		Example: "  cssc shutdown --dry-run\n" +
			"  cssc shutdown --reboot --reason 'kernel update'\n" +
			"  cssc shutdown --noboot && … && cssc start\n" +
			"  cssc shutdown --all --poweroff",
		Args:              arguments(0, "NODE"),
		ValidArgsFunction: onlyArgument(a.nodesThat(anyNode)),
		RunE: func(cmd *cobra.Command, args []string) error {
			mode, err := chosenMode(endings)
			if err != nil {
				return err
			}

			kind := levels.OperationShutdown
			if all {
				kind = levels.OperationClusterShutdown
			}
			if all && len(args) > 0 {
				return usage("cssc shutdown: --all and a node exclude each other")
			}

			return a.operate(cmd.Context(), flags, request{
				Kind: kind, Node: first(args), Mode: mode, Force: flags.force, Reason: flags.reason,
			})
		},
	}
	flags.add(cmd, true)
	set := cmd.Flags()
	set.BoolVar(&all, "all", false, "every node of the cluster, in order, the master last")
	set.BoolVar(&endings[levels.ModeReboot], "reboot", false, "then reboot (the default)")
	set.BoolVar(&endings[levels.ModePoweroff], "poweroff", false, "then switch the power off")
	set.BoolVar(&endings[levels.ModeHalt], "halt", false, "then halt without switching the power off")
	set.BoolVar(&endings[levels.ModeNoboot], "noboot", false, "then stay up without the cluster; back with cssc start")
	set.BoolVar(&endings[levels.ModeStandalone], "standalone", false, "then reboot, and stay without the cluster for that boot")

	return cmd
}

func (a *app) rebootCommand() *cobra.Command {
	var flags operationFlags
	var rolling bool
	cmd := &cobra.Command{
		Use:   "reboot --rolling",
		Short: "Reboot every node of the cluster, one after the other",
		Long: "Reboot every node of the cluster, one after the other: each is back and up before the\n" +
			"next one goes. The vice is the last but one, the master the last, after a switchover.\n" +
			"It stops at the first node that does not come back. One node is rebooted with:\n" +
			"cssc shutdown NODE --reboot",
		Example: "  cssc reboot --rolling --dry-run\n  cssc reboot --rolling --reason 'kernel update'",
		Args:    arguments(0),

		ValidArgsFunction: needsFlag("rolling"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !rolling {
				return failed(exitUsage, errors.New("cssc reboot: --rolling is missing"), "one node: cssc shutdown NODE --reboot")
			}

			return a.operate(cmd.Context(), flags, request{Kind: levels.OperationRollingReboot, Reason: flags.reason})
		},
	}
	flags.add(cmd, false)
	cmd.Flags().BoolVar(&rolling, "rolling", false, "every node of the cluster, one after the other")
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "do not ask")

	return cmd
}

// chosenMode is the one ending that was asked for, reboot when none was.
func chosenMode(endings []bool) (levels.Mode, error) {
	mode := levels.ModeNone
	for candidate, chosen := range endings {
		if !chosen {
			continue
		}
		if mode != levels.ModeNone {
			return 0, usage("cssc shutdown: --%s and --%s exclude each other", mode, levels.Mode(candidate))
		}
		mode = levels.Mode(candidate)
	}
	if mode == levels.ModeNone {
		mode = levels.ModeReboot
	}

	return mode, nil
}

func (a *app) startCommand() *cobra.Command {
	var flags operationFlags
	cmd := &cobra.Command{
		Use:     "start",
		Short:   "Bring this node back into the cluster after cssc shutdown --noboot",
		Example: "  cssc start",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags.yes = true

			return a.operate(cmd.Context(), flags, request{Kind: levels.OperationStart, Reason: flags.reason})
		},
	}
	flags.add(cmd, false)

	return cmd
}

func (a *app) switchoverCommand() *cobra.Command {
	var flags operationFlags
	var to string
	cmd := &cobra.Command{
		Use:   "switchover",
		Short: "Hand the mastership over to the vice, or to another node",
		Long: "Hand the mastership over: the master, whichever node this is asked on, is demoted level\n" +
			"by level, and then the vice, or the node that is named, is promoted. Nobody waits for\n" +
			"a lease.",
		Example: "  cssc switchover\n  cssc switchover --to n3 --reason 'new memory for n1'",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(cmd.Context(), flags, request{
				Kind: levels.OperationSwitchover, To: to, Force: flags.force, Reason: flags.reason,
			})
		},
	}
	flags.add(cmd, true)
	cmd.Flags().StringVar(&to, "to", "", "the `NODE` to take over; the vice when not given")
	completes(cmd, "to", a.nodesThat(successor))

	return cmd
}

func (a *app) lockCommand() *cobra.Command {
	return a.roleCommand("lock", "Keep a node from holding a role, until cssc unlock", levels.OperationDisqualify)
}

func (a *app) unlockCommand() *cobra.Command {
	return a.roleCommand("unlock", "Let a node hold a role again", levels.OperationQualify)
}

func (a *app) roleCommand(name, short string, kind levels.OperationKind) *cobra.Command {
	var flags operationFlags
	dangerous, fit := kind == levels.OperationDisqualify, lockable
	if !dangerous {
		fit = lockedOrBarred
	}
	cmd := &cobra.Command{
		Use:     name + " [NODE]",
		Short:   short,
		Long:    short + ". NODE is this node when it is not given.",
		Example: "  cssc " + name + "\n  cssc " + name + " --dry-run",
		Args:    arguments(0, "NODE"),

		ValidArgsFunction: onlyArgument(a.nodesThat(fit)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !dangerous {
				flags.yes = true
			}

			return a.operate(cmd.Context(), flags, request{
				Kind: kind, Node: first(args), Force: flags.force, Reason: flags.reason,
			})
		},
	}
	flags.add(cmd, dangerous)

	return cmd
}

// operate shows the plan where a person decides, asks, and follows the operation.
func (a *app) operate(ctx context.Context, flags operationFlags, wanted request) error {
	limit := limitOperation
	if wanted.Kind.OfCluster() {
		limit = limitCluster
	}

	return a.withAgent(ctx, limit, func(ctx context.Context, agent agentPort) error {
		if flags.dryRun {
			return a.showPlan(ctx, agent, wanted)
		}
		if !flags.yes && a.terminalIn && a.terminalOut && !a.asJSON {
			if err := a.confirm(ctx, agent, wanted); err != nil {
				return err
			}
		}
		if !flags.noWait {
			return a.follow(ctx, agent, wanted)
		}
		id, err := agent.Request(ctx, wanted)
		if err != nil {
			return prefixed(requestWords(wanted), err)
		}
		if a.asJSON {
			return a.printJSONLine(resultDocument{Operation: id, Kind: wanted.Kind, Node: wanted.Node, Mode: wanted.Mode})
		}
		a.printf("operation %d has begun; see it with: cssc operations\n", id)

		return nil
	})
}

func (a *app) showPlan(ctx context.Context, agent agentPort, wanted request) error {
	plan, err := agent.Plan(ctx, wanted)
	if err != nil {
		return prefixed(requestWords(wanted), err)
	}
	if a.asJSON {
		return a.printJSON(planDocument{Kind: wanted.Kind, Node: wanted.Node, Mode: wanted.Mode, Plan: list(plan)})
	}
	for _, step := range plan {
		a.printf("%s\n", printable(step))
	}

	return nil
}

// confirm prints the plan and asks; anything but yes is no.
func (a *app) confirm(ctx context.Context, agent agentPort, wanted request) error {
	a.printf("%s will do this:\n", a.paint().strong(requestWords(wanted)))
	plan, err := agent.Plan(ctx, wanted)
	if err != nil {
		return prefixed(requestWords(wanted), err)
	}
	for _, step := range plan {
		a.printf("  %s\n", printable(step))
	}

	return a.goOn(ctx)
}

// requestWords names a request: "shutdown n1 (reboot)".
func requestWords(r request) string {
	words := r.Kind.String()
	if r.Node != "" {
		words += " " + r.Node
	}
	if r.Mode != levels.ModeNone {
		words += " (" + r.Mode.String() + ")"
	}

	return printable(words)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}

	return args[0]
}
