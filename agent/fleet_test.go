package agent

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// machines are the hardware of a cluster's nodes: what is asked to reboot boots anew, what is
// switched off stays off.
type machines struct {
	*cluster

	seen map[levels.NodeID]int       // endings that were carried out
	back map[levels.NodeID]time.Time // when it is up again
	off  map[levels.NodeID]bool      // it is not
	down []string                    // "n3 reboot", in order
	most int                         // that were off at once
}

func (c *cluster) machines() *machines {
	return &machines{
		cluster: c, seen: map[levels.NodeID]int{}, back: map[levels.NodeID]time.Time{}, off: map[levels.NodeID]bool{},
	}
}

const bootTime = 20 * time.Second

// run lets time pass until it holds; it fails after an hour.
func (m *machines) run(what string, holds func() bool) {
	m.t.Helper()
	for limit := time.Now().Add(time.Hour); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			m.follow(id)
		}
		if nodes := m.serving(); len(nodes) > 1 {
			m.t.Fatalf("the master's unit runs on %v at once", nodes)
		}
		m.most = max(m.most, len(m.off))
		if holds() {
			return
		}
	}
	for id, w := range m.nodes {
		w.set(func() { m.t.Logf("%s: %v\n%s", id, w.agent.Status().Operations, strings.Join(w.journal, "\n")) })
	}
	m.t.Fatalf("never came: %s; down so far: %v", what, m.down)
}

// follow carries out what the node's agent has asked the machine for.
func (m *machines) follow(id levels.NodeID) {
	w := m.nodes[id]
	if m.off[id] {
		if back := m.back[id]; !back.IsZero() && time.Now().After(back) {
			delete(m.off, id)
			m.lives[id] = w.launch()
		}

		return
	}
	var ending levels.Mode
	w.set(func() {
		if len(w.endings) > m.seen[id] {
			ending = w.endings[m.seen[id]]
			m.seen[id]++
		}
	})
	if ending == levels.ModeNone {
		return
	}
	m.down = append(m.down, string(id)+" "+ending.String())
	m.cut(id)
	if ending == levels.ModeReboot {
		m.back[id] = time.Now().Add(bootTime)
	} else {
		m.back[id] = time.Time{}
	}
}

// cut takes the power from a node; it boots when somebody says when.
func (m *machines) cut(id levels.NodeID) {
	w := m.nodes[id]
	m.die(id)
	m.off[id] = true
	w.set(func() {
		clear(w.active)
		w.boots++
		w.inhibited = false
	})
	if err := os.RemoveAll(w.dir + "/run"); err != nil {
		m.t.Fatal(err)
	}
}

// rolling is the newest rolling reboot as n1, which coordinates it, shows it.
func (c *cluster) rolling() levels.OperationView {
	status := c.nodes["n1"].agent.Status()
	if status == nil {
		return levels.OperationView{}
	}
	for _, view := range slices.Backward(status.Operations) {
		if view.Kind == levels.OperationRollingReboot {
			return view
		}
	}

	return levels.OperationView{}
}

func (c *cluster) journalHas(node levels.NodeID, part string) bool {
	found := false
	c.nodes[node].set(func() { found = strings.Contains(strings.Join(c.nodes[node].journal, "\n"), part) })

	return found
}

// settled waits until the master gives turns.
func (c *cluster) settled() {
	c.t.Helper()
	c.formed()
	time.Sleep(2 * time.Second)
}

// Goal: a cluster shutdown takes the spare, the vice and the master down in this order, and the
// master keeps its majority until its services have stopped by themselves. Method: asked on the
// spare; the master's service takes five leases to hand over.
func TestClusterShutdownEndsInOrder(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		c.nodes["n1"].register(":1.5", &component{name: "data", takes: 5 * testLease}, "demote:0")
		id, err := c.on("n3", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown, Mode: levels.ModePoweroff, Reason: "move"})
		if err != nil || id < remoteBase {
			t.Fatalf("asked on n3: %d, %v", id, err)
		}
		m.run("all are off", func() bool {
			if c.nodes["n1"].agent.Status().Role == levels.RoleMaster && !c.nodes["n1"].agent.Status().Quorate {
				t.Fatal("the master has lost its majority")
			}

			return len(m.down) == 3
		})
		if m.down[0] != "n3 poweroff" || m.most != 3 {
			t.Errorf("down in the order %v", m.down)
		}
		seen := c.nodes["n1"].seen()
		if !strings.Contains(seen, "call data demote:0, stop lead.service") || c.journalHas("n1", msgMembersKilled.describe().id) {
			t.Errorf("the master's services saw %s", seen)
		}
		if !c.journalHas("n2", "stays a voter until n1 has stopped") {
			t.Error("the vice did not stay a voter")
		}
		for _, id := range []levels.NodeID{"n2", "n3"} {
			if starts := c.nodes[id].starts["lead.service"]; starts != 0 {
				t.Errorf("%s was promoted %d times on the way down", id, starts)
			}
		}
	})
}

// Goal: with reboot all nodes come back, and none is given a role before the last has gone.
func TestClusterShutdownWithReboot(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown}); err != nil {
			t.Fatal(err)
		}
		m.run("all have gone down", func() bool { return len(m.down) == 3 })
		for id, w := range c.nodes {
			if id != "n1" && w.starts["lead.service"] != 0 {
				t.Errorf("%s was promoted %d times on the way down", id, w.starts["lead.service"])
			}
		}
		m.run("the cluster is back", func() bool { return len(m.off) == 0 && len(m.serving()) == 1 })
		for id, w := range c.nodes {
			if w.boots != 1 {
				t.Errorf("%s booted %d times, want once", id, w.boots)
			}
		}
	})
}

// Goal: a rolling reboot reboots the spare, the vice and the master, one at a time, the last
// after a switchover, and is reported as done by the coordinator's next boot. Method: asked on the
// master.
func TestRollingReboot(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		_, plan, err := c.nodes["n1"].agent.OperationOn(c.t.Context(), "", levels.OperationRequested{Kind: levels.OperationRollingReboot, DryRun: true})
		if err != nil || len(plan) != 4 || !strings.HasPrefix(plan[0], "n3 (spare): reboot") {
			t.Fatalf("plan %q, %v", plan, err)
		}
		id, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationRollingReboot, Reason: "kernel"})
		if err != nil {
			t.Fatal(err)
		}
		m.run("it is over", func() bool {
			view := c.rolling()

			return len(m.down) == 3 && len(m.off) == 0 && view.Result != levels.ResultRunning
		})
		view := c.rolling()
		if view.Result != levels.ResultDone || view.ID != id || view.Reason != "kernel" {
			t.Errorf("it ended %+v", view)
		}
		if want := []string{"n3 reboot", "n2 reboot", "n1 reboot"}; !slices.Equal(m.down, want) || m.most != 1 {
			t.Errorf("down %v, %d at once; want %v, one at a time", m.down, m.most, want)
		}
		if term := c.nodes["n1"].agent.Status().Term; term != 2 {
			t.Errorf("term %d, want 2: one switchover", term)
		}
		if _, err := c.on("n1", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify}); err != nil {
			t.Errorf("an operation after it: %v", err)
		}
	})
}

// Goal: the agent of the coordinator may be killed at any moment of it: it goes on. Method: a kill
// while the spare is away, and one while it is asked.
func TestRollingRebootSurvivesItsAgent(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationRollingReboot}); err != nil {
			t.Fatal(err)
		}
		for _, moment := range []int{0, 1} {
			m.run("the moment", func() bool { return len(m.down) >= moment })
			c.die("n1")
			time.Sleep(200 * time.Millisecond)
			c.lives["n1"] = c.nodes["n1"].launch()
		}
		m.run("it is over", func() bool {
			view := c.rolling()

			return len(m.down) == 3 && len(m.off) == 0 && view.Result == levels.ResultDone
		})
	})
}

// Goal: the second operation is refused with the owner, the age and the step of the first, wherever
// it is asked. Method: a lock of the spare that takes a minute.
func TestOneTransitionAtATime(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.nodes["n3"].register(":1.5", &component{name: "slow", takes: time.Minute}, "disqualify:1")
		first, err := c.on("n2", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for _, where := range []levels.NodeID{"n1", "n2"} {
			_, err := c.on(where, where, levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeReboot})
			if !errors.Is(err, levels.ErrOperationInProgress) ||
				!strings.Contains(err.Error(), "disqualify of n3 by uid 0 on n2 on n3, for 10s, at disqualify level 1") {
				t.Errorf("a shutdown of %s = %v", where, err)
			}
		}
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationRollingReboot}); !errors.Is(err, levels.ErrOperationInProgress) {
			t.Errorf("a rolling reboot = %v", err)
		}
		c.ends("n2", first, levels.ResultDone)
		time.Sleep(time.Second)
		c.over("n2", "n3", levels.OperationRequested{Kind: levels.OperationQualify})
	})
}

// Goal: the turn survives its master: the next one knows what is in progress by the card of its
// owner. Method: a slow lock of the spare, a power cut of the master.
func TestMasterDiesWhileATurnIsHeld(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.nodes["n3"].register(":1.5", &component{name: "slow", takes: time.Minute}, "disqualify:1")
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.machines().cut("n1")
		c.is("n2", levels.RoleMaster)
		if _, err := c.on("n2", "n2", levels.OperationRequested{Kind: levels.OperationSwitchover}); !errors.Is(err, levels.ErrOperationInProgress) ||
			!strings.Contains(err.Error(), "disqualify of n3") {
			t.Errorf("a switchover under the new master = %v", err)
		}
		c.nodes["n3"].until("the lock ends", func(s *Status) bool { return s.Role == levels.RoleOffline })
		time.Sleep(time.Second)
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationQualify}); err != nil {
			t.Errorf("an unlock after it = %v", err)
		}
	})
}

// Goal: a turn ends with its owner. Method: the node that has it loses its power.
func TestOwnerOfATurnDies(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.nodes["n3"].register(":1.5", &component{name: "slow", takes: time.Minute}, "disqualify:1")
		if _, err := c.on("n1", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.machines().cut("n3")
		c.nodes["n1"].until("n1 misses n3", func(s *Status) bool { return !s.Nodes[2].Alive })
		time.Sleep(time.Second)
		c.over("n1", "n2", levels.OperationRequested{Kind: levels.OperationDisqualify})
		if !c.journalHas("n1", "the turn of n3 for disqualify is over: n3 is lost") {
			t.Error("the journal does not say why")
		}
	})
}

// Goal: without a master a planned shutdown and an unlock go on after a moment, a lock is refused.
// Method: the majority is gone.
func TestWithoutAMaster(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.over("n3", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify})
		m := c.machines()
		m.cut("n1")
		m.cut("n2")
		c.nodes["n3"].until("headless", func(s *Status) bool { return s.Headless })
		begin := time.Now()
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationQualify}); err != nil || time.Since(begin) > 6*time.Second {
			t.Errorf("an unlock = %v after %v", err, time.Since(begin))
		}
		c.nodes["n3"].until("unlocked", func(s *Status) bool { return s.Qualified && s.Run == nil })
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationDisqualify}); !errors.Is(err, levels.ErrRefused) ||
			!strings.Contains(err.Error(), "no master gave the turn within 5s") {
			t.Errorf("a lock = %v", err)
		}
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeHalt}); err != nil {
			t.Errorf("a shutdown = %v", err)
		}
		m.run("n3 halts", func() bool { return slices.Contains(m.down, "n3 halt") })
		if !c.journalHas("n3", "no master gave the turn within 5s") {
			t.Error("the journal does not say that it went without a turn")
		}
	})
}

// Goal: a node that stays a voter is one again after its agent was killed. Method: the vice's
// agent, while the master takes five leases to hand over; the spare has left.
func TestLingeringSurvivesItsAgent(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		c.nodes["n1"].register(":1.5", &component{name: "data", takes: 5 * testLease}, "demote:0")
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown, Mode: levels.ModePoweroff}); err != nil {
			t.Fatal(err)
		}
		m.run("the vice stays", func() bool { return c.journalHas("n2", "stays a voter until n1 has stopped") })
		c.die("n2")
		time.Sleep(200 * time.Millisecond)
		c.lives["n2"] = c.nodes["n2"].launch()
		m.run("all are off", func() bool { return len(m.down) == 3 })
		if c.journalHas("n1", msgMembersKilled.describe().id) || c.journalHas("n1", "lost=true") {
			t.Error("the master lost its lease, and its members were killed")
		}
	})
}

// Goal: a cluster that was shut down without a reboot is back when its nodes are started, also one
// that is started while it still stays a voter. Method: the vice is started at once.
func TestClusterShutdownWithoutReboot(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.nodes["n1"].register(":1.5", &component{name: "data", takes: 5 * testLease}, "demote:0")
		id, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown, Mode: levels.ModeNoboot})
		if err != nil {
			t.Fatal(err)
		}
		c.nodes["n2"].until("the vice is down", func(s *Status) bool { return s.State == levels.StateDown })
		if _, err := c.on("n2", "n2", levels.OperationRequested{Kind: levels.OperationStart}); err != nil {
			t.Fatal(err)
		}
		c.ends("n1", id, levels.ResultDone)
		if state := c.nodes["n1"].agent.Status().State; state != levels.StateDown {
			t.Errorf("n1 is %s, want down", state)
		}
		for _, id := range []levels.NodeID{"n1", "n3"} {
			if _, err := c.on(id, id, levels.OperationRequested{Kind: levels.OperationStart}); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			c.nodes[id].until(string(id)+" is back", func(s *Status) bool { return s.State == levels.StateUp && s.Master != "" && s.Run == nil })
		}
		c.neverTwo(2 * testLease)
		if nodes := c.serving(); len(nodes) != 1 {
			t.Errorf("the master's unit runs on %v, want one", nodes)
		}
	})
}

// Goal: a shutdown of all leaves nobody out that has come back before gossip has told so. Method:
// gossip goes on telling that a spare has left.
func TestClusterShutdownKnowsWhoIsBack(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.over("n3", "n3", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot})
		net := c.nodes["n1"].network
		net.mu.Lock()
		net.stuck = map[levels.NodeID]levels.Card{"n3": {Node: "n3", State: levels.StateDown, Left: true}}
		net.mu.Unlock()
		c.nodes["n1"].until("n3 has left", func(s *Status) bool { return !s.Nodes[2].Alive })
		if _, err := c.on("n3", "n3", levels.OperationRequested{Kind: levels.OperationStart}); err != nil {
			t.Fatal(err)
		}
		c.nodes["n3"].until("n3 is back", func(s *Status) bool { return s.State == levels.StateUp && s.Run == nil })
		c.nodes["n1"].until("n1 has heard it", func(s *Status) bool { return s.Nodes[2].Alive })
		c.over("n1", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown, Mode: levels.ModeNoboot})
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			if state := c.nodes[id].agent.Status().State; state != levels.StateDown {
				t.Errorf("%s is %s, want down", id, state)
			}
		}
	})
}
