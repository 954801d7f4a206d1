package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) nodesCommand() *cobra.Command {
	return a.listCommand(listing{
		name: "nodes", argument: "NODE", short: "List the nodes of the cluster",
		narrow: func(status *report, names []string) (err error) {
			status.Nodes, err = narrowed("node", status.Nodes, names, func(n levels.NodeView) string { return string(n.Node) })

			return err
		},
		offered: nodeOffers(anyNode),
		shown: func(status *report) (any, *grid, string) {
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
		},
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
	return a.listCommand(listing{
		name: "registrations", argument: "COMPONENT", short: "List the callbacks that services registered on this node",
		narrow: func(status *report, names []string) (err error) {
			status.Registrations, err = narrowed("component", status.Registrations, names, func(r levels.Registration) string { return r.Component })

			return err
		},
		offered: componentOffers,
		shown: func(status *report) (any, *grid, string) {
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
		},
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
	return a.listCommand(listing{
		name: "members", argument: "UNIT", short: "List the systemd units that take part in levels on this node",
		narrow: func(status *report, names []string) (err error) {
			status.Members, err = narrowed("unit", status.Members, names, func(m levels.MemberView) string { return m.Unit })

			return err
		},
		offered: memberOffers,
		shown: func(status *report) (any, *grid, string) {
			g := &grid{header: []string{"UNIT", "TARGET", "OUTCOME", "REASON"}}
			for _, member := range status.Members {
				outcome := member.Outcome.String()
				if a.terminalOut {
					outcome = outcomeMark(a.paint(), member.Outcome) + " " + outcome
				}
				g.add(printable(member.Unit), member.Target.String(), outcome, printable(member.Reason))
			}

			return status.Members, g, "no unit takes part; join one with: cssc attach UNIT --init 3"
		},
	})
}

func (a *app) operationsCommand() *cobra.Command {
	return a.listCommand(listing{
		name: "operations", argument: "OPERATION", short: "List the operations that run or ended lately",
		narrow: func(status *report, names []string) (err error) {
			status.Operations, err = narrowed("operation", status.Operations, names, func(o levels.OperationView) string {
				return strconv.FormatUint(uint64(o.ID), 10)
			})

			return err
		},
		offered: operationOffers,
		shown: func(status *report) (any, *grid, string) {
			g := &grid{header: []string{"ID", "OPERATION", "NODE", "MODE", "BY", "STARTED", "TOOK", "RESULT", "STEP"}}
			for _, operation := range status.Operations {
				g.add(a.operationCells(operation)...)
			}

			return status.Operations, g, "no operation was asked for since the agent started"
		},
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

// listing is a command that prints one list of the status, whole or what is named.
type listing struct {
	name, argument, short string
	// narrow leaves in the status what was named; offered are the names for the shell.
	narrow  func(status *report, names []string) error
	offered func(*report) []offer
	// shown is the list as a document and as a table, and what to say when it is empty.
	shown func(*report) (document any, g *grid, nothing string)
}

func (a *app) listCommand(l listing) *cobra.Command {
	return &cobra.Command{
		Use:               fmt.Sprintf("%s [%s ...]", l.name, l.argument),
		Short:             l.short,
		Long:              fmt.Sprintf("%s; with %s only those that are named.", l.short, l.argument),
		Example:           "  cssc " + l.name + "\n  cssc " + l.name + " --json",
		ValidArgsFunction: a.fromStatus(l.offered),
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := a.status(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if err := l.narrow(status, args); err != nil {
					return err
				}
			}
			document, g, nothing := l.shown(status)
			if a.asJSON {
				return a.printJSON(document)
			}
			a.print(g, nothing)

			return nil
		},
	}
}

// narrowed keeps the entries that are named. A name that no entry has is an error, which says
// what there is.
func narrowed[T any](what string, entries []T, names []string, nameOf func(T) string) ([]T, error) {
	var kept []T
	missing := slices.Clone(names)
	var known []string
	for _, entry := range entries {
		name := nameOf(entry)
		if slices.Contains(names, name) {
			kept = append(kept, entry)
		}
		missing = slices.DeleteFunc(missing, func(other string) bool { return other == name })
		if !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	switch {
	case len(missing) == 0:
		return kept, nil
	case len(known) == 0:
		return nil, failed(exitRefused, fmt.Errorf("%s %q: there is none", what, missing[0]))
	default:
		return nil, failed(exitRefused, fmt.Errorf("%s %q: there is none of that name", what, missing[0]), "there are: "+strings.Join(known, ", "))
	}
}
