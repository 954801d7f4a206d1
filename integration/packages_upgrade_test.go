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
	f := prepare(t, lab.ClusterConfig{Size: 3, Packages: lab.OlderVersion}, 4*time.Second)
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
