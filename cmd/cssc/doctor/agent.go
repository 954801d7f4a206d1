package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

const (
	agentUnit = "cssc-agent.service"
	guardUnit = "cssc-guard.service"
	// OldestSystemd is the oldest version that cssc works with.
	OldestSystemd = 252
)

// agent says whether the agent answers, and what it waits for an operator with.
func agent(f Facts) []Result {
	if !f.Agent.ok() {
		result := fail("no answer from the agent: "+f.Agent.Why, append(slices.Clone(f.Reach), "look at it: systemctl status cssc-agent; journalctl -b -u cssc-agent")...)
		if f.Host.Standalone {
			result.Text += "; this boot, or the next, is without the cluster (cssc shutdown --standalone)"
			result.Do = []string{"back into the cluster: reboot, or rm /var/lib/cssc/standalone and systemctl start cssc-agent"}
		}

		return []Result{result}
	}
	a := f.Agent.Value
	results := []Result{pass("cssc-agent %s answers: %s is %s, %s", a.Version, a.Node, a.Role, a.State)}
	for _, text := range a.Attention {
		results = append(results, warn(text, "why, and what would change it: cssc explain"))
	}

	return results
}

// boot says whether the node comes back by itself.
func boot(f Facts) []Result {
	var missing []string
	for _, unit := range []string{agentUnit, "cssc-leave.service", "cssc-standalone.service"} {
		state, asked := f.Host.Enabled[unit]
		switch {
		case !asked:
			return []Result{skip("what starts at boot", noSystemd)}
		case !state.ok():
			return []Result{skip("what starts at boot", state.Why)}
		case state.Value == "masked" || state.Value == "masked-runtime":
			return []Result{fail(unit+" is masked", "systemctl unmask "+unit)}
		case state.Value != "enabled":
			missing = append(missing, fmt.Sprintf("%s (%s)", unit, state.Value))
		}
	}
	results := []Result{pass("the agent starts at boot")}
	if len(missing) > 0 {
		results[0] = warn("not enabled, so not there after the next boot: "+strings.Join(missing, ", "), "systemctl enable cssc-agent.service")
	}
	if f.Host.Standalone {
		results = append(results, warn("the next boot is without the cluster: somebody asked for it by cssc shutdown --standalone",
			"if that is not wanted: rm /var/lib/cssc/standalone"))
	}

	return results
}

// versions compares systemd, cssc, and the agents of all nodes.
func versions(f Facts) []Result {
	var results []Result
	switch systemd := f.Host.Systemd; {
	case !systemd.ok():
		results = append(results, skip("the version of systemd", systemd.Why))
	case systemd.Value < OldestSystemd:
		results = append(results, fail(fmt.Sprintf("systemd %d is older than %d, which cssc needs", systemd.Value, OldestSystemd), "upgrade the operating system"))
	default:
		results = append(results, pass("systemd %d", systemd.Value))
	}
	if !f.Agent.ok() {
		return append(results, skip("the versions of the agents", "the agent does not answer"))
	}
	if f.CLI != f.Agent.Value.Version {
		results = append(results, warn(fmt.Sprintf("cssc is %s, the agent that runs is %s", f.CLI, f.Agent.Value.Version),
			"after an upgrade: systemctl restart cssc-agent, which stops no service"))
	}
	nodes := map[string][]string{}
	for _, node := range f.Agent.Value.Nodes {
		if node.Version != "" {
			nodes[node.Version] = append(nodes[node.Version], string(node.Node))
		}
	}
	if len(nodes) > 1 {
		return append(results, warn("the agents are of different versions: "+grouped(nodes), "finish the upgrade, one node after the other"))
	}
	if f.CLI == f.Agent.Value.Version {
		results = append(results, pass("cssc and all agents that are heard are of version %s", f.CLI))
	}

	return results
}

// grouped is "1.2.3 on n1, n2; 1.2.4 on n3".
func grouped(names map[string][]string) string {
	var parts []string
	for what, where := range names {
		parts = append(parts, fmt.Sprintf("%s on %s", what, strings.Join(where, ", ")))
	}
	slices.Sort(parts)

	return strings.Join(parts, "; ")
}

// nodes says who is not heard, and what waits for an operator on the others.
func nodes(f Facts) []Result {
	if !f.Agent.ok() {
		return []Result{skip("the other nodes", "the agent does not answer")}
	}
	var results []Result
	for _, node := range f.Agent.Value.Nodes {
		switch {
		case node.Self || node.Alive:
		case node.Heard != 0 && (node.State == levels.StateDown || node.State == levels.StateLeaving):
			results = append(results, warn(fmt.Sprintf("%s has left the cluster", node.Node), fmt.Sprintf("on %s: cssc start, or boot it", node.Node)))
		default:
			results = append(results, fail(fmt.Sprintf("%s is not heard", node.Node),
				fmt.Sprintf("is it on? on %s: systemctl status cssc-agent; journalctl -b -u cssc-agent", node.Node),
				fmt.Sprintf("is %s reachable from here with TCP and UDP, and is its key the same? there: cssc doctor", node.Address)))
		}
	}
	for _, other := range f.Others {
		switch {
		case other.Why != "":
			results = append(results, warn(fmt.Sprintf("%s is heard and does not answer a question: %s", other.Node, other.Why),
				"is its port open for TCP, too?"))
		default:
			for _, text := range other.Attention {
				results = append(results, warn(fmt.Sprintf("on %s: %s", other.Node, text), fmt.Sprintf("on %s: cssc explain", other.Node)))
			}
		}
	}
	if len(results) > 0 {
		return results
	}
	if len(f.Agent.Value.Nodes) < 2 {
		return []Result{pass("this node is the whole cluster")}
	}

	return []Result{pass("all %d nodes are heard, and those that answer have nothing that waits for an operator", len(f.Agent.Value.Nodes))}
}
