//go:build integration

package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// The levels of init in this story, and how long the news of a new master may take to a node
// of a busy machine.
const (
	gateTop  = 4
	newsTime = 300 * time.Millisecond
	// Of the master only: it fails as long as this file is not there.
	repaired = "/lab/repaired"
)

// gatedFleet makes three nodes and one that is neither eligible nor has a vote, each with a
// callback and a unit at every level of init; the master's init holds at level 3.
func gatedFleet(t *testing.T) *fleet {
	t.Helper()
	f := prepare(t, lab.ClusterConfig{Size: 4, More: fmt.Sprintf("[sequence.init]\nlevels = %d\n", gateTop)}, calmLease)
	positions := []string{"promote:0"}
	for level := range gateTop + 1 {
		positions = append(positions, fmt.Sprintf("init:%d", level))
	}
	positions = append(positions, "init:last")
	for _, node := range f.Members() {
		f.gateVice(node, false)
		f.answerer(node, positions...)
		for _, position := range positions[2:] {
			level := strings.TrimPrefix(position, "init:")
			f.participant(node, "u"+level, position, "cssc-init-"+level+".target", "")
		}
		f.participant(node, "database", "init:3", "cssc-master-3.target", "ExecStartPre=/usr/bin/test -e "+repaired)
	}

	return f
}

// gateVice writes the configuration of a node that is off.
func (f *fleet) gateVice(node *lab.Node, gated bool) {
	f.t.Helper()
	last := f.Members()[3]
	text := strings.Replace(f.Text(), "[cluster]\n", fmt.Sprintf("[cluster]\ngate_vice = %v\n", gated), 1)
	address := fmt.Sprintf("address = %q\n", last.Address)
	node.WriteFile(f.t, "/etc/cssc/cssc.toml", strings.Replace(text, address, address+"eligible = false\nvote = false\n", 1))
}

// TestGatesOfInit: the master first, everybody else's level N+1 after N here and there; a vice
// that is free, and one that is not; a spare, a node that takes no role, one that joins late.
// A master that is held holds the others, visibly, and is repaired. When it is lost, the vice
// begins again as the master, and the others follow it from where they are.
func TestGatesOfInit(t *testing.T) {
	t.Parallel()
	f := gatedFleet(t)

	t.Log("the master's init is held at level 3, the vice is free")
	f.Boot(t)
	master, vice := f.heldMaster()
	f.until(vice, "up", func(v lab.View) bool { return v.State == "up" && v.Role == "vice" })
	gated := f.without(master, vice)
	f.waitFor(master, 3, gated...)
	f.touch(repaired)
	master.Run(t, "cssc", "sequence", "retry", "init")
	now := f.settled()

	t.Log("a spare that joins late runs through")
	late := slices.DeleteFunc(f.spares(now), func(n *lab.Node) bool { return n == f.Members()[3] })[0]
	late.PowerCut(t)
	f.Boot(t, late)
	f.settled()
	f.judgeGates(history.Gates{Top: gateTop, News: newsTime}, 5)

	t.Log("all of them again, the vice is gated")
	f.CutPower(t, f.Members()...)
	f.remove(repaired)
	f.remove(levelsFile)
	for _, node := range f.Members() {
		f.gateVice(node, true)
	}
	f.Boot(t)
	master, vice = f.heldMaster()
	f.waitFor(master, 3, f.without(master)...)
	f.touch(repaired)
	f.lostInInit(master, vice)
	f.Boot(t, master)
	f.settled()
	f.judgeGates(history.Gates{Top: gateTop, Vice: true, News: newsTime}, 7)
}

// heldMaster waits until there is a master whose init is held, and a vice.
func (f *fleet) heldMaster() (master, vice *lab.Node) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, "a master that is held, and a vice", func() error {
		var seen []lab.View
		for _, node := range f.Members() {
			view, err := node.View(f.t.Context())
			if err != nil {
				return err
			}
			seen = append(seen, view)
			if view.Role == "master" && view.Phase == "held" && view.Vice != "" {
				master, vice = node, f.Member(f.t, view.Vice)

				return nil
			}
		}

		return fmt.Errorf("the nodes are %+v", seen)
	})

	return master, vice
}

// waitFor checks that the gated nodes wait for the master, which is held at the level, and
// that every node's screen says so, and why.
func (f *fleet) waitFor(master *lab.Node, level int, gated ...*lab.Node) {
	f.t.Helper()
	why := fmt.Sprintf("the master %s has not reached init level %d", master.Name, level)
	for _, node := range gated {
		f.until(node, "waiting", func(v lab.View) bool { return v.Phase == "waiting" && strings.Contains(v.Reason, why) })
		f.shows(node, why)
		if at := find(f.levels(), fmt.Sprintf("%s begin init:%d", node.Name, level+1), 0); at >= 0 {
			f.t.Errorf("%s has begun level %d while the master is held at %d", node.Name, level+1, level)
		}
	}
	f.shows(master, "phase=held", "database.service", "cssc sequence retry init")
	for _, node := range f.Members() {
		f.shows(node, "database.service failed")
		if named, _, err := node.MasterReady(f.t.Context()); err != nil || named != "" {
			f.t.Errorf("MasterReady on %s while the master is held: got %q, %v; want to be told to try again", node.Name, named, err)
		}
	}
}

// lostInInit cuts the master's power while everybody waits for it. The vice's init is
// cancelled, which its callback client is told, and begins again as the master's; the node
// without a role goes on where it is.
func (f *fleet) lostInInit(master, vice *lab.Node) {
	f.t.Helper()
	f.fault("power cut of the master in everybody's init")
	before := len(f.levels())
	master.PowerCut(f.t)
	after := f.settled(f.without(master)...)
	if after.master != vice {
		f.t.Errorf("after the power cut in init %s leads, want the vice %s", after.master.Name, vice.Name)
	}
	told := f.levels()[before:]
	canceled := find(told, vice.Name+" canceled init", 0)
	again := find(told, vice.Name+" begin init:0", 0)
	if canceled < 0 || again < canceled || !strings.Contains(told[again], "role=master") {
		f.t.Errorf("the vice's client: got\n%s\nwant a cancellation, and then init:0 as the master", strings.Join(told, "\n"))
	}
	other := f.Members()[3].Name
	if find(told, other+" begin init:0", 0) >= 0 || find(told, other+" canceled", 0) >= 0 || find(told, other+" begin init:4", 0) < 0 {
		f.t.Errorf("%s, which takes no role: got\n%s\nwant it to go on at level 4", other, strings.Join(told, "\n"))
	}
}

// judgeGates has the story of levels judged; at least so many inits have been in it.
func (f *fleet) judgeGates(gates history.Gates, runs int) {
	f.t.Helper()
	report := history.CheckGates(f.steps(), gates)
	f.t.Logf("%d inits, %d gated levels", report.Runs, report.Gated)
	if len(report.Violations) > 0 {
		f.t.Errorf("gates:\n%s\nin\n%s", strings.Join(report.Violations, "\n"), strings.Join(f.levels(), "\n"))
	}
	if report.Runs < runs || report.Gated < gateTop*2 {
		f.t.Errorf("the judge saw %d inits with %d gated levels, want at least %d and %d", report.Runs, report.Gated, runs, gateTop*2)
	}
}
