package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// configuration says whether the files can be used.
func configuration(f Facts) []Result {
	if len(f.ConfigProblems) > 0 {
		var results []Result
		for _, problem := range f.ConfigProblems {
			results = append(results, fail(problem, "correct it, then: cssc verify && cssc reload"))
		}

		return results
	}
	if !f.Config.ok() {
		return []Result{skip("the configuration", f.Config.Why)}
	}
	var results []Result
	for _, problem := range f.Config.Value.Warnings {
		if problem.Key != keyOfVoters {
			results = append(results, warn(problem.String(), "more: cssc verify"))
		}
	}
	switch files := f.Config.Value.Files; {
	case len(results) > 0:
	case len(files) == 0:
		results = append(results, pass("no file: a cluster of one with the defaults"))
	default:
		results = append(results, pass("%s can be used", strings.Join(files, ", ")))
	}

	return results
}

// keyOfVoters is what the configuration's own warnings about numbers of voters are about; they
// are told by the check of the voters.
const keyOfVoters = "node"

// drift compares what is in force on the nodes.
func drift(f Facts) []Result {
	if !f.Agent.ok() {
		return []Result{skip("what is in force on the nodes", "the agent does not answer")}
	}
	a := f.Agent.Value
	var results []Result
	for _, node := range a.Nodes {
		if node.Self || node.InStep || node.ConfigHash == "" {
			continue
		}
		differs := "which settings, cannot be told"
		if len(node.Differs) > 0 {
			differs = strings.Join(node.Differs, ", ")
		}
		results = append(results, fail(fmt.Sprintf("%s has another configuration than this node: %s; whoever differs from the master takes no role", node.Node, differs),
			"make /etc/cssc the same on both, but for [local]; then on both: cssc reload"))
	}
	if len(results) > 0 {
		return results
	}

	return []Result{pass("every node that is heard has the same configuration in force")}
}

// voters says what people expect wrongly of some numbers.
func voters(f Facts) []Result {
	if !f.Config.ok() {
		return []Result{skip("the number of voters", noConfig(f))}
	}
	c := f.Config.Value
	if c.ClusterOfOne() {
		return []Result{pass("a cluster of one needs no majority")}
	}
	for _, problem := range c.Warnings {
		if problem.Key == keyOfVoters {
			return []Result{warn(problem.Text, "more: cssc-safety(7), cssc.toml(5)")}
		}
	}
	count, eligible := 0, 0
	for _, node := range c.Nodes {
		if node.Vote {
			count++
		}
		if node.Eligible {
			eligible++
		}
	}
	if eligible == 1 {
		return []Result{warn("only one node may hold a role: nobody takes over from it", "let another one be eligible")}
	}

	return []Result{pass("%d voters, %d nodes that may hold a role", count, eligible)}
}

func noConfig(f Facts) string {
	if f.Config.Why == "" {
		return "the configuration cannot be used"
	}

	return f.Config.Why
}

// limits says which time limits do not nest: those of the configuration in themselves and
// with cssc-leave.service, and those of the members with their levels.
func limits(f Facts) []Result {
	if !f.Config.ok() {
		return []Result{skip("the time limits", noConfig(f))}
	}
	c := f.Config.Value
	var results []Result
	for _, problem := range config.Verify(c, 0, f.Host.StopTimeout.Value) {
		results = append(results, fail(problem.String(), "then: cssc verify"))
	}
	if !f.Host.StopTimeout.ok() {
		results = append(results, skip("TimeoutStopSec= of cssc-leave.service", f.Host.StopTimeout.Why))
	}
	if !f.Members.ok() {
		results = append(results, skip("the limits of the members", f.Members.Why))
	}
	for _, member := range f.Members.Value {
		results = append(results, memberLimits(c.Levels, member)...)
	}
	if len(results) == 0 {
		return []Result{pass("the time limits nest: %s below their levels, those below shutdown.timeout", counted(len(f.Members.Value), "member"))}
	}

	return results
}

// memberLimits compares systemd's limits of one unit with the agent's.
func memberLimits(c levels.Config, member Member) []Result {
	up, down := sequencesOf(member.Target)
	start, stop := limitOf(c, up, member), limitOf(c, down, member)
	edit := fmt.Sprintf("make the first shorter: systemctl edit %s; or the second longer, in cssc.toml: [sequence.", member.Name)
	var results []Result
	if member.Start > start {
		results = append(results, warn(fmt.Sprintf("%s has %v to start (TimeoutStartSec=), its %s only %v: it fails there while it is still starting",
			member.Name, member.Start, place(up, member.Target), start), edit+up.String()+"] timeout"))
	}
	if member.Job > start {
		results = append(results, warn(fmt.Sprintf("%s may wait %v for its start (JobTimeoutSec=, JobRunningTimeoutSec=), its %s only %v",
			member.Name, member.Job, place(up, member.Target), start), edit+up.String()+"] timeout"))
	}
	if member.Stop > stop {
		results = append(results, warn(fmt.Sprintf("%s has %v to stop (TimeoutStopSec=), %s gives it only %v: it is killed then",
			member.Name, member.Stop, down, stop), edit+down.String()+"] timeout"))
	}

	return results
}

// place is where a member starts, in words.
func place(sequence levels.Sequence, target levels.Target) string {
	if target.Plain {
		return "target " + target.String()
	}

	return fmt.Sprintf("level %s of %s", target.Level, sequence)
}

// sequencesOf says which sequence starts the members of a target, and which stops them.
func sequencesOf(target levels.Target) (up, down levels.Sequence) {
	if sequence, err := levels.ParseSequence(target.Group); err == nil && sequence != levels.Init {
		return sequence, sequence
	}
	switch target.Group {
	case levels.RoleMaster.String(), levels.RoleVice.String():
		return levels.Promote, levels.Demote
	default:
		return levels.Init, levels.Shut
	}
}

// limitOf is what the agent gives the member: its own, the level's or the sequence's limit.
func limitOf(c levels.Config, sequence levels.Sequence, member Member) time.Duration {
	own := c.Components[member.Name].Timeout
	settings := c.Sequences[sequence]
	level := settings.Levels[member.Target.Level].Timeout
	switch {
	case own > 0:
		return own
	case level > 0 && !member.Target.Plain && sequence != levels.Shut && sequence != levels.Demote:
		return level
	default:
		return settings.Timeout
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}
