//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// pairFolder is where the example of a service pair is.
const pairFolder = "contrib/examples/tally"

// couple is a cluster whose nodes have the example of a service pair, and a client each.
type couple struct {
	*lab.Cluster

	t *testing.T
}

// wed makes and boots it.
func wed(t *testing.T) *couple {
	t.Helper()
	c := &couple{lab.NewCluster(t, lab.ClusterConfig{Size: 3}), t}
	program := lab.BuildProgram(t, "./"+pairFolder)
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Members() {
		node.Copy(t, program, "/usr/local/bin/tally")
		node.WriteFile(t, "/etc/systemd/system/tally-writer.service.d/test.conf", "[Service]\nEnvironment=WRITTEN=/lab/%H\n")
		for _, unit := range []string{"tally.service", "tally-writer.service"} {
			node.Copy(t, filepath.Join(top, pairFolder, unit), "/etc/systemd/system/"+unit)
			if err := lab.Enable(node, unit); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Boot(t)

	return c
}

// settled waits until all nodes are up and agree, the master has heard of it, and the vice stays.
func (c *couple) settled() (master, vice, spare *lab.Node) {
	c.t.Helper()
	lab.Eventually(c.t, settleLimit, "one cluster", func() error {
		roles := map[string]*lab.Node{}
		for _, node := range c.Members() {
			view, err := node.View(c.t.Context())
			if err != nil {
				return err
			}
			if view.State != "up" || view.Sequence != "" || view.Headless {
				return fmt.Errorf("%s is %s, sequence %q", node.Name, view.State, view.Sequence)
			}
			roles[view.Role] = node
		}
		if master, vice, spare = roles["master"], roles["vice"], roles["spare"]; master == nil || vice == nil || spare == nil {
			return errors.New("not every role is held")
		}
		if err := firstIsVice(c.t.Context(), vice, c.Members()); err != nil {
			return err
		}

		return heard(c.t.Context(), master, c.Members())
	})

	return master, vice, spare
}

// killed ends the process of a unit, and waits until there is another.
func (c *couple) killed(node *lab.Node, unit string) {
	c.t.Helper()
	node.Signal(c.t, unit, "KILL")
	lab.Eventually(c.t, settleLimit, unit+" is back", func() error {
		told, _, err := node.Try("systemctl", "show", "--property=NRestarts,ActiveState", unit)
		if err == nil && told != "NRestarts=1\nActiveState=active\n" {
			err = errors.New(told)
		}

		return err
	})
}

// flows waits until the clients have written anew, and fails when anything that was
// acknowledged is not kept.
func (c *couple) flows(after string, nodes ...*lab.Node) {
	c.t.Helper()
	since := time.Now()
	if len(nodes) == 0 {
		nodes = c.Members()
	}
	for _, node := range nodes {
		lab.Eventually(c.t, settleLimit, after+": the client of "+node.Name, func() error {
			info, err := os.Stat(filepath.Join(c.Shared(), node.Name))
			if err == nil && !info.ModTime().After(since) {
				err = errors.New("nothing new is acknowledged")
			}

			return err
		})
	}
	lab.Eventually(c.t, busy, after, func() error { // the agent may be on its way back
		told, code, err := nodes[0].Try("tally", "check", "/lab/n1", "/lab/n2", "/lab/n3")
		if err != nil || code != 0 {
			return fmt.Errorf("tally check: exit status %d, %w\n%s", code, err, told)
		}
		c.t.Logf("%s: %s", after, regexp.MustCompile(`(?m)^all: .*$`).FindString(told))

		return nil
	})
}

// TestServicePairLosesNothing: what an author of a service copies from the example bears the
// faults that a demo does not show.
func TestServicePairLosesNothing(t *testing.T) {
	t.Parallel()
	c := wed(t)
	master, vice, spare := c.settled()
	c.flows("boot")

	c.killed(vice, "tally.service")
	c.flows("the secondary was killed")
	c.killed(master, "tally.service")
	c.flows("the primary was killed")
	c.killed(master, agentUnit)
	c.flows("the master's agent was killed")
	c.killed(vice, agentUnit)
	c.flows("the vice's agent was killed")
	c.settled()

	master.Run(t, "cssc", "switchover", "--to", spare.Name)
	if now, _, _ := c.settled(); now != spare {
		t.Errorf("%s leads, want %s, which was neither primary nor secondary", now.Name, spare.Name)
	}
	c.flows("switchover to a spare")

	master, vice, spare = c.settled()
	master.Signal(t, agentUnit, "STOP")
	lab.Eventually(t, settleLimit, "another master", func() error {
		view, err := vice.View(t.Context())
		if err == nil && view.Role != "master" {
			err = fmt.Errorf("%s is %s", vice.Name, view.Role)
		}

		return err
	})
	c.flows("the master's agent hangs", vice, spare)
	master.Signal(t, agentUnit, "CONT")
	c.settled()
	c.flows("it goes on")

	master, vice, spare = c.settled()
	c.CutPower(t, vice)
	c.flows("power cut of the vice", master, spare)
	c.Boot(t, vice)
	c.settled()
	c.flows("it is back")

	master, _, _ = c.settled()
	c.CutPower(t, c.Members()...)
	c.Boot(t)
	c.settled()
	c.flows("power cut of all, " + master.Name + " led")
}
