package serfcmmtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/cssc-ha/cssc/serfcmm"
)

// queue bounds the packets that wait for one transport; more are lost, as in a kernel.
const queue = 1024

// Network is a simulated network. Use it inside a testing/synctest bubble. The zero value is
// not ready; see New. Safe for concurrent use.
type Network struct {
	mutex  sync.Mutex
	random *rand.Rand
	at     map[string]*transport
	// cut has every pair, from one host to another, between which nothing passes.
	cut map[[2]string]bool
	// loss is the share of packets that vanish; delay what each takes at most.
	loss  float64
	delay time.Duration
	sniff func(from, to string, packet []byte)
}

// New returns a network without loss whose packets take up to 200 µs; equal seeds lose and
// delay alike as far as the scheduler lets them.
func New(seed uint64) *Network {
	return &Network{
		random: rand.New(rand.NewPCG(seed, seed)), at: map[string]*transport{},
		cut: map[[2]string]bool{}, delay: 200 * time.Microsecond,
	}
}

// Listen is for serfcmm.Options. It returns an error when the address is taken.
func (n *Network) Listen(_ context.Context, address netip.AddrPort) (serfcmm.Transport, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.at[address.String()] != nil {
		return nil, errors.New("address already in use")
	}
	t := &transport{
		network: n, address: address, stop: make(chan struct{}),
		packets: make(chan *memberlist.Packet, queue), streams: make(chan net.Conn, queue),
	}
	n.at[address.String()] = t

	return t, nil
}

// Trouble sets the share of packets that are lost, 0 to 1, and the longest delay of one.
func (n *Network) Trouble(loss float64, delay time.Duration) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.loss, n.delay = loss, delay
}

// Cut stops everything from one IP address to another, in that direction only. Streams that
// are open stay open and carry nothing new.
func (n *Network) Cut(from, to string) { n.set(from, to, true) }

// Heal undoes Cut.
func (n *Network) Heal(from, to string) { n.set(from, to, false) }

func (n *Network) set(from, to string, cut bool) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.cut[[2]string{from, to}] = cut
}

// Partition cuts all ties between two groups of IP addresses, or restores them.
func (n *Network) Partition(one, other []string, cut bool) {
	for _, a := range one {
		for _, b := range other {
			n.set(a, b, cut)
			n.set(b, a, cut)
		}
	}
}

// Sniff calls look with every packet that is sent.
func (n *Network) Sniff(look func(from, to string, packet []byte)) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.sniff = look
}

// Inject lets a packet arrive as if it came from that address.
func (n *Network) Inject(from, to string, packet []byte) {
	n.mutex.Lock()
	target := n.at[to]
	n.mutex.Unlock()
	if target != nil {
		target.arrive(packet, from)
	}
}

// way finds the receiver, whether the packet survives, and when it arrives.
func (n *Network) way(from, to string, packet []byte) (*transport, bool, time.Duration) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.sniff != nil && packet != nil {
		n.sniff(from, to, packet)
	}
	source, _ := netip.ParseAddrPort(from)
	target, _ := netip.ParseAddrPort(to)
	passes := !n.cut[[2]string{source.Addr().String(), target.Addr().String()}]
	if packet != nil && n.loss > 0 {
		passes = passes && n.random.Float64() >= n.loss
	}

	return n.at[to], passes, time.Duration(n.random.Int64N(int64(n.delay) + 1))
}

// transport is one host's end of the network.
type transport struct {
	network *Network
	address netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	stop    chan struct{}
	once    sync.Once
	started atomic.Bool
}

// Start lets packets and streams in; before, they find nobody.
func (t *transport) Start() { t.started.Store(true) }

func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.address.Addr().AsSlice(), int(t.address.Port()), nil
}

func (t *transport) WriteToAddress(packet []byte, to memberlist.Address) (time.Time, error) {
	return t.WriteTo(packet, to.Addr)
}

func (t *transport) WriteTo(packet []byte, to string) (time.Time, error) {
	target, passes, delay := t.network.way(t.address.String(), to, packet)
	if target != nil && passes {
		copied := append([]byte(nil), packet...)
		time.AfterFunc(delay, func() { target.arrive(copied, t.address.String()) })
	}

	return time.Now(), nil
}

func (t *transport) arrive(packet []byte, from string) {
	source, _ := netip.ParseAddrPort(from)
	if !t.started.Load() {
		return
	}
	select {
	case <-t.stop:
	case t.packets <- &memberlist.Packet{Buf: packet, From: net.UDPAddrFromAddrPort(source), Timestamp: time.Now()}:
	default:
	}
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(to.Addr, timeout)
}

func (t *transport) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	target, there, _ := t.network.way(t.address.String(), to, nil)
	_, back, _ := t.network.way(to, t.address.String(), nil)
	if target == nil || !target.started.Load() {
		return nil, fmt.Errorf("dial %s: connection refused", to)
	}
	if !there || !back {
		<-time.After(timeout)

		return nil, fmt.Errorf("dial %s: i/o timeout", to)
	}
	near, far := net.Pipe()
	select {
	case target.streams <- &stream{Conn: far, from: t.address.String(), to: to, network: t.network}:
	default:
		return nil, errors.Join(fmt.Errorf("dial %s: connection refused", to), near.Close(), far.Close())
	}

	return &stream{Conn: near, from: to, to: t.address.String(), network: t.network}, nil
}

func (t *transport) Shutdown() error {
	t.once.Do(func() {
		close(t.stop)
		t.network.mutex.Lock()
		delete(t.network.at, t.address.String())
		t.network.mutex.Unlock()
		for {
			select {
			case conn := <-t.streams:
				_ = conn.Close()
			default:
				return
			}
		}
	})

	return nil
}

// stream is a pipe that knows its ends; from is the far one.
type stream struct {
	net.Conn

	from, to string
	network  *Network
}

func (s *stream) RemoteAddr() net.Addr {
	address, _ := netip.ParseAddrPort(s.from)

	return net.TCPAddrFromAddrPort(address)
}

// Write loses what is written over a cut: the deadline of the reader ends it.
func (s *stream) Write(data []byte) (int, error) {
	if _, passes, _ := s.network.way(s.to, s.from, nil); !passes {
		return len(data), nil
	}

	return s.Conn.Write(data)
}
