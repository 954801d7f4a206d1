package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// fakeLease is the page of memory that outlives the agent.
type fakeLease struct {
	record lease.Record
	some   bool
}

func (f *fakeLease) Last() (lease.Record, error) {
	if !f.some {
		return lease.Record{}, lease.ErrNone
	}

	return f.record, nil
}

func (f *fakeLease) Write(record lease.Record) { f.record, f.some = record, true }

// cluster is three worlds on one network.
type cluster struct {
	t       *testing.T
	network *network
	nodes   map[levels.NodeID]*world
	lives   map[levels.NodeID]*running
}

const testLease = 2 * time.Second

// inCluster runs a story on three nodes, each of which has a unit for the master and one
// for the vice; before are done to it ahead of the start.
func inCluster(t *testing.T, story func(c *cluster), before ...func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, network: newNetwork(),
			nodes: map[levels.NodeID]*world{}, lives: map[levels.NodeID]*running{},
		}
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			c.nodes[id] = c.newNode(id)
			c.network.boxes[election.NodeID(id)] = make(chan election.Message, 1024)
		}
		for _, prepare := range before {
			prepare(c)
		}
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			c.lives[id] = c.nodes[id].launch()
		}
		defer c.end()
		story(c)
	})
}

// end stops everybody, also when the story has failed.
func (c *cluster) end() {
	for id, life := range c.lives {
		life.stop()
		if err := <-life.result; err != nil {
			c.t.Errorf("%s: Run = %v, want nil after a planned stop", id, err)
		}
		c.nodes[id].close()
	}
}

func (c *cluster) newNode(id levels.NodeID) *world {
	w := newWorld(c.t)
	w.network, w.lease = c.network, &fakeLease{}
	w.config.Levels.Node, w.config.Local.Node = id, id
	derived := election.Config{Lease: testLease}.DefaultTimes()
	w.config.Mastership = config.Mastership{
		Lease: testLease, ClockErrorPermille: 10, RenewEvery: derived.RenewEvery, CeaseAfter: derived.CeaseAfter,
		KillMargin: derived.KillMargin, Stagger: derived.Stagger, RestartGrace: 10 * time.Second,
		FormationTimeout: time.Minute, TwoNode: "hold", FlapWindow: time.Minute, SelfFence: "off",
	}
	w.config.Security.RemoteOperations = []levels.OperationKind{
		levels.OperationDisqualify, levels.OperationQualify, levels.OperationShutdown, levels.OperationSwitchover, levels.OperationStart,
		levels.OperationClusterShutdown, levels.OperationRollingReboot,
	}
	for _, name := range []levels.NodeID{"n1", "n2", "n3"} {
		w.config.Nodes = append(w.config.Nodes, config.Node{Name: name, Address: string(name) + ":7946", Eligible: true, Vote: true})
	}
	w.want("master-0", "lead.service")
	w.want("vice-0", "second.service")

	return w
}

// is waits until the node has the role and nothing runs.
func (c *cluster) is(id levels.NodeID, role levels.Role) *Status {
	c.t.Helper()

	return c.nodes[id].until(fmt.Sprintf("%s is %s", id, role), func(s *Status) bool {
		return s.Role == role && s.State == levels.StateUp && s.Run == nil
	})
}

// formed waits for the first master and its vice.
func (c *cluster) formed() {
	c.t.Helper()
	c.is("n1", levels.RoleMaster)
	c.is("n2", levels.RoleVice)
	c.is("n3", levels.RoleSpare)
}

// die is kill -9 of a node's agent; its units go on.
func (c *cluster) die(id levels.NodeID) {
	w := c.nodes[id]
	w.set(func() { w.dying = true })
	if err := <-c.lives[id].result; err != nil { // closed without a value
		c.t.Errorf("%s: Run = %v, want it killed", id, err)
	}
	c.lives[id].stop()
	w.set(func() { w.dying = false })
	c.network.mu.Lock()
	c.network.boxes[election.NodeID(id)] = nil
	c.network.mu.Unlock()
}

// serving says on which nodes the master's unit runs.
func (c *cluster) serving() []levels.NodeID {
	var nodes []levels.NodeID
	for id, w := range c.nodes {
		w.set(func() {
			if _, up := w.active["lead.service"]; up {
				nodes = append(nodes, id)
			}
		})
	}
	slices.Sort(nodes)

	return nodes
}

// neverTwo lets time pass and fails when two nodes serve at once.
func (c *cluster) neverTwo(span time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if nodes := c.serving(); len(nodes) > 1 {
			c.t.Fatalf("the master's unit runs on %v at once", nodes)
		}
	}
}

// Goal: three agents form a cluster whose roles reach systemd, and the vice takes over
// after a power cut of the master within a lease and a little. Method: real agents, fake
// network; the dead master's units are gone with its node.
func TestViceTakesOverAfterAPowerCut(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		if nodes := c.serving(); !slices.Equal(nodes, []levels.NodeID{"n1"}) {
			t.Errorf("the master's unit runs on %v, want n1", nodes)
		}
		c.die("n1")
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].active) })
		cut := time.Now()
		status := c.is("n2", levels.RoleMaster)
		if took := time.Since(cut); took > testLease*11/10 || status.Term != 2 {
			t.Errorf("term %d after %v, want term 2 within a lease and a little", status.Term, took)
		}
		c.is("n3", levels.RoleVice)
		c.lives["n1"] = c.nodes["n1"].launch()
		c.is("n1", levels.RoleVice)
		c.is("n3", levels.RoleSpare)
	})
}

// Goal: an agent that is killed and back within its lease changes no role and touches no
// unit, on the master, the vice and the spare. Method: kill, 300 ms, start.
func TestAgentBackWithinTheLeaseChangesNothing(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
			before := c.nodes[id].seen()
			c.die(id)
			time.Sleep(300 * time.Millisecond)
			c.lives[id] = c.nodes[id].launch()
			c.neverTwo(10 * testLease)
			c.formed()
			if after := c.nodes[id].seen(); after != before {
				t.Errorf("%s: its units saw %q after %q, want nothing new", id, after, before)
			}
			if term := c.is("n1", levels.RoleMaster).Term; term != 1 {
				t.Errorf("term %d after the restart of %s, want 1", term, id)
			}
		}
	})
}

// Goal: a planned stop of the agent keeps the role for the longer promise. Method: stop,
// four leases, start.
func TestPlannedRestartKeepsTheRole(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		before := c.nodes["n1"].seen()
		c.lives["n1"].end()
		c.neverTwo(4 * testLease)
		c.lives["n1"] = c.nodes["n1"].launch()
		c.neverTwo(10 * testLease)
		c.formed()
		if after := c.nodes["n1"].seen(); after != before || c.is("n1", levels.RoleMaster).Term != 1 {
			t.Errorf("its units saw %q after %q, want nothing new and term 1", after, before)
		}
	})
}

// Goal: an isolated master has stopped before the vice starts, and comes back as a follower.
// Method: cut, watch, heal.
func TestIsolatedMasterStopsInTime(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.network.isolate("n1")
		c.neverTwo(2 * testLease)
		if nodes := c.serving(); !slices.Equal(nodes, []levels.NodeID{"n2"}) {
			t.Fatalf("the master's unit runs on %v, want n2", nodes)
		}
		if status := c.nodes["n1"].agent.Status(); status.Quorate || !status.Headless {
			t.Errorf("the isolated node says quorate %v, headless %v", status.Quorate, status.Headless)
		}
		c.network.heal()
		c.neverTwo(2 * testLease)
		c.is("n2", levels.RoleMaster)
		c.is("n1", levels.RoleVice)
	})
}

// Goal: locking the master moves the role without waiting for the lease. Method: lock n1.
func TestLockHandsOver(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		time.Sleep(time.Second) // a new master gives no turn at once
		begin := time.Now()
		if _, _, err := c.nodes["n1"].agent.Operation(c.t.Context(), levels.OperationRequested{Kind: levels.OperationDisqualify, By: "test"}); err != nil {
			t.Fatal(err)
		}
		c.is("n2", levels.RoleMaster)
		if took := time.Since(begin); took > testLease/4 {
			t.Errorf("the hand-over took %v", took)
		}
		c.is("n1", levels.RoleOffline)
		c.is("n3", levels.RoleVice)
	})
}

// Goal: a node whose promote fails steps down and lets the next one try. Method: the
// master's unit does not start on n1.
func TestFailedPromoteGoesToTheNextNode(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n2"].set(func() { c.nodes["n2"].failing["lead.service"] = 1000 })
		c.die("n1")
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].active) })
		c.is("n3", levels.RoleMaster)
		c.neverTwo(5 * testLease)
		if nodes := c.serving(); !slices.Equal(nodes, []levels.NodeID{"n3"}) {
			t.Errorf("the master's unit runs on %v, want n3", nodes)
		}
	})
}

// Goal: an owner loop that was stopped for longer than its lease loses the role first: the
// member is killed, nothing of the old term is started, and the node follows the new
// master. Method: the loop hangs for two leases; the guard is not there.
func TestStalledLoopLosesTheRoleFirst(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		w := c.nodes["n1"]
		hang := make(chan struct{})
		w.set(func() { w.hang = hang })
		w.agent.Fresh(stalling(c.t)) // makes the loop publish, and hang
		if _, err := w.agent.Register(stalling(c.t), levels.Registration{Component: "x", Client: ":1.9", Position: at("init:3")}); err == nil {
			t.Log("registered before the loop hung")
		}
		c.is("n2", levels.RoleMaster)
		starts := 0
		w.set(func() { starts, w.hang = w.starts["lead.service"], nil })
		close(hang)
		c.is("n1", levels.RoleVice)
		w.set(func() {
			if _, up := w.active["lead.service"]; up || w.starts["lead.service"] != starts {
				t.Errorf("after the stall the master's unit is up: %v, started %d times more", up, w.starts["lead.service"]-starts)
			}
		})
		if status := c.is("n2", levels.RoleMaster); status.Term != 2 {
			t.Errorf("term %d, want 2", status.Term)
		}
	})
}

// stalling is a context that ends soon, for calls into a loop that hangs.
func stalling(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)

	return ctx
}

// Goal: a voter whose memory is damaged says so, does not vote, and votes again when all
// nodes are there. Method: the file is overwritten while n3 is away; then n1 goes.
func TestDamagedVoteIsNoVote(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.lives["n3"].end()
		w := c.nodes["n3"]
		if err := os.WriteFile(w.dir+"/var/vote.json", []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.network.isolate("n1")
		c.lives["n3"] = w.launch()
		c.neverTwo(10 * testLease)
		if nodes := c.serving(); len(nodes) != 0 {
			t.Errorf("%v is master with the vote of a node that has forgotten its votes", nodes)
		}
		status := w.until("it says so", func(s *Status) bool { return strings.Contains(strings.Join(s.Problems, "; "), "vote.json") })
		if status.Election != "forming" {
			t.Errorf("election %s, want forming", status.Election)
		}
		c.network.heal()
		w.until("a master", func(s *Status) bool { return s.Master != "" })
		c.neverTwo(3 * testLease)
	})
}

// Goal: a disk that takes nothing costs a voter its vote and a master nothing. Method: n2
// and n3 cannot write when n1 goes, then they can.
func TestFullDiskDoesNotVote(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		for _, id := range []levels.NodeID{"n2", "n3"} {
			c.nodes[id].set(func() { c.nodes[id].fail.durable = true })
		}
		c.die("n1")
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].active) })
		c.neverTwo(5 * testLease)
		if nodes := c.serving(); len(nodes) != 0 {
			t.Errorf("%v is master, and no vote can have been written", nodes)
		}
		status := c.nodes["n2"].agent.Status()
		if !strings.Contains(strings.Join(status.Problems, "; "), "/var/lib/cssc writable") {
			t.Errorf("problems %q, want what to do", status.Problems)
		}
		for _, id := range []levels.NodeID{"n2", "n3"} {
			c.nodes[id].set(func() { c.nodes[id].fail.durable = false })
		}
		c.nodes["n2"].until("a master", func(s *Status) bool { return s.Master != "" })
	})
}

// TestMissingGuardIsAProblem of a node that may be master in a cluster of several, told
// until the guard is back.
func TestMissingGuardIsAProblem(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		n2 := c.nodes["n2"]
		told := func(s *Status) bool {
			return strings.Contains(strings.Join(s.Problems, "; "), "systemctl start cssc-guard")
		}
		if told(n2.agent.Status()) {
			t.Errorf("problems %q although the guard runs", n2.agent.Status().Problems)
		}
		look := func(unguarded bool) {
			n2.set(func() { n2.unguarded = unguarded })
			n2.changed <- struct{}{}
		}
		look(true)
		n2.until("the problem", told)
		look(false)
		n2.until("no problem", func(s *Status) bool { return !told(s) })
	})
}
