package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// How many nodes: the smallest number of nodes that survives the loss of one.
	clusterSize = 3
	// The story file of all nodes together.
	sharedStory = "/lab/story"
)

// clusterStory is the loss and the return of a master.
func (s *stage) clusterStory() {
	s.chapter("Three nodes, with systemd 252 and 257 mixed, and one configuration")
	c := s.cluster()
	s.chapter("Power on, all three at the same time")
	c.Boot(s.t)
	first, vice := s.roles(c.Members())
	s.node = c.Members()[clusterSize-1]
	s.run(0, "cssc", "status", "--wait")
	s.run(0, "cssc", "nodes")
	s.tell()

	s.chapter("Cut the power of the master, %s", first.Name)
	first.PowerCut(s.t)
	next, _ := s.roles(others(c.Members(), first))
	if next != vice {
		s.t.Fatalf("%s leads, want the vice %s", next.Name, vice.Name)
	}
	s.node = next
	s.run(0, "cssc", "status", "--wait")
	s.run(0, "cssc", "nodes")
	s.say("%s was the vice and is the master now. What the services wrote down, with the seconds of one clock:", vice.Name)
	s.tell()

	s.chapter("%s comes back", first.Name)
	c.Boot(s.t, first)
	again, second := s.roles(c.Members())
	s.run(0, "cssc", "nodes")
	s.tell()
	if again != next || second != first {
		s.t.Fatalf("%s leads and %s is the vice, want %s and %s", again.Name, second.Name, next.Name, first.Name)
	}
	s.say("It joined as the vice. %s stays the master: nobody pays for the return with a second interruption.", next.Name)
	s.cutOff(c, next)
}

// cutOff takes the network away from the master, which lives and must end in time.
func (s *stage) cutOff(c *lab.Cluster, master *lab.Node) {
	s.chapter("%s is cut off: it lives, and nobody can tell it anything", master.Name)
	c.Isolate(s.t, master)
	next, _ := s.roles(others(c.Members(), master))
	s.say("%s leads now. The primary on %s had ended before the one on %s started:", next.Name, master.Name, next.Name)
	s.tell()
	s.say("The network is back, and with it %s:", master.Name)
	c.Heal(s.t)
	s.node, _ = s.roles(c.Members())
	s.run(0, "cssc", "nodes")
}

// cluster makes the nodes and puts a database on each that takes its role from the node's.
func (s *stage) cluster() *lab.Cluster {
	c := lab.NewCluster(s.t, lab.ClusterConfig{Size: clusterSize})
	s.story, s.shown = func() string {
		text, err := os.ReadFile(filepath.Join(c.Shared(), filepath.Base(sharedStory)))
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatalf("story: %v", err)
		}

		return string(text)
	}, 0
	for line := range strings.Lines(c.Text()) {
		fmt.Print("      │ " + line)
	}
	s.say("Every node has the same file and the same key. A database is primary on the master, standby on the vice:")
	for _, node := range c.Members() {
		s.node = node
		node.WriteScript(s.t, "/usr/lib/demo/note", "#!/bin/sh\necho \"$(cut -d ' ' -f 1 /proc/uptime) s  $(hostname)  $*\" >>"+sharedStory+"\n")
		s.duty("primary", "cssc-master-0.target", node == c.Members()[0])
		s.duty("standby", "cssc-vice-0.target", node == c.Members()[0])
	}

	return c
}

// duty is a service of a role; it is told of once, not for every node.
func (s *stage) duty(name, target string, tell bool) {
	s.node.WriteFile(s.t, "/etc/systemd/system/"+name+".service", "[Unit]\nDescription="+name+" of the demo\n"+
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/lib/demo/note "+name+" started\n"+
		"ExecStop=/usr/lib/demo/note "+name+" stopped\n[Install]\nWantedBy="+target+"\n")
	if err := lab.Enable(s.node, name+".service"); err != nil {
		s.t.Fatalf("enable %s: %v", name, err)
	}
	if tell {
		s.say("    %-10s WantedBy=%s", name, target)
	}
}

// roles waits until the nodes agree on a master and a vice of their number, at rest.
func (s *stage) roles(nodes []*lab.Node) (master, vice *lab.Node) {
	lab.Eventually(s.t, patience, "one master and one vice", func() error {
		master, vice = nil, nil
		told := ""
		for _, node := range nodes {
			view, err := node.View(s.ctx())
			if err != nil {
				return err
			}
			if view.State != "up" || view.Sequence != "" || view.Headless {
				return fmt.Errorf("%s is %s, sequence %q", node.Name, view.State, view.Sequence)
			}
			if told != "" && told != view.Master+view.Vice {
				return fmt.Errorf("%s knows of another master or vice", node.Name)
			}
			told = view.Master + view.Vice
			switch view.Role {
			case "master":
				master = node
			case "vice":
				vice = node
			}
		}
		if master == nil || vice == nil || told != master.Name+vice.Name {
			return errors.New("no master or no vice yet")
		}

		return nil
	})

	return master, vice
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
