package dbusapi

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// outbox is what waits for the bus to take it, in order. Any goroutine puts; one
// goroutine sends. A bus that is stuck fills it, and put reports so at once.
type outbox struct {
	// messages has room for maxOutgoing; nobody closes it. A nil asks for a note in flushed.
	messages chan *dbus.Message
	// replies holds one token for each reply in messages; capacity maxReplies, never closed.
	replies chan struct{}
	// flushed is closed when everything put before the nil was sent.
	flushed chan struct{}
}

func newOutbox() *outbox {
	return &outbox{
		messages: make(chan *dbus.Message, maxOutgoing), replies: make(chan struct{}, maxReplies), flushed: make(chan struct{}),
	}
}

// put queues a message; false means that there was no room.
func (o *outbox) put(message *dbus.Message) bool {
	select {
	case o.messages <- message:
		return true
	default:
		return false
	}
}

// reply queues a reply and waits for room until ctx ends. It is the workers'; a bus
// that is stuck holds them, and nobody else.
func (o *outbox) reply(ctx context.Context, message *dbus.Message) {
	select {
	case <-ctx.Done():
	case o.replies <- struct{}{}:
		if !o.put(message) {
			<-o.replies
		}
	}
}

// refuse queues a reply when there is room now; else the caller times out.
func (o *outbox) refuse(message *dbus.Message) {
	select {
	case o.replies <- struct{}{}:
		if !o.put(message) {
			<-o.replies
		}
	default:
	}
}

// run sends until ctx ends. An error of the connection ends the connection, which
// its owner notices, so nothing is reported here.
func (o *outbox) run(ctx context.Context, conn *dbus.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-o.messages:
			if message == nil {
				close(o.flushed)

				return
			}
			conn.Send(message, nil)
			if message.Type != dbus.TypeSignal {
				<-o.replies
			}
		}
	}
}

// flush waits, for a bounded time, until what was put is sent. Nothing may be put afterwards.
func (o *outbox) flush() {
	if !o.put(nil) {
		return
	}
	timer := time.NewTimer(flushTimeout)
	defer timer.Stop()
	select {
	case <-o.flushed:
	case <-timer.C:
	}
}
