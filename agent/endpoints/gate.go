package endpoints

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Connections at once; the next is closed unanswered.
	maxConnections = 128
	// A rate: paceConnections in each paceWindow are taken, the others wait in the kernel,
	// which bounds their number. With one processor for the whole agent a flood must not take
	// more than a small part of it, and not much at a time.
	paceConnections = 5
	paceWindow      = 10 * time.Millisecond
)

// gate takes connections, not too many and not too fast.
type gate struct {
	net.Listener

	closed chan struct{} // by Close
	once   sync.Once
	open   atomic.Int64
	// refused counts who was closed unanswered.
	refused func()
	// Of Accept, which one goroutine calls.
	window time.Time
	taken  int
}

func newGate(listener net.Listener, refused func()) *gate {
	return &gate{Listener: listener, closed: make(chan struct{}), refused: refused}
}

// Close ends Accept.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })

	return g.Listener.Close()
}

// Accept returns the next connection when its turn has come.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.wait()
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.open.Add(1) <= maxConnections {
			return &conn{Conn: c, gate: g}, nil
		}
		g.open.Add(-1)
		g.refused()
		_ = c.Close()
	}
}

// wait keeps the pace.
func (g *gate) wait() {
	now := time.Now()
	if now.Sub(g.window) >= paceWindow {
		g.window, g.taken = now, 0
	}
	if g.taken < paceConnections {
		g.taken++

		return
	}
	rest := time.NewTimer(paceWindow - now.Sub(g.window))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-g.closed:
	}
	g.window, g.taken = time.Now(), 1
}

// errNoLonger ends a connection whose answer has become untrue before it was sent.
var errNoLonger = errors.New("the answer is not true any more")

// conn is one connection. Its question may say until when its answer may be sent.
type conn struct {
	net.Conn

	gate *gate
	once sync.Once
	// while is nil when the answer may always be sent.
	while atomic.Pointer[func() bool]
}

// Write sends, unless what is to be sent is not true any more: then nothing is sent and the
// connection ends. Nothing is between the check and the kernel.
func (c *conn) Write(data []byte) (int, error) {
	if while := c.while.Load(); while != nil && !(*while)() {
		return 0, errNoLonger
	}

	return c.Conn.Write(data)
}

// Close gives the place back.
func (c *conn) Close() error {
	c.once.Do(func() { c.gate.open.Add(-1) })

	return c.Conn.Close()
}

type connKey struct{}

// withConn lets a handler find its connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// onlyWhile makes the connection of the question look before it sends.
func onlyWhile(ctx context.Context, holds func() bool) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.while.Store(&holds)
	}
}
