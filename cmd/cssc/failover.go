package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) voterCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "voter",
		Short: "Let a node vote again that has lost its record of votes",
		Args:  a.groupArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(exitUsage, fmt.Errorf("%s: which command?", cmd.CommandPath()), "one of: reset")
		},
	}
	group.AddCommand(a.voterResetCommand())

	return group
}

func (a *app) voterResetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Let this node vote although its record of votes was lost",
		Long: "Let this node vote although its record of votes was lost. It votes again by itself\n" +
			"once all nodes are there; this is for when one of them never comes back. When the\n" +
			"node has voted within the last lease and another master lives by that vote, there\n" +
			"may be two masters: wait for longer than the lease and the restart grace first.",
		Example: "  cssc voter reset",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAgent(cmd.Context(), limitOperation, func(ctx context.Context, agent agentPort) error {
				plan := []string{
					"this node votes again, as if it had never voted",
					"a vote that it gave within the last lease counts twice: then there may be two masters",
				}
				if err := a.agree(ctx, yes, "voter reset", plan); err != nil {
					return err
				}
				if err := agent.ResetVoter(ctx); err != nil {
					return prefixed("voter reset", err)
				}
				if a.asJSON {
					return a.printJSON(actionDocument{Action: "voter reset"})
				}
				a.printf("this node votes again; see it with: cssc explain\n")

				return nil
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")

	return cmd
}

func (a *app) failoverCommand() *cobra.Command {
	var yes bool
	var fenced, reason string
	cmd := &cobra.Command{
		Use:   "failover --fenced NODE",
		Short: "Take over from a node that you know to be off",
		Long: "Take over from a node that you know to be off and to stay off. A cluster with a\n" +
			"majority does that by itself; this is for two nodes without a witness. When the\n" +
			"node is not off, there are two masters.",
		Example: "  cssc failover --fenced n1 --reason 'power supply removed'",
		Args:    arguments(0),

		ValidArgsFunction: needsFlag("fenced"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fenced == "" {
				return failed(exitUsage, errors.New("cssc failover: --fenced NODE is missing"), "usage: "+cmd.UseLine())
			}

			return a.withAgent(cmd.Context(), limitOperation, func(ctx context.Context, agent agentPort) error {
				return a.failover(ctx, agent, levels.FailoverRequest{Fenced: levels.NodeID(fenced), Reason: reason}, yes)
			})
		},
	}
	cmd.Flags().StringVar(&fenced, "fenced", "", "the `NODE` that is off")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in `WORDS` for the journal and the history")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	completes(cmd, "fenced", a.nodesThat(silentVoter))
	freely(cmd, "reason")

	return cmd
}

func (a *app) failover(ctx context.Context, agent agentPort, request levels.FailoverRequest, yes bool) error {
	status, err := agent.Status(ctx)
	if err != nil {
		return err
	}
	found, err := onlyNode(status.Nodes, string(request.Fenced))
	if err != nil {
		return err
	}
	if err := a.agree(ctx, yes, "failover from "+string(request.Fenced), a.failoverPlan(status, found[0])); err != nil {
		return err
	}
	if err := agent.Failover(ctx, request); err != nil {
		return prefixed("failover from "+string(request.Fenced), err)
	}
	if a.asJSON {
		return a.printJSON(actionDocument{Action: "failover", Node: string(request.Fenced)})
	}
	a.printf("%s counts as off until it is seen again; see who takes over with: cssc status\n", printable(string(request.Fenced)))

	return nil
}

// failoverPlan says what follows from the word of a person.
func (a *app) failoverPlan(status *report, fenced levels.NodeView) []string {
	presence := "it is heard now: then it is not off, and the agent refuses"
	if !fenced.Alive {
		presence = a.silence(fenced)
	}

	return []string{
		fmt.Sprintf("%s (%s) counts as off: %s", fenced.Node, dash(fenced.Address), presence),
		fmt.Sprintf("its promise is void and its vote counts as given, so that %s can become master in term %d or later", status.Node, status.Term+1),
		"the new master starts the services of the master",
		fmt.Sprintf("if %s is not off, there are two masters: switch its power off first", fenced.Node),
	}
}

// agree prints a plan and asks, where a person can answer; anything but yes is no.
func (a *app) agree(ctx context.Context, yes bool, what string, plan []string) error {
	if yes || !a.terminalIn || !a.terminalOut || a.asJSON {
		return nil
	}
	a.printf("%s will do this:\n", a.paint().strong(printable(what)))
	for _, step := range plan {
		a.printf("  %s\n", printable(step))
	}

	return a.goOn(ctx)
}

// goOn asks for the last word.
func (a *app) goOn(ctx context.Context) error {
	a.printf("Go on? [y/N] ")
	answers := make(chan string, 1) // one answer is ever read
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		if answer == "y" || answer == "yes" {
			return nil
		}

		return failed(exitFailed, errors.New("nothing was done"))
	case <-ctx.Done():
		a.printf("\n")

		return failed(exitFailed, errors.New("nothing was done: no answer"))
	}
}
