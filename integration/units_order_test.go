//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// TestSystemdAloneStopsInReverse powers a node off twice without any agent: the init levels
// stop from the highest down, over the levels that are empty, and a level that was empty
// when its turn was and got a member later breaks nothing; with a role, that goes first.
func TestSystemdAloneStopsInReverse(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			join := func(target levels.Target, name string) levels.Target {
				unit := name + ".service"
				files[unit] = recorder(name)
				link, to := wantedBy(target, unit)
				files[link] = to

				return target
			}
			var initTargets, roleTargets []levels.Target
			for _, level := range []levels.Level{1, 2, 5, 7} { // 0, 3, 4, 6 and all above are empty
				join(initLevel(level), "i"+level.String()+"a")
				initTargets = append(initTargets, join(initLevel(level), "i"+level.String()+"b"))
			}
			for _, level := range []levels.Level{2, 6} {
				roleTargets = append(roleTargets, join(levels.RoleTarget(levels.RoleMaster, level), "m"+level.String()+"a"))
			}
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			n.startAll(t, initTargets)
			// Level 6 gets its first member after its turn: its target stays down.
			n.WriteFile(t, "/etc/systemd/system/late.service", "[Install]\nWantedBy=cssc-init-6.target\n"+oneshot("true"))
			n.Run(t, "systemctl", "enable", "late.service")
			if stops := n.stopsOfShutdown(t); levelsOf(stops, "i") != "77552211" {
				t.Errorf("init levels stopped in the order %q, want 7, 5, 2, 1", stops)
			}
			n.boot(t)
			n.startAll(t, append(initTargets, roleTargets...))
			stops := n.stopsOfShutdown(t)
			if order := levelsOf(stops, "i"); order != "77552211" {
				t.Errorf("with a role, init levels stopped in the order %q", stops)
			}
			if order := levelsOf(stops, "m"); order != "62" || strings.Index(stops, "m2") > strings.Index(stops, "i2") {
				t.Errorf("role levels stopped in the order %q, want m6 before m2 before i2", stops)
			}
		})
	}
}

func (n *unitsNode) startAll(t *testing.T, targets []levels.Target) {
	t.Helper()
	for _, target := range targets {
		n.start(t, levels.StartUnits{Target: target})
	}
}

// stopsOfShutdown powers the node off past everybody and lists levels in the order in which
// their recorders have stopped: "i7 i7 m2".
func (n *unitsNode) stopsOfShutdown(t *testing.T) string {
	t.Helper()
	n.Run(t, "rm", "/var/record")
	n.Run(t, "systemctl", "start", "--no-block", "poweroff.target")
	if got := n.WaitExit(t); got != lab.PoweredOff {
		t.Fatalf("poweroff: got %v", got)
	}
	var out []string
	for line := range strings.Lines(n.ReadFile(t, "/var/record")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "stop "); ok {
			out = append(out, name[:2])
		}
	}

	return strings.Join(out, " ")
}

// levelsOf picks the levels of one kind out of "i7 i7 m2".
func levelsOf(stops, kind string) string {
	var out strings.Builder
	for stop := range strings.FieldsSeq(stops) {
		if level, ok := strings.CutPrefix(stop, kind); ok {
			out.WriteString(level)
		}
	}

	return out.String()
}

// TestContradictingOrderIsLeftOutLoudly enables a unit of level 2 that waits for one of
// level 5: systemd must not be left with a cycle, neither at boot nor at shutdown.
func TestContradictingOrderIsLeftOutLoudly(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				"two.service":     "[Unit]\nAfter=between.service\n" + recorder("i2"),
				"between.service": "[Unit]\nAfter=five.service\n" + oneshot("true"),
				"five.service":    recorder("i5"),
				"seven.service":   recorder("i7"),
			}
			for unit, level := range map[string]levels.Level{"two.service": 2, "five.service": 5, "seven.service": 7} {
				link, to := wantedBy(initLevel(level), unit)
				files[link] = to
			}
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			for _, level := range []levels.Level{2, 5, 7} {
				n.start(t, levels.StartUnits{Target: initLevel(level)})
			}
			if got := n.ReadFile(t, "/proc/1/root/run/systemd/generator/cssc-init-2.target") + n.Run(t, "cat", "/run/systemd/generator/cssc-init-2.target"); !strings.Contains(got, "WARNING") {
				t.Errorf("cssc-init-2.target has no warning: %s", got)
			}
			findings := units.CheckGraph(n.Root(), units.LaddersOf(levels.DefaultConfig("")))
			if len(findings) == 0 || findings[0].Kind != units.FindingCycle || !strings.Contains(findings[0].Text, "between.service") {
				t.Errorf("findings: got %v, want a cycle through between.service first", findings)
			}
			n.Run(t, "systemctl", "start", "--no-block", "poweroff.target")
			n.WaitExit(t)
			journal := n.Journal(t)
			if strings.Contains(journal, "ordering cycle") {
				t.Errorf("systemd found an ordering cycle:\n%s", journal)
			}
			stops := n.record(t)
			if !strings.Contains(stops, "stop i7, ") || strings.Index(stops, "stop i7") > strings.Index(stops, "stop i5") {
				t.Errorf("stops: got %q, want level 7 before level 5, which have nothing to do with the cycle", stops)
			}
		})
	}
}

// TestGeneratorAtBootAndWithBadConfiguration makes every target on a read-only system, and
// the default ones, loudly, when the configuration cannot be read.
func TestGeneratorAtBootAndWithBadConfiguration(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := newUnitsNode(t, suite, map[string]string{"/etc/cssc/cssc.toml": "[sequence.init]\nlevels = 2\n"})
			n.boot(t)
			count := func() int {
				return strings.Count(n.Run(t, "ls", "/run/systemd/generator"), "cssc-init-")
			}
			if got := count(); got != 4 {
				t.Errorf("init targets with levels = 2: got %d, want 4", got)
			}
			if got := n.show(t, "cssc-init-0.target", "SourcePath"); got != "/etc/cssc/cssc.toml" {
				t.Errorf("SourcePath: got %q", got)
			}
			// By hand on a file system that is read-only but for the three folders.
			n.Run(t, "systemd-run", "--wait", "--collect", "-p", "ProtectSystem=strict", "-p", "PrivateTmp=yes", "-p", "RuntimeDirectory=gen",
				"/usr/lib/systemd/system-generators/cssc-generator", "/run/gen", "/run/gen", "/run/gen")

			n.WriteFile(t, "/etc/cssc/cssc.toml", "[sequence.init]\nlevels = \"two\"\n")
			if got := n.show(t, "cssc-init-0.target", "NeedDaemonReload"); got != "yes" {
				t.Errorf("NeedDaemonReload after the file changed: got %q, want yes", got)
			}
			n.Run(t, "systemctl", "daemon-reload")
			if got := count(); got != 12 {
				t.Errorf("init targets with a bad configuration: got %d, want the default 12", got)
			}
			text := n.Run(t, "/bin/sh", "-c", "mkdir -p /tmp/g; /usr/lib/systemd/system-generators/cssc-generator /tmp/g /tmp/g /tmp/g 2>&1")
			if !strings.Contains(text, "cssc.toml:2") || !strings.Contains(text, "cssc verify") {
				t.Errorf("message: got %q, want the place of the mistake and what to do", text)
			}
			if _, err := os.Stat(filepath.Join(n.Root(), "usr/lib/systemd/system-generators/cssc-generator")); err != nil {
				t.Error(err)
			}
			n.Reboot(t) // the bad configuration does not keep the node from booting
			if got := count(); got != 12 {
				t.Errorf("init targets after a boot with a bad configuration: got %d, want 12", got)
			}
		})
	}
}
