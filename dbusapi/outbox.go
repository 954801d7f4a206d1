package dbusapi

import (
	"context"
	"log/slog"
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
		return
	case o.replies <- struct{}{}:
	}
	select {
	case <-ctx.Done():
	case o.messages <- message:
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

// run sends until ctx ends; what waits together goes in one write. An error of the
// connection ends the connection, which its owner notices.
func (o *outbox) run(ctx context.Context, to *link, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-o.messages:
			last := o.gather(ctx, to, message, log)
			if err := to.flush(); err != nil {
				log.DebugContext(ctx, "message bus takes nothing", "error", err)

				return
			}
			if last {
				close(o.flushed)

				return
			}
		}
	}
}

// gather encodes a message and what waits behind it. It reports true when it met
// the nil behind which nothing follows.
func (o *outbox) gather(ctx context.Context, to *link, message *dbus.Message, log *slog.Logger) bool {
	for message != nil {
		o.take(ctx, to, message, log)
		if to.out.Len() >= writeAtOnce {
			return false
		}
		select {
		case message = <-o.messages:
		default:
			return false
		}
	}

	return true
}

// take encodes a message. One that cannot be is a bug of ours; a caller then
// times out, the agent lives.
func (o *outbox) take(ctx context.Context, to *link, message *dbus.Message, log *slog.Logger) {
	if err := to.encode(message); err != nil {
		log.ErrorContext(ctx, "message cannot be encoded", "error", err)
	}
	if message.Type != dbus.TypeSignal {
		<-o.replies
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
