package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// slowGossip makes cards as late as they are on real nodes.
func slowGossip(c *cluster) { c.network.late = 1500 * time.Millisecond }

// asks begins an operation on a node.
func (c *cluster) asks(id levels.NodeID, request levels.OperationRequested) {
	c.t.Helper()
	request.By = "test"
	if _, _, err := c.nodes[id].agent.Operation(c.t.Context(), request); err != nil {
		c.t.Fatal(err)
	}
}

// operation is the newest of a node.
func operation(s *Status) levels.OperationView {
	if len(s.Operations) == 0 {
		return levels.OperationView{}
	}

	return s.Operations[len(s.Operations)-1]
}

// ended waits for the end of the newest operation of a node.
func (c *cluster) ended(id levels.NodeID) levels.OperationView {
	c.t.Helper()

	return operation(c.nodes[id].until("the end of the operation on "+string(id), func(s *Status) bool {
		return operation(s).Result != levels.ResultRunning
	}))
}

// Goal: a switchover is done when the new master is ready, and the old one takes up its new
// role meanwhile. Method: a component of n2 takes a minute for its promote.
func TestSwitchoverEndsWhenTheNewMasterIsReady(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n2"].register(":1.5", &component{name: "web", takes: time.Minute}, "promote:1")
		begin := time.Now()
		c.asks("n1", levels.OperationRequested{Kind: levels.OperationSwitchover})
		status := c.is("n1", levels.RoleVice)
		if op := operation(status); op.Result != levels.ResultRunning || !strings.HasPrefix(op.Step, "waiting for n2 to finish promote") {
			t.Errorf("n1 is vice and the operation is %v at %q, want it to wait for n2", op.Result, op.Step)
		}
		c.nodes["n1"].until("the level of n2", func(s *Status) bool { return strings.HasSuffix(operation(s).Step, "promote, now at level 1") })
		if op := c.ended("n1"); op.Result != levels.ResultDone || time.Since(begin) < time.Minute {
			t.Errorf("the switchover is %v (%s) after %v, want it done after a minute", op.Result, op.Error, time.Since(begin))
		}
		if s := c.is("n2", levels.RoleMaster); !s.MasterReady {
			t.Error("the switchover is done and n2 is not ready")
		}
	}, slowGossip)
}

// Goal: a switchover goes where it was asked to go, or is refused with every reason. Method:
// to the spare n3, then to n3 that is locked, to a node that is none, and on a node that is
// not the master.
func TestSwitchoverGoesWhereItWasAsked(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.asks("n1", levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n3"})
		if op := c.ended("n1"); op.Result != levels.ResultDone {
			t.Errorf("the switchover is %v: %s", op.Result, op.Error)
		}
		c.is("n3", levels.RoleMaster)
		c.is("n1", levels.RoleVice)
		c.asks("n2", levels.OperationRequested{Kind: levels.OperationDisqualify})
		c.is("n2", levels.RoleOffline)
		time.Sleep(2 * c.network.late) // the card says more than the node itself
		for to, want := range map[levels.NodeID]string{
			"n2": "n2 cannot take over: it is locked; unlock it with \"cssc unlock n2\"",
			"n9": "n9 is not in the node table", "n3": "n3 is the master already",
		} {
			for _, dry := range []bool{true, false} {
				_, _, err := c.nodes["n3"].agent.Operation(c.t.Context(), levels.OperationRequested{Kind: levels.OperationSwitchover, To: to, By: "test", DryRun: dry})
				if !errors.Is(err, levels.ErrRefused) || !strings.Contains(err.Error(), want) {
					t.Errorf("to %s, dry %v: %v, want it refused: %s", to, dry, err, want)
				}
			}
		}
		_, _, err := c.nodes["n1"].agent.Operation(c.t.Context(), levels.OperationRequested{Kind: levels.OperationSwitchover, By: "test"})
		if !errors.Is(err, levels.ErrRefused) || !strings.Contains(err.Error(), "ask the master n3") {
			t.Errorf("on the vice: %v", err)
		}
	}, slowGossip)
}

// Goal: when the target's promote fails the next node tries, the operation says so, and the
// target is given no role for a while, even over a restart of its agent. Method: the
// master's unit does not start on n2.
func TestSwitchoverWhosePromoteFails(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n2"].set(func() { c.nodes["n2"].failing["lead.service"] = 1 })
		c.asks("n1", levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n2"})
		op := c.ended("n1")
		if op.Result != levels.ResultFailed || !strings.Contains(op.Error, "n2 took over in term 2 and gave it up before it was ready") {
			t.Errorf("the switchover is %v: %s", op.Result, op.Error)
		}
		c.nodes["n1"].until("a master", func(s *Status) bool { return s.MasterReady })
		barred := c.nodes["n2"].until("n2 is barred", func(s *Status) bool { return s.Role == levels.RoleSpare && s.Barred != nil })
		if !strings.Contains(strings.Join(barred.Problems, "; "), "promote to master failed once: lead.service failed: exit status 1") {
			t.Errorf("problems %q", barred.Problems)
		}
		c.die("n2")
		c.lives["n2"] = c.nodes["n2"].launch()
		c.nodes["n2"].until("n2 is barred still", func(s *Status) bool { return s.Barred != nil && s.Role == levels.RoleSpare })
		c.nodes["n1"].until("n1 says why", func(s *Status) bool { return strings.HasPrefix(s.Nodes[1].Why, "promote failed, no role until ") })
		c.nodes["n2"].until("the bar has run out", func(s *Status) bool { return s.Barred == nil })
		c.is("n2", levels.RoleVice)
	}, slowGossip)
}

// Goal: when no candidate can promote there is no master, every node says why, nobody tries
// for ever, and an operator has a way out. Method: the master's unit starts nowhere.
func TestNoCandidateCanPromote(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		for _, id := range []levels.NodeID{"n2", "n3"} {
			c.nodes[id].set(func() { c.nodes[id].failing["lead.service"] = 1000 })
		}
		c.die("n1")
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].active) })
		forGood := func(s *Status) bool { return s.Barred != nil && s.Barred.Until == 0 }
		for _, id := range []levels.NodeID{"n2", "n3"} {
			s := c.nodes[id].until("it is barred for good", forGood)
			if !strings.Contains(strings.Join(s.Problems, "; "), "cssc sequence retry promote") {
				t.Errorf("%s has the problems %q", id, s.Problems)
			}
		}
		starts := func() (n int) {
			for _, id := range []levels.NodeID{"n2", "n3"} {
				c.nodes[id].set(func() { n += c.nodes[id].starts["lead.service"] })
			}

			return n
		}
		before := starts()
		time.Sleep(time.Hour)
		if after := starts(); after != before {
			t.Errorf("tried %d times more in an hour", after-before)
		}
		c.nodes["n3"].set(func() { clear(c.nodes["n3"].failing) })
		if err := c.nodes["n3"].agent.Retry(c.t.Context(), levels.Promote); err != nil {
			t.Fatal(err)
		}
		c.is("n3", levels.RoleMaster)
		c.asks("n2", levels.OperationRequested{Kind: levels.OperationQualify})
		c.is("n2", levels.RoleVice)
	}, slowGossip)
}

// Goal: a shutdown of the master waits for the new one, that of the vice for another vice,
// and a vice keeps its role until its demote has ended. Method: components that take their
// time; the order of what happens on two nodes.
func TestShutdownWaitsForASuccessor(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		time.Sleep(2 * c.network.late) // a vice knows the others by their cards only
		c.nodes["n2"].register(":1.5", &component{name: "web", takes: 20 * time.Second}, "demote:0")
		c.nodes["n3"].register(":1.5", &component{name: "web", takes: 20 * time.Second}, "promote:0")
		c.asks("n2", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot})
		begin := time.Now()
		c.nodes["n3"].until("n3 is vice", func(s *Status) bool { return s.Role == levels.RoleVice })
		if took := time.Since(begin); took < 20*time.Second {
			t.Errorf("n3 was vice after %v, while n2 was", took)
		}
		waiting := c.nodes["n2"].until("n2 waits", func(s *Status) bool { return strings.Contains(operation(s).Step, "n3 to finish promote") })
		if waiting.Role != levels.RoleSpare {
			t.Errorf("n2 waits as %v", waiting.Role)
		}
		c.nodes["n2"].until("n2 is down", func(s *Status) bool { return s.State == levels.StateDown })
		if took := time.Since(begin); took < 40*time.Second {
			t.Errorf("n2 was down after %v, before n3 was ready", took)
		}
		c.is("n3", levels.RoleVice)
		time.Sleep(2 * c.network.late) // one operation at a time
		c.asks("n1", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot})
		c.nodes["n1"].until("n1 waits", func(s *Status) bool { return strings.Contains(operation(s).Step, "n3 to finish promote") })
		if nodes := c.serving(); len(nodes) != 0 && !slices.Equal(nodes, []levels.NodeID{"n3"}) {
			t.Errorf("the master's unit runs on %v", nodes)
		}
		c.nodes["n1"].until("n1 is down", func(s *Status) bool { return s.State == levels.StateDown })
		if s := c.is("n3", levels.RoleMaster); !s.MasterReady {
			t.Error("n1 is down and n3 is not ready")
		}
	}, slowGossip)
}

// Goal: a node with a held run that a promote would have to wait for is given no role.
// Method: n2, the vice, is locked, and its unlock is held by a component.
func TestNodeWithAHeldRunTakesNoRole(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		time.Sleep(2 * c.network.late)
		web := &component{name: "web"}
		c.nodes["n2"].register(":1.5", web, "qualify:0")
		c.asks("n2", levels.OperationRequested{Kind: levels.OperationDisqualify})
		c.is("n2", levels.RoleOffline)
		c.is("n3", levels.RoleVice)
		c.nodes["n2"].set(func() { web.fails = 1 })
		c.asks("n2", levels.OperationRequested{Kind: levels.OperationQualify})
		c.nodes["n2"].until("n2 is held", func(s *Status) bool { return s.Run != nil && s.Run.Phase == levels.PhaseHeld })
		c.nodes["n1"].until("n1 sees it", func(s *Status) bool { return s.Nodes[1].Why == "held: web failed: not today" })
		c.neverTwo(5 * testLease)
		c.is("n3", levels.RoleVice)
		if err := c.nodes["n2"].agent.Retry(c.t.Context(), levels.Qualify); err != nil {
			t.Fatal(err)
		}
		c.is("n2", levels.RoleVice) // the first of the node table again
	}, slowGossip)
}

// Goal: whoever waits for the master's init says what the master is held by. Method: a unit
// of the master's init does not start.
func TestHeldMasterHoldsTheOthersWithItsReason(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.nodes["n3"].until("n3 waits for the reason", func(s *Status) bool {
			return s.Run != nil && s.Run.Reason == "the master n1 has not reached init level 1: held: naming.service failed: exit status 1"
		})
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].failing) })
		if err := c.nodes["n1"].agent.Retry(c.t.Context(), levels.Init); err != nil {
			t.Fatal(err)
		}
		c.is("n3", levels.RoleSpare)
	}, slowGossip, func(c *cluster) {
		c.nodes["n1"].want("init-1", "naming.service")
		c.nodes["n1"].failing["naming.service"] = 1000
	})
}
