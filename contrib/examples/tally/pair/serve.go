package pair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Run answers whoever connects, and follows the primary while this copy is the secondary,
// until ctx ends. It closes the listener.
func (c *Copy) Run(ctx context.Context, listener net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() { c.keepUp(ctx) })
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		running.Go(func() { c.answer(ctx, newConn(conn)) })
	}
}

// answer is one connection.
func (c *Copy) answer(ctx context.Context, k *Conn) {
	defer func() { _ = k.Close() }()
	defer context.AfterFunc(ctx, func() { _ = k.Close() })()
	for {
		var m, reply message
		if k.in.Decode(&m) != nil {
			return
		}
		var err error
		switch m.Do {
		case "put":
			err = c.put(ctx, m.Term, m.Who, m.Number)
		case "state":
			reply.Extent = c.state(m.Term)
		case "copy", "follow":
			if err = c.send(ctx, k, m); err == nil {
				return
			}
		default:
			err = fmt.Errorf("%q is not one of put, state, copy and follow", m.Do)
		}
		if err != nil {
			reply.No = err.Error()
		}
		if k.out.Encode(reply) != nil {
			return
		}
	}
}

func (c *Copy) state(term uint64) extent {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(term)

	return c.book.extent()
}

// send gives entries to another copy: all that there are, and to one that follows, all that
// come. An error is a refusal.
func (c *Copy) send(ctx context.Context, k *Conn, m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(m.Term)
	if m.Do == "follow" {
		if !c.primary || m.Term != c.term {
			return fmt.Errorf("%w, in term %d", errNotHere, m.Term)
		}
		c.dismiss() // whoever came last is the vice
		c.second, c.line = m.Who, k
		go c.listen(k)
	}
	next, anew := m.Extent.Count, !c.book.agrees(m.Extent)
	if anew {
		next = 0
	}
	for next <= len(c.book.entries) {
		out := message{Term: c.term, Extent: c.book.extent(), Anew: anew}
		out.Add = c.book.entries[next:min(next+batch, out.Extent.Count)]
		next, anew = next+len(out.Add), false
		c.mu.Unlock()
		err := k.out.Encode(out)
		c.mu.Lock()
		for err == nil && c.line == k && next == len(c.book.entries) {
			err = c.wait(ctx)
		}
		if err != nil || m.Do == "follow" && c.line != k || m.Do == "copy" && next == out.Extent.Count {
			return nil
		}
	}

	return nil
}

// listen notes what the secondary has, until another takes its place.
func (c *Copy) listen(k *Conn) {
	for {
		var m message
		err := k.in.Decode(&m)
		c.mu.Lock()
		switch {
		case c.line != k:
		case err != nil:
			c.line = nil // and second stays: it is waited for
		case m.Do == "leave":
			c.hear(m.Term)
			c.dismiss()
		default:
			c.has = m.Extent.Count
			c.tell()
		}
		over := c.line != k
		c.mu.Unlock()
		if over {
			return
		}
	}
}

// receive takes what another copy sends: all that it has, or all that comes while this one
// follows. The lock is held, and given away while it waits.
func (c *Copy) receive(ctx context.Context, address string, m message) error {
	m.Extent = c.book.extent()
	c.mu.Unlock()
	k, err := Dial(ctx, address)
	c.mu.Lock()
	if err != nil {
		return err
	}
	c.upstream = k
	defer context.AfterFunc(ctx, k.interrupt)()
	defer func() {
		_ = k.Close()
		if c.upstream == k {
			c.upstream, c.inStep = nil, false
		}
	}()
	err = k.out.Encode(m)
	for {
		var in message
		if err == nil {
			in, err = c.next(k, m.Do == "copy")
		}
		if c.term != m.Term || m.Do == "follow" && !c.following {
			return errors.Join(errOldTerm, k.out.Encode(message{Do: "leave", Term: c.term}))
		}
		if err == nil {
			err = c.take(in)
		}
		complete := len(c.book.entries) >= in.Extent.Count
		if err != nil || m.Do == "copy" && complete {
			return err
		}
		if m.Do == "follow" {
			err = k.out.Encode(message{Extent: c.book.extent()})
			c.inStep = c.inStep || complete
			c.tell()
		}
	}
}

// next gives the lock away until a message has come. Of a copy it comes at once, or never.
func (c *Copy) next(k *Conn, soon bool) (in message, err error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	if soon {
		err = k.SetReadDeadline(time.Now().Add(answerLimit))
	}

	err = errors.Join(err, k.in.Decode(&in))

	return in, err
}

// take adds what came, on the disk. The lock is held.
func (c *Copy) take(in message) error {
	if in.No != "" {
		return errors.New(in.No)
	}
	if in.Anew {
		if err := c.book.clear(); err != nil {
			return err
		}
	}

	return c.book.add(in.Add...)
}
