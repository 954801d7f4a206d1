package serfcmm

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// offline returns a node that does not run: whatever reaches it is put in by hand.
func offline(tb testing.TB) *Node {
	tb.Helper()
	n, err := New(Options{
		Self: "n1", Peers: []Peer{{"n1", "192.0.2.1"}, {"n2", "192.0.2.2"}}, Insecure: true,
		Origin: OriginOf("one"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}

	return n
}

func datagramOf(tb testing.TB, origin string, message election.Message) []byte {
	tb.Helper()
	datagram, err := wire.Append(nil, &wire.Envelope{Origin: OriginOf(origin), Message: message})
	if err != nil {
		tb.Fatal(err)
	}

	return datagram
}

// Goal: messages of every kind that are cut short, too long, of another version, for another
// node, from nobody in the table or from a second machine are refused, counted and told, and
// the good ones are not. Method: each kind in each of these ways.
func TestBadMessagesAreCountedAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := offline(t)
		for kind := election.KindPreVote; kind <= election.KindReport; kind++ {
			good := election.Message{Kind: kind, From: "n2", To: "n1", Term: 7, Round: 8}
			with := func(change func(*election.Message)) election.Message {
				bad := good
				change(&bad)

				return bad
			}
			before := n.Stats()
			datagram := datagramOf(t, "two", good)
			n.accept(datagram)
			for cut := range len(datagram) - 1 {
				n.accept(datagram[:cut+1])
			}
			n.accept(append(slices.Clone(datagram), make([]byte, wire.MaxSize)...))
			other := slices.Clone(datagram)
			other[1] = wire.Version + 1
			n.accept(other)
			n.accept(datagramOf(t, "two", with(func(m *election.Message) { m.To = "n3" })))
			n.accept(datagramOf(t, "two", with(func(m *election.Message) { m.From = "n3" })))
			n.accept(datagramOf(t, "another", good))
			n.accept(datagramOf(t, "another", with(func(m *election.Message) { m.From = "n1" })))
			n.accept(datagramOf(t, "one", with(func(m *election.Message) { m.From = "n1" })))
			after := n.Stats()
			want := before
			want.Received++
			want.Malformed += uint64(len(datagram)-1) + 2
			want.Misdirected += 2
			want.Unlisted++
			want.Impostor += 2
			if after != want {
				t.Errorf("%s: counted %+v, want %+v", kind, after, want)
			}
			if got := <-n.Received(); got.Kind != kind || got.From != "n2" || len(n.Received()) > 0 {
				t.Errorf("%s: handed on %+v and %d more, want the good one alone", kind, got, len(n.Received()))
			}
		}
		for _, part := range []string{"could not be read", "calls itself n3", "two machines call themselves n2", "two machines call themselves n1"} {
			if !strings.Contains(strings.Join(n.Problems(), "\n"), part) {
				t.Errorf("problems %q do not say %q", n.Problems(), part)
			}
		}
		time.Sleep(2 * passingFor)
		n.problems.prune()
		if got := n.Problems(); len(got) > 0 {
			t.Errorf("problems that are over: %q", got)
		}
	})
}

// Goal: strangers cannot fill memory with names. Method: a thousand names that are not listed.
func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	n := offline(t)
	for i := range 1000 {
		n.believes(levels.NodeID(strings.Repeat("x", 1+i%100)+string(rune('a'+i/100))), OriginOf("two"))
	}
	n.problems.stand("network", "the cable is out")
	if got := n.Problems(); len(got) > maxProblems+1 || !slices.Contains(got, "the cable is out") {
		t.Errorf("%d problems, want at most %d, and the one that matters", len(got), maxProblems+1)
	}
}

// Goal: Send never blocks. Method: more messages than there is room, with no network.
func TestSendNeverBlocks(t *testing.T) {
	t.Parallel()
	n := offline(t)
	room := messageQueue + len(n.options.Peers)
	for range 2 * room {
		n.Send(election.Message{Kind: election.KindProbe, From: "n1", To: "n2"})
	}
	if got := n.Stats().Unsent; got != uint64(room) {
		t.Errorf("%d did not leave, want %d", got, room)
	}
}

// FuzzUnseal: no payload of an event or a query makes unseal fall over, and what it takes
// apart is what was put together.
func FuzzUnseal(f *testing.F) {
	n := offline(f)
	f.Add(n.seal([]byte("data")))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{255}, 300))
	f.Fuzz(func(t *testing.T, payload []byte) {
		sealed, ok := unseal(payload)
		if !ok {
			return
		}
		sender := Node{options: Options{Self: sealed.from, Origin: sealed.origin}}
		if again := sender.seal(sealed.data); !bytes.Equal(again, payload) {
			t.Errorf("unseal(%x) = %+v, sealed again %x", payload, sealed, again)
		}
		_, _, _ = n.opened(true, payload)
	})
}

// FuzzOrder: no order about keys makes a node fall over or leaves it without a keyring that
// can be read again.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"verb":"install","key":"` + keyring.NewKey().Text() + `"}`))
	f.Add([]byte(`{"verb":"use","key":"000000000000"}`))
	f.Add([]byte(`{"verb":"remove","key":""}`))
	f.Add([]byte(`{"verb":7}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ring := keyring.Ring{keyring.NewKey(), keyring.NewKey()}
		order, err := readOrder(data)
		if err != nil {
			return
		}
		next, err := changed(ring, order)
		if err != nil {
			return
		}
		if again, err := keyring.Parse(next.Text()); err != nil || again.Text() != next.Text() {
			t.Errorf("order %q makes the keyring %v, which is read as %v, %v", data, next, again, err)
		}
	})
}
