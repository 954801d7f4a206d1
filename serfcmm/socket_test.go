package serfcmm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// loopback runs real nodes on addresses of the loopback network until stop.
func loopback(tb testing.TB, first, size int) (nodes []*serfcmm.Node, stop func()) {
	tb.Helper()
	var peers []serfcmm.Peer
	for i := range size {
		peers = append(peers, serfcmm.Peer{Name: nodeID(i), Address: fmt.Sprintf("127.0.7.%d", first+i)})
	}
	ring := filepath.Join(tb.TempDir(), "ring")
	if err := (keyring.Ring{keyring.NewKey()}).Save(ring); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	var work sync.WaitGroup
	for i := range size {
		node, err := serfcmm.New(serfcmm.Options{
			Self: nodeID(i), Peers: peers, Origin: serfcmm.OriginOf(nodeName(i)), KeyringFile: ring, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			tb.Fatal(err)
		}
		work.Go(func() { _ = node.Run(ctx) })
		nodes = append(nodes, node)
	}
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	tb.Cleanup(stop)
	for _, node := range nodes {
		for len(bytes.Fields([]byte(alive(node)))) != size {
			select {
			case <-node.Changed():
			case <-time.After(10 * time.Second):
				tb.Fatalf("sees only %q: %q", alive(node), node.Problems())
			}
		}
	}

	return nodes, stop
}

// Goal: real sockets carry a cluster, its ends leave no goroutine behind but a
// probe of memberlist that waits for its time limit, and an address is free again at once. Method: two lives of three nodes on the loopback network.
func TestRealSocketsCarryACluster(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	for range 2 {
		nodes, stop := loopback(t, 1, 3)
		nodes[0].Send(election.Message{Kind: election.KindProbe, From: "n1", To: "n3", Round: 7})
		select {
		case message := <-nodes[2].Received():
			if message.From != "n1" || message.Round != 7 {
				t.Errorf("n3 hears %+v", message)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("n3 hears nothing: %+v, %+v", nodes[0].Stats(), nodes[2].Stats())
		}
		stop()
	}
	goleak.VerifyNone(t, ignore, goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"))
}

// Goal: a stranger who opens connections and says nothing neither stops messages nor holds
// more of them than there may be. Method: 300 connections to a node, of which those over
// the limit are closed at once.
func TestSilentConnectionsAreBounded(t *testing.T) {
	nodes, _ := loopback(t, 31, 2)
	var refused atomic.Int32
	var readers sync.WaitGroup
	for range 300 {
		conn, err := net.Dial("tcp", "127.0.7.31:7946")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		readers.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			_, err := conn.Read(make([]byte, 1))
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
				refused.Add(1)
			}
		})
	}
	readers.Wait()
	if got := refused.Load(); got < 100 {
		t.Errorf("%d of 300 silent connections are refused, want all over the limit of 128", got)
	}
	nodes[1].Send(election.Message{Kind: election.KindProbe, From: "n2", To: "n1"})
	select {
	case <-nodes[0].Received():
	case <-time.After(5 * time.Second):
		t.Errorf("n1 hears nothing: %+v", nodes[0].Stats())
	}
}

// BenchmarkRoundTrip is a question and its answer between two nodes, through everything:
// the queue, the codec, encryption, memberlist, the checks. Beside it a bare UDP echo.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("node", func(b *testing.B) {
		nodes, _ := loopback(b, 11, 2)
		question := election.Message{Kind: election.KindRenew, From: "n1", To: "n2", Term: 7, Lease: 2 * time.Second, Hash: "0123456789abcdef", Vice: "n2"}
		answer := election.Message{Kind: election.KindPromise, From: "n2", To: "n1", Term: 7, Hash: "0123456789abcdef"}
		done := make(chan struct{})
		b.Cleanup(func() { close(done) })
		go func() {
			for {
				select {
				case message := <-nodes[1].Received():
					answer.Round = message.Round
					nodes[1].Send(answer)
				case <-done:
					return
				}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			question.Round++
			nodes[0].Send(question)
			select {
			case <-nodes[0].Received():
			case <-time.After(time.Second):
				b.Fatalf("no answer: %+v, %+v", nodes[0].Stats(), nodes[1].Stats())
			}
		}
	})
	b.Run("udp-echo", func(b *testing.B) {
		near, far := udp(b, "127.0.7.21"), udp(b, "127.0.7.22")
		go echo(far)
		packet, buffer := make([]byte, 120), make([]byte, 2048)
		target := far.LocalAddr().(*net.UDPAddr).AddrPort()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := near.WriteToUDPAddrPort(packet, target); err != nil {
				b.Fatal(err)
			}
			if _, _, err := near.ReadFromUDPAddrPort(buffer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func udp(b *testing.B, host string) *net.UDPConn {
	b.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(host+":0")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })

	return conn
}

func echo(conn *net.UDPConn) {
	buffer := make([]byte, 2048)
	for {
		size, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if _, err := conn.WriteToUDPAddrPort(buffer[:size], from); err != nil {
			return
		}
	}
}

// BenchmarkQuestion is a question and its answer over real sockets, encrypted, as long as each is.
func BenchmarkQuestion(b *testing.B) {
	for _, size := range []int{100, serfcmm.MaxQuestion} {
		b.Run(fmt.Sprintf("%d-bytes", size), func(b *testing.B) {
			nodes, _ := loopback(b, 31, 2)
			done := make(chan struct{})
			b.Cleanup(func() { close(done) })
			go func() {
				for {
					select {
					case question := <-nodes[1].Asked():
						_ = question.Answer(question.Data) // the asker tells
					case <-done:
						return
					}
				}
			}()
			data := make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				if answer, err := nodes[0].Ask(b.Context(), "n2", data); err != nil || len(answer) != size {
					b.Fatalf("%d bytes, %v", len(answer), err)
				}
			}
		})
	}
}
