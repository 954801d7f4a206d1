package serfcmm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// What memberlist sends at most, with room for encryption, is shorter; longer packets
	// are somebody else's and cut short, which their authentication shows.
	largestPacket = 2048
	// Who has no key may open this many streams at a time; each ends after streamTimeout.
	maxStreams = 128
	// This much is asked of the kernel; it grants less without an error.
	receiveBuffer = 1 << 20
	// The pause of the listener when the kernel has no file descriptors left.
	acceptPause = 100 * time.Millisecond
)

// The real network is sockets: one UDP and one TCP socket at one address. There is such a
// transport in memberlist, but it reads before Serf is complete, and it allocates 64 KiB for each
// packet of a hundred bytes.
type sockets struct {
	address netip.AddrPort
	udp     *net.UDPConn
	tcp     *net.TCPListener
	// packets and streams are unbuffered: what nobody takes waits in the kernel. They are
	// never closed; memberlist stops listening by itself.
	packets chan *memberlist.Packet
	streams chan net.Conn
	// slots has one entry for each stream that came in and is open.
	slots   chan struct{}
	stop    chan struct{} // closed by Shutdown
	once    sync.Once
	readers sync.WaitGroup
}

// listen opens both sockets; nothing is read before Start.
func listen(ctx context.Context, address netip.AddrPort) (Transport, error) {
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, err
	}
	udp, err := config.ListenPacket(ctx, "udp", address.String())
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	s := &sockets{
		address: address, udp: udp.(*net.UDPConn), tcp: tcp.(*net.TCPListener),
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), slots: make(chan struct{}, maxStreams), stop: make(chan struct{}),
	}
	_ = s.udp.SetReadBuffer(receiveBuffer) // less is slower, not wrong

	return s, nil
}

// Start begins to read.
func (s *sockets) Start() {
	s.readers.Go(s.readPackets)
	s.readers.Go(s.accept)
}

func (s *sockets) readPackets() {
	buffer := make([]byte, largestPacket)
	for {
		size, from, err := s.udp.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || size == 0 {
			continue // an ICMP answer to something sent earlier
		}
		packet := &memberlist.Packet{Buf: append([]byte(nil), buffer[:size]...), From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}
		select {
		case s.packets <- packet:
		case <-s.stop:
			return
		}
	}
}

func (s *sockets) accept() {
	for {
		conn, err := s.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(acceptPause):
				continue
			case <-s.stop:
				return
			}
		}
		select {
		case s.slots <- struct{}{}:
		default:
			_ = conn.Close()

			continue
		}
		held := &heldConn{Conn: conn, free: sync.OnceFunc(func() { <-s.slots })}
		select {
		case s.streams <- held:
		case <-s.stop:
			_ = held.Close()

			return
		}
	}
}

// heldConn counts as open until it is closed.
type heldConn struct {
	net.Conn

	free func()
}

// Close gives the slot back.
func (c *heldConn) Close() error {
	c.free()

	return c.Conn.Close()
}

// FinalAdvertiseAddr is the address that the table has for this node, never a guess.
func (s *sockets) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return s.address.Addr().AsSlice(), int(s.address.Port()), nil
}

// WriteTo sends one packet to an address in text form.
func (s *sockets) WriteTo(packet []byte, to string) (time.Time, error) {
	address, err := netip.ParseAddrPort(to)
	if err != nil {
		return time.Time{}, fmt.Errorf("send to %q: %w", to, err)
	}
	_, err = s.udp.WriteToUDPAddrPort(packet, address)

	return time.Now(), err
}

// WriteToAddress sends one packet.
func (s *sockets) WriteToAddress(packet []byte, to memberlist.Address) (time.Time, error) {
	return s.WriteTo(packet, to.Addr)
}

// PacketCh yields what came by UDP.
func (s *sockets) PacketCh() <-chan *memberlist.Packet { return s.packets }

// StreamCh yields what came by TCP.
func (s *sockets) StreamCh() <-chan net.Conn { return s.streams }

// DialTimeout opens a stream from this node's own address.
func (s *sockets) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout, LocalAddr: &net.TCPAddr{IP: s.address.Addr().AsSlice()}}

	return dialer.Dial("tcp", to)
}

// DialAddressTimeout opens a stream.
func (s *sockets) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return s.DialTimeout(to.Addr, timeout)
}

// Shutdown closes both sockets and waits for the readers.
func (s *sockets) Shutdown() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		err = errors.Join(s.udp.Close(), s.tcp.Close())
	})
	s.readers.Wait()

	return err
}
