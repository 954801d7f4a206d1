package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) statusCommand() *cobra.Command {
	var check, wait bool
	cmd := &cobra.Command{
		Use:   "status [NODE]",
		Short: "Show the cluster, its nodes, what runs and what needs attention",
		Example: "  cssc status\n" +
			"  cssc status --check || echo 'somebody should look'\n" +
			"  cssc status --wait --timeout 5m",
		Args:              arguments(0, "NODE"),
		ValidArgsFunction: onlyArgument(a.nodesThat(anyNode)),
		RunE: func(cmd *cobra.Command, args []string) error {
			read := a.status
			if wait {
				read = a.settledStatus
			}
			status, err := read(cmd.Context())
			if err != nil {
				return err
			}
			var unasked error
			if len(args) > 0 {
				if status, unasked, err = a.statusOf(cmd.Context(), status, args[0]); err != nil {
					return err
				}
			}
			if err := a.showStatus(status); err != nil {
				return err
			}
			if unasked != nil {
				return unasked
			}
			if check && len(attention(status)) > 0 {
				return quiet(exitAttention)
			}

			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit with status 6 when something needs attention")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the agent is there and no run is in progress, or one is held")

	return cmd
}

// statusOf is the status of one node as it tells it itself, with its own line of the nodes
// alone. When it cannot be asked it is what the agent here knows of it, which unasked says.
func (a *app) statusOf(ctx context.Context, here *report, name string) (status *report, unasked, err error) {
	known, err := onlyNode(here.Nodes, name)
	if err != nil {
		return nil, nil, err
	}
	if known[0].Self {
		here.Nodes = known

		return here, nil, nil
	}
	there, err := a.nodeStatus(ctx, here, name)
	if err != nil {
		bare := *here
		bare.Nodes, bare.Run, bare.Operations, bare.Problems, bare.LostTargets, bare.NeedReload = known, nil, nil, nil, nil, false

		return &bare, err, nil
	}
	if there.Nodes, err = onlyNode(there.Nodes, name); err != nil {
		return nil, nil, err
	}

	return there, nil, nil
}

// nodeStatus asks another node, and says that what follows comes from there.
func (a *app) nodeStatus(ctx context.Context, here *report, name string) (*report, error) {
	there, err := ask(ctx, a, func(agent agentPort, ctx context.Context) (*report, error) { return agent.NodeStatus(ctx, name) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: this is what %s knows of it: %w", name, here.Node, err)
	case a.asJSON:
	case a.terminalOut:
		a.printf("%s\n", a.paint().dim("as "+printable(name)+" itself tells it"))
	default:
		a.printf("source %s\n", quoted(name))
	}

	return there, nil
}

func (a *app) showStatus(status *report) error {
	switch {
	case a.asJSON:
		return a.printJSON(status)
	case a.terminalOut:
		a.printf("%s", a.statusScreen(status))
	default:
		a.printf("%s", a.statusLines(status))
	}

	return nil
}

func onlyNode(nodes []levels.NodeView, name string) ([]levels.NodeView, error) {
	index := slices.IndexFunc(nodes, func(node levels.NodeView) bool { return string(node.Node) == name })
	if index < 0 {
		known := make([]string, 0, len(nodes))
		for _, node := range nodes {
			known = append(known, string(node.Node))
		}

		return nil, failed(exitRefused, fmt.Errorf("node %q: not a node of this cluster", name),
			"the nodes are: "+oneOf(known))
	}

	return nodes[index : index+1], nil
}

// attention lists what waits for an operator, in words.
func attention(status *report) []string {
	var list []string
	if run := status.Run; run != nil && run.Phase == levels.PhaseHeld {
		list = append(list, fmt.Sprintf("%s is held at level %s", run.Sequence, run.Level))
	}

	return append(list, standing(status)...)
}

// standing is attention without the held run, which the screen shows by itself.
func standing(status *report) []string {
	var list []string
	if len(status.LostTargets) > 0 {
		list = append(list, fmt.Sprintf("%s went down and not by the agent; bring it back with: cssc sync",
			targetWords(status.LostTargets)))
	}
	list = append(list, clusterTrouble(status)...)
	if status.NeedReload {
		list = append(list, "the configuration on disk is not the one in force; take it over with: cssc reload")
	}

	return append(list, status.Problems...)
}

// targetWords names a few targets and counts the rest.
func targetWords(targets []levels.Target) string {
	const most = 3
	if len(targets) == 1 {
		return "level " + targets[0].String()
	}
	names := make([]string, 0, most)
	for _, target := range targets[:min(len(targets), most)] {
		names = append(names, target.String())
	}
	words := "levels " + strings.Join(names, ", ")
	if more := len(targets) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}

	return words
}

// failedOf returns the failed participants of a held run.
func failedOf(run *levels.RunView) []levels.Participant {
	var list []levels.Participant
	for _, participant := range run.Participants {
		if participant.Outcome == levels.OutcomeFailed {
			list = append(list, participant)
		}
	}

	return list
}

// heldHints says what an operator types for a held run.
func heldHints(sequence levels.Sequence) []string {
	return []string{
		fmt.Sprintf("cause repaired, try again:   cssc sequence retry %s", sequence),
		fmt.Sprintf("go on without what failed:   cssc sequence skip %s", sequence),
		fmt.Sprintf("give the run up:             cssc sequence abort %s", sequence),
	}
}

// investigate says where the cause of a participant's failure is written down.
func investigate(participant levels.Participant, registrations []levels.Registration) string {
	if participant.Kind == levels.KindMember {
		return "journalctl -b -u " + participant.Name
	}
	for _, registration := range registrations {
		if registration.Component == participant.Name && registration.Unit != "" {
			return "journalctl -b -u " + registration.Unit
		}
	}

	return "the journal of the service that registered " + participant.Name
}
