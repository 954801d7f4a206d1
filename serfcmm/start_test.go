package serfcmm_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// Goal: a node table or options that cannot work are refused at once, naming the entry.
// Method: one mistake each.
func TestImpossibleOptionsAreRefused(t *testing.T) {
	t.Parallel()
	good := func() serfcmm.Options {
		return serfcmm.Options{
			Self: "n1", Peers: []serfcmm.Peer{{"n1", "192.0.2.1"}, {"n2", "192.0.2.2:7000"}, {"n3", "[2001:db8::3]:7000"}, {"n4", "2001:db8::4"}},
			Origin: serfcmm.OriginOf("x"), KeyringFile: "ring", Log: slog.New(slog.DiscardHandler),
		}
	}
	if _, err := serfcmm.New(good()); err != nil {
		t.Fatalf("New(good) = %v", err)
	}
	cases := map[string]struct {
		spoil func(*serfcmm.Options)
		want  error
		text  string
	}{
		"no key":           {func(o *serfcmm.Options) { o.KeyringFile = "" }, serfcmm.ErrNoKey, ""},
		"self is missing":  {func(o *serfcmm.Options) { o.Self = "n9" }, serfcmm.ErrNodeTable, "this node, n9, is missing"},
		"a name twice":     {func(o *serfcmm.Options) { o.Peers[1].Name = "n1" }, serfcmm.ErrNodeTable, "two nodes are called n1"},
		"an address twice": {func(o *serfcmm.Options) { o.Peers[1].Address = "192.0.2.1:7946" }, serfcmm.ErrNodeTable, "n1 and n2 have the same address 192.0.2.1:7946"},
		"the same in v6":   {func(o *serfcmm.Options) { o.Peers[3].Address = "[2001:DB8:0::3]:7000" }, serfcmm.ErrNodeTable, "n3 and n4"},
		"no name":          {func(o *serfcmm.Options) { o.Peers[1].Name = "" }, serfcmm.ErrNodeTable, "name"},
		"a long name":      {func(o *serfcmm.Options) { o.Peers[1].Name = levels.NodeID(strings.Repeat("n", 129)) }, serfcmm.ErrNodeTable, "name"},
		"no address":       {func(o *serfcmm.Options) { o.Peers[1].Address = "" }, serfcmm.ErrNodeTable, "node n2: address"},
		"port 0":           {func(o *serfcmm.Options) { o.Peers[1].Address = "h:0" }, serfcmm.ErrNodeTable, "node n2: address"},
		"port 70000":       {func(o *serfcmm.Options) { o.Peers[1].Address = "h:70000" }, serfcmm.ErrNodeTable, "node n2: address"},
		"a path":           {func(o *serfcmm.Options) { o.Peers[1].Address = "h/x" }, serfcmm.ErrNodeTable, "node n2: address"},
		"no origin":        {func(o *serfcmm.Options) { o.Origin = [8]byte{} }, nil, "origin"},
		"no log":           {func(o *serfcmm.Options) { o.Log = nil }, nil, "logger"},
	}
	for name, c := range cases {
		options := good()
		c.spoil(&options)
		_, err := serfcmm.New(options)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: New = %v, want %v with %q", name, err, c.want, c.text)
		}
	}
}

// Goal: what keeps a node off the network is told and tried again until it is over, and the
// node is useful from then on. Method: an address that another process has, a keyring that
// others may read; each is put right after a minute.
func TestANodeWaitsForItsNetwork(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		taken, err := c.network.Listen(t.Context(), netip.MustParseAddrPort(host(0)+":7946"))
		c.must(err)
		options := c.options("n2")
		c.must(os.Chmod(options.KeyringFile, 0o644))
		c.startAll()
		c.wantProblem("n1", "cannot listen on 192.0.2.1:7946: address already in use; is this machine n1?")
		c.wantProblem("n2", "others may read or change it (mode 0644); chmod 0600")
		if err := c.members["n1"].Broadcast(nil); !errors.Is(err, serfcmm.ErrAway) {
			t.Errorf("Broadcast = %v, want ErrAway", err)
		}
		c.must(c.members["n1"].Leave(t.Context()))
		c.must(c.members["n1"].Join(t.Context()))
		time.Sleep(time.Minute)
		c.must(taken.Shutdown())
		c.must(os.Chmod(options.KeyringFile, 0o600))
		c.formed(time.Minute, "n1", "n2")
		if !c.reaches("n1", "n2") || len(c.members["n1"].Problems()) > 0 {
			t.Errorf("after all: %s", c.describe())
		}
	})
}

// Goal: a cluster without encryption works when it is told to, and does not mix with one
// that encrypts. Method: three insecure nodes, and a fourth with a key.
func TestInsecureClustersWorkWhenTold(t *testing.T) {
	t.Parallel()
	bubble(t, 4, func(t *testing.T, c *cluster) {
		t.Helper()
		for _, name := range c.names()[:3] {
			c.start(name, func(o *serfcmm.Options) { o.KeyringFile, o.Insecure = "", true })
		}
		c.formed(10*time.Second, "n1", "n2", "n3")
		if !c.reaches("n1", "n3") {
			t.Error("n1 does not reach n3")
		}
		c.start("n4")
		c.wantProblem("n4", "does not have the key of this node")
		if c.reaches("n4", "n1") || c.reaches("n1", "n4") {
			t.Error("a node with a key mixes with those without")
		}
		if _, err := c.members["n1"].Keys(t.Context(), serfcmm.KeysRotate, ""); !errors.Is(err, keyring.ErrKeyring) {
			t.Errorf("rotate without encryption = %v", err)
		}
	})
}

// Goal: host names are looked up, a name service that is away takes nothing apart, and the
// last known addresses carry a restart. Method: names that resolve, then do not, then differ.
func TestHostNamesAreLookedUp(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		known := map[string]string{"one.example": host(0), "two.example": host(1), "three.example": host(2)}
		away := false
		resolve := func(_ context.Context, name string) ([]netip.Addr, error) {
			if away || known[name] == "" {
				return nil, errors.New("no such host")
			}

			return []netip.Addr{netip.MustParseAddr(known[name])}, nil
		}
		c.peers = []serfcmm.Peer{{"n1", "one.example"}, {"n2", "two.example:7946"}, {"n3", "three.example"}}
		named := func(name string) func(*serfcmm.Options) {
			return func(o *serfcmm.Options) {
				o.Resolve, o.StateFile = resolve, filepath.Join(c.folder, name+".peers")
			}
		}
		for _, name := range c.names() {
			c.start(name, named(name))
		}
		c.formed(20*time.Second, c.names()...)
		away = true
		time.Sleep(2 * time.Minute)
		c.formed(time.Second, c.names()...)
		c.wantProblem("n1", "address two.example of node n2 is not known to the name service, so its last address 192.0.2.2:7946 is used")
		for _, name := range c.names() {
			c.members[name].stop()
		}
		for _, name := range c.names() {
			c.start(name, named(name))
		}
		c.formed(20*time.Second, c.names()...)
		c.members["n3"].stop()
		away, known["three.example"] = false, host(5)
		c.must(os.WriteFile(filepath.Join(c.folder, "n3.peers"), []byte("damaged"), 0o600))
		c.start("n3", named("n3"))
		time.Sleep(3 * time.Minute)
		c.formed(time.Minute, c.names()...)
		if !c.reaches("n1", "n3") || len(c.members["n1"].Problems()) > 0 {
			t.Errorf("after the move: %s", c.describe())
		}
	})
}

// newsWhileStarting is a network whose node has something else to tell just when Serf has been
// given its first card.
type newsWhileStarting struct {
	serfcmm.Transport

	once func()
}

func (n newsWhileStarting) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	n.once()

	return n.Transport.FinalAdvertiseAddr(ip, port)
}

// Goal: a card that comes while gossip starts is told, although none follows; an agent that is
// restarted and goes on as before has no other. Method: it comes when Serf asks for its address.
func TestACardThatComesWhileGossipStartsIsTold(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		node := make(chan *member, 1)
		node <- c.start("n1", func(o *serfcmm.Options) {
			o.Listen = func(ctx context.Context, address netip.AddrPort) (serfcmm.Transport, error) {
				transport, err := c.network.Listen(ctx, address)

				return newsWhileStarting{transport, sync.OnceFunc(func() { (<-node).Advertise(levels.Card{State: levels.StateUp, Qualified: true}) })}, err
			}
		})
		c.start("n2")
		c.formed(20*time.Second, "n1", "n2")
		time.Sleep(time.Minute)
		if card := c.members["n2"].Seen()[0]; card.State != levels.StateUp || !card.Qualified {
			t.Errorf("n2 has heard %+v, want n1 up and qualified", card)
		}
	})
}
