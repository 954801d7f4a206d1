package doctor

import (
	"fmt"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// mostNodes bounds the nodes whose loss is thought through one by one.
const mostNodes = 9

// quorum says whether there is a majority, and what the loss of each node would mean.
func quorum(f Facts) []Result {
	if !f.Agent.ok() {
		return []Result{skip("the quorum", "the agent does not answer")}
	}
	a := f.Agent.Value
	if len(a.Nodes) < 2 {
		return []Result{pass("a cluster of one is its own majority")}
	}
	need := a.Voters/2 + 1
	if !a.Quorate {
		return []Result{fail(fmt.Sprintf("no quorum: %d of %d voters are heard, %d are needed", a.VotersHeard, a.Voters, need),
			"start the agent on the nodes that are missing, or repair the network to them", "more: cssc explain")}
	}
	results := []Result{pass("quorum %d of %d, %d are needed", a.VotersHeard, a.Voters, need)}
	if a.Master == "" {
		results[0] = fail("no master is known, though a majority is heard", "why: cssc explain")
	}
	thought := 0
	for _, node := range a.Nodes {
		if !node.Alive || (!node.Vote && node.Node != a.Master && node.Node != a.Vice) {
			continue
		}
		if thought++; thought > mostNodes {
			break
		}
		results = append(results, loss(f, node))
	}

	return results
}

// loss thinks through that the node is lost now.
func loss(f Facts, node levels.NodeView) Result {
	a := f.Agent.Value
	left := a.VotersHeard
	if node.Vote {
		left--
	}
	name := string(node.Node)
	words := "if " + name + " is lost: "
	if node.Node == a.Master {
		words = "if " + name + ", the master, is lost: "
	}
	switch {
	case left < a.Voters/2+1 && a.Voters == 2 && node.Node != a.Master:
		return warn(words+fmt.Sprintf("%s goes on alone, and nobody takes over from it", a.Master), "add a witness: a third node with eligible = false, on any small box")
	case left < a.Voters/2+1 && a.Voters == 2:
		return warn(words+"nobody takes over by itself", "a person can, who knows that it is off: cssc failover --fenced "+name,
			"add a witness: a third node with eligible = false, on any small box")
	case left < a.Voters/2+1:
		return warn(words+fmt.Sprintf("no quorum, %d of %d: no master; what has no role keeps running", left, a.Voters), "bring back the voters that are missing, or add some")
	case node.Node != a.Master:
		return pass("%squorum %d of %d, %s stays master", words, left, a.Voters, masterWord(a))
	}
	heir, second := heirs(a, node.Node)
	switch {
	case heir == "":
		return warn(words+fmt.Sprintf("quorum %d of %d, but no node could take over", left, a.Voters), heirHints(a, node.Node)...)
	case heir == a.Vice:
		return pass("%squorum %d of %d, the vice %s takes over", words, left, a.Voters, heir)
	case a.Vice == "":
		return warn(words+fmt.Sprintf("quorum %d of %d, %s could take over, but no vice is ready", left, a.Voters, heir), "why there is no vice: cssc explain "+string(heir))
	default:
		return pass("%squorum %d of %d, %s takes over%s", words, left, a.Voters, heir, second)
	}
}

func masterWord(a Agent) string {
	if a.Master == "" {
		return "nobody"
	}

	return string(a.Master)
}

// heirs is who would take over when the node is lost, the vice first.
func heirs(a Agent, lost levels.NodeID) (heir levels.NodeID, second string) {
	var able []string
	for _, node := range a.Nodes {
		if node.Node == lost || !canLead(node) {
			continue
		}
		if node.Node == a.Vice {
			return a.Vice, ""
		}
		able = append(able, string(node.Node))
	}
	if len(able) == 0 {
		return "", ""
	}
	if len(able) > 1 {
		second = " or " + strings.Join(able[1:], ", ")
	}

	return levels.NodeID(able[0]), second
}

func canLead(node levels.NodeView) bool {
	return node.Alive && node.Eligible && node.Qualified && node.InStep && node.State == levels.StateUp && !node.Barred
}

// heirHints says for each other node that may hold a role why it could not.
func heirHints(a Agent, lost levels.NodeID) []string {
	var do []string
	for _, node := range a.Nodes {
		if node.Node == lost || !node.Eligible {
			continue
		}
		switch name := string(node.Node); {
		case !node.Alive:
			do = append(do, name+" is not heard: start it")
		case !node.Qualified:
			do = append(do, name+" is locked: cssc unlock "+name)
		case !node.InStep:
			do = append(do, name+" has another configuration: make the files the same")
		case node.Barred:
			do = append(do, name+" is given no role since its promote failed: cssc explain "+name)
		default:
			do = append(do, fmt.Sprintf("%s is %s: cssc explain %s", name, node.State, name))
		}
	}
	if len(do) == 0 {
		do = append(do, "let another node be eligible, in cssc.toml")
	}

	return do
}
