//go:build integration

package integration_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

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
			if _, err := lab.Packages(lab.Deb, lab.NewerVersion); err != nil { // not while the callback has its time limit
				t.Fatal(err)
			}
			n.InstallPackages(t, lab.OlderVersion, "cssc", "cssc-agent")
			if err := lab.Enable(n.Node, agentUnit); err != nil {
				t.Fatal(err)
			}
			n.caller("naming", "init:3=until:/run/go-on")
			n.member("a", "cssc-init-1.target")
			n.member("b", "cssc-init-4.target")
			n.Boot(t)
			n.awaitTold("naming begin init:3")
			n.runs(lab.OlderVersion)
			pid := n.agentPID()
			n.failsToUpgrade()
			n.runs(lab.OlderVersion)
			n.upgradeTo("intact", ":", "installed "+lab.NewerVersion)
			n.runs(lab.NewerVersion)
			if now := n.agentPID(); now == pid {
				t.Errorf("the agent is still process %s", pid)
			}
			n.never("naming end")
			n.WriteFile(t, "/run/go-on", "")
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

// failsToUpgrade tries two packages of the newer version: one that refuses to be unpacked, and
// one with a program that is for another processor.
func (n *stage) failsToUpgrade() {
	n.t.Helper()
	n.upgradeTo("unwilling", `printf '#!/bin/sh\nexit 1\n' >DEBIAN/preinst; chmod 755 DEBIAN/preinst`, "installed "+lab.OlderVersion)
	n.runs(lab.OlderVersion)
	pid := n.agentPID()
	output := n.upgradeTo("foreign", `printf '\267' | dd of=usr/sbin/cssc-agent bs=1 seek=18 conv=notrunc status=none`, "half-configured "+lab.NewerVersion)
	if !strings.Contains(output, "the programs of this version do not run on this machine") {
		n.t.Errorf("a program for another processor: got\n%s\nwant that it says so", output)
	}
	if now := n.agentPID(); now != pid {
		n.t.Errorf("the agent is process %s, want %s, which was not to be touched", now, pid)
	}
}

// upgradeTo has dpkg upgrade to what a script has made of the newer package, and returns what
// it said. It must fail unless the package is installed then.
func (n *stage) upgradeTo(name, script, wantState string) string {
	n.t.Helper()
	folder, err := lab.Packages(lab.Deb, lab.NewerVersion)
	if err != nil {
		n.t.Fatal(err)
	}
	tree := n.t.TempDir()
	run(n.t, "sh", "-ec", `dpkg-deb -R "$1"/cssc-agent_*.deb "$2/tree"; (cd "$2/tree"; `+script+`)
		dpkg-deb -Znone -b "$2/tree" "$2/agent.deb"; cp "$1"/cssc_*.deb "$2/cssc.deb"`, "-", folder, tree)
	argv := []string{"dpkg", "-i", "--force-depends"}
	for _, file := range []string{"cssc.deb", "agent.deb"} {
		n.Copy(n.t, filepath.Join(tree, file), "/var/tmp/"+file)
		argv = append(argv, "/var/tmp/"+file)
	}
	output, code, err := n.Try(argv...)
	if err != nil || (code == 0) != (wantState == "installed "+lab.NewerVersion) {
		n.t.Errorf("upgrade to a package that is %s: status %d (%v):\n%s", name, code, err, output)
	}
	if state := n.Run(n.t, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "cssc-agent"); !strings.HasPrefix(state, wantState) {
		n.t.Errorf("upgrade to a package that is %s: got it %q, want %q:\n%s", name, state, wantState, output)
	}

	return output
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
	f := prepare(t, lab.ClusterConfig{Size: 3, Packages: lab.OlderVersion}, 4*time.Second)
	f.Boot(t)
	before := f.calm()
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
