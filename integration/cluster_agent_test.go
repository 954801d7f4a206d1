//go:build integration

package integration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	agentUnit = "cssc-agent.service"
	guardUnit = "cssc-guard.service"
	agentFile = "/usr/sbin/cssc-agent"
)

// TestAgentThatComesBackWithinTheLeaseChangesNothing: killed or restarted, on every role's
// node and on all at the same time: master, vice and term stay, and the services are the
// same processes.
func TestAgentThatComesBackWithinTheLeaseChangesNothing(t *testing.T) {
	// Long enough for a start of the agent while three of them start on two processors.
	f := form(t, 3, 4*time.Second)
	before, lives := f.calm(), f.lives()
	for range trials() {
		for _, node := range f.Members() {
			f.fault("agent of %s killed", node.Name)
			node.Signal(t, agentUnit, "KILL")
			f.unchanged(before, lives)
		}
		f.fault("agents of all nodes killed")
		for _, node := range f.Members() {
			node.Signal(t, agentUnit, "KILL")
		}
		f.unchanged(before, lives)
		for _, node := range f.Members() {
			f.fault("agent of %s restarted", node.Name)
			node.Run(t, "systemctl", "restart", agentUnit)
			f.unchanged(before, lives)
		}
	}
}

// TestAgentThatCannotComeBackLosesTheRole: its program is gone and the agent killed. The
// guard ends the services of the mastership when the lease is over, and the vice takes over;
// with the program back the node is part of the cluster again.
func TestAgentThatCannotComeBackLosesTheRole(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	for range trials() {
		before := f.calm()
		old := before.master
		f.fault("agent of the master killed for good")
		old.Run(t, "mv", agentFile, agentFile+".away")
		old.Signal(t, agentUnit, "KILL")
		f.takenOver(before, f.without(old))
		if (&stage{old, t}).active(history.Lead + ".service") {
			t.Errorf("the recorder on %s is still active without its agent", old.Name)
		}
		old.Run(t, "mv", agentFile+".away", agentFile)
		f.write(history.Heal, "-", "")
		f.settled()
	}
}

// TestStoppedAgentOfTheMaster: SIGSTOP for a part of the lease changes nothing; at half of it
// the master may have begun to cease. For longer than the lease, the guard ends what serves in
// time, somebody else leads, and the agent that goes on finds that out before it does anything.
func TestStoppedAgentOfTheMaster(t *testing.T) {
	f := form(t, 3, time.Second)
	for range trials() {
		for _, leases := range stopsInLeases() {
			before, lives := f.calm(), f.lives()
			f.fault("agent of the master stopped for %v leases", leases)
			before.master.Signal(t, agentUnit, "STOP")
			f.pass(leases)
			before.master.Signal(t, agentUnit, "CONT")
			f.write(history.Heal, "-", "")
			f.changedIfLong(leases, before, lives)
		}
	}
}

// stopsInLeases is for how long processes are stopped.
func stopsInLeases() []float64 { return []float64{0.25, 0.5, 1, 2, 5} }

// changedIfLong judges a stop of the master that has ended: a short one has changed nothing, a
// long one the term. In between the time since the last renewal decides.
func (f *fleet) changedIfLong(leases float64, before standing, lives []string) {
	f.t.Helper()
	switch after := f.settled(); {
	case leases < 0.5:
		f.unchanged(before, lives)
	case leases >= 1 && after.term <= before.term:
		f.t.Errorf("stopped for %v leases: %s leads in term %d, before it %s in term %d; want a higher term",
			leases, after.master.Name, after.term, before.master.Name, before.term)
	}
}

// TestGuardComesBackWithoutAChange: the guard is killed; the agent goes on, the guard is
// there again and ends the services when then the agent dies for good.
func TestGuardComesBackWithoutAChange(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	before, lives := f.calm(), f.lives()
	f.fault("guard of the master killed")
	before.master.Signal(t, guardUnit, "KILL")
	lab.Eventually(t, settleLimit, "the guard to be back", func() error {
		if !(&stage{before.master, t}).active(guardUnit) {
			return errors.New("it is not active")
		}

		return nil
	})
	f.unchanged(before, lives)
	f.fault("then its agent stopped")
	before.master.Signal(t, agentUnit, "STOP")
	f.takenOver(before, f.without(before.master))
	before.master.Signal(t, agentUnit, "CONT")
	f.settled()
}

// TestPlannedHandoversDoNotWaitForTheLease: the master is locked, and the master's node is
// rebooted. The vice leads as soon as nothing serves on the old one, long before a lease is
// over, and the node comes back without a second change.
func TestPlannedHandoversDoNotWaitForTheLease(t *testing.T) {
	f := form(t, 3, 4*time.Second)
	for range trials() {
		before := f.calm()
		f.fault("master locked")
		before.master.Run(t, "cssc", "lock", "--yes")
		after := f.takenOver(before, f.without(before.master))
		before.master.Run(t, "cssc", "unlock")
		f.write(history.Heal, "-", "")
		f.keeps(after)

		before = f.calm()
		f.fault("master's node rebooted")
		before.master.Reboot(t)
		after = f.takenOver(before, f.Members()) // it is back already, and perhaps the vice
		f.write(history.Heal, "-", "")
		f.keeps(after)
	}
	for _, change := range history.Changes(f.records()) {
		if change.Gap > f.lease/2 {
			t.Errorf("%s: %v without a master, want it far below the lease of %v", change.Fault, change.Gap, f.lease)
		}
	}
}
