//go:build integration

package integration_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// TestEveryNodeInOrder: a rolling reboot, asked on the spare, reboots every node for real: the
// spare, the vice, and the master after a switchover, each back and up before the next; the
// old master tells that it is done. Then a shutdown of all nodes switches them off in
// order, and a service that takes three leases to stop on the master stops by itself. Method:
// the journals of the nodes, whose clock is one.
func TestEveryNodeInOrder(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{Size: 3}, 2*time.Second)
	for _, node := range f.Members() {
		(&stage{node, t}).unit("slow.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/sleep 6\n"+
			"ExecStopPost=/bin/sh -c 'echo %H $SERVICE_RESULT >>/lab/slow'\n[Install]\nWantedBy=cssc-master-0.target\n")
	}
	f.Boot(t)
	before := f.calm()
	spare := f.spares(before)[0]

	f.fault("rolling reboot")
	plan := spare.Run(t, "cssc", "reboot", "--rolling", "--dry-run")
	if want := fmt.Sprintf("%s (spare): reboot, and wait until it is up\n%s (vice): ", spare.Name, before.vice.Name); !strings.HasPrefix(plan, want) {
		t.Errorf("the plan is\n%swant it to begin with\n%s", plan, want)
	}
	spare.Run(t, "cssc", "reboot", "--rolling", "--no-wait", "--reason", "kernel")
	f.reboots(before.master)
	after := f.calm()
	f.write(history.Heal, "-", "")
	if after.master == before.master || after.term != before.term+1 {
		t.Errorf("%s leads in term %d, before it %s in term %d; want one switchover", after.master.Name, after.term, before.master.Name, before.term)
	}
	f.oneByOne(spare, before.vice, before.master)

	f.fault("shutdown of all")
	first := f.spares(after)[0]
	begin := time.Now()
	first.Run(t, "cssc", "shutdown", "--all", "--poweroff", "--no-wait")
	for _, node := range f.Members() {
		if exit := node.WaitExitWithin(t, time.Minute); exit != lab.PoweredOff {
			t.Errorf("%s: it %v, want it powered off", node.Name, exit)
		}
	}
	t.Logf("all off after %v", time.Since(begin))
	f.inOrder(first, after.vice, after.master)
	slow, err := os.ReadFile(filepath.Join(f.Shared(), "slow"))
	if want := after.master.Name + " success"; err != nil || !strings.HasSuffix(strings.TrimSpace(string(slow)), want) {
		t.Errorf("the slow service of the masters ended %q (%v), want %q in the end", slow, err, want)
	}
}

// reboots carries a rolling reboot out as the hardware does, until the coordinator says that
// it is done.
func (f *fleet) reboots(coordinator *lab.Node) {
	f.t.Helper()
	lab.Eventually(f.t, 3*settleLimit, "the rolling reboot to be done", func() error {
		for _, node := range f.Members() {
			if node.Running() {
				continue
			}
			if exit := node.WaitExit(f.t); exit != lab.Rebooted {
				f.t.Fatalf("%s: it %v, want it rebooted", node.Name, exit)
			}
			node.PowerOn(f.t)
		}
		text, code, err := coordinator.Try("cssc", "operations", "--json")
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("operations on %s: status %d: %s", coordinator.Name, code, text)
		}
		var operations []struct{ Kind, Result, Error, Step string }
		if err := json.Unmarshal([]byte(text), &operations); err != nil {
			return err
		}
		for _, operation := range operations {
			switch {
			case operation.Kind != "rolling-reboot":
			case operation.Result == "done":
				return nil
			case operation.Result == "failed":
				f.t.Fatalf("the rolling reboot failed: %s", operation.Error)
			default:
				return errors.New(operation.Step)
			}
		}

		return fmt.Errorf("%s shows none: %s", coordinator.Name, text)
	})
}

// moment is a line of a node's journal.
type moment struct {
	at   float64
	node string
	text string
}

// moments are those lines of the agent's journal, on all its boots, that have the text.
func (f *fleet) moments(node *lab.Node, text string) []moment {
	f.t.Helper()
	var found []moment
	for line := range strings.Lines(node.Journal(f.t, "-o", "short-unix", "-u", agentUnit)) {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := strconv.ParseFloat(stamp, 64)
		if err == nil && strings.Contains(rest, text) {
			found = append(found, moment{at, node.Name, strings.TrimSpace(rest)})
		}
	}

	return found
}

// oneByOne wants each of the nodes to have ended once, and to be up again before the next ended.
func (f *fleet) oneByOne(nodes ...*lab.Node) {
	f.t.Helper()
	last := moment{node: "nobody"}
	for _, node := range nodes {
		ends, ups := f.moments(node, "node ends"), f.moments(node, "state=up")
		if len(ends) != 1 || len(ups) < 2 {
			f.t.Fatalf("%s ended %d times and was up %d times, want 1 and at least 2", node.Name, len(ends), len(ups))
		}
		up := ups[slices.IndexFunc(ups, func(m moment) bool { return m.at > ends[0].at })]
		f.t.Logf("%s went at %.3f, was up at %.3f", node.Name, ends[0].at, up.at)
		if ends[0].at < last.at {
			f.t.Errorf("%s went at %.3f, before %s was up at %.3f", node.Name, ends[0].at, last.node, last.at)
		}
		last = up
	}
}

// inOrder wants each of the nodes to have begun its last shut after the one before had ended
// its own, and the first two to have stayed voters.
func (f *fleet) inOrder(nodes ...*lab.Node) {
	f.t.Helper()
	last := moment{node: "nobody"}
	for _, node := range nodes {
		begun := latest(f.moments(node, "operation started: operation=1 kind=shutdown"))
		ended := latest(f.moments(node, "state=leaving"))
		f.t.Logf("%s began to stop at %.3f, had stopped at %.3f", node.Name, begun.at, ended.at)
		if begun.at == 0 || ended.at == 0 || begun.at > ended.at || begun.at < last.at {
			f.t.Errorf("%s began to stop at %.3f and had stopped at %.3f; %s had stopped at %.3f", node.Name, begun.at, ended.at, last.node, last.at)
		}
		last = ended
	}
}

func latest(moments []moment) moment {
	if len(moments) == 0 {
		return moment{}
	}

	return slices.MaxFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
}
