//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// roledFleet makes three nodes with a service at levels of each role and for each plain name
// of a role, one that the vice and the master share, and a server whose state is handed over.
func roledFleet(t *testing.T) *fleet {
	t.Helper()
	const more = "[sequence.init]\nlevels = 2\n[sequence.promote]\nlevels = 2\n[sequence.demote]\nlevels = 2\n"
	f := prepare(t, lab.ClusterConfig{Size: 3, More: more}, calmLease)
	for _, node := range f.Members() {
		f.answerer(node, "promote:0", "promote:last=slow:700ms", "demote:0", "demote:last")
		for name, target := range map[string]string{
			"m1": "cssc-master-1.target", "m2": "cssc-master-2.target", "ml": "cssc-master-last.target", "v1": "cssc-vice-1.target",
			"pm": "cssc-master.target", "pv": "cssc-vice.target", "ps": "cssc-spare.target", "po": "cssc-offline.target", "pr": "cssc-ready.target",
		} {
			f.upAndDown(node, name, target)
		}
		n := &stage{node, t}
		n.unit("both.service", "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=cssc-vice-1.target cssc-master-1.target\n")
		f.counter(node)
	}

	return f
}

// upAndDown adds a service that writes down when it comes up and goes down.
func (f *fleet) upAndDown(node *lab.Node, name, target string) {
	f.t.Helper()
	write := func(word string) string {
		return fmt.Sprintf("/usr/bin/probe record %s %s %s %s\n", levelsFile, node.Name, word, name)
	}
	n := &stage{node, f.t}
	n.unit(name+".service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"+
		"ExecStart="+write("up")+"ExecStop=/bin/sleep 0.03\nExecStop="+write("down")+"[Install]\nWantedBy="+target+"\n")
}

// The server of the story counts, on the master, into a file of its node; it writes each
// number into a file that all share.
const (
	counterServer = `#!/bin/bash
exec 9>/run/counter.lock
while sleep 0.02; do
  flock 9
  if ! test -e /run/counter.frozen; then
    number=$(($(cat /var/lib/counter) + 1))
    echo $number >/var/lib/counter
    echo $number $HOSTNAME >>/lab/served
  fi
  flock -u 9
done
`
	counterHandOver = `#!/bin/bash
test $CSSC_ROLE = master || exit 0
exec 9>/run/counter.lock
flock 9
case $CSSC_SEQUENCE in
demote) touch /run/counter.frozen; cp /var/lib/counter /lab/counter ;;
promote) rm -f /run/counter.frozen; cp /lab/counter /var/lib/counter ;;
init) rm -f /run/counter.frozen; test -e /lab/counter || echo 0 >/lab/counter; cp /lab/counter /var/lib/counter ;;
esac
`
)

// counter adds the server, which runs until demote's last level, and its callback, which
// hands the state over at demote's level 0.
func (f *fleet) counter(node *lab.Node) {
	f.t.Helper()
	n := &stage{node, f.t}
	n.WriteScript(f.t, "/usr/bin/counter", counterServer)
	n.WriteScript(f.t, "/usr/bin/hand-over", counterHandOver)
	write := func(word string) string {
		return fmt.Sprintf("/usr/bin/probe record %s %s %s counter\n", levelsFile, node.Name, word)
	}
	n.unit("counter.service", "[Service]\nExecStartPre="+write("up")+"ExecStart=/usr/bin/counter\nExecStopPost="+write("down")+
		"[Install]\nWantedBy=cssc-master-0.target\n")
	n.unit("hand-over.service", "[Unit]\nAfter=dbus.service\n[Service]\nType=notify\n"+
		"ExecStart=/usr/bin/cssc run-callback --component counter --init 0 --promote 0 --demote 0 -- /usr/bin/hand-over\n"+
		"[Install]\nWantedBy=cssc-init-0.target\n")
}

// targetsOf are the role's targets that have members here, and those that every node has.
func targetsOf(role string) []string {
	targets := map[string][]string{
		"master": {"cssc-master-0", "cssc-master-1", "cssc-master-2", "cssc-master-last", "cssc-master"},
		"vice":   {"cssc-vice-0", "cssc-vice-1", "cssc-vice"},
		"spare":  {"cssc-spare"}, "offline": {"cssc-offline"},
	}[role]
	if targets == nil {
		return nil
	}
	targets = append(slices.Clone(targets), "cssc-init-0", "cssc-ready")
	for i := range targets {
		targets[i] += ".target"
	}
	slices.Sort(targets)

	return targets
}

// have waits until each node has its role, exactly that role's targets are up, and the
// master has heard of it.
func (f *fleet) have(roles map[*lab.Node]string) {
	f.t.Helper()
	var there []*lab.Node
	var master *lab.Node
	for _, node := range f.Members() {
		role := roles[node]
		if role == "" {
			continue
		}
		if role != "down" {
			there = append(there, node)
		}
		if role == "master" {
			master = node
		}
		lab.Eventually(f.t, settleLimit, fmt.Sprintf("%s to be %s, with its targets", node.Name, role), func() error {
			view, err := node.View(f.t.Context())
			if err == nil && role != "down" && (view.Role != role || view.Sequence != "") {
				err = fmt.Errorf("it is %+v", view)
			}
			if err != nil {
				return err
			}
			list, _, err := node.Try("systemctl", "list-units", "--plain", "--no-legend", "--type=target", "--state=active", "cssc-*")
			var up []string
			for line := range strings.Lines(list) {
				up = append(up, strings.Fields(line)[0])
			}
			slices.Sort(up)
			if want := targetsOf(role); err == nil && !slices.Equal(up, want) {
				err = fmt.Errorf("up are %q, want %q", up, want)
			}

			return err
		})
	}
	lab.Eventually(f.t, settleLimit, "the master to have heard of it", func() error { return heard(f.t.Context(), master, there) })
}

// act does something and returns what the services have written down until the cluster was
// at rest with these roles.
func (f *fleet) act(what string, do func(), roles map[*lab.Node]string) []string {
	f.t.Helper()
	before := len(f.levels())
	f.fault("%s", what)
	do()
	f.have(roles)
	f.write(history.Heal, "-", "")

	return f.levels()[before:]
}

// precede checks that each of the first lines is there and comes before each of the others.
func (f *fleet) precede(told, first, then []string) {
	f.t.Helper()
	for _, one := range first {
		for _, other := range then {
			at, after := find(told, one, 0), find(told, other, 0)
			if at < 0 || after < 0 || at > after {
				f.t.Errorf("got %q at %d and %q at %d, want the first before the second; all:\n%s", one, at, other, after, strings.Join(told, "\n"))
			}
		}
	}
}

// on puts the node's name before each.
func on(node *lab.Node, words ...string) []string {
	lines := make([]string, len(words))
	for i, word := range words {
		lines[i] = node.Name + " " + word
	}

	return lines
}

// pidOfBoth is the process of the service that the vice and the master share.
func pidOfBoth(t *testing.T, node *lab.Node) string {
	t.Helper()

	return strings.TrimSpace(node.Run(t, "systemctl", "show", "-P", "MainPID", "both.service"))
}

// operation asks a node's agent for an operation on it, to the named node if any, waits for
// its end and says how that was.
func (f *fleet) operation(node *lab.Node, kind, to string) (result, trouble string) {
	f.t.Helper()
	call := []string{"busctl", "call", "org.cssc.Agent1", "/org/cssc/Agent1", "org.cssc.Agent1.Manager", "RequestOperation", "ssta{sv}", kind, "", "0"}
	if to == "" {
		call = append(call, "0")
	} else {
		call = append(call, "1", "to", "s", to)
	}
	path := ""
	// What the agent knows of the others comes by gossip: a second late.
	lab.Eventually(f.t, settleLimit, kind+" on "+node.Name+" to begin", func() error {
		output, code, err := node.Try(call...)
		path = strings.Trim(strings.TrimPrefix(strings.TrimSpace(output), "o "), `"`)
		if err == nil && code != 0 && strings.Contains(output, "wait until it is up") {
			return errors.New(output)
		}
		if err != nil || code != 0 {
			f.t.Fatalf("%s on %s: %v: %s", kind, node.Name, err, output)
		}

		return nil
	})
	get := func(property string) (string, error) {
		text, _, err := node.Try("busctl", "get-property", "org.cssc.Agent1", path, "org.cssc.Agent1.Operation", property)

		return strings.Trim(strings.TrimPrefix(strings.TrimSpace(text), "s "), `"`), err
	}
	lab.Eventually(f.t, settleLimit, kind+" on "+node.Name+" to end", func() error {
		var err error
		if result, err = get("Result"); err == nil && result == "running" {
			err = fmt.Errorf("it runs")
		}

		return err
	})
	trouble, _ = get("Error")

	return result, trouble
}

// done is operation that must succeed.
func (f *fleet) done(node *lab.Node, kind, to string) {
	f.t.Helper()
	if result, trouble := f.operation(node, kind, to); result != "done" {
		f.t.Errorf("%s to %q on %s: %s, %s", kind, to, node.Name, result, trouble)
	}
}

// TestRolesAndTheirTargets: every change of role of a node, one after the other on one
// cluster. After each the targets of the new role are up, and no others; the old role's
// members have stopped before the new role's start, on the node and across nodes; what both
// roles want is the same process; the state of a server on the master goes along. Every node
// hears of it all.
func TestRolesAndTheirTargets(t *testing.T) {
	t.Parallel()
	f := roledFleet(t)
	f.Boot(t)
	a, b, c := f.inTableOrder()
	f.have(map[*lab.Node]string{a: "master", b: "vice", c: "spare"})
	f.listen(f.Members()...)

	f.act("lock of the spare", func() { c.Run(t, "cssc", "lock", "--yes") }, map[*lab.Node]string{a: "master", b: "vice", c: "offline"})
	f.lateObservers(c.Name, "offline")
	f.act("unlock of the spare", func() { c.Run(t, "cssc", "unlock") }, map[*lab.Node]string{a: "master", b: "vice", c: "spare"})
	f.heardOfLock(c)

	pids := []string{pidOfBoth(t, a), pidOfBoth(t, b)}
	told := f.act("switchover to the vice", func() { f.done(a, "switchover", "") }, map[*lab.Node]string{a: "vice", b: "master", c: "spare"})
	f.precede(told, on(a, "down m1", "down m2", "down ml", "down pm", "down counter"), append(on(a, "up v1", "up pv"), on(b, "begin promote:0", "up m1", "up m2", "up ml", "up counter")...))
	f.precede(told, on(b, "down v1", "down pv"), on(b, "begin promote:0", "up m1", "up pm"))
	f.precede(told, on(a, "end demote:0"), on(a, "down m2", "begin demote:last", "down counter"))
	f.precede(told, on(a, "begin demote:last"), on(a, "down counter"))
	f.precede(told, on(b, "end promote:last"), on(b, "up pm"))
	if now := []string{pidOfBoth(t, a), pidOfBoth(t, b)}; !slices.Equal(now, pids) || slices.Contains(pids, "0") {
		t.Errorf("processes of both.service on %s and %s: got %q, want %q still", a.Name, b.Name, now, pids)
	}

	told = f.act("switchover to the spare", func() { f.done(b, "switchover", c.Name) }, map[*lab.Node]string{a: "vice", b: "spare", c: "master"})
	f.precede(told, on(b, "down m1", "down counter", "down pm"), append(on(b, "up ps"), on(c, "begin promote:0", "up m1", "up counter")...))
	f.precede(told, on(c, "down ps"), on(c, "up m1"))
	lab.Eventually(t, settleLimit, "both.service to stop on "+b.Name+", which is neither", func() error {
		if pid := pidOfBoth(t, b); pid != "0" {
			return fmt.Errorf("it is process %s", pid)
		}

		return nil
	})
	f.act("lock of the vice", func() { a.Run(t, "cssc", "lock", "--yes") }, map[*lab.Node]string{a: "offline", b: "vice", c: "master"})
	told = f.act("unlock of a node before the vice in the table", func() { a.Run(t, "cssc", "unlock") }, map[*lab.Node]string{a: "vice", b: "spare", c: "master"})
	f.precede(told, on(b, "down v1", "down pv"), on(b, "up ps"))
	told = f.act("lock of the master", func() { c.Run(t, "cssc", "lock", "--yes") }, map[*lab.Node]string{a: "master", b: "vice", c: "offline"})
	f.precede(told, on(c, "down m1", "down counter"), append(on(c, "up po"), on(a, "up m1", "up counter")...))
	f.counted()
	f.act("unlock of it", func() { c.Run(t, "cssc", "unlock") }, map[*lab.Node]string{a: "master", b: "vice", c: "spare"})
	f.act("noboot shutdown of the spare", func() { c.Run(t, "cssc", "shutdown", "--noboot", "--yes") }, map[*lab.Node]string{a: "master", b: "vice", c: "down"})
	f.act("start of it", func() { c.Run(t, "cssc", "start") }, map[*lab.Node]string{a: "master", b: "vice", c: "spare"})
	f.heardOfAbsence(c, "NodeLeft", a, b)
	f.powerCutAsHeard(a, b, c)
}

// inTableOrder makes the first node of the table the master. The vice is then the second:
// always the first that can.
func (f *fleet) inTableOrder() (master, vice, spare *lab.Node) {
	f.t.Helper()
	nodes := f.Members()
	if s := f.calm(); s.master != nodes[0] {
		f.done(s.master, "switchover", nodes[0].Name)
	}

	return nodes[0], nodes[1], nodes[2]
}

// counted checks that no number was left out or served twice, by several nodes in turn.
func (f *fleet) counted() {
	f.t.Helper()
	text := f.readShared("/lab/served")
	nodes, number := map[string]bool{}, 0
	for line := range strings.Lines(text) {
		number++
		got, node, _ := strings.Cut(strings.TrimSpace(line), " ")
		nodes[node] = true
		if got != fmt.Sprint(number) {
			f.t.Fatalf("%s served %s, want %d; all:\n%s", node, got, number, text)
		}
	}
	if f.t.Logf("%d numbers served by %d nodes", number, len(nodes)); len(nodes) != 3 {
		f.t.Errorf("%d nodes have served, want 3", len(nodes))
	}
}
