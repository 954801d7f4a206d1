package serfcmm

import (
	"net"
	"sync"
	"time"
)

const (
	// So many streams are with memberlist at a time: each of them may bring the state of all
	// nodes, which takes milliseconds of a processor that votes and leases need too. The others
	// wait.
	streamsAtOnce = 4
	// One that takes longer than streamShare does not count any more: it waits for its network.
	streamShare = 250 * time.Millisecond
)

// usher hands streams to memberlist, a few at a time, in the order in which they begin to
// speak. A stream that says nothing keeps no other from its turn.
type usher struct {
	// streams is unbuffered and never closed.
	streams chan net.Conn
	// busy has one entry for each stream that counts.
	busy chan struct{}
	stop <-chan struct{}
}

func newUsher(stop <-chan struct{}) *usher {
	return &usher{streams: make(chan net.Conn), busy: make(chan struct{}, streamsAtOnce), stop: stop}
}

// run starts a goroutine for each stream, which ends at the latest streamTimeout after stop.
// Their number is bounded by who lets them in.
func (u *usher) run(from <-chan net.Conn) {
	for {
		select {
		case conn := <-from:
			go u.lead(conn)
		case <-u.stop:
			return
		}
	}
}

// lead waits for the first byte and for the stream's turn.
func (u *usher) lead(conn net.Conn) {
	first := make([]byte, 1)
	err := conn.SetReadDeadline(time.Now().Add(streamTimeout))
	if err == nil {
		_, err = conn.Read(first)
	}
	if err != nil {
		_ = conn.Close()

		return
	}
	select {
	case u.busy <- struct{}{}:
	case <-u.stop:
		_ = conn.Close()

		return
	}
	free := sync.OnceFunc(func() { <-u.busy })
	stream := &begunConn{Conn: conn, first: first, free: free, share: time.AfterFunc(streamShare, free)}
	select {
	case u.streams <- stream:
	case <-u.stop:
		_ = stream.Close()
	}
}

// begunConn is a stream whose first byte was read already. It has one reader at a time.
type begunConn struct {
	net.Conn

	first []byte
	free  func()
	share *time.Timer
}

// Read begins with the first byte.
func (c *begunConn) Read(into []byte) (int, error) {
	if len(c.first) == 0 || len(into) == 0 {
		return c.Conn.Read(into)
	}
	n := copy(into, c.first)
	c.first = c.first[n:]

	return n, nil
}

// Close lets the next one in.
func (c *begunConn) Close() error {
	c.share.Stop()
	c.free()

	return c.Conn.Close()
}
