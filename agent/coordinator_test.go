package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: a coordinator that loses its power says after its boot that the operation has failed, and
// what was done. Method: the cut while the vice reboots.
func TestCoordinatorLosesItsPower(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationRollingReboot}); err != nil {
			t.Fatal(err)
		}
		m.run("the vice goes down", func() bool { return slices.Contains(m.down, "n2 reboot") })
		m.cut("n1")
		m.back["n1"] = time.Now().Add(5 * time.Second)
		m.run("n1 tells", func() bool {
			return len(m.off) == 0 && c.rolling().Result == levels.ResultFailed
		})
		view := c.rolling()
		if want := "n1, which coordinates it, was rebooted in the middle; done: n3; under way: n2; not begun: n1"; view.Error != want {
			t.Errorf("it ended %q, want %q", view.Error, want)
		}
	})
}

// Goal: a node that has just booted is shut down with all others, although its card at that
// moment is that of the boot before. Method: cards are late, and the spare's services are slow to
// stop, so that its new card comes while it is at it.
func TestClusterShutdownOfANodeThatHasJustBooted(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		c.network.late = 2 * time.Second
		m.cut("n3")
		delete(m.off, "n3")
		c.lives["n3"] = c.nodes["n3"].launch()
		c.is("n3", levels.RoleSpare)
		c.nodes["n3"].register(":1.5", &component{name: "data", takes: 5 * time.Second}, "shut:0")
		if _, err := c.on("n1", "", levels.OperationRequested{Kind: levels.OperationClusterShutdown, Mode: levels.ModePoweroff}); err != nil {
			t.Fatal(err)
		}
		m.run("all are off", func() bool { return len(m.down) == 3 })
		if m.down[0] != "n3 poweroff" {
			t.Errorf("down in the order %v, want n3 first", m.down)
		}
	})
}

// Goal: who has asked for a rolling reboot elsewhere hears soon that its coordinator is lost. Method:
// asked on the vice; the coordinator loses its power while the spare reboots.
func TestLostCoordinatorIsNotWaitedFor(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.settled()
		m := c.machines()
		id, err := c.on("n2", "", levels.OperationRequested{Kind: levels.OperationRollingReboot})
		if err != nil {
			t.Fatal(err)
		}
		m.run("the spare goes down", func() bool { return slices.Contains(m.down, "n3 reboot") })
		m.cut("n1")
		cut := time.Now()
		m.run("n2 tells", func() bool {
			status := c.nodes["n2"].agent.Status()

			return slices.ContainsFunc(status.Operations, func(o levels.OperationView) bool { return o.ID == id && o.Result == levels.ResultFailed })
		})
		if took := time.Since(cut); took > 2*lostAfter {
			t.Errorf("it ended %v after the loss, want no more than %v", took, 2*lostAfter)
		}
	})
}
