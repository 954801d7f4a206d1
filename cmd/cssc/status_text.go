package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// statusScreen is the status for a person: one screen, most important first.
func (a *app) statusScreen(status *report) string {
	var screen strings.Builder
	p := a.paint()
	fmt.Fprintf(&screen, "%s  %s\n\n", p.strong(printable(status.Cluster)), a.clusterWords(status))
	screen.WriteString(a.nodeGrid(status).render(p, "", a.width()))
	screen.WriteString("\n")
	if status.Run != nil {
		screen.WriteString("\n" + a.runScreen(status))
	}
	for _, operation := range status.Operations {
		if operation.Result == levels.ResultRunning {
			fmt.Fprintf(&screen, "\n%s %s\n", p.strong("operation"), printable(operationWords(operation)))
		}
	}
	if list := standing(status); len(list) > 0 {
		fmt.Fprintf(&screen, "\n%s\n", p.warn("needs attention"))
		for _, item := range list {
			fmt.Fprintf(&screen, "  %s %s\n", p.warn("!"), wrapped(printable(item), 4, a.width()))
		}
	}

	return screen.String()
}

// clusterWords is the cluster in one line: mastership and quorum.
func (a *app) clusterWords(status *report) string {
	p := a.paint()
	parts := make([]string, 0, 4)
	switch {
	case status.Master == "":
		parts = append(parts, p.bad("no master"))
	case status.MasterReady:
		parts = append(parts, fmt.Sprintf("master %s %s", p.strong(printable(string(status.Master))), p.good("ready")))
	default:
		parts = append(parts, fmt.Sprintf("master %s %s", p.strong(printable(string(status.Master))), p.warn("not ready yet")))
	}
	if status.Vice != "" {
		parts = append(parts, "vice "+p.strong(printable(string(status.Vice))))
	} else {
		parts = append(parts, p.dim("no vice"))
	}
	parts = append(parts, fmt.Sprintf("term %d", status.Term))
	if status.Quorate {
		parts = append(parts, p.good(quorumWords(status)))
	} else {
		parts = append(parts, p.bad(quorumWords(status)))
	}

	return strings.Join(parts, p.dim(" · "))
}

func (a *app) nodeGrid(status *report) *grid {
	p := a.paint()
	g := &grid{header: []string{"  NODE", "ROLE", "STATE", "LEVEL", "WHY"}}
	for _, node := range status.Nodes {
		mark, level, why := "  ", otherReached(node), nodeWhy(node, status)
		if silent(node) && node.Heard != 0 {
			why = "nothing heard for " + a.since(node.Heard)
		}
		if node.Self {
			mark = stateMark(p, status) + " "
			level = reachedWords(status)
		}
		g.add(mark+p.strong(printable(string(node.Node))), roleWords(p, node), presence(p, node), level,
			printable(why))
	}

	return g
}

// presence is the state of a node, or that it is not heard.
func presence(p paint, node levels.NodeView) string {
	if silent(node) {
		return p.bad("silent")
	}

	return stateWords(p, node.State)
}

// otherReached says how far init came on another node.
func otherReached(node levels.NodeView) string {
	switch {
	case !node.Alive || !node.ReachedAny:
		return ""
	case node.Reached == levels.Last:
		return "init complete"
	default:
		return "init " + node.Reached.String()
	}
}

func stateMark(p paint, status *report) string {
	switch {
	case status.Run != nil && status.Run.Phase == levels.PhaseHeld:
		return p.bad("●")
	case status.State == levels.StateUp:
		return p.good("●")
	default:
		return p.warn("●")
	}
}

func roleWords(p paint, node levels.NodeView) string {
	switch node.Role {
	case levels.RoleMaster, levels.RoleVice:
		return p.good(node.Role.String())
	case levels.RoleOffline:
		return p.warn(node.Role.String())
	case levels.RoleUnknown:
		return ""
	case levels.RoleSpare, levels.RoleNone:
		return node.Role.String()
	default:
		return node.Role.String()
	}
}

func stateWords(p paint, state levels.NodeState) string {
	switch state {
	case levels.StateUp:
		return p.good(state.String())
	case levels.StateDown, levels.StateLeaving, levels.StateShuttingDown,
		levels.StateJoining, levels.StateInitializing:
		return p.warn(state.String())
	default:
		return state.String()
	}
}

// reachedWords says how far init came on this node.
func reachedWords(status *report) string {
	switch {
	case status.Run != nil:
		return status.Run.Sequence.String() + " " + status.Run.Level.String() + " of " + topWords(status.Run.Top)
	case status.Ready:
		return "init complete"
	case status.ReachedAny:
		return "init " + status.Reached.String()
	default:
		return ""
	}
}

func topWords(top levels.Level) string { return strconv.Itoa(int(top)) }

// nodeWhy says in a few words why the node is not simply up.
func nodeWhy(node levels.NodeView, status *report) string {
	run := status.Run
	switch {
	case node.Self && run != nil && run.Phase == levels.PhaseHeld && len(failedOf(run)) > 0:
		return "held: " + participantNames(failedOf(run)) + " failed"
	case node.Self && run != nil && run.Phase != levels.PhaseRunning && run.Reason != "":
		return run.Phase.String() + ": " + run.Reason
	case node.Self && run != nil:
		return run.Phase.String() + ", " + run.Cause
	case node.Self && status.Syncing:
		return "starts what is missing at levels that are reached"
	case node.Self && node.State == levels.StateDown:
		return "out of the cluster, back with: cssc start"
	case node.Self && node.State == levels.StateJoining:
		return "waits for a master"
	case node.Self && masterDrift(status) != nil:
		return "its configuration is not the master's: " + differences(*masterDrift(status))
	case node.Self:
		return eligibility(node)
	case left(node):
		return "has left the cluster"
	case !node.Alive && node.Heard == 0:
		return "not seen since the agent started"
	case !node.Alive:
		return "silent"
	case !node.InStep && masterDrift(status) == nil:
		return driftWords(node)
	case !node.InStep: // it is this node that must change
		node.Why = ""

		return eligibility(node)
	default:
		return eligibility(node)
	}
}

// eligibility says why a node that is well holds no role.
func eligibility(node levels.NodeView) string {
	switch {
	case !node.Eligible && node.Vote:
		return "not eligible: votes only"
	case !node.Eligible:
		return "not eligible, no vote"
	case !node.Qualified:
		return fmt.Sprintf("locked, back with: cssc unlock %s", node.Node)
	default:
		return node.Why
	}
}

// runScreen is the run in progress with its participants, and what to type when
// it is held.
func (a *app) runScreen(status *report) string {
	run := status.Run
	var screen strings.Builder
	p := a.paint()
	title := fmt.Sprintf("%s level %s", run.Sequence, run.Level)
	if run.Phase == levels.PhaseHeld {
		fmt.Fprintf(&screen, "%s %s", p.bad("HELD"), p.strong(title))
	} else {
		fmt.Fprintf(&screen, "%s %s", p.strong(title), run.Phase)
	}
	fmt.Fprintf(&screen, "%s\n", p.dim(fmt.Sprintf("  run %d, %s, since %s", run.Run, printable(run.Cause), a.since(run.Started))))
	if run.Phase != levels.PhaseHeld && run.Reason != "" {
		fmt.Fprintf(&screen, "  %s\n", printable(run.Reason))
	}
	for _, participant := range run.Participants {
		fmt.Fprintf(&screen, "  %s\n", a.participantLine(participant))
	}
	if run.Phase == levels.PhaseHeld {
		for _, participant := range failedOf(run) {
			fmt.Fprintf(&screen, "\n  look at:                     %s", printable(investigate(participant, status.Registrations)))
		}
		for _, hint := range heldHints(run.Sequence) {
			fmt.Fprintf(&screen, "\n  %s", hint)
		}
		screen.WriteString("\n")
	}

	return screen.String()
}

// participantLine is one participant of a level: mark, name, kind, what about it.
func (a *app) participantLine(participant levels.Participant) string {
	p := a.paint()
	about := a.participantAbout(participant)
	name := printable(participant.Name)

	return strings.TrimRight(fmt.Sprintf("%s %s %s  %s",
		outcomeMark(p, participant.Outcome), pad(name, 24), p.dim(pad(participant.Kind.String(), 8)), about), " ")
}

func (a *app) participantAbout(participant levels.Participant) string {
	p := a.paint()
	spent := ""
	switch {
	case participant.Started == 0:
	case participant.Ended != 0:
		spent = span(participant.Ended.Sub(participant.Started))
	default:
		spent = a.since(participant.Started)
		if participant.Deadline != 0 {
			spent += " of " + span(participant.Deadline.Sub(participant.Started))
		}
	}
	reason := printable(participant.Reason)
	if participant.Outcome == levels.OutcomeFailed {
		reason = p.bad(reason)
	}
	words := []string{participant.Outcome.String()}
	if spent != "" {
		words = append(words, p.dim(spent))
	}
	if reason != "" {
		words = append(words, reason)
	}

	return strings.Join(words, "  ")
}

func outcomeMark(p paint, outcome levels.Outcome) string {
	switch outcome {
	case levels.OutcomeDone, levels.OutcomeAlready:
		return p.good("✓")
	case levels.OutcomeFailed:
		return p.bad("✗")
	case levels.OutcomeRunning:
		return p.warn("…")
	case levels.OutcomeSkipped, levels.OutcomePassed:
		return p.warn("–")
	case levels.OutcomeWaiting:
		return p.dim("·")
	default:
		return " "
	}
}

func pad(words string, width int) string {
	return words + strings.Repeat(" ", max(0, width-len([]rune(words))))
}

// statusLines is the status for programs: one fact a line, a word that says what
// kind, then the name, then key=value pairs with values quoted where they need it.
func (a *app) statusLines(status *report) string {
	var lines strings.Builder
	fmt.Fprintf(&lines, "cluster %s master=%s master_ready=%s vice=%s term=%d quorate=%s headless=%s election=%s voters=%d voters_heard=%d why=%s\n",
		quoted(status.Cluster), quoted(string(status.Master)), yesNo(status.MasterReady),
		quoted(string(status.Vice)), status.Term, yesNo(status.Quorate), yesNo(status.Headless),
		quoted(status.Election), status.Voters, status.VotersHeard, quoted(status.Why))
	for _, node := range status.Nodes {
		fmt.Fprintf(&lines, "node %s self=%s role=%s state=%s eligible=%s qualified=%s",
			quoted(string(node.Node)), yesNo(node.Self), node.Role, node.State, yesNo(node.Eligible), yesNo(node.Qualified))
		if node.Self {
			fmt.Fprintf(&lines, " ready=%s level=%s", yesNo(status.Ready), reachedLevel(status.Reached, status.ReachedAny))
		} else {
			fmt.Fprintf(&lines, " level=%s", reachedLevel(node.Reached, node.ReachedAny))
		}
		fmt.Fprintf(&lines, " why=%s vote=%s alive=%s in_step=%s\n", quoted(nodeWhy(node, status)),
			yesNo(node.Vote), yesNo(node.Alive), yesNo(node.InStep))
	}
	if status.Run != nil {
		lines.WriteString(runLines(status.Run))
	}
	for _, operation := range status.Operations {
		if operation.Result == levels.ResultRunning {
			fmt.Fprintf(&lines, "operation %d kind=%s node=%s step=%s\n", operation.ID, operation.Kind,
				quoted(string(operation.Node)), quoted(operation.Step))
		}
	}
	for _, item := range attention(status) {
		fmt.Fprintf(&lines, "attention %s\n", quoted(item))
	}

	return lines.String()
}

func reachedLevel(level levels.Level, counts bool) string {
	if !counts {
		return "-"
	}

	return level.String()
}

// quoted writes a value of a plain line: "-" for nothing, in quotation marks when
// it is not one word.
func quoted(value string) string {
	if value == "" {
		return "-"
	}
	if value == "-" || strings.ContainsAny(value, " \"'=\\") || strconv.Quote(value) != `"`+value+`"` {
		return strconv.Quote(value)
	}

	return value
}
