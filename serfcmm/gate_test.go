package serfcmm

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// mute is a network of which only what comes in counts.
type mute struct {
	Transport

	packets chan *memberlist.Packet
	streams chan net.Conn
}

func (m *mute) Start()                              {}
func (m *mute) PacketCh() <-chan *memberlist.Packet { return m.packets }
func (m *mute) StreamCh() <-chan net.Conn           { return m.streams }
func (m *mute) Shutdown() error                     { return nil }

// Goal: a memberlist that does not come to its packets delays no message of the election and
// holds a bounded number of packets. Method: nobody takes gossip; packets beyond the bound,
// and one of ours behind each.
func TestStuckGossipDelaysNoMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &mute{packets: make(chan *memberlist.Packet)}
		var heard, lost atomic.Uint64
		g := newGate(network, func([]byte, net.Addr) { heard.Add(1) }, &lost)
		g.Start()
		const many = 3 * gossipBacklog
		for i := range many {
			network.packets <- &memberlist.Packet{Buf: []byte{1, 2, 3}}
			network.packets <- &memberlist.Packet{Buf: []byte{[]byte{sealedMark, wire.Mark}[i%2]}}
			synctest.Wait()
			if got := heard.Load(); got != uint64(i)+1 {
				t.Fatalf("heard %d messages, want %d", got, i+1)
			}
		}
		if got := lost.Load(); got != many-gossipBacklog || len(g.PacketCh()) != gossipBacklog {
			t.Errorf("%d packets lost, %d wait, want %d and %d", got, len(g.PacketCh()), many-gossipBacklog, gossipBacklog)
		}
		if err := g.Shutdown(); err != nil {
			t.Error(err)
		}
	})
}

// Goal: however many nodes bring their state at a time, a few are looked at; none is left
// out, what each says arrives whole, and silent streams hold nobody up. Method: 60 streams
// that say something, behind 20 that do not, at a memberlist that takes 20 ms for each and,
// for one of them, for ever.
func TestStreamsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &mute{packets: make(chan *memberlist.Packet), streams: make(chan net.Conn)}
		var inside, most, heard, last atomic.Int64
		g := newGate(network, func([]byte, net.Addr) {}, new(atomic.Uint64))
		g.Start()
		begin := time.Now()
		stop := make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			for {
				select {
				case conn := <-g.StreamCh():
					work.Go(func() {
						most.Store(max(most.Load(), inside.Add(1)))
						text := make([]byte, 5)
						if _, err := io.ReadFull(conn, text); err != nil || string(text) != "hello" {
							t.Errorf("a stream says %q, %v", text, err)
						}
						if heard.Add(1) > 1 { // the first one hangs
							time.Sleep(20 * time.Millisecond)
							inside.Add(-1)
							last.Store(int64(time.Since(begin)))
							_ = conn.Close()
						}
					})
				case <-stop:
					return
				}
			}
		})
		const silent, speaking = 20, 60
		for i := range silent + speaking {
			near, far := net.Pipe()
			network.streams <- near
			if i >= silent {
				go func() { _, _ = far.Write([]byte("hello")) }()
			}
		}
		time.Sleep(2 * streamTimeout)
		if heard.Load() != speaking || most.Load() > streamsAtOnce+1 {
			t.Errorf("%d streams heard, at most %d at once; want %d, and %d besides the one that hangs", heard.Load(), most.Load(), speaking, streamsAtOnce)
		}
		if limit := streamShare + speaking/streamsAtOnce*20*time.Millisecond; time.Duration(last.Load()) > limit {
			t.Errorf("the last one had its turn after %v, want %v at most", time.Duration(last.Load()), limit)
		}
		if err := g.Shutdown(); err != nil {
			t.Error(err)
		}
		close(stop)
		work.Wait()
	})
}
