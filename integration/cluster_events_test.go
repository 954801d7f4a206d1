//go:build integration

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// told is one line of "cssc events --json".
type told struct {
	Event  string
	Fields map[string]any
}

// is says whether the event has that name and those fields, "" being any value.
func (e told) is(name string, fields ...string) bool {
	if e.Event != name {
		return false
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] != "" && fmt.Sprint(e.Fields[fields[i]]) != fields[i+1] {
			return false
		}
	}

	return true
}

func eventsFile(node *lab.Node) string { return "/lab/events." + node.Name }

// listen lets each node's own command write down what its agent tells, until the node ends.
func (f *fleet) listen(nodes ...*lab.Node) {
	f.t.Helper()
	for _, node := range nodes {
		node.Background(f.t, "/bin/sh", "-c", "exec cssc events --follow --json --limit 1 >>"+eventsFile(node)+" 2>&1")
		lab.Eventually(f.t, settleLimit, "a listener on "+node.Name, func() error {
			if len(f.events(node)) == 0 { // the past, written once it listens
				return errors.New("it has written nothing")
			}

			return nil
		})
	}
}

// readShared returns a file that every node has in /lab, "" when it is not there.
func (f *fleet) readShared(path string) string {
	f.t.Helper()
	text, err := os.ReadFile(f.shared(path))
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}

	return string(text)
}

// events are what the node's listener has heard. The last line may be half written.
func (f *fleet) events(node *lab.Node) []told {
	f.t.Helper()
	var all []told
	for line := range strings.Lines(f.readShared(eventsFile(node))) {
		var one told
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			if strings.HasSuffix(line, "\n") {
				f.t.Fatalf("events on %s: %v: %q", node.Name, err, line)
			}

			break
		}
		all = append(all, one)
	}

	return all
}

// hearsOnce waits until the node's listener has heard the event, which must be once.
func (f *fleet) hearsOnce(node *lab.Node, name string, fields ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("%s to hear %s %q once", node.Name, name, fields), func() error {
		count := 0
		for _, one := range f.events(node) {
			if one.is(name, fields...) {
				count++
			}
		}
		if count != 1 {
			return fmt.Errorf("it has heard it %d times; all:\n%s", count, f.readShared(eventsFile(node)))
		}

		return nil
	})
}

// heardOfLock: every node has heard once that the node was locked and that it was unlocked.
func (f *fleet) heardOfLock(node *lab.Node) {
	f.t.Helper()
	for _, listener := range f.Members() {
		f.hearsOnce(listener, "NodeDisqualified", "node", node.Name)
		f.hearsOnce(listener, "NodeQualified", "node", node.Name)
		f.hearsOnce(listener, "RoleChanged", "node", node.Name, "role", "offline", "old_role", "spare")
		f.hearsOnce(listener, "RoleChanged", "node", node.Name, "role", "spare", "old_role", "offline")
	}
}

// heardOfAbsence: the listeners have heard once that the node went, in that way, and once
// that it came back, and that its init was over.
func (f *fleet) heardOfAbsence(node *lab.Node, event string, listeners ...*lab.Node) {
	f.t.Helper()
	for _, listener := range listeners {
		f.hearsOnce(listener, event, "node", node.Name)
		f.hearsOnce(listener, "NodeJoined", "node", node.Name)
		f.hearsOnce(listener, "LevelReached", "node", node.Name, "sequence", "init", "level", "last")
	}
}

// lateObservers: whoever begins to look only now is told the same on every node.
func (f *fleet) lateObservers(node, words string) {
	f.t.Helper()
	for _, observer := range f.Members() {
		lab.Eventually(f.t, settleLimit, fmt.Sprintf("cssc nodes on %s to say that %s is %s", observer.Name, node, words), func() error {
			list := observer.Run(f.t, "cssc", "nodes")
			for line := range strings.Lines(list) {
				if strings.HasPrefix(line, node) && strings.Contains(line, words) {
					return nil
				}
			}

			return fmt.Errorf("it says\n%s", list)
		})
	}
}

// powerCutAsHeard cuts the master's power: both others hear that it failed, who has which
// role now, and that the new master is ready, which it is not before the last level of its
// promote; then its return. Whoever asks meanwhile is told to try again.
func (f *fleet) powerCutAsHeard(master, vice, spare *lab.Node) {
	f.t.Helper()
	others := []*lab.Node{vice, spare}
	before := f.calm()
	f.fault("power cut of the master, as it is heard")
	steps := len(f.levels())
	master.PowerCut(f.t)
	tried := f.askUntilReady(vice, others)
	after := f.settled(others...)
	term := fmt.Sprint(after.term)
	for _, listener := range others {
		f.hearsOnce(listener, "NodeFailed", "node", master.Name)
		f.hearsOnce(listener, "RoleChanged", "node", vice.Name, "role", "master", "old_role", "vice", "term", term)
		f.hearsOnce(listener, "RoleChanged", "node", spare.Name, "role", "vice", "old_role", "spare", "term", term)
		f.hearsOnce(listener, "MasterReady", "node", vice.Name, "term", term)
		if after.term <= before.term || tried[listener] == 0 {
			f.t.Errorf("%s: term %d after %d, was told to try again %d times; want a higher term, and more than once", listener.Name, after.term, before.term, tried[listener])
		}
	}
	f.precede(f.levels()[steps:], on(vice, "end promote:last"), on(vice, "up pm"))
	f.Boot(f.t, master)
	f.write(history.Heal, "-", "")
	f.settled()
	for _, listener := range others {
		f.hearsOnce(listener, "NodeJoined", "node", master.Name)
	}
}

// askUntilReady asks the nodes for a ready master until each names the new one, and checks
// that none does before the last level of its promote was reached. It returns how often
// each was told to try again.
func (f *fleet) askUntilReady(master *lab.Node, nodes []*lab.Node) map[*lab.Node]int {
	f.t.Helper()
	tried, ready, begin := map[*lab.Node]int{}, map[*lab.Node]bool{}, monotonic(f.t)
	lab.Eventually(f.t, settleLimit, master.Name+" to be ready on all nodes", func() error {
		for _, node := range nodes {
			named, _, err := node.MasterReady(f.t.Context())
			if err != nil {
				return err
			}
			if named == "" {
				tried[node]++
			}
			if ready[node] = named == master.Name; ready[node] && !f.promoted(master, begin, monotonic(f.t)) {
				f.t.Errorf("%s names %s as the ready master before its promote has ended", node.Name, master.Name)
			}
		}
		if slices.ContainsFunc(nodes, func(n *lab.Node) bool { return !ready[n] }) {
			return fmt.Errorf("ready: %v", ready)
		}

		return nil
	})

	return tried
}

// promoted says whether a callback at the last level of the node's promote has ended between
// the two times.
func (f *fleet) promoted(node *lab.Node, from, to time.Duration) bool {
	f.t.Helper()

	return slices.ContainsFunc(f.steps(), func(s history.Step) bool {
		return s.Node == node.Name && s.Sequence == "promote" && s.Word == history.End && s.Level == history.LastLevel && s.At > from && s.At <= to
	})
}

func monotonic(t lab.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatalf("clock: %v", err)
	}

	return time.Duration(now.Nano())
}
