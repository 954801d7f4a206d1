package serfcmm_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// Goal: a cluster forms by itself in a few seconds, whatever the order, and every node
// reaches every other with messages that nobody on the way can read. Method: 3, 5 and 7
// nodes started at once; all packets are watched for the mark of a message and a name.
func TestClustersFormAndTalkEncrypted(t *testing.T) {
	t.Parallel()
	for _, size := range []int{3, 5, 7} {
		bubble(t, size, func(t *testing.T, c *cluster) {
			t.Helper()
			var watch sync.Mutex
			packets, readable, origin := 0, 0, serfcmm.OriginOf("machine n2")
			c.network.Sniff(func(_, _ string, packet []byte) {
				watch.Lock()
				defer watch.Unlock()
				packets++
				// Every datagram of n2 has its origin, every card of it the same in digits; no
				// ciphertext has as many bytes by chance.
				if bytes.Contains(packet, origin[:]) || bytes.Contains(packet, []byte(hex.EncodeToString(origin[:]))) {
					readable++
				}
			})
			c.startAll()
			c.formed(10*time.Second, c.names()...)
			for _, from := range c.names() {
				for _, to := range c.names() {
					if from != to && !c.reaches(from, to) {
						t.Errorf("%d nodes: %s does not reach %s\n%s", size, from, to, c.describe())
					}
				}
			}
			watch.Lock()
			defer watch.Unlock()
			if packets == 0 || readable > 0 {
				t.Errorf("%d of %d packets can be read on the way, want none of many", readable, packets)
			}
		})
	}
}

// Goal: membership holds for hours, with a bad network too. Method: 5 nodes, 20 minutes
// without and 20 minutes with 10 % of loss; whom each sees is checked every minute, and a node may
// be missing now and then only while packets are lost.
func TestMembershipHoldsForHours(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		want := strings.Join(c.names(), " ")
		for minute := range 40 {
			if minute == 20 {
				c.network.Trouble(0.1, 5*time.Millisecond)
			}
			time.Sleep(time.Minute)
			for name, m := range c.members {
				if got := alive(m.Node); got != want && minute < 20 {
					t.Errorf("minute %d: %s sees %s, want %s", minute, name, got, want)
				}
			}
		}
		c.network.Trouble(0, time.Millisecond)
		c.formed(time.Minute, c.names()...)
	})
}

// Goal: a stranger with another key, an unlisted node with the right one, and a second
// machine under a listed name stay out, and whoever they ask says so. Method: each knocks
// at a cluster of three for a minute, sending messages too, the second machine from before
// the first has said anything.
func TestStrangersStayOut(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		stranger := c.start("n9", func(o *serfcmm.Options) {
			o.Peers = append([]serfcmm.Peer{{Name: "n9", Address: host(8)}}, c.peers...)
			o.KeyringFile += ".other"
			c.must(keyring.Ring{keyring.NewKey()}.Save(o.KeyringFile))
		})
		unlisted := c.start("n8", func(o *serfcmm.Options) {
			o.Peers = append([]serfcmm.Peer{{Name: "n8", Address: host(7)}}, c.peers...)
		})
		// It calls itself n2, and lists itself as such at its own address.
		second := c.start("n2-again", func(o *serfcmm.Options) {
			o.Self = "n2"
			o.Peers = []serfcmm.Peer{c.peers[0], {Name: "n2", Address: host(6)}, c.peers[2]}
		})
		for range 60 {
			time.Sleep(time.Second)
			for from, node := range map[election.NodeID]*member{"n9": stranger, "n8": unlisted, "n2": second} {
				node.Send(election.Message{Kind: election.KindVote, From: from, To: "n1", Term: 1000})
			}
			c.members["n2"].Send(election.Message{Kind: election.KindProbe, From: "n2", To: "n1"})
			c.formed(time.Second, "n1", "n2", "n3")
		}
		c.wantProblem("n1", host(8)+" does not have the key of this node")
		c.wantProblemOfOne("a node called n8 at 192.0.2.8:7946 has the key but is not in the node table", c.names()...)
		c.wantProblem("n1", "calls itself n8 has the key but is not in the node table")
		c.wantProblemOfOne("a node called n2 at 192.0.2.7:7946 is kept out: the node table says 192.0.2.2:7946", c.names()...)
		c.wantProblem("n1", "two machines call themselves n2")
		for len(c.members["n1"].Received()) > 0 {
			if message := <-c.members["n1"].Received(); message.Kind != election.KindProbe {
				t.Errorf("n1 believes %+v of a stranger", message)
			}
		}
		stats := c.members["n1"].Stats()
		if stats.Unlisted < 50 || stats.Impostor < 50 || stats.Undecryptable < 50 || stats.Refused == 0 {
			t.Errorf("counted %+v, want about 60 unlisted, impostor and undecryptable ones", stats)
		}
		stranger.stop()
		unlisted.stop()
		second.stop()
		c.eventually(3*time.Minute, "problems of nodes that are gone", func() bool { return len(c.members["n1"].Problems()) == 0 })
	})
}

// Goal: a cloned machine, with the name and the address of a living one, is not listened to,
// but a replaced one is once the old machine has been silent. Method: packets of a second
// n3 are injected under its address; then n3 is stopped and started with another machine-id.
func TestTheFirstMachineKeepsItsName(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		if !c.reaches("n3", "n1") {
			t.Fatal("n3 does not reach n1")
		}
		c.members["n3"].stop()
		again := func(o *serfcmm.Options) { o.Origin = serfcmm.OriginOf("a clone") }
		c.start("n3", again)
		c.formed(20*time.Second, c.names()...)
		if c.reaches("n3", "n1") {
			t.Error("the clone is believed at once")
		}
		c.wantProblem("n1", "two machines call themselves n3")
		c.eventually(time.Minute, "the new n3 is never believed", func() bool { return c.reaches("n3", "n1") })
	})
}

// Goal: a partition is seen on both sides, direct messages stop with it and are back with
// it, and one-way loss stops only that way. Method: 2|3 of five nodes for ten minutes, then
// n1 deaf, then n1 mute.
func TestPartitionsHeal(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		left, right := []string{host(0), host(1)}, []string{host(2), host(3), host(4)}
		c.network.Partition(left, right, true)
		c.formed(time.Minute, "n1", "n2")
		c.formed(time.Minute, "n3", "n4", "n5")
		if c.reaches("n1", "n3") || !c.reaches("n1", "n2") || !c.reaches("n4", "n5") {
			t.Error("messages do not respect the partition")
		}
		time.Sleep(10 * time.Minute)
		c.network.Partition(left, right, false)
		if !c.reaches("n1", "n3") {
			t.Error("n1 does not reach n3 at once after the partition, whatever gossip says")
		}
		c.formed(time.Minute, c.names()...)
		c.network.Cut(host(2), host(0))
		if c.reaches("n3", "n1") || !c.reaches("n1", "n3") {
			t.Error("a one-way cut is not one")
		}
		c.network.Heal(host(2), host(0))
		c.formed(time.Minute, c.names()...)
	})
}

// Goal: a node leaves and is seen to have left soon, hears and says nothing while it is
// away, and comes back, at once too. A crashed one is seen, and found again; one whose agent is
// only restarted is hardly missed. Method: all of it.
func TestLeaveJoinCrash(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		c.must(c.members["n3"].Leave(t.Context()))
		c.formed(5*time.Second, "n1", "n2")
		if c.reaches("n1", "n3") || c.reaches("n3", "n1") {
			t.Error("n3 has left and still talks")
		}
		if err := c.members["n3"].Broadcast([]byte("x")); err == nil {
			t.Error("Broadcast while away = nil")
		}
		time.Sleep(time.Hour)
		c.must(c.members["n3"].Join(t.Context()))
		c.must(c.members["n3"].Join(t.Context()))
		c.formed(10*time.Second, c.names()...)
		for range 5 {
			c.must(c.members["n3"].Leave(t.Context()))
			c.must(c.members["n3"].Join(t.Context()))
			c.formed(10*time.Second, c.names()...)
		}
		for range 5 {
			c.members["n3"].stop()
			c.start("n3")
			c.formed(10*time.Second, c.names()...)
			time.Sleep(10 * time.Second)
			c.formed(0, c.names()...)
		}
		c.members["n2"].stop()
		c.formed(30*time.Second, "n1", "n3")
		time.Sleep(time.Hour)
		c.start("n2")
		c.formed(30*time.Second, c.names()...)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		c.members["n2"].stop()
		if err := c.members["n2"].Leave(ended); err == nil {
			t.Error("Leave without Run = nil")
		}
	})
}

// Goal: the node table may change while everything runs: a node that is added gets in, one
// that is taken out is not believed any more. Method: three of four, then all, then without n1.
func TestTheTableChangesAtRunTime(t *testing.T) {
	t.Parallel()
	bubble(t, 4, func(t *testing.T, c *cluster) {
		t.Helper()
		all := c.peers
		c.peers = all[:3]
		c.startAll()
		c.peers = all
		c.start("n4")
		c.peers = all[:3]
		c.formed(10*time.Second, "n1", "n2", "n3")
		c.wantProblemOfOne("n4", "n1", "n2", "n3")
		for _, name := range []string{"n1", "n2", "n3"} {
			c.must(c.members[name].Reconfigure(all))
		}
		c.formed(30*time.Second, "n1", "n2", "n3", "n4")
		if !c.reaches("n4", "n1") {
			t.Error("n4 does not reach n1")
		}
		c.must(c.members["n1"].Reconfigure(all[:3]))
		if c.reaches("n4", "n1") || alive(c.members["n1"].Node) != "n1 n2 n3" {
			t.Errorf("n4 is out of the table and still there: %s", alive(c.members["n1"].Node))
		}
		if err := c.members["n2"].Reconfigure(all[2:]); err == nil {
			t.Error("a table without n2 is taken by n2")
		}
		c.must(c.members["n2"].Reconfigure(all[1:2]))
		c.eventually(time.Second, "n2 alone", func() bool { return alive(c.members["n2"].Node) == "n2" && !c.reaches("n1", "n2") })
	})
}

// Goal: cards reach everybody in seconds, the newest wins, and texts too long to fit are
// refused without harm. Method: a quick series of cards, then an impossible one.
func TestCardsTravel(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		card := levels.Card{
			State: levels.StateShuttingDown, Role: levels.RoleOffline, Started: true, Reached: levels.Last, Qualified: true,
			Hash: strings.Repeat("a", 64), Version: "1.2.3", Incarnation: strings.Repeat("b", 64),
			Fingerprint: strings.Repeat("c", 64),
			Operation:   levels.OperationClusterShutdown, Number: 1<<64 - 1, Step: strings.Repeat("d", levels.MaxCardStep),
			Doing: levels.Position{Sequence: levels.Disqualify, Level: levels.Last}, Trouble: strings.Repeat("e", levels.MaxTrouble), Barred: true,
		}
		for term := range 50 {
			card.Term = math.MaxUint64 - 50 + levels.Term(term)
			c.members["n4"].Advertise(card)
		}
		want := card
		want.Node, want.Alive = "n4", true
		for _, name := range c.names() {
			c.eventually(5*time.Second, name+" does not see the card of n4", func() bool { return c.members[name].Seen()[3] == want })
		}
		card.Version = strings.Repeat("v", 1000)
		c.members["n4"].Advertise(card)
		time.Sleep(time.Minute)
		if got := c.members["n1"].Seen()[3]; got != want {
			t.Errorf("n1 sees %+v after an impossible card, want %+v", got, want)
		}
	})
}

// Goal: an event reaches every other node once, an unlisted holder of the key reaches
// nobody, and what is too large is refused. Method: events from n1 and from an unlisted node.
func TestEventsReachEverybodyOnce(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		unlisted := c.start("n8", func(o *serfcmm.Options) {
			o.Peers = append([]serfcmm.Peer{{Name: "n8", Address: host(7)}}, c.peers...)
		})
		time.Sleep(10 * time.Second)
		c.must(unlisted.Broadcast([]byte("lies")))
		largest := bytes.Repeat([]byte("e"), serfcmm.MaxEvent)
		c.must(c.members["n1"].Broadcast([]byte("news")))
		c.must(c.members["n1"].Broadcast(largest))
		if err := c.members["n1"].Broadcast(append(largest, 'e')); err == nil {
			t.Error("an event over the limit is taken")
		}
		time.Sleep(30 * time.Second)
		for _, name := range c.names()[1:] {
			var got []string
			for len(c.members[name].Events()) > 0 {
				event := <-c.members[name].Events()
				got = append(got, string(event.From)+" "+string(event.Data[:4]))
			}
			if len(got) != 2 || !strings.Contains(strings.Join(got, ","), "n1 news") || !strings.Contains(strings.Join(got, ","), "n1 eeee") {
				t.Errorf("%s hears %q, want both events of n1 and nothing else", name, got)
			}
		}
		if len(c.members["n1"].Events()) > 0 {
			t.Error("n1 hears itself")
		}
	})
}

// Goal: nothing piles up when the owner does not look, and the newest messages are kept.
// Method: 1000 messages to a node that does not read, and none lost on the network.
func TestABusyOwnerLosesTheOldest(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		for round := range 1000 {
			c.members["n1"].Send(election.Message{Kind: election.KindProbe, From: "n1", To: "n2", Round: election.Round(round)})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		first := <-c.members["n2"].Received()
		stats := c.members["n2"].Stats()
		if stats.Received != 1000 || first.Round < 700 || stats.Dropped < 700 {
			t.Errorf("the oldest of %+v is round %d, want all received and the last 256 kept", stats, first.Round)
		}
	})
}
