package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// How many nodes: the smallest number that survives the loss of one.
	clusterSize = 3
	// What the reboot of all nodes may take.
	longest = 3 * time.Minute
)

// clusterStory is a service pair through everything that happens to a cluster, with a client
// on each node that writes all the time.
func (s *stage) clusterStory() {
	s.chapter("Three nodes, systemd 252 and 257 mixed, with one configuration and a service pair")
	c := s.cluster()

	s.chapter("Power on, all three at the same time")
	s.begin()
	c.Boot(s.t)
	master, _ := s.roles(c.Members())
	s.node = master
	s.run(0, "cssc", "status")
	s.say("Every level of init is behind the nodes; the pair has been told what it is:")
	s.run(0, "cssc", "registrations")
	s.written(c)

	s.switchover(c)
	s.powerCut(c)
	s.cutOff(c)
	s.lock(c)
	s.rollingReboot(c)
	s.shutdown(c)
}

// switchover is the planned change of master.
func (s *stage) switchover(c *lab.Cluster) {
	master, vice := s.roles(c.Members())
	s.chapter("Switchover: %s hands the mastership over to %s", master.Name, vice.Name)
	s.node = master
	s.run(0, "cssc", "switchover", "--dry-run")
	s.begin()
	s.run(0, "cssc", "switchover", "--yes", "--reason", "the demo says so")
	s.changed(c, master, vice)
	s.run(0, "journalctl", "--no-pager", "--output=cat", "--lines=3", "--unit=tally.service")
}

// powerCut is the loss of the master, and its return.
func (s *stage) powerCut(c *lab.Cluster) {
	master, vice := s.roles(c.Members())
	s.chapter("Failover: the power of %s, the master, is cut", master.Name)
	s.begin()
	master.PowerCut(s.t)
	s.node = vice
	if next, _ := s.roles(others(c.Members(), master)); next != vice {
		s.t.Fatalf("%s leads, want the vice %s", next.Name, vice.Name)
	}
	s.run(0, "cssc", "nodes")
	s.say("%s was the vice. It took over when the lease of %s had run out, by every clock, and had", vice.Name, master.Name)
	s.say("everything that was acknowledged. (What %s said last is listed until three leases are over.)", master.Name)
	s.written(c, others(c.Members(), master)...)

	s.chapter("%s comes back", master.Name)
	s.begin()
	c.Boot(s.t, master)
	again, _ := s.roles(c.Members())
	if again != vice {
		s.t.Fatalf("%s leads, want %s still", again.Name, vice.Name)
	}
	s.run(0, "cssc", "nodes")
	s.say("%s stays the master: nobody pays for the return with a second interruption.", vice.Name)
	s.written(c)
}

// cutOff takes the network away from the master, which lives and must end in time.
func (s *stage) cutOff(c *lab.Cluster) {
	master, vice := s.roles(c.Members())
	s.chapter("%s is cut off: it lives, and nobody can tell it anything", master.Name)
	s.begin()
	c.Isolate(s.t, master)
	s.roles(others(c.Members(), master))
	s.node = vice
	s.run(0, "cssc", "status")
	s.say("The primary on %s acknowledged nothing that %s did not have, also to the client on its own node:", master.Name, vice.Name)
	s.written(c, others(c.Members(), master)...)
	c.Heal(s.t)
	s.say("The network is back. The copy of %s goes the way of the others again:", master.Name)
	s.begin()
	s.roles(c.Members())
	s.run(0, "cssc", "nodes")
	s.written(c)
}

// lock keeps the master from holding a role, and lets it again.
func (s *stage) lock(c *lab.Cluster) {
	master, vice := s.roles(c.Members())
	s.chapter("Lock: %s, the master, shall hold no role for a while", master.Name)
	s.node = vice
	s.begin()
	s.run(0, "cssc", "lock", master.Name, "--yes", "--reason", "new memory")
	s.heard(vice, master, "role=offline")
	s.changed(c, master, vice)
	s.begin()
	s.run(0, "cssc", "unlock", master.Name)
	s.roles(c.Members())
	s.run(0, "cssc", "nodes")
	s.written(c)
}

// rollingReboot is every node, one after the other, the master last.
func (s *stage) rollingReboot(c *lab.Cluster) {
	master, vice := s.roles(c.Members())
	s.chapter("Every node reboots, one after the other, by one command")
	s.node = master
	s.run(0, "cssc", "reboot", "--rolling", "--dry-run")
	s.begin()
	done := s.powerSupply(c)
	s.run(0, "cssc", "reboot", "--rolling", "--yes", "--reason", "new kernel")
	s.node = vice
	s.say("That was the last word of %s, which is the last to reboot. A moment later, on %s:", master.Name, vice.Name)
	s.roles(c.Members())
	done()
	s.run(0, "cssc", "nodes")
	s.written(c)
}

// powerSupply boots every node that has ended, as the hardware does after a reboot, until
// the function that it returns is called.
func (s *stage) powerSupply(c *lab.Cluster) (done func()) {
	ctx, cancel := context.WithCancel(s.ctx())
	failure := make(chan error, 1)
	go func() {
		var failed error
		_ = lab.Await(ctx, longest, func() error {
			for _, node := range c.Members() {
				if failed == nil && !node.Running() {
					failed = node.Start(ctx)
				}
			}

			return errors.New("still needed")
		})
		failure <- failed
	}()

	return func() {
		cancel()
		if err := <-failure; err != nil {
			s.t.Fatalf("boot a node again: %v", err)
		}
	}
}

// shutdown is the end of all nodes, the master last, and the next morning.
func (s *stage) shutdown(c *lab.Cluster) {
	s.chapter("The whole cluster is shut down, by one command: the master last")
	s.node, _ = s.roles(c.Members())
	s.run(0, "cssc", "shutdown", "--all", "--poweroff", "--yes", "--reason", "closing time")
	for _, node := range c.Members() {
		if exit := node.WaitExit(s.t); exit != lab.PoweredOff {
			s.t.Fatalf("%s has %v, want %v", node.Name, exit, lab.PoweredOff)
		}
	}
	s.say("All %d nodes are off.", len(c.Members()))

	s.chapter("The next morning")
	s.begin()
	c.Boot(s.t)
	s.node, _ = s.roles(c.Members())
	s.run(0, "cssc", "nodes")
	s.written(c)
}

// changed shows that the vice leads, and what that has cost.
func (s *stage) changed(c *lab.Cluster, old, vice *lab.Node) {
	next, _ := s.roles(c.Members())
	if next != vice {
		s.t.Fatalf("after %s %s leads, want the vice %s", old.Name, next.Name, vice.Name)
	}
	s.node = next
	s.run(0, "cssc", "status")
	s.written(c)
}

// begin is the time from which the clients' files are looked at.
func (s *stage) begin() { s.since = time.Now() }

// written waits until the clients of the nodes, all when none is named, have written anew,
// and compares what they wrote down with what the primary keeps.
func (s *stage) written(c *lab.Cluster, nodes ...*lab.Node) {
	if len(nodes) == 0 {
		nodes = c.Members()
	}
	after := time.Now()
	for _, node := range nodes {
		lab.Eventually(s.t, patience, "the client of "+node.Name+" writes", func() error {
			info, err := os.Stat(filepath.Join(c.Shared(), node.Name))
			if err == nil && !info.ModTime().After(after) {
				err = errors.New("nothing new is acknowledged")
			}

			return err
		})
	}
	command := []string{"tally", "check", "-last", fmt.Sprintf("%.1fs", time.Since(s.since).Seconds())}
	for _, node := range c.Members() {
		command = append(command, "/lab/"+node.Name)
	}
	s.run(0, command...)
}

// cluster makes the nodes, and puts the example on each.
func (s *stage) cluster() *lab.Cluster {
	c := lab.NewCluster(s.t, lab.ClusterConfig{Size: clusterSize})
	for line := range strings.Lines(c.Text()) {
		fmt.Print("      │ " + line)
	}
	s.say("Every node has the same file and the same key, and the example that comes with cssc:")
	program := lab.BuildProgram(s.t, "./"+example)
	for _, node := range c.Members() {
		node.Copy(s.t, program, "/usr/local/bin/tally")
		// The nodes of the lab have this folder in common, so that one can show all of it.
		node.WriteFile(s.t, "/etc/systemd/system/tally-writer.service.d/demo.conf", "[Service]\nEnvironment=WRITTEN=/lab/%H\n")
		for _, unit := range []string{"tally.service", "tally-writer.service"} {
			node.Copy(s.t, filepath.Join(s.repository(), example, unit), "/etc/systemd/system/"+unit)
			if err := lab.Enable(node, unit); err != nil {
				s.t.Fatalf("enable %s: %v", unit, err)
			}
		}
	}
	s.say("    tally.service         WantedBy=cssc-init-0.target   keeps numbers; by callbacks it is primary on the master, secondary on the vice")
	s.say("    tally-writer.service  WantedBy=cssc-ready.target    a client: writes a number, waits until it is acknowledged, then the next")

	return c
}

// example is the folder of the service pair.
const example = "contrib/examples/tally"

func (s *stage) repository() string {
	top, err := lab.Repository()
	if err != nil {
		s.t.Fatalf("find the example: %v", err)
	}

	return top
}

// roles waits until the nodes agree on a master and a vice of their number, at rest, the
// master has heard that all are up, and no other node comes before the vice in the table: that
// one would be vice after a while.
func (s *stage) roles(nodes []*lab.Node) (master, vice *lab.Node) {
	lab.Eventually(s.t, patience, "one master and one vice", func() (err error) {
		if master, vice, err = s.agreed(nodes); err != nil {
			return err
		}
		for _, node := range nodes {
			err = errors.Join(err, hears(master, node, "state=up"))
		}

		return err
	})

	return master, vice
}

func (s *stage) agreed(nodes []*lab.Node) (master, vice *lab.Node, err error) {
	told := ""
	for _, node := range nodes {
		view, err := node.View(s.ctx())
		if err != nil {
			return nil, nil, err
		}
		if view.State != "up" || view.Sequence != "" || view.Headless {
			return nil, nil, fmt.Errorf("%s is %s, sequence %q", node.Name, view.State, view.Sequence)
		}
		if told != "" && told != view.Master+view.Vice {
			return nil, nil, fmt.Errorf("%s knows of another master or vice", node.Name)
		}
		told = view.Master + view.Vice
		switch {
		case view.Role == "master":
			master = node
		case view.Role == "vice":
			vice = node
		case view.Role == "spare" && vice == nil:
			return nil, nil, fmt.Errorf("%s comes before the vice in the table, and is spare", node.Name)
		}
	}
	if master == nil || vice == nil || told != master.Name+vice.Name {
		return nil, nil, errors.New("no master or no vice yet")
	}

	return master, vice, nil
}

// heard waits until the status of one node says something of another.
func (s *stage) heard(node, other *lab.Node, what string) {
	lab.Eventually(s.t, patience, "news", func() error { return hears(node, other, what) })
}

func hears(node, other *lab.Node, what string) error {
	told, _, err := node.Try("cssc", "status")
	if err == nil && !regexp.MustCompile("(?m)^node "+other.Name+" .* "+what+" ").MatchString(told) {
		err = fmt.Errorf("%s has not heard that %s has %s", node.Name, other.Name, what)
	}

	return err
}

func others(nodes []*lab.Node, but *lab.Node) []*lab.Node {
	var all []*lab.Node
	for _, node := range nodes {
		if node != but {
			all = append(all, node)
		}
	}

	return all
}
