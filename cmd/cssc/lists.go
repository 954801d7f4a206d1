package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) nodesCommand() *cobra.Command {
	return a.listCommand("nodes", "List the nodes of the cluster", func(status *report) (any, *grid, string) {
		if a.terminalOut {
			return status.Nodes, a.nodeTable(status), "no nodes"
		}
		g := &grid{header: []string{
			"NODE", "ROLE", "STATE", "TERM", "ELIGIBLE", "QUALIFIED", "ADDRESS", "SELF",
			"LEVEL", "VOTE", "ALIVE", "HEARD", "IN-STEP", "VERSION", "WHY",
		}}
		for _, node := range status.Nodes {
			g.add(printable(string(node.Node)), node.Role.String(), node.State.String(),
				strconv.FormatUint(uint64(node.Term), 10), yesNo(node.Eligible), yesNo(node.Qualified),
				printable(node.Address), yesNo(node.Self), reachedLevel(node.Reached, node.ReachedAny), yesNo(node.Vote),
				yesNo(node.Alive), a.heard(node), yesNo(node.InStep), printable(node.Version), printable(nodeWhy(node, status)))
		}

		return status.Nodes, g, "no nodes"
	})
}

// nodeTable is the list for a person: what fits into 80 columns.
func (a *app) nodeTable(status *report) *grid {
	p := a.paint()
	g := &grid{header: []string{"NODE", "ROLE", "STATE", "LEVEL", "VOTE", "HEARD", "CONFIG", "VERSION", "ADDRESS"}}
	for _, node := range status.Nodes {
		level, config := "", "same"
		if node.ReachedAny {
			level = node.Reached.String()
		}
		switch {
		case node.ConfigHash == "":
			config = ""
		case !node.InStep:
			config = p.bad("differs")
		}
		g.add(p.strong(printable(string(node.Node))), roleWords(p, node), presence(p, node), level, yesNo(node.Vote),
			a.heard(node), config, printable(node.Version), printable(node.Address))
	}

	return g
}

// heard is when the last message of another node came.
func (a *app) heard(node levels.NodeView) string {
	switch {
	case node.Self:
		return ""
	case node.Alive:
		return "now"
	case node.Heard == 0:
		return "never"
	default:
		return a.since(node.Heard) + " ago"
	}
}

func (a *app) registrationsCommand() *cobra.Command {
	return a.listCommand("registrations", "List the callbacks that services registered on this node",
		func(status *report) (any, *grid, string) {
			g := &grid{header: []string{"ID", "COMPONENT", "SEQUENCE", "LEVEL", "CLIENT", "UNIT", "TIMEOUT", "ON-FAILURE", "INVOKED"}}
			open := map[levels.RegistrationID]levels.InvocationView{}
			for _, invocation := range status.Pending {
				open[invocation.Registration.ID] = invocation
			}
			for _, registration := range status.Registrations {
				invoked := ""
				if invocation, ok := open[registration.ID]; ok {
					invoked = a.since(invocation.Started)
				}
				g.add(strconv.FormatUint(uint64(registration.ID), 10), printable(registration.Component),
					registration.Position.Sequence.String(), registration.Position.Level.String(),
					printable(string(registration.Client)), printable(registration.Unit), limitWords(registration),
					policyWords(registration.OnFailure), invoked)
			}

			return status.Registrations, g, "no callbacks are registered"
		})
}

func limitWords(registration levels.Registration) string {
	if registration.Timeout == 0 {
		return ""
	}

	return registration.Timeout.String()
}

func policyWords(policy levels.Policy) string {
	if policy == levels.PolicyInherit {
		return ""
	}

	return policy.String()
}

func (a *app) membersCommand() *cobra.Command {
	return a.listCommand("members", "List the systemd units that take part in levels on this node",
		func(status *report) (any, *grid, string) {
			g := &grid{header: []string{"UNIT", "TARGET", "OUTCOME", "REASON"}}
			for _, member := range status.Members {
				outcome := member.Outcome.String()
				if a.terminalOut {
					outcome = outcomeMark(a.paint(), member.Outcome) + " " + outcome
				}
				g.add(printable(member.Unit), member.Target.String(), outcome, printable(member.Reason))
			}

			return status.Members, g, "no unit takes part; join one with: cssc attach UNIT --init 3"
		})
}

func (a *app) operationsCommand() *cobra.Command {
	return a.listCommand("operations", "List the operations that run or ended lately",
		func(status *report) (any, *grid, string) {
			g := &grid{header: []string{"ID", "OPERATION", "NODE", "MODE", "BY", "STARTED", "TOOK", "RESULT", "STEP"}}
			for _, operation := range status.Operations {
				g.add(a.operationCells(operation)...)
			}

			return status.Operations, g, "no operation was asked for since the agent started"
		})
}

func (a *app) operationCells(operation levels.OperationView) []string {
	took, about := a.since(operation.Started), operation.Step
	if operation.Result != levels.ResultRunning {
		took = span(operation.Ended.Sub(operation.Started))
		about = operation.Error
	}

	return []string{
		strconv.FormatUint(uint64(operation.ID), 10), operation.Kind.String(), printable(string(operation.Node)),
		modeWords(operation.Mode), printable(operation.By), a.calendar(operation.Started).Format("15:04:05"), took,
		operation.Result.String(), printable(about),
	}
}

func modeWords(mode levels.Mode) string {
	if mode == levels.ModeNone {
		return ""
	}

	return mode.String()
}

// operationWords is an operation in one line.
func operationWords(operation levels.OperationView) string {
	words := []string{fmt.Sprintf("%d: %s of %s", operation.ID, operation.Kind, operation.Node)}
	if operation.Mode != levels.ModeNone {
		words = append(words, "mode "+operation.Mode.String())
	}
	if operation.Step != "" {
		words = append(words, operation.Step)
	}
	if operation.By != "" {
		words = append(words, "asked for by "+operation.By)
	}

	return strings.Join(words, ", ")
}

// listCommand is a command that prints one list of the status.
func (a *app) listCommand(name, short string, list func(*report) (document any, g *grid, nothing string)) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   short,
		Example: "  cssc " + name + "\n  cssc " + name + " --json",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := a.status(cmd.Context())
			if err != nil {
				return err
			}
			document, g, nothing := list(status)
			if a.asJSON {
				return a.printJSON(document)
			}
			a.print(g, nothing)

			return nil
		},
	}
}
