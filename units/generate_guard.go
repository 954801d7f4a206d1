package units

import (
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	guardDropIn      = "50-cssc.conf"
	guardAgentDropIn = "50-cssc-guard.conf"
	// The guard's watchdog is this part of the lease: a guard that was stopped together with
	// the agent is back, and has looked, long before the lease ends.
	watchdogParts = 4
)

// GenerateGuard renders what a node needs that may hold a lease of this length: the agent
// brings the guard with it, and at shutdown the guard stops after every member of the master's
// targets. The files are named as in Generated.
func GenerateGuard(ladders Ladders, installed *Installed, lease time.Duration) map[string]string {
	targets := []string{}
	members := map[string]struct{}{}
	for _, r := range ladders.rungs() {
		if r.target.Group != levels.RoleMaster.String() {
			continue
		}
		unit := TargetUnit(r.target)
		targets = append(targets, unit)
		for _, member := range installed.Wanted[unit] {
			if doomable(member) {
				members[member] = struct{}{}
			}
		}
	}
	var guard strings.Builder
	guard.WriteString("# Made by cssc-generator from " + sourcePath + ": what the lease needs, and order at shutdown.\n[Unit]\n")
	writeNames(&guard, "Before", targets)
	writeNames(&guard, "Before", sortedUnits(members))
	fmt.Fprintf(&guard, "[Service]\nWatchdogSec=%dms\n", (lease / watchdogParts).Milliseconds())

	return map[string]string{
		guardUnit + ".d/" + guardDropIn: guard.String(),
		agentUnit + ".d/" + guardAgentDropIn: "# Made by cssc-generator from " + sourcePath +
			": this node may become master of a larger cluster.\n[Unit]\nWants=" + guardUnit + "\nAfter=" + guardUnit + "\n",
	}
}
