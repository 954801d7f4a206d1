//go:build integration

package integration_test

import (
	"strings"
	"testing"
)

// TestBootReachesEveryLevelInOrder mixes callbacks and members on one boot: within a level
// all begin together, and nothing of the next level begins before all of this one are done.
func TestBootReachesEveryLevelInOrder(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.caller("naming", "init:1", "init:3=slow:200ms", "init:last")
		n.member("a1", "cssc-init-1.target")
		n.member("b1", "cssc-init-1.target")
		n.member("a3", "cssc-init-3.target")
		n.member("a4", "cssc-init-4.target")
		n.member("z", "cssc-init-last.target")
		n.member("m2", "cssc-master-2.target")
		n.member("ready", "cssc-ready.target")
		n.bootUp()
		n.await("Role", "master")
		n.await("Ready", "true")
		n.inOrder(
			group("naming registered"),
			group("naming end init:1", "a1 start", "b1 start"),
			group("naming begin init:3", "a3 starting"),
			group("naming end init:3", "a3 start"),
			group("a4 starting"), group("a4 start"),
			group("naming begin init:last", "naming end init:last", "z starting", "z start"),
		)
		n.inOrder(group("a1 start", "b1 start"), group("m2 starting"), group("m2 start"), group("a3 starting"))
		n.inOrder(group("z start"), group("ready start"))
		for _, target := range []string{"cssc-init-4.target", "cssc-init-last.target", "cssc-ready.target", "cssc-master.target"} {
			if !n.active(target) {
				t.Errorf("%s is not active after init", target)
			}
		}
		if lines := n.told(); !strings.Contains(strings.Join(lines, "\n"), "role=master state=initializing") {
			t.Errorf("invocations do not tell role and state:\n%s", strings.Join(lines, "\n"))
		}
	})
}

// TestEmptyNodeComesUpAsMasterWithoutConfiguration is the newcomer's first minute.
func TestEmptyNodeComesUpAsMasterWithoutConfiguration(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.bootUp()
		n.await("Role", "master")
		n.await("MasterIsReady", "true")
		status := n.Run(t, "cssc", "status")
		for _, want := range []string{"n1", "master", "up"} {
			if !strings.Contains(status, want) {
				t.Errorf("cssc status: got\n%s\nwant a part %q", status, want)
			}
		}
		if failed := n.Run(t, "systemctl", "list-units", "--failed", "--no-legend"); failed != "" {
			t.Errorf("failed units:\n%s", failed)
		}
	})
}

// TestBadConfigurationStillBoots: a file that cannot be read never makes a boot hang, and
// the agent says where the mistake is.
func TestBadConfigurationStillBoots(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.config("[sequence.init]\nlevels = \"many\"\n")
		n.member("a", "cssc-init-1.target")
		n.Boot(t)
		if targets := n.Run(t, "systemctl", "show", "-P", "LoadState", "cssc-init-5.target", "cssc-shut-last.target"); strings.Contains(targets, "not-found") {
			t.Errorf("level targets are missing: %q", targets)
		}
		output, code, err := n.Try("cssc", "verify")
		if err != nil || code == 0 || !strings.Contains(output, "cssc.toml:2:") {
			t.Errorf("cssc verify: got status %d (%v):\n%s\nwant a failure that names cssc.toml:2", code, err, output)
		}
		if journal := n.Journal(t, "-u", "cssc-agent", "-o", "cat"); !strings.Contains(journal, "cssc.toml:2:") {
			t.Errorf("the agent's journal does not name the mistake:\n%s", journal)
		}
	})
}
