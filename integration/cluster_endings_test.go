//go:build integration

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// slowStop makes a node take a while to stop, in the last level of its shut; off ends that.
func (f *fleet) slowStop(node *lab.Node, while time.Duration) (off func()) {
	f.t.Helper()
	file := filepath.Join(f.Shared(), "slow-"+node.Name)
	if err := os.WriteFile(file, fmt.Appendf(nil, "%.1f\n", while.Seconds()), 0o600); err != nil {
		f.t.Fatal(err)
	}

	return func() { _ = os.Remove(file) }
}

// slowable gives every node the service that slowStop makes slow.
func (f *fleet) slowable() {
	f.t.Helper()
	for _, node := range f.Members() {
		(&stage{node, f.t}).unit("slow.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"+
			"ExecStop=/bin/sh -c 'sleep $(cat /lab/slow-%H 2>/dev/null || echo 0)'\n[Install]\nWantedBy=cssc-init-0.target\n")
	}
}

// reaches waits until the node is in that state.
func (f *fleet) reaches(node *lab.Node, state string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, node.Name+" to be "+state, func() error {
		view, err := node.View(f.t.Context())
		if err == nil && view.State != state {
			err = fmt.Errorf("it is %s, %s %s", view.State, view.Sequence, view.Phase)
		}

		return err
	})
}

// ended waits until the newest operation of the kind that a node lists has ended, and returns
// its result and why.
func (f *fleet) ended(node *lab.Node, kind string) (result, trouble string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("%s on %s to end", kind, node.Name), func() error {
		text, code, err := node.Try("cssc", "operations", "--json")
		if err != nil || code != 0 {
			return fmt.Errorf("status %d: %w: %s", code, err, text)
		}
		var operations []struct{ Kind, Result, Error, Step string }
		if err := json.Unmarshal([]byte(text), &operations); err != nil {
			return err
		}
		result = ""
		for _, operation := range operations {
			if operation.Kind == kind {
				result, trouble = operation.Result, operation.Error
			}
		}
		if result == "" || result == "running" {
			return errors.New("not yet: " + text)
		}

		return nil
	})

	return result, trouble
}

// fails demands that an operation has failed for a reason that matches.
func (f *fleet) fails(node *lab.Node, kind, pattern string) {
	f.t.Helper()
	result, trouble := f.ended(node, kind)
	if result != "failed" || !regexp.MustCompile(pattern).MatchString(trouble) {
		f.t.Errorf("%s on %s: %s, %q; want it failed, and %s", kind, node.Name, result, trouble, pattern)
	}
}

// back brings nodes back into the cluster that are up without it.
func (f *fleet) back(nodes ...*lab.Node) {
	f.t.Helper()
	for _, node := range nodes {
		f.reaches(node, "down")
	}
	for _, node := range nodes {
		f.succeeds(node, "cssc", "start", "--no-wait")
	}
}

// TestEveryEndingOfAllNodes: shutdowns of the whole cluster with each of the endings that it
// can have beside poweroff, one after the other, each followed by a cluster that is whole again; with
// force past a node that is lost on its way; and the power of the node that coordinates is
// cut in the middle of a shutdown of all, and of a rolling reboot: the others go on as a
// cluster, and both the command and that node say that it has failed, and why.
func TestEveryEndingOfAllNodes(t *testing.T) {
	t.Parallel()
	f := prepare(t, lab.ClusterConfig{Size: 3}, calmLease)
	f.slowable()
	f.Boot(t)
	f.allNoboot()
	f.allReboot()
	f.allByForce()
	f.coordinatorDiesInShutdown()
	f.coordinatorDiesInRolling()

	s := f.calm()
	f.fault("halt of all")
	s.vice.Run(t, "cssc", "shutdown", "--all", "--halt", "--yes", "--no-wait")
	for _, node := range f.Members() {
		if exit := node.WaitExit(t); exit != lab.PoweredOff {
			t.Errorf("%s %v, want it halted", node.Name, exit)
		}
	}
}

func (f *fleet) allNoboot() {
	f.t.Helper()
	s := f.calm()
	f.fault("shutdown of all, and all stay up without the cluster")
	f.asks(s.master, 0, "", "shutdown", "--all", "--noboot", "--yes")
	f.back(f.Members()...)
	if result, trouble := f.ended(s.master, "cluster-shutdown"); result != "done" {
		f.t.Errorf("the shutdown of all: %s, %s", result, trouble)
	}
	f.settled()
	f.write(history.Heal, "-", "")
}

func (f *fleet) allReboot() {
	f.t.Helper()
	s := f.calm()
	f.fault("reboot of all at once")
	s.vice.Run(f.t, "cssc", "shutdown", "--all", "--reboot", "--yes", "--no-wait")
	for _, node := range f.Members() {
		if exit := node.WaitExit(f.t); exit != lab.Rebooted {
			f.t.Errorf("%s %v, want it rebooted", node.Name, exit)
		}
		node.PowerOn(f.t)
	}
	f.settled()
	f.write(history.Heal, "-", "")
	f.begunOnce()
}

func (f *fleet) allByForce() {
	f.t.Helper()
	s := f.calm()
	lost := f.spares(s)[0]
	f.fault("shutdown of all by force, past a node that is lost")
	defer f.slowStop(lost, 30*time.Second)()
	s.master.Run(f.t, "cssc", "shutdown", "--all", "--noboot", "--force", "--yes", "--no-wait")
	f.reaches(lost, "shutting-down")
	lost.PowerCut(f.t)
	f.reaches(s.vice, "down")
	f.reaches(s.master, "down")
	if result, _ := f.ended(s.master, "cluster-shutdown"); result != "done" {
		f.t.Errorf("the shutdown of all by force: %s", result)
	}
	f.back(s.vice, s.master)
	f.Boot(f.t, lost)
	f.settled()
	f.write(history.Heal, "-", "")
}

func (f *fleet) coordinatorDiesInShutdown() {
	f.t.Helper()
	s := f.calm()
	spare := f.spares(s)[0]
	f.fault("power cut of the coordinator in the middle of a shutdown of all")
	defer f.slowStop(spare, 4*time.Second)()
	typed := s.vice.Background(f.t, "cssc", "shutdown", "--all", "--noboot", "--yes")
	f.reaches(spare, "shutting-down")
	s.master.PowerCut(f.t)
	output, code := typed.Wait(f.t)
	if code == 0 || !strings.Contains(output, s.master.Name) {
		f.t.Errorf("the shutdown of all ended with %d:\n%s\nwant it failed, for %s", code, output, s.master.Name)
	}
	f.back(spare) // alone the vice has no majority
	f.settled(s.vice, spare)
	f.Boot(f.t, s.master)
	f.settled()
	f.write(history.Heal, "-", "")
	f.fails(s.master, "cluster-shutdown", "was rebooted in the middle.*"+s.vice.Name)
	f.fails(s.vice, "cluster-shutdown", s.master.Name)
}

func (f *fleet) coordinatorDiesInRolling() {
	f.t.Helper()
	s := f.calm()
	spare := f.spares(s)[0]
	f.fault("power cut of the coordinator in the middle of a rolling reboot")
	typed := s.vice.Background(f.t, "cssc", "reboot", "--rolling", "--yes")
	if exit := spare.WaitExit(f.t); exit != lab.Rebooted {
		f.t.Errorf("%s %v, want it rebooted", spare.Name, exit)
	}
	s.master.PowerCut(f.t)
	f.Boot(f.t, spare) // as it was ordered
	output, code := typed.Wait(f.t)
	if code == 0 || !strings.Contains(output, s.master.Name) {
		f.t.Errorf("the rolling reboot ended with %d:\n%s\nwant it failed, for %s", code, output, s.master.Name)
	}
	f.settled(s.vice, spare)
	f.Boot(f.t, s.master)
	f.settled()
	f.write(history.Heal, "-", "")
	f.fails(s.master, "rolling-reboot", "was rebooted in the middle.*"+s.vice.Name)
	f.fails(s.vice, "rolling-reboot", s.master.Name)
}

// TestMasterAndViceGoWithEachEnding: of a cluster of five the vice is shut down, and then the
// master, with each of the endings. The vice goes when there is another one, the master when
// another one is ready; what runs of their roles stops first; they end as they were told, and
// come back into the cluster without a change of master.
func TestMasterAndViceGoWithEachEnding(t *testing.T) {
	t.Parallel()
	f := prepare(t, lab.ClusterConfig{Size: 5}, calmLease)
	f.Boot(t)
	for _, ending := range []struct {
		mode string
		exit lab.Exit
	}{
		{"reboot", lab.Rebooted}, {"poweroff", lab.PoweredOff}, {"halt", lab.PoweredOff}, {"standalone", lab.Rebooted}, {"noboot", lab.ExitUnknown},
	} {
		f.bothGo(ending.mode, ending.exit)
	}
}

// bothGo shuts the vice down, then the master, and brings both back.
func (f *fleet) bothGo(mode string, want lab.Exit) {
	f.t.Helper()
	before := f.calm()
	f.fault("%s of the vice and of the master", mode)
	gone := []*lab.Node{before.vice, before.master}
	for i, node := range gone {
		others := f.without(gone[:i+1]...)
		f.succeeds(others[0], "cssc", "shutdown", node.Name, "--"+mode, "--yes")
		if view, err := others[0].View(f.t.Context()); err != nil || view.Vice == node.Name || view.Master == node.Name || !view.Ready && view.Master == "" {
			f.t.Errorf("%s of %s is done, and %s says %+v, %v; want others to have its role", mode, node.Name, others[0].Name, view, err)
		}
		if want == lab.ExitUnknown {
			f.reaches(node, "down")
		} else if exit := node.WaitExit(f.t); exit != want {
			f.t.Errorf("%s of %s: it %v, want it %v", mode, node.Name, exit, want)
		}
	}
	after := f.settled(f.without(gone...)...)
	switch mode {
	case "noboot":
		f.back(gone...)
	case "standalone":
		f.Boot(f.t, gone...)
		for _, node := range gone {
			if _, code, err := node.Try("systemctl", "is-active", "--quiet", "cssc-agent.service"); err != nil || code == 0 {
				f.t.Errorf("%s of %s: its agent runs in the next boot (%v)", mode, node.Name, err)
			}
			node.Run(f.t, "systemctl", "--no-block", "reboot")
			if exit := node.WaitExit(f.t); exit != lab.Rebooted {
				f.t.Errorf("reboot of %s: it %v", node.Name, exit)
			}
		}
		f.Boot(f.t, gone...)
	default:
		f.Boot(f.t, gone...)
	}
	if all := f.settled(); all.master != after.master || all.term != after.term {
		f.t.Errorf("the return after %s: %s leads in term %d, want %s in term %d still", mode, all.master.Name, all.term, after.master.Name, after.term)
	}
	f.write(history.Heal, "-", "")
}
