//go:build integration

package integration_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

const leaveUnit = "cssc-leave.service"

// TestPackageLivesOnABareNode: what an operator does with it from the first day to the last,
// with a look at what is left of it.
func TestPackageLivesOnABareNode(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := &stage{lab.New(t).Node(t, lab.NodeConfig{Suite: suite}), t}
			n.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
			n.member("a", "cssc-init-1.target")
			n.unit("plain.service", "[Service]\nType=exec\nExecStart=/bin/sleep infinity\n")
			n.Boot(t)
			before := n.everything()

			n.InstallPackages(t, lab.NewerVersion, "cssc", "cssc-agent", "cssc-doc")
			n.startsNothing()
			n.Run(t, "systemctl", "enable", "--now", agentUnit)
			n.Run(t, "cssc", "status", "--wait")
			n.await("Role", "master")
			n.awaitTold("a start")
			if !n.active(leaveUnit) {
				t.Errorf("%s is not active: a shutdown in this boot would not tell the services", leaveUnit)
			}
			n.Run(t, "cssc", "attach", "plain.service", "--init", "2")
			n.Run(t, "cssc", "sync")
			n.WriteFile(t, "/etc/cssc/keyring", "")

			n.staysWhenItCannotLeave()
			n.Run(t, n.Apt("remove", "cssc-agent", "cssc", "cssc-doc")...)
			n.awaitTold("a stop")
			if n.active("plain.service") {
				t.Errorf("plain.service runs on without the agent")
			}
			for _, kept := range []string{"/etc/cssc/keyring", "/var/lib/cssc"} {
				n.Run(t, "test", "-e", kept)
			}
			n.InstallPackages(t, lab.NewerVersion, "cssc", "cssc-agent")
			if !strings.Contains(n.Run(t, "systemctl", "is-enabled", agentUnit), "enabled") {
				t.Errorf("it was enabled, was removed and is there again, and is not enabled")
			}
			n.Run(t, n.Apt("purge", "cssc-agent", "cssc", "cssc-doc")...)
			n.leftNothing(before)
		})
	}
}

// startsNothing looks at a node on which the packages have just been installed.
func (n *stage) startsNothing() {
	n.t.Helper()
	for _, unit := range []string{agentUnit, guardUnit, leaveUnit, "cssc-standalone.service"} {
		state, _, err := n.Try("systemctl", "is-enabled", unit)
		if state = strings.TrimSpace(state); err != nil || state != "disabled" && state != "static" {
			n.t.Errorf("%s is %s (%v) after the installation, want it disabled", unit, state, err)
		}
		if n.active(unit) {
			n.t.Errorf("%s is active after the installation", unit)
		}
	}
	n.never("a starting")
	window := n.Run(n.t, "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "InhibitDelayMaxUSec")
	if strings.TrimSpace(window) != "t 3600000000" {
		n.t.Errorf("logind waits for %s at a shutdown, want the hour of zz-cssc.conf", window)
	}
	if got := n.Run(n.t, "journalctl", "--list-catalog"); !strings.Contains(got, "cssc") {
		n.t.Errorf("the journal's catalogue does not know cssc")
	}
}

// staysWhenItCannotLeave tries to remove the package while "cssc shutdown" does not work.
func (n *stage) staysWhenItCannotLeave() {
	n.t.Helper()
	n.Run(n.t, "mount", "--bind", "/bin/false", "/usr/bin/cssc")
	output, code, err := n.Try(n.Apt("remove", "cssc-agent")...)
	n.Run(n.t, "umount", "/usr/bin/cssc")
	if err != nil || code == 0 || !strings.Contains(output, "cssc-agent is not removed: cssc shutdown --noboot did not end well") {
		n.t.Errorf("removal that cannot leave: status %d (%v), want a refusal:\n%s", code, err, output)
	}
	if !n.active(agentUnit) || !n.active("plain.service") || !n.active("a.service") {
		n.t.Errorf("a removal that was refused has stopped something")
	}
}

// everything lists the files of the node that packages may leave behind, and what systemd
// knows of cssc.
func (n *stage) everything() []string {
	n.t.Helper()
	files := n.Run(n.t, "find", "/", "-xdev", "(", "-path", "/var/lib/dpkg", "-o", "-path", "/var/lib/apt", "-o", "-path", "/var/cache", "-o", "-path",
		"/var/log", "-o", "-path", "/var/tmp", "-o", "-path", "/lab", ")", "-prune", "-o", "-printf", "%y %p\n")
	volatile := n.Run(n.t, "find", "/run", "-name", "*cssc*")
	units := n.Run(n.t, "systemctl", "list-units", "--all", "--plain", "--no-legend", "cssc-*")
	unitFiles, _, err := n.Try("systemctl", "list-unit-files", "--no-legend", "cssc-*") // its status is 1 when there is none
	if err != nil {
		n.t.Fatal(err)
	}

	return slices.Sorted(strings.Lines(files + volatile + units + unitFiles))
}

// leftNothing compares the node with what it was.
func (n *stage) leftNothing(before []string) {
	n.t.Helper()
	after := n.everything()
	for _, line := range after {
		if !slices.Contains(before, line) {
			n.t.Errorf("left behind: %s", strings.TrimSpace(line))
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			n.t.Errorf("taken away: %s", strings.TrimSpace(line))
		}
	}
}

// TestRPMLivesOnANode: the .rpm does the same. The nodes have no rpm; the one of this machine
// works on a node's files, and its scripts run among the node's processes.
func TestRPMLivesOnANode(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := &stage{lab.New(t).Node(t, lab.NodeConfig{Suite: suite}), t}
			n.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
			n.member("a", "cssc-init-1.target")
			n.Boot(t)
			base := t.TempDir()
			n.rpm(base, "-i", lab.OlderVersion)
			n.startsNothing()
			n.Run(t, "systemctl", "enable", "--now", agentUnit)
			n.Run(t, "cssc", "status", "--wait")
			n.runs(lab.OlderVersion)
			n.rpm(base, "-U", lab.NewerVersion)
			n.runs(lab.NewerVersion)
			n.never("a stopping")
			n.rpm(base, "-e", "")
			n.awaitTold("a stop")
			if got := count(n.told(), "a starting"); got != 1 {
				t.Errorf("the member was started %d times, want once", got)
			}
			if left := n.Run(t, "systemctl", "list-units", "--all", "--plain", "--no-legend", "cssc-*"); left != "" {
				t.Errorf("systemd still knows of\n%s", left)
			}
			if left := n.Run(t, "find", "/usr", "/etc", "-xdev", "-name", "*cssc*", "!", "-path", "/etc/systemd/system/cssc-init-1.target.wants"); left != "" {
				t.Errorf("left behind:\n%s", left)
			}
		})
	}
}

// rpm installs, upgrades or, without a version, erases the packages of a node that runs; base is
// the folder of rpm's own records.
func (n *stage) rpm(base, action, version string) {
	n.t.Helper()
	pid := strconv.Itoa(n.PID())
	argv := []string{"nsenter", "-t", pid, "-p", "-n", "-i", "-u", "rpm", "--root", "/proc/" + pid + "/root", "--dbpath", base, action, "--nodeps"}
	for _, name := range []string{"cssc-agent", "cssc"} {
		if version == "" {
			argv = append(argv, name)

			continue
		}
		folder, err := lab.Packages(lab.RPM, version)
		if err != nil {
			n.t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(folder, name+"-"+version+"-*.rpm"))
		argv = append(argv, files...)
	}
	n.t.Logf("rpm %s %s: %s", action, version, run(n.t, argv...))
}
