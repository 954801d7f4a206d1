//go:build integration

package integration_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// nobody is an unprivileged user of the nodes.
const nobody = 65534

// as runs a command as nobody and returns its output and exit status.
func (n *stage) as(argv ...string) (output string, code int) {
	n.t.Helper()
	output, code, err := n.TryAs(context.Background(), nobody, argv...)
	if err != nil {
		n.t.Fatalf("as nobody: %v: %v\n%s", argv, err, output)
	}

	return output, code
}

// TestUnprivilegedUserCanLookButNotTouch tries every door as nobody, with polkit on the
// node and without it.
func TestUnprivilegedUserCanLookButNotTouch(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]lab.Extra{"without polkit": lab.Bare, "with polkit": lab.WithPolkit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachSuiteWith(t, lab.NodeConfig{Extra: extra}, func(t *testing.T, n *stage) {
				n.caller("naming", "init:1", "shut:0")
				n.bootUp()
				pid := n.agentPID()
				if output, code := n.as("cssc", "status"); code != 0 || !strings.Contains(output, "master") {
					t.Errorf("cssc status as nobody: got status %d\n%s\nwant the status", code, output)
				}
				for _, argv := range [][]string{
					{"cssc", "shutdown", "--yes", "--no-wait"},
					{"cssc", "shutdown", "--noboot", "--yes"},
					{"cssc", "sequence", "retry", "init"},
					{"cssc", "reload"},
					{"cssc", "sync"},
					{"cssc", "lock", "--yes"},
					{"cssc", "keys", "list"},
					{"cssc", "voter", "reset", "--yes"},
				} {
					if output, code := n.as(argv...); code != 4 {
						t.Errorf("%v as nobody: got status %d, want 4 (refused)\n%s", argv, code, output)
					}
				}
				n.deniedAttacks()
				if got, _ := n.property("State"); got != "up" || n.agentPID() != pid {
					t.Errorf("after the attacks: state %q, agent process %s, want up and %s", got, n.agentPID(), pid)
				}
			})
		})
	}
}

func (n *stage) deniedAttacks() {
	n.t.Helper()
	for _, kind := range []string{"own", "register", "done"} {
		output, _ := n.as("/usr/bin/probe", "attack", kind, "7")
		if !regexp.MustCompile(`^denied org\.freedesktop\.DBus\.Error\.(AccessDenied|InteractiveAuthorizationRequired)`).MatchString(output) {
			n.t.Errorf("%s: attack %s: got %q, want denied", n.Suite, kind, output)
		}
	}
	victim := n.connectionOf("naming.service")
	if output, code := n.as("/usr/bin/probe", "attack", "forge", victim); code != 0 {
		n.t.Errorf("%s: attack forge: status %d: %s", n.Suite, code, output)
	}
	// The same by root arrives: so the victim was the right one, and the policy is what stops nobody.
	n.Run(n.t, "busctl", "emit", "--destination="+victim, "/org/cssc/Agent1", "org.cssc.Agent1.Manager", "Callback",
		"tossita{sv}", "4712", "/org/cssc/Agent1", "naming", "shut", "1", "0", "0")
	n.awaitTold("naming begin shut:1 tag=4712")
	for _, line := range n.told() {
		if strings.Contains(line, "tag=4711") {
			n.t.Errorf("%s: the forged callback arrived: %s", n.Suite, line)
		}
	}
}

// connectionOf finds the unique bus name of a unit's main process.
func (n *stage) connectionOf(unit string) string {
	n.t.Helper()
	pid := strings.TrimSpace(n.Run(n.t, "systemctl", "show", "-P", "MainPID", unit))
	for line := range strings.Lines(n.Run(n.t, "busctl", "list", "--unique", "--no-legend")) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == pid {
			return fields[0]
		}
	}
	n.t.Fatalf("no bus connection of %s (process %s)", unit, pid)

	return ""
}

// TestFloodsDoNotCrashOrFillTheAgent: thousands of calls of one user, answers unread, and
// messages as large as the bus lets through; the agent lives, answers and stays small.
func TestFloodsDoNotCrashOrFillTheAgent(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.bootUp()
		pid := n.agentPID()
		floods := []*lab.Process{
			n.Background(t, "setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/probe", "attack", "introspect", "5000"),
			n.Background(t, "setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/probe", "attack", "status", "5000"),
			n.Background(t, "setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/probe", "attack", "fill", "40"),
		}
		for _, flood := range floods {
			if output, code := flood.Wait(t); code != 0 {
				t.Logf("a flood ended with status %d (it may be cut off): %s", code, output)
			}
		}
		n.await("State", "up")
		if after := n.agentPID(); after != pid {
			t.Errorf("the agent's process is %s after the floods, was %s", after, pid)
		}
		memory := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(n.Run(t, "cat", "/proc/"+pid+"/status"))
		if kilobytes, err := strconv.Atoi(memory[1]); err != nil || kilobytes > 128*1024 {
			t.Errorf("the agent has %s kB after the floods, want at most 128 MiB", memory[1])
		}
	})
}

// TestSandboxExposureIsLow measures the units as installed.
func TestSandboxExposureIsLow(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.Boot(t)
		for unit, limit := range map[string]float64{"cssc-agent": 2.0, "cssc-guard": 2.0, "cssc-leave": 1.5, "cssc-standalone": 1.5} {
			output := n.Run(t, "systemd-analyze", "security", "--offline=true", "/usr/lib/systemd/system/"+unit+".service")
			match := regexp.MustCompile(`exposure level for \S+: (\d+\.\d+)`).FindStringSubmatch(output)
			if match == nil {
				t.Fatalf("systemd-analyze security %s: no level in\n%s", unit, output)
			}
			if level, err := strconv.ParseFloat(match[1], 64); err != nil || level > limit {
				t.Errorf("%s: exposure %s, want at most %.1f", unit, match[1], limit)
			}
		}
		verify := []string{"systemd-analyze", "verify", "--man=no", "cssc-agent.service", "cssc-guard.service", "cssc-leave.service", "cssc-standalone.service"}
		if output := n.Run(t, verify...); strings.TrimSpace(output) != "" {
			t.Errorf("systemd-analyze verify says:\n%s", output)
		}
	})
}
