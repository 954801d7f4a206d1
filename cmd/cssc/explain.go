package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// reason is one answer of explain.
type reason struct {
	// About is a word: node, run, role, master, quorum, voter, configuration, problem or history.
	About string `json:"about"`
	// Bad: something is the matter.
	Bad  bool   `json:"bad"`
	Text string `json:"text"`
	// Do is what would change it; empty when nothing needs to.
	Do []string `json:"do"`
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [NODE]",
		Short: "Say why a node waits, why it has its role and not another, and what would change it",
		Long: "Say why a node waits, why it has its role and not another, what the cluster lacks,\n" +
			"and what to do about it. NODE is this node when it is not given.",
		Example:           "  cssc explain\n  cssc explain n3",
		Args:              arguments(0, "NODE"),
		ValidArgsFunction: onlyArgument(a.nodesThat(anyNode)),
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := a.status(cmd.Context())
			if err != nil {
				return err
			}
			name := string(status.Node)
			if len(args) > 0 {
				name = args[0]
			}
			found, err := onlyNode(status.Nodes, name)
			if err != nil {
				return err
			}
			if !found[0].Self && found[0].Alive { // who is not heard is explained best by those who hear
				return a.explainOther(cmd.Context(), status, found[0])
			}
			reasons := a.reasons(status, found[0])
			if found[0].Self {
				records, err := a.records(cmd.Context(), recentRuns)
				if err != nil {
					return err
				}
				reasons = append(reasons, failureReason(records)...)
			}
			a.showReasons(found[0], reasons)

			return nil
		},
	}
}

// explainOther lets another node explain itself; what it cannot tell, the agent here does.
func (a *app) explainOther(ctx context.Context, here *report, node levels.NodeView) error {
	there, unasked := a.nodeStatus(ctx, here, string(node.Node))
	if unasked != nil {
		a.showReasons(node, a.reasons(here, node))

		return unasked
	}
	records, _ := ask(ctx, a, func(agent agentPort, ctx context.Context) ([]record, error) {
		return agent.NodeHistory(ctx, string(node.Node), recentRuns)
	}) // without them it has told enough
	itself, reasons, err := a.reasonsThere(there, records, string(node.Node))
	if err != nil {
		return err
	}
	a.showReasons(itself, reasons)

	return nil
}

// reasonsThere are the reasons of another node out of what it told of itself; what is to be done,
// is to be done there.
func (a *app) reasonsThere(there *report, records []record, name string) (levels.NodeView, []reason, error) {
	found, err := onlyNode(there.Nodes, name)
	if err != nil {
		return levels.NodeView{}, nil, err
	}
	reasons := append(a.reasons(there, found[0]), failureReason(records)...)
	for i := range reasons {
		for j, step := range reasons[i].Do {
			reasons[i].Do[j] = fmt.Sprintf("on %s: %s", name, step)
		}
	}

	return found[0], reasons, nil
}

func (a *app) showReasons(node levels.NodeView, reasons []reason) {
	if a.asJSON {
		_ = a.printJSON(explainDocument{Node: string(node.Node), Role: node.Role, State: node.State, Reasons: reasons})

		return
	}
	if !a.terminalOut {
		for _, r := range reasons {
			a.printf("%s bad=%s text=%s do=%s\n", r.About, yesNo(r.Bad), quoted(r.Text), quoted(strings.Join(r.Do, "; ")))
		}

		return
	}
	a.printf("%s", a.reasonScreen(reasons, a.width()))
}

// reasonScreen is the reasons for a person; width 0 = do not break lines.
func (a *app) reasonScreen(reasons []reason, width int) string {
	p := a.paint()
	const indent = 17
	var screen strings.Builder
	for _, r := range reasons {
		mark := p.good("✓")
		if r.Bad {
			mark = p.bad("✗")
		}
		fmt.Fprintf(&screen, "%s %s %s\n", mark, p.dim(pad(r.About, indent-3)), wrapped(printable(r.Text), indent, width))
		for _, step := range r.Do {
			fmt.Fprintf(&screen, "%s%s %s\n", strings.Repeat(" ", indent), p.warn("→"), wrapped(printable(step), indent+2, width))
		}
	}

	return screen.String()
}

// reasons answers in the order in which a person would ask.
func (a *app) reasons(status *report, node levels.NodeView) []reason {
	list := []reason{a.presenceReason(status, node)}
	if node.Self {
		list = append(list, runReasons(status)...)
	}
	list = append(list, a.roleReason(status, node), a.masterReason(status))
	if several(status) {
		list = append(list, a.quorumReason(status))
	}
	list = append(list, configurationReasons(status, node)...)
	if node.Self {
		for _, problem := range status.Problems {
			list = append(list, reason{About: "problem", Bad: true, Text: problem})
		}
	}
	for i := range list {
		list[i].Do = slices.DeleteFunc(list[i].Do, func(step string) bool { return step == "" })
		if list[i].Do == nil {
			list[i].Do = []string{}
		}
	}

	return list
}

// presenceReason says how the node is.
func (a *app) presenceReason(status *report, node levels.NodeView) reason {
	switch {
	case node.Self && node.State == levels.StateDown:
		return reason{"node", true, fmt.Sprintf("%s is out of the cluster", node.Node), []string{"cssc start"}}
	case left(node):
		return reason{"node", true, fmt.Sprintf("%s has left the cluster in order", node.Node), []string{"on " + string(node.Node) + ": cssc start, or boot it"}}
	case silent(node):
		return reason{"node", true, fmt.Sprintf("%s is not heard: %s", node.Node, a.silence(node)), []string{
			"on " + string(node.Node) + ": systemctl status cssc-agent; journalctl -b -u cssc-agent",
			"is " + dash(node.Address) + " reachable from here, with TCP and UDP, and is its key the same?",
		}}
	}
	text := fmt.Sprintf("%s is %s", node.Node, node.State)
	switch {
	case node.ReachedAny && node.Reached == levels.Last:
		text += ", init is complete"
	case node.ReachedAny:
		text += ", init has reached level " + node.Reached.String()
	}
	if node.Self && status.Ready {
		text = fmt.Sprintf("%s is %s, init is complete", node.Node, node.State)
	}

	return reason{About: "node", Text: text}
}

// runReasons says what the run in progress waits for.
func runReasons(status *report) []reason {
	run := status.Run
	switch {
	case run == nil && status.State == levels.StateJoining:
		return []reason{{"run", true, "init begins when a master is known", nil}}
	case run == nil:
		return nil
	case run.Phase == levels.PhaseHeld:
		do := []string{}
		for _, participant := range failedOf(run) {
			do = append(do, "look at: "+investigate(participant, status.Registrations))
		}

		return []reason{{"run", true, fmt.Sprintf("%s is held at level %s: %s", run.Sequence, run.Level, run.Reason), append(do, heldHints(run.Sequence)...)}}
	case run.Reason != "":
		return []reason{{"run", false, fmt.Sprintf("%s %s at level %s: %s", run.Sequence, run.Phase, run.Level, run.Reason), nil}}
	default:
		var open []string
		for _, participant := range run.Participants {
			if participant.Outcome == levels.OutcomeRunning {
				open = append(open, participant.Name)
			}
		}
		text := fmt.Sprintf("%s is %s at level %s", run.Sequence, run.Phase, run.Level)
		if len(open) > 0 {
			text += ", it waits for " + strings.Join(open, ", ")
		}

		return []reason{{"run", false, text, nil}}
	}
}

// roleReason says why the node has its role and what keeps it from a higher one.
func (a *app) roleReason(status *report, node levels.NodeView) reason {
	name := string(node.Node)
	switch {
	case node.Node == status.Master:
		return a.masterOwnReason(status, node)
	case !node.Eligible && node.Vote:
		return reason{"role", false, name + " is a witness: it votes and never takes a role (eligible = false)", nil}
	case !node.Eligible:
		return reason{"role", false, name + " never takes a role (eligible = false) and has no vote (vote = false)", nil}
	case !node.Alive:
		return reason{"role", true, name + " takes no role while it is not heard", nil}
	case !node.Qualified:
		return reason{"role", true, name + " is locked: it takes no role", []string{"cssc unlock " + name}}
	case barredWords(node) != "":
		return reason{"role", true, name + " takes no role: " + barredWords(node), []string{
			"put right what failed, then: cssc sequence retry promote", "cssc unlock " + name,
		}}
	case node.Self && masterDrift(status) != nil:
		return reason{"role", true, name + " takes no role: its configuration is not the master's", nil}
	case !node.Self && !node.InStep && masterDrift(status) == nil:
		return reason{"role", true, name + " takes no role: its configuration is not this node's", nil}
	case node.Self && status.Election == electionForming:
		return reason{"role", true, name + " neither votes nor stands: " + dash(status.Why), []string{
			"start the nodes that are missing: it votes again by itself",
			"a node that never comes back, and longer than the lease and restart_grace have passed: cssc voter reset",
		}}
	case node.Self && status.Election == electionAway:
		return reason{"role", true, name + " is out of the cluster: it neither votes nor stands", []string{"cssc start"}}
	case node.Self && status.Election == electionRestoring:
		return reason{"role", true, name + " was master and stops what it ran; it stands again after that", nil}
	case node.Node == status.Vice:
		return reason{"role", false, name + " is vice: it takes over when " + dash(string(status.Master)) + " is lost", nil}
	case node.State != levels.StateUp:
		return reason{"role", false, fmt.Sprintf("%s is %s: it can become vice or master once it is up", name, node.State), nil}
	case node.Self && status.Why != "" && status.Master != "":
		return reason{"role", false, name + " does not stand now: " + status.Why, nil}
	case status.Vice != "":
		return reason{"role", false, fmt.Sprintf("%s is spare: %s is vice, the first of the node table that could be", name, status.Vice), nil}
	default:
		return reason{"role", false, name + " is spare, and can become vice or master", nil}
	}
}

// barredWords is why a node whose promote failed takes no role for a while, and until when.
func barredWords(node levels.NodeView) string {
	if at := strings.Index(node.Why, "promote failed, no role "); at >= 0 {
		return node.Why[at:]
	}

	return ""
}

func (a *app) masterOwnReason(status *report, node levels.NodeView) reason {
	text := fmt.Sprintf("%s is master of term %d", node.Node, status.Term)
	switch {
	case !node.Self:
	case status.Election == electionCeasing:
		return reason{"role", true, text + ", and gives it up: no majority answers", []string{"see the quorum below"}}
	case status.LeaseRemainingUSec > 0:
		text += ", renewed by a majority; its lease lasts " + span(usec(status.LeaseRemainingUSec)) + " from now"
	case several(status):
		text += ", and goes on without an end: nobody else could take over"
	}

	return reason{About: "role", Text: text}
}

// masterReason says who leads, or why nobody does.
func (a *app) masterReason(status *report) reason {
	switch {
	case status.Master != "" && status.MasterReady:
		return reason{"master", false, fmt.Sprintf("%s is master of term %d and ready", status.Master, status.Term), nil}
	case status.Master != "":
		return reason{"master", false, fmt.Sprintf("%s is master of term %d and not ready yet", status.Master, status.Term), nil}
	case strings.Contains(status.Why, "too often"):
		return reason{"master", true, "no master is known: " + status.Why, []string{
			"look why masters are lost: cssc history; journalctl -b -u cssc-agent, on every node",
			"the hold ends by itself when the oldest change has left mastership.flap_window",
		}}
	case whyWords(status) != "":
		return reason{"master", true, "no master is known: " + whyWords(status), nil}
	default:
		return reason{"master", true, "no master is known; the election is " + dash(status.Election), nil}
	}
}

// quorumReason says which voters are heard and which are missing.
func (a *app) quorumReason(status *report) reason {
	var missing []string
	for _, node := range status.Nodes {
		if node.Vote && !node.Alive {
			missing = append(missing, fmt.Sprintf("%s (%s, %s)", node.Node, dash(node.Address), a.silence(node)))
		}
	}
	text := fmt.Sprintf("%d of %d voters are heard, %d are needed", status.VotersHeard, status.Voters, needed(status))
	if len(missing) > 0 {
		text += "; missing: " + strings.Join(missing, ", ")
	}
	r := reason{About: "quorum", Bad: !status.Quorate, Text: text}
	if status.Quorate {
		return r
	}
	r.Do = []string{"start cssc-agent on the nodes that are missing, or repair the network to them"}
	if status.Voters == 2 && status.Master == "" {
		for _, node := range status.Nodes {
			if node.Vote && !node.Alive {
				r.Do = append(r.Do, fmt.Sprintf("only if %s is off and stays off: cssc failover --fenced %s", node.Node, node.Node))
			}
		}
	}

	return r
}

// configurationReasons compares the configurations that the node has to do with.
func configurationReasons(status *report, node levels.NodeView) []reason {
	if !several(status) {
		return nil
	}
	if !node.Self {
		if node.InStep {
			return nil
		}

		return []reason{{"configuration", true, "not this node's: " + differences(node), []string{"make the files the same, then on both: cssc reload"}}}
	}
	var list []reason
	for _, trouble := range driftTrouble(status) {
		list = append(list, reason{"configuration", true, trouble, nil})
	}
	if status.NeedReload {
		list = append(list, reason{"configuration", true, "the files on disk are not what is in force", []string{"cssc reload"}})
	}

	return list
}
