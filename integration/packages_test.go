//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

const leaveUnit = "cssc-leave.service"

// TestPackagesHoldWhatIsInstalled: "make install", the .deb and the .rpm have the same files
// with the same content and mode, but for what the distributions call otherwise, and each file
// is in one package.
func TestPackagesHoldWhatIsInstalled(t *testing.T) {
	t.Parallel()
	debs, rpms := unpacked(t, lab.Deb, ".deb", "dpkg-deb -x %s %s"), unpacked(t, lab.RPM, ".rpm", "rpm2archive - <%s | tar -xz -C %s")
	installed := filepath.Join(t.TempDir(), "tree")
	run(t, "make", "-s", "-C", top, "build", "docs", "libcssc", "install", "BUILD="+t.TempDir(), "DESTDIR="+installed, "VERSION="+lab.NewerVersion)
	want := contents(t, installed)
	if len(want) < 30 {
		t.Errorf("make install installs %d files, want at least 30: %v", len(want), want)
	}
	for kind, tree := range map[string]string{"the .deb": debs, "the .rpm": rpms} {
		got := contents(t, tree)
		for _, line := range slices.Concat(want, got) {
			if !slices.Contains(want, line) {
				t.Errorf("only in %s: %s", kind, line)
			} else if !slices.Contains(got, line) {
				t.Errorf("not in %s: %s", kind, line)
			}
		}
	}
}

// unpacked unpacks every package of the newer version into one folder and fails when two have
// the same file.
func unpacked(t *testing.T, kind, suffix, how string) string {
	t.Helper()
	folder, err := lab.Packages(kind, lab.NewerVersion)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil || len(files) < 3 {
		t.Fatalf("%s has %d packages (%v), want at least 3", folder, len(files), err)
	}
	all, seen := t.TempDir(), map[string]string{}
	for _, file := range files {
		one := t.TempDir()
		run(t, "sh", "-ec", fmt.Sprintf(how, file, one))
		for _, line := range contents(t, one) {
			if other, twice := seen[line]; twice {
				t.Errorf("%s is in %s, too: %s", line, other, file)
			}
			seen[line] = file
		}
		run(t, "cp", "-a", one+"/.", all)
	}

	return all
}

// contents lists the files below a folder with mode and checksum, compressed ones as they are
// without, and each under the name that Debian gives it.
func contents(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, folder)
		if err != nil || entry.IsDir() || ofTheKind(name) {
			return err
		}
		all = append(all, named(name)+" "+content(t, path))

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)

	return all
}

// named gives a file the name that Debian gives it, without what says that it is compressed.
func named(name string) string {
	name = regexp.MustCompile(`^/usr/lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)/`).ReplaceAllString(name, "/usr/lib/ARCHITECTURE/")
	name = strings.Replace(name, "/zsh/site-functions/", "/zsh/vendor-completions/", 1)

	return strings.TrimSuffix(name, ".gz")
}

// content is mode and checksum of a file, or where it leads; of what is compiled with other
// options, or says where it is, only the mode.
func content(t *testing.T, path string) string {
	t.Helper()
	if target, err := os.Readlink(path); err == nil {
		return "→ " + target
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := ""
	if !regexp.MustCompile(`/libcssc\.(so\.[0-9.]+|pc)$`).MatchString(path) {
		sum = run(t, "sh", "-ec", `case $1 in *.gz) zcat "$1" ;; *) cat "$1" ;; esac | sha256sum`, "-", path)
	}

	return fmt.Sprintf("%o %.12s", info.Mode().Perm(), sum)
}

// ofTheKind says whether a file is what each kind of package has of its own.
func ofTheKind(name string) bool {
	return regexp.MustCompile(`^/usr/share/(doc/[^/]+/(copyright|changelog.*)|lintian/.*|licenses/.*)$`).MatchString(name)
}

// run runs a tool of the machine that the test runs on.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, output)
	}

	return string(output)
}

// TestPackagesPassLintian: no error and no warning, in the packages and in their source.
func TestPackagesPassLintian(t *testing.T) {
	t.Parallel()
	folder, err := lab.Packages(lab.Deb, lab.NewerVersion)
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	run(t, filepath.Join(top, "contrib/packages/deb.sh"), lab.NewerVersion, source, "source")
	changes, _ := filepath.Glob(filepath.Join(folder, "*.changes"))
	sources, _ := filepath.Glob(filepath.Join(source, "*.dsc"))
	if len(changes) != 1 || len(sources) != 1 {
		t.Fatalf("got %v and %v, want one of each", changes, sources)
	}
	run(t, "lintian", "--allow-root", "--fail-on", "error,warning", changes[0], sources[0])
}

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

// TestUpgradeInTheMiddleOfInit: the newer version takes over while a callback is at work; its
// answer is taken, nobody is invoked or started twice. An upgrade that fails leaves the older
// version at work.
func TestUpgradeInTheMiddleOfInit(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := &stage{lab.New(t).Node(t, lab.NodeConfig{Suite: suite}), t}
			n.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
			n.InstallPackages(t, lab.OlderVersion, "cssc", "cssc-agent")
			if err := lab.Enable(n.Node, agentUnit); err != nil {
				t.Fatal(err)
			}
			n.caller("naming", "init:3=slow:20s")
			n.member("a", "cssc-init-1.target")
			n.member("b", "cssc-init-4.target")
			n.Boot(t)
			n.awaitTold("naming begin init:3")
			n.runs(lab.OlderVersion)
			pid := n.agentPID()
			n.failsToUpgrade()
			n.runs(lab.OlderVersion)
			n.InstallPackages(t, lab.NewerVersion, "cssc", "cssc-agent")
			n.runs(lab.NewerVersion)
			if now := n.agentPID(); now == pid {
				t.Errorf("the agent is still process %s", pid)
			}
			n.never("naming end")
			n.await("State", "up")
			n.awaitTold("naming answered init:3")
			n.inOrder(group("a start"), group("naming begin init:3"), group("naming end init:3"), group("b starting"))
			for _, once := range []string{"a starting", "naming begin", "naming registered", "b starting"} {
				if got := count(n.told(), once); got != 1 {
					t.Errorf("%d times %q, want once:\n%s", got, once, strings.Join(n.told(), "\n"))
				}
			}
			n.never("a stopping")
		})
	}
}

// failsToUpgrade tries a package of the newer version that refuses to be installed.
func (n *stage) failsToUpgrade() {
	n.t.Helper()
	folder, err := lab.Packages(lab.Deb, lab.NewerVersion)
	if err != nil {
		n.t.Fatal(err)
	}
	broken := filepath.Join(n.t.TempDir(), "broken.deb")
	run(n.t, "sh", "-ec", `tree=$(mktemp -d); dpkg-deb -R "$1"/cssc-agent_*.deb "$tree"
		printf '#!/bin/sh\nexit 1\n' >"$tree/DEBIAN/preinst"; chmod 755 "$tree/DEBIAN/preinst"
		dpkg-deb -Znone -b "$tree" "$2"; rm -r "$tree"`, "-", folder, broken)
	n.Copy(n.t, broken, "/var/tmp/broken.deb")
	output, code, err := n.Try("dpkg", "-i", "--force-depends", "/var/tmp/broken.deb")
	if err != nil || code == 0 {
		n.t.Errorf("the broken package: status %d (%v), want a failure:\n%s", code, err, output)
	}
	if state := n.Run(n.t, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "cssc-agent"); !strings.HasPrefix(state, "installed "+lab.OlderVersion) {
		n.t.Errorf("after an upgrade that failed the package is %q, want the older one installed", state)
	}
}

// runs waits until the agent of that version answers.
func (n *stage) runs(version string) {
	n.t.Helper()
	lab.Eventually(n.t, upLimit, "the agent "+version, func() error {
		got, err := n.property("Version")
		if err == nil && got != version {
			err = errors.New("it is " + got)
		}

		return err
	})
}

// TestUpgradeOfAClusterChangesNothing: node by node, the master first, and back again on the
// master: roles and term stay, and what serves is the same processes.
func TestUpgradeOfAClusterChangesNothing(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{Size: 3, Packages: lab.OlderVersion}, 4e9)
	f.Boot(t)
	before := f.settled()
	lives := f.lives()
	for _, node := range slices.Concat([]*lab.Node{before.master, before.vice}, f.spares(before)) {
		guard := node.Run(t, "systemctl", "show", "-P", "InvocationID", guardUnit)
		f.fault("%s is upgraded", node.Name)
		node.InstallPackages(t, lab.NewerVersion, "cssc", "cssc-agent")
		(&stage{node, t}).runs(lab.NewerVersion)
		f.unchanged(before, lives)
		if now := node.Run(t, "systemctl", "show", "-P", "InvocationID", guardUnit); now == guard || !(&stage{node, t}).active(guardUnit) {
			t.Errorf("the guard of %s is not a new one", node.Name)
		}
	}
	f.fault("the master is downgraded")
	before.master.InstallPackages(t, lab.OlderVersion, "cssc", "cssc-agent")
	(&stage{before.master, t}).runs(lab.OlderVersion)
	f.unchanged(before, lives)
	f.noProblems()
	t.Logf("what the agent of the master says:\n%s", before.master.Journal(t, "-u", agentUnit, "-o", "short-precise"))

	f.fault("the package is removed from the master")
	before.master.Run(t, before.master.Apt("purge", "cssc-agent")...)
	f.takenOver(before, f.without(before.master))
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
