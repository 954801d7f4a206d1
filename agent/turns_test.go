package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// soon is less than a new master waits when it has to.
const soon = 500 * time.Millisecond

// askedSoon begins an operation and fails when that took longer than soon.
func (c *cluster) askedSoon(asker, node levels.NodeID, kind levels.OperationKind) {
	c.t.Helper()
	began := time.Now()
	id, err := c.on(asker, node, levels.OperationRequested{Kind: kind})
	if took := time.Since(began); err != nil || took > soon {
		c.t.Errorf("%v asked on %s: %v after %v, want it begun within %v", kind, asker, err, took, soon)
	}
	c.ends(asker, id, levels.ResultDone)
}

// Goal: right after a restart of the master's agent, and right after a switchover, an operation
// begins at once when the cluster is at rest: nobody waits for gossip. Method: kill -9 and a
// planned restart, then a switchover, a lock of the old master and its unlock at once.
func TestNobodyWaitsForAMasterThatHasJustCome(t *testing.T) {
	restarts := map[string]func(c *cluster){
		"killed":    func(c *cluster) { c.die("n1") },
		"restarted": func(c *cluster) { c.lives["n1"].end() },
	}
	for name, stop := range restarts {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) {
				c.settled()
				stop(c)
				time.Sleep(300 * time.Millisecond)
				c.lives["n1"] = c.nodes["n1"].launch()
				c.is("n1", levels.RoleMaster)
				c.askedSoon("n1", "", levels.OperationSwitchover)
				c.askedSoon("n1", "", levels.OperationDisqualify)
				c.askedSoon("n3", "n1", levels.OperationQualify)
			}, slowGossip)
		})
	}
}

// Goal: what is in progress elsewhere is in the way also when the master has just come back.
// Method: a lock of the spare that takes a minute, kill -9 of the master's agent,
// a switchover.
func TestMasterThatHasJustComeGivesNoSecondTurn(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		c.nodes["n3"].register(":1.5", &component{name: "data", takes: time.Minute}, "disqualify:0")
		c.asks("n3", levels.OperationRequested{Kind: levels.OperationDisqualify})
		c.die("n1")
		time.Sleep(300 * time.Millisecond)
		c.lives["n1"] = c.nodes["n1"].launch()
		c.is("n1", levels.RoleMaster)
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationSwitchover}); !errors.Is(err, levels.ErrOperationInProgress) {
			t.Errorf("the switchover: %v, want it refused for the lock", err)
		}
	})
}
