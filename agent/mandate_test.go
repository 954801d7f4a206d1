package agent

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// mandated are the nodes that would say now that they may act as master.
func (c *cluster) mandated() []levels.NodeID {
	var nodes []levels.NodeID
	for id, life := range c.lives {
		if status := life.agent.Status(); status != nil {
			if _, held := life.agent.Mandate(status.Term); held {
				nodes = append(nodes, id)
			}
		}
	}
	slices.Sort(nodes)

	return nodes
}

// oneMandate lets time pass and fails when two nodes have a mandate at once. It returns how
// long it took until the node had it.
func (c *cluster) oneMandate(next levels.NodeID, span time.Duration) time.Duration {
	c.t.Helper()
	begin, took := time.Now(), time.Duration(-1)
	for ; time.Since(begin) < span; time.Sleep(time.Millisecond) {
		nodes := c.mandated()
		if len(nodes) > 1 {
			c.t.Fatalf("%v may act as master at once, %v after the begin", nodes, time.Since(begin))
		}
		if took < 0 && slices.Equal(nodes, []levels.NodeID{next}) {
			took = time.Since(begin)
		}
	}
	if took < 0 {
		c.t.Fatalf("%s got no mandate within %v; %v has it", next, span, c.mandated())
	}

	return took
}

// Goal: at most one node says that it may act as master, through every way of losing the
// role, and the loop is not needed for saying no. Method: each node is asked a thousand times
// a second, while the master is isolated, hands over, is killed, and while its loop hangs.
func TestMandateIsTheLease(t *testing.T) {
	stories := map[string]func(c *cluster){
		"isolated": func(c *cluster) { c.network.isolate("n1") },
		"killed":   func(c *cluster) { c.die("n1") },
		"handed over": func(c *cluster) {
			go func() {
				_, _, _ = c.lives["n1"].agent.Operation(c.t.Context(), levels.OperationRequested{Kind: levels.OperationSwitchover})
			}()
		},
		"hung": func(c *cluster) {
			hang := make(chan struct{})
			c.nodes["n1"].set(func() { c.nodes["n1"].hang = hang })
			c.lives["n1"].agent.Fresh(stalling(c.t)) // makes the loop publish, and hang
			time.AfterFunc(3*testLease, func() {
				c.nodes["n1"].set(func() { c.nodes["n1"].hang = nil })
				close(hang)
			})
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) {
				c.formed()
				if remains, held := c.lives["n1"].agent.Mandate(1); !held || remains <= 0 || remains > testLease {
					t.Errorf("the master's mandate is %v for %v, want one of at most the lease", held, remains)
				}
				if _, held := c.lives["n1"].agent.Mandate(2); held {
					t.Error("the master of term 1 has a mandate of term 2")
				}
				story(c)
				c.oneMandate("n2", 5*testLease)
			})
		})
	}
}

// Goal: a cluster of one has a mandate that does not end, once it is master. Method: one node.
func TestMandateOfOneIsEndless(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		defer r.end()
		status := w.untilUp()
		if remains, held := r.agent.Mandate(status.Term); !held || remains != Endless {
			t.Errorf("mandate %v for %v, want one without an end", held, remains)
		}
	})
}

// Goal: the loop's pulse is felt while it turns and not while it hangs. Method: a Publish that
// does not return.
func TestPulseIsThatOfTheLoop(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		defer r.end()
		w.untilUp()
		ask := func() error {
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			defer cancel()

			return r.agent.Pulse(ctx)
		}
		if err := ask(); err != nil {
			t.Errorf("pulse of a loop that turns: %v", err)
		}
		hang := make(chan struct{})
		w.set(func() { w.hang = hang })
		r.agent.Fresh(stalling(w.t)) // makes the loop publish, and hang
		if err := ask(); err == nil {
			t.Error("a loop that hangs has a pulse")
		}
		w.set(func() { w.hang = nil })
		close(hang)
		if err := ask(); err != nil {
			t.Errorf("pulse of a loop that turns again: %v", err)
		}
	})
}

// listeners is what the agent told its endpoints.
type listeners struct {
	told    []string
	problem string
}

func (l *listeners) Listen(address string) { l.told = append(l.told, address) }
func (l *listeners) Problem() string       { return l.problem }

// Goal: the endpoints hear where to listen at the start and after a reload, and what is wrong
// with it is a standing problem. Method: a reload with another address.
func TestEndpointsFollowTheConfiguration(t *testing.T) {
	bubble(t, func(w *world) {
		seen := &listeners{problem: "in use"}
		w.endpoints = seen
		w.config.Endpoints.Listen = "127.0.0.1:7947"
		r := w.launch()
		defer r.end()
		if status := w.untilUp(); !slices.Contains(status.Problems, "in use") {
			t.Errorf("problems %q, want that of the endpoints", status.Problems)
		}
		w.set(func() { w.config.Endpoints.Listen, w.digest, seen.problem = "", "d2", "" })
		if err := r.agent.Reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.until("problem solved", func(s *Status) bool { return len(s.Problems) == 0 })
		if got := fmt.Sprintf("%q", seen.told); got != `["127.0.0.1:7947" ""]` {
			t.Errorf("told %s, want the first address and none", got)
		}
	})
}
