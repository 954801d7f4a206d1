//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestNodeAloneInItsTableLeads: a cluster of one is a cluster: its agent's death touches
// nothing, and after a power cut the same node leads in a higher term.
func TestNodeAloneInItsTableLeads(t *testing.T) {
	f := form(t, 1, 2*time.Second)
	before, lives := f.calm(), f.lives()
	f.fault("the only agent is killed")
	before.master.Signal(t, "cssc-agent.service", "KILL")
	f.unchanged(before, lives)
	f.fault("power cut of the only node")
	before.master.PowerCut(t)
	f.Boot(t, before.master)
	if after := f.settled(); after.term <= before.term {
		t.Errorf("term after the power cut: got %d, want more than %d", after.term, before.term)
	}
}

// TestNodesFormOneCluster: nodes of both suites that boot at the same time become one
// cluster with one master, one vice and otherwise spares, and every node's command line
// shows all of it. Each begins init once, in the role that it ends in, at the next boot of all too.
func TestNodesFormOneCluster(t *testing.T) {
	for _, size := range []int{3, 5} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			f := prepare(t, lab.ClusterConfig{Size: size}, 2*time.Second)
			for _, node := range f.Members() {
				(&stage{node, t}).unit("first.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.3\n"+
					"[Install]\nWantedBy=cssc-init-0.target\n")
			}
			f.Boot(t)
			s := f.settled()
			for _, node := range f.Members() {
				status, nodes := node.Run(t, "cssc", "status"), node.Run(t, "cssc", "nodes")
				for _, other := range f.Members() {
					if !strings.Contains(nodes, other.Name) {
						t.Errorf("cssc nodes on %s: got\n%s\nwant %s in it", node.Name, nodes, other.Name)
					}
				}
				if !strings.Contains(status, s.master.Name) || !strings.Contains(status, "master") {
					t.Errorf("cssc status on %s: got\n%s\nwant the master %s in it", node.Name, status, s.master.Name)
				}
			}
			f.noProblems()
			f.begunOnce()
			for range trials() {
				f.fault("all are switched off, and on together")
				f.CutPower(t, f.Members()...)
				f.Boot(t)
				f.settled()
				f.begunOnce()
			}
		})
	}
}

// begunOnce fails when a node has begun init more than once in this boot, or not ended it.
func (f *fleet) begunOnce() {
	f.t.Helper()
	for _, node := range f.Members() {
		var runs []string
		for line := range strings.Lines(node.Journal(f.t, "-b", "-u", agentUnit, "-o", "cat")) {
			if strings.HasPrefix(line, "sequence ") && !strings.HasPrefix(line, "sequence waits") && strings.Contains(line, "sequence=init") {
				runs = append(runs, strings.TrimSpace(line))
			}
		}
		if len(runs) != 2 || !strings.Contains(runs[1], "outcome=completed") {
			f.t.Errorf("%s: want one init that is completed, got\n%s", node.Name, strings.Join(runs, "\n"))
		}
	}
}

// noProblems fails when an agent has something to complain about.
func (f *fleet) noProblems() {
	f.t.Helper()
	for _, node := range f.Members() {
		lab.Eventually(f.t, settleLimit, "no problem on "+node.Name, func() error {
			view, err := node.View(f.t.Context())
			if err == nil && len(view.Problems) > 0 {
				err = fmt.Errorf("problems: %q", view.Problems)
			}

			return err
		})
	}
}

// TestStrangersAreKeptOutAndSaidSo: a node with another key, one that has the key and is in
// nobody's table but its own, and a second node of a name that is taken. The cluster goes on
// as it is; none of them gets a role; somebody says why.
func TestStrangersAreKeptOutAndSaidSo(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{Size: 3}, 2*time.Second)
	wrongKey, unlisted, double := f.Stranger(t, "s1"), f.Stranger(t, "s2"), f.Stranger(t, "s3")
	entry := func(n *lab.Node) string {
		return fmt.Sprintf("\n[[node]]\nname = %q\naddress = %q\n", n.Name, n.Address)
	}
	f.ConfigureAs(t, wrongKey, lab.NewKey(t), entry(wrongKey))
	f.ConfigureAs(t, unlisted, f.Key(), entry(unlisted))
	f.ConfigureAs(t, double, f.Key(), "[local]\nnode = \"n2\"\n")
	double.WriteFile(t, "/etc/cssc/cssc.toml", strings.ReplaceAll(double.ReadFile(t, "/etc/cssc/cssc.toml"), `"192.0.2.2"`, fmt.Sprintf("%q", double.Address)))
	for _, stranger := range []*lab.Node{wrongKey, unlisted, double} {
		f.equip(stranger)
	}
	f.Boot(t)
	before, lives := f.calm(), f.lives()

	f.fault("a stranger with a wrong key")
	f.Boot(t, wrongKey)
	f.saidSo(wrongKey, "does not have the key of this node")
	f.unchanged(before, lives)

	f.fault("an unlisted node with the right key")
	f.Boot(t, unlisted)
	f.saidSo(unlisted, "is not in the node table")
	f.unchanged(before, lives)

	f.fault("a second node of the same name")
	f.Boot(t, double)
	f.saidSo(double, "two machines call themselves n2", "n2 is taken")
	f.unchanged(before, lives)
	for _, stranger := range []*lab.Node{wrongKey, unlisted, double} {
		if view, err := stranger.View(t.Context()); err == nil && (view.Role == "master" || view.Role == "vice") {
			t.Errorf("the stranger %s: got role %s, want none", stranger.Name, view.Role)
		}
	}
}

// saidSo waits until the stranger's agent, or that of a node of the cluster, has one of the
// words among its problems or in its journal.
func (f *fleet) saidSo(stranger *lab.Node, words ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("one of %q said about %s", words, stranger.Name), func() error {
		var said strings.Builder
		for _, node := range append([]*lab.Node{stranger}, f.Members()...) {
			if view, err := node.View(f.t.Context()); err == nil {
				said.WriteString(strings.Join(append(view.Problems, view.Reason), "\n"))
			}
			said.WriteString(node.Journal(f.t, "-u", "cssc-agent", "-o", "cat"))
		}
		for _, word := range words {
			if strings.Contains(said.String(), word) {
				return nil
			}
		}

		return fmt.Errorf("only\n%s", said.String())
	})
}
