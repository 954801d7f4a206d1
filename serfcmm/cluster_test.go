package serfcmm_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/serfcmm/serfcmmtest"
)

// cluster is real Serf on a simulated network, in a bubble.
type cluster struct {
	t       *testing.T
	network *serfcmmtest.Network
	peers   []serfcmm.Peer
	key     keyring.Key
	members map[string]*member
	folder  string
}

// member is one machine.
type member struct {
	*serfcmm.Node

	ring string // its keyring file
	stop func()
}

func nodeName(i int) string      { return fmt.Sprintf("n%d", i+1) }
func nodeID(i int) levels.NodeID { return levels.NodeID(nodeName(i)) }
func host(i int) string          { return fmt.Sprintf("192.0.2.%d", i+1) }

// bubble runs one story with a cluster of size nodes that are not started yet.
func bubble(t *testing.T, size int, story func(*testing.T, *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, network: serfcmmtest.New(1), key: keyring.NewKey(), members: map[string]*member{}, folder: t.TempDir()}
		for i := range size {
			c.peers = append(c.peers, serfcmm.Peer{Name: levels.NodeID(nodeName(i)), Address: host(i)})
		}
		story(t, c)
		for _, m := range c.members {
			m.stop()
		}
		time.Sleep(time.Minute) // for what memberlist has left behind
	})
}

func (c *cluster) options(name string) serfcmm.Options {
	c.t.Helper()
	ring := filepath.Join(c.folder, name+".keys")
	if _, err := os.Stat(ring); err != nil {
		c.must(keyring.Ring{c.key}.Save(ring))
	}

	return serfcmm.Options{
		Self: levels.NodeID(name), Peers: c.peers, Origin: serfcmm.OriginOf("machine " + name),
		KeyringFile: ring, Log: slog.New(slog.DiscardHandler), Listen: c.network.Listen,
	}
}

// start runs a node as options say, after change.
func (c *cluster) start(name string, change ...func(*serfcmm.Options)) *member {
	c.t.Helper()
	options := c.options(name)
	for _, one := range change {
		one(&options)
	}
	node, err := serfcmm.New(options)
	if err != nil {
		c.t.Fatalf("New(%s) = %v", name, err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := node.Run(ctx); err != nil {
			c.t.Errorf("%s: Run = %v", name, err)
		}
	})
	m := &member{Node: node, ring: options.KeyringFile}
	m.stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	c.members[name] = m

	return m
}

func (c *cluster) startAll() {
	c.t.Helper()
	for _, peer := range c.peers {
		c.start(string(peer.Name))
	}
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// alive lists whom a node holds for alive.
func alive(node *serfcmm.Node) string {
	var names []string
	for _, card := range node.Seen() {
		if card.Alive {
			names = append(names, string(card.Node))
		}
	}

	return strings.Join(names, " ")
}

// eventually waits in virtual time until the condition holds.
func (c *cluster) eventually(within time.Duration, what string, holds func() bool) {
	c.t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > within {
			c.t.Fatalf("after %v: %s\n%s", within, what, c.describe())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *cluster) describe() string {
	var text strings.Builder
	for name, m := range c.members {
		fmt.Fprintf(&text, "%s sees %s; %q; %+v\n", name, alive(m.Node), m.Problems(), m.Stats())
	}

	return text.String()
}

// formed waits until each of the named nodes sees exactly these as alive.
func (c *cluster) formed(within time.Duration, names ...string) {
	c.t.Helper()
	want := strings.Join(names, " ")
	for _, name := range names {
		c.eventually(within, name+" does not see "+want, func() bool { return alive(c.members[name].Node) == want })
	}
}

// names lists all nodes of the table.
func (c *cluster) names() []string {
	var names []string
	for _, peer := range c.peers {
		names = append(names, string(peer.Name))
	}

	return names
}

// reaches says whether a message gets from one node to the other within a second.
func (c *cluster) reaches(from, to string) bool {
	c.t.Helper()
	target := c.members[to]
	for len(target.Received()) > 0 {
		<-target.Received()
	}
	round := election.Round(time.Now().UnixNano())
	c.members[from].Send(election.Message{Kind: election.KindProbe, From: election.NodeID(from), To: election.NodeID(to), Round: round})
	for {
		select {
		case message := <-target.Received():
			if message.Round == round && message.From == election.NodeID(from) {
				return true
			}
		case <-time.After(time.Second):
			return false
		}
	}
}

// wantProblemOfOne waits until one of the nodes tells: whom a newcomer asks first is left to
// chance.
func (c *cluster) wantProblemOfOne(part string, names ...string) {
	c.t.Helper()
	c.eventually(40*time.Second, "nobody tells: "+part, func() bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return strings.Contains(strings.Join(c.members[name].Problems(), "\n"), part)
		})
	})
}

func (c *cluster) wantProblem(name, part string) {
	c.t.Helper()
	c.eventually(40*time.Second, name+" does not tell: "+part, func() bool {
		return strings.Contains(strings.Join(c.members[name].Problems(), "\n"), part)
	})
}
