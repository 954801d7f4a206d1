//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// With this file the state of a service cannot be handed over at demote's level 1.
	refusing = "/lab/refusing"
	// With this one the service that all clients use never ends its ExecStop=.
	clinging = "/lab/clinging"
	handover = "the state cannot be handed over"
)

// frail is the file with which a unit of the master's level 1 fails on the node.
func frail(node *lab.Node) string { return "/lab/frail." + node.Name }

// frailFleet makes three nodes whose services can be told to fail.
func frailFleet(t *testing.T) *fleet {
	t.Helper()
	const more = "[sequence.init]\nlevels = 2\n[sequence.promote]\nlevels = 2\n[sequence.demote]\nlevels = 2\n"
	f := prepare(t, lab.ClusterConfig{Size: 3, More: more}, calmLease)
	for _, node := range f.Members() {
		n := &stage{node, t}
		n.unit("frail.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStartPre=/usr/bin/test ! -e "+frail(node)+
			"\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=cssc-master-1.target\n")
		n.unit("top.service", "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=cssc-master-last.target\n")
		n.WriteScript(t, "/usr/bin/store", "#!/bin/sh\ntest -e "+refusing+" || exit 0\necho "+handover+" >&2\nexit 1\n")
		n.unit("store.service", "[Unit]\nAfter=dbus.service\n[Service]\nType=notify\n"+
			"ExecStart=/usr/bin/cssc run-callback --component store --demote 1 -- /usr/bin/store\n[Install]\nWantedBy=cssc-init-0.target\n")
		n.WriteFile(t, "/etc/systemd/system/"+history.Lead+".service.d/cling.conf",
			"[Service]\nTimeoutStopSec=infinity\nExecStop=/bin/sh -c 'test ! -e "+clinging+" || exec sleep infinity'\n")
	}

	return f
}

// TestFailuresAcrossNodes: a planned demote that fails is taken back in place; a node whose
// promote fails steps down, and another one leads; when it fails on all of them nobody does,
// every node says why, and terms do not run away; a service that does not end when the lease
// is lost is dead before anybody else begins.
func TestFailuresAcrossNodes(t *testing.T) {
	t.Parallel()
	f := frailFleet(t)
	f.Boot(t)
	f.demoteFails()
	f.promoteFailsOnTheVice()
	f.promoteFailsEverywhere()
	f.demoteHangs()
}

// mainPIDs are the processes of the units on the node.
func mainPIDs(t *testing.T, node *lab.Node, units ...string) string {
	t.Helper()

	return strings.Join(strings.Fields(node.Run(t, append([]string{"systemctl", "show", "-P", "MainPID"}, units...)...)), " ")
}

// demoteFails: the switchover ends as failed with the service's own words, the master is
// master of the same term, what was not stopped yet is the same process, and what was
// stopped runs again.
func (f *fleet) demoteFails() {
	f.t.Helper()
	before, lives := f.calm(), f.lives()
	untouched, top := mainPIDs(f.t, before.master, "frail.service", history.Lead+".service"), mainPIDs(f.t, before.master, "top.service")
	f.fault("planned demote that fails")
	f.touch(refusing)
	result, trouble := f.operation(before.master, "switchover", "")
	if result != "failed" || !strings.Contains(trouble, handover) {
		f.t.Errorf("switchover whose demote fails: got %s, %q; want it failed, with %q", result, trouble, handover)
	}
	f.unchanged(before, lives)
	f.until(before.master, "ready", func(v lab.View) bool { return v.Ready && v.Sequence == "" })
	if now := mainPIDs(f.t, before.master, "frail.service", history.Lead+".service"); now != untouched {
		f.t.Errorf("processes that demote had not come to: got %s, want %s still", now, untouched)
	}
	if now := mainPIDs(f.t, before.master, "top.service"); now == top || now == "0" {
		f.t.Errorf("the service that demote had stopped: got process %s, want a new one, not %s", now, top)
	}
	if list := before.master.Run(f.t, "cssc", "operations"); !strings.Contains(list, handover) {
		f.t.Errorf("cssc operations: got\n%s\nwant %q in it", list, handover)
	}
	f.remove(refusing)
	f.write(history.Heal, "-", "")
}

// promoteFailsOnTheVice: it steps down, another node leads, and all say what was the matter.
// Put right and retried, it is a candidate again.
func (f *fleet) promoteFailsOnTheVice() {
	f.t.Helper()
	before := f.calm()
	spare := f.spares(before)[0]
	f.touch(frail(before.vice))
	f.fault("power cut of the master, promote fails on the vice")
	before.master.PowerCut(f.t)
	f.until(spare, "the master", func(v lab.View) bool { return v.Role == "master" && v.Ready && v.Sequence == "" })
	f.until(before.vice, "at rest without a role", func(v lab.View) bool { return v.Role == "spare" && v.Sequence == "" })
	for _, node := range []*lab.Node{spare, before.vice} {
		f.shows(node, "frail.service")
	}
	f.remove(frail(before.vice))
	before.vice.Run(f.t, "cssc", "sequence", "retry", "promote")
	f.settled(spare, before.vice)
	f.Boot(f.t, before.master)
	f.write(history.Heal, "-", "")
	f.settled()
}

// promoteFailsEverywhere: each has tried once, then there is no master for as long as nothing
// is put right.
func (f *fleet) promoteFailsEverywhere() {
	f.t.Helper()
	before := f.settled()
	others := f.without(before.master)
	for _, node := range others {
		f.touch(frail(node))
	}
	f.fault("power cut of the master, promote fails everywhere")
	before.master.PowerCut(f.t)
	for _, node := range others {
		f.until(node, "without a master and a role", func(v lab.View) bool {
			return v.Master == "" && v.Role == "spare" && v.Sequence == "" && v.Term >= before.term+2
		})
		f.shows(node, "frail.service", "no master")
	}
	f.pass(2)
	view := f.until(others[0], "seen", func(lab.View) bool { return true })
	// Once each, and once more each when the first back-off is over.
	if limit := before.term + 4; view.Term > limit {
		f.t.Errorf("promote fails everywhere: term %d was reached from %d, want at most %d", view.Term, before.term, limit)
	}
	f.t.Logf("promote fails everywhere: term %d, then %d", before.term, view.Term)
	for _, node := range others {
		f.remove(frail(node))
		node.Run(f.t, "cssc", "sequence", "retry", "promote")
	}
	f.settled(others...)
	f.Boot(f.t, before.master)
	f.write(history.Heal, "-", "")
	f.settled()
}

// demoteHangs: the isolated master's service does not end. That it is dead when another one
// begins is what the history is judged for.
func (f *fleet) demoteHangs() {
	f.t.Helper()
	before := f.calm()
	f.touch(clinging)
	f.fault("the master is isolated, and its service does not end")
	f.Isolate(f.t, before.master)
	f.takenOver(before, f.without(before.master))
	if pids := mainPIDs(f.t, before.master, history.Lead+".service"); pids != "0" {
		f.t.Errorf("the service on the isolated master is still process %s", pids)
	}
	f.remove(clinging)
	f.heal()
	if after := f.settled(); after.master == before.master {
		f.t.Errorf("%s leads again after its isolation", after.master.Name)
	}
	f.saidSo(before.master, fmt.Sprintf("term %d", before.term))
}
