package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// together are three nodes that have booted at the same moment.
func (c *cluster) together(prepare func(id levels.NodeID, w *world)) {
	c.t.Helper()
	m := c.machines()
	for _, id := range allNodes() {
		m.cut(id)
	}
	time.Sleep(2 * testLease) // the promises are over
	for _, id := range allNodes() {
		delete(m.off, id)
		w := c.nodes[id]
		w.set(func() { prepare(id, w) })
		c.lives[id] = w.launch()
	}
}

// whole waits until every node is up, one of them master and one vice, and returns the two.
func (c *cluster) whole() (master, vice levels.NodeID) {
	c.t.Helper()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		master, vice = "", ""
		up := 0
		for _, id := range allNodes() {
			status := c.nodes[id].agent.Status()
			if status == nil || status.State != levels.StateUp || status.Run != nil {
				continue
			}
			up++
			switch status.Role {
			case levels.RoleMaster:
				master = id
			case levels.RoleVice:
				vice = id
			default:
			}
		}
		if up == len(c.nodes) && master != "" && vice != "" {
			return master, vice
		}
	}
	for _, id := range allNodes() {
		c.nodes[id].set(func() { c.t.Logf("%s:\n%s", id, strings.Join(c.nodes[id].journal, "\n")) })
	}
	c.t.Fatal("the nodes do not come up together")

	return "", ""
}

// begunOnce fails unless the newest run of each node is its init, in the role that it has, and
// the one before it is of an earlier boot.
func (c *cluster) begunOnce(boots map[levels.NodeID]int) {
	c.t.Helper()
	for _, id := range allNodes() {
		runs, err := c.nodes[id].newStore().History(50)
		slices.Reverse(runs) // the newest is the first one
		if err != nil || len(runs) != boots[id]+1 || runs[boots[id]].Sequence != levels.Init || runs[boots[id]].Outcome != "completed" {
			c.t.Errorf("%s: runs %+v, %v; want one more than %d, its init", id, runs, err, boots[id])
			c.nodes[id].set(func() { c.t.Logf("%s", strings.Join(c.nodes[id].journal, "\n")) })
		}
	}
}

func (c *cluster) runs() map[levels.NodeID]int {
	count := map[levels.NodeID]int{}
	for _, id := range allNodes() {
		runs, err := c.nodes[id].newStore().History(50)
		if err != nil {
			c.t.Fatal(err)
		}
		count[id] = len(runs)
	}

	return count
}

// Goal: nodes that boot together begin init once, each in the role that it ends in: nobody
// begins as a spare to be named vice a moment later, and the vice is nobody else when several
// are up at the same moment. Method: the power of all is cut and they boot together; systemd
// is slow to answer on some of them, so that there is a master before those may have a role.
func TestNobodyBeginsInitTwice(t *testing.T) {
	for name, slow := range map[string][]levels.NodeID{
		"all at once": nil, "one is late": {"n2"}, "the last is late": {"n3"}, "two are late": {"n2", "n3"}, "all are late": {"n1", "n2", "n3"},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) {
				c.settled()
				before := c.runs()
				c.together(func(id levels.NodeID, w *world) { w.noLogind = slices.Contains(slow, id) })
				c.whole()
				time.Sleep(2 * testLease)
				c.begunOnce(before)
			})
		})
	}
}
