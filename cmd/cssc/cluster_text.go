package main

import (
	"fmt"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// The phases of the election in which something is the matter, in the words of the status.
const (
	electionAway      = "away"
	electionForming   = "forming"
	electionCeasing   = "ceasing"
	electionRestoring = "restoring"
)

// several says that the cluster has more than one voter, so that a quorum can be missed.
func several(status *report) bool { return status.Voters > 1 || len(status.Nodes) > 1 }

// needed is how many voters a majority takes.
func needed(status *report) int { return status.Voters/2 + 1 }

// quorumWords is the quorum in the line of the cluster.
func quorumWords(status *report) string {
	switch {
	case status.Quorate && several(status):
		return fmt.Sprintf("quorum %d of %d", status.VotersHeard, status.Voters)
	case status.Quorate:
		return "quorum"
	case several(status):
		return fmt.Sprintf("no quorum, %d of %d voters", status.VotersHeard, status.Voters)
	default:
		return "no quorum"
	}
}

// left says that a node that is not alive went in order.
func left(node levels.NodeView) bool {
	return !node.Alive && (node.State == levels.StateDown || node.State == levels.StateLeaving) && node.Heard != 0
}

// silent says that a node should be there and is not.
func silent(node levels.NodeView) bool { return !node.Alive && !left(node) && !node.Self }

// silence says how long nothing was heard of a node that is not alive.
func (a *app) silence(node levels.NodeView) string {
	switch {
	case left(node):
		return "has left the cluster"
	case node.Heard == 0:
		return "not seen since the agent started"
	default:
		return "silent for " + a.since(node.Heard)
	}
}

// driftWords names what differs in a configuration, as far as it is known.
func driftWords(node levels.NodeView) string {
	if len(node.Differs) == 0 {
		return "another configuration"
	}

	return "another configuration: " + strings.Join(node.Differs, ", ")
}

// nodeNames lists the nodes that are so.
func nodeNames(status *report, are func(levels.NodeView) bool) []string {
	var names []string
	for _, node := range status.Nodes {
		if are(node) {
			names = append(names, string(node.Node))
		}
	}

	return names
}

// masterDrift is the master when its configuration is not this node's, and nil otherwise:
// then it is this node that must change.
func masterDrift(status *report) *levels.NodeView {
	for i := range status.Nodes {
		if node := &status.Nodes[i]; node.Node == status.Master && !node.Self && !node.InStep {
			return node
		}
	}

	return nil
}

// whyWords is why there is no master, without saying that there is none.
func whyWords(status *report) string {
	for _, front := range []string{"no master: ", "no master; ", "no master yet"} {
		if rest, found := strings.CutPrefix(status.Why, front); found {
			return rest
		}
	}

	return status.Why
}

// clusterTrouble lists what is the matter with the cluster as a whole.
func clusterTrouble(status *report) []string {
	var list []string
	why := ""
	if words := whyWords(status); words != "" {
		why = ": " + words
	}
	switch {
	case status.Headless && several(status):
		list = append(list, "no master is known"+why+"; what runs goes on, nothing new starts; more: cssc explain")
	case status.Headless:
		list = append(list, "no master is known"+why+"; what runs goes on, nothing new starts")
	case status.Why != "" && (status.Election == electionForming || status.Election == electionCeasing || status.Election == electionRestoring):
		list = append(list, status.Why+"; more: cssc explain")
	}
	told := several(status) && !status.Quorate // the missing voters
	switch {
	case !told:
	case status.VotersHeard >= needed(status):
		told = false
		list = append(list, fmt.Sprintf("no quorum: no votes come through, though %d of %d voters were seen lately; if that lasts: is the port open for UDP?",
			status.VotersHeard, status.Voters))
	default:
		line := fmt.Sprintf("no quorum: %d of %d voters are heard, %d are needed", status.VotersHeard, status.Voters, needed(status))
		if missing := nodeNames(status, func(n levels.NodeView) bool { return n.Vote && !n.Alive }); len(missing) > 0 {
			line += "; missing: " + strings.Join(missing, ", ")
		}
		list = append(list, line)
	}
	if names := nodeNames(status, func(n levels.NodeView) bool { return silent(n) && (!told || !n.Vote) }); len(names) > 0 {
		list = append(list, "nothing is heard of "+strings.Join(names, ", ")+"; off, or cut off from here?")
	}

	return append(list, driftTrouble(status)...)
}

func driftTrouble(status *report) []string {
	if master := masterDrift(status); master != nil {
		return []string{fmt.Sprintf("this node and the master %s have different configurations (%s): make the files the same, then: cssc reload",
			master.Node, differences(*master))}
	}
	var list []string
	for _, node := range status.Nodes {
		if node.Alive && !node.InStep {
			list = append(list, fmt.Sprintf("%s takes no role, its configuration is another (%s): make the files the same, then there: cssc reload",
				node.Node, differences(node)))
		}
	}

	return list
}

func differences(node levels.NodeView) string {
	if len(node.Differs) == 0 {
		return "cssc cannot tell where"
	}

	return strings.Join(node.Differs, ", ")
}
