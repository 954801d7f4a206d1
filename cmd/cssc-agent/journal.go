package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/cssc-ha/cssc/agent"
)

const (
	queueSize    = 1024
	flushTimeout = time.Second
)

// messages is where all messages go: under systemd the journal, elsewhere text.
type messages struct {
	handler slog.Handler
	// flush waits until what was written has gone out.
	flush func()
	// journal says that it is the journal, whose reader sees standard error in it, too.
	journal bool
}

func openMessages(ctx context.Context, level slog.Leveler, text io.Writer) messages {
	if stream, err := journal.StderrIsJournalStream(); err != nil || !stream || !journal.Enabled() {
		return messages{slog.NewTextHandler(text, &slog.HandlerOptions{Level: level}), func() {}, false}
	}
	queue := newJournalQueue()
	go queue.run(ctx)

	return messages{agent.NewJournalHandler(level, queue.put), queue.flush, true}
}

// ended tells why the process ends. What the journal has, nobody need print once more.
func (m messages) ended(ctx context.Context, err error) error {
	if err == nil || !m.journal {
		return err
	}
	agent.TellEnded(ctx, m.handler, err)

	return &toldError{err}
}

// toldError is one that the journal has already.
type toldError struct{ cause error }

// Error returns the text of the cause.
func (e *toldError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *toldError) Unwrap() error { return e.cause }

// entry is one journal message on its way; done marks the end of a flush.
type entry struct {
	priority int
	message  string
	fields   map[string]string
	done     chan struct{}
}

// journalQueue keeps a journal that takes nothing from holding up the owner loop.
type journalQueue struct {
	// entries is closed by nobody; its capacity is what a stalled journal costs.
	entries chan entry
	dropped atomic.Int64
}

func newJournalQueue() *journalQueue {
	return &journalQueue{entries: make(chan entry, queueSize)}
}

// put never blocks: when the journal does not keep up, messages are counted and lost.
func (q *journalQueue) put(priority int, message string, fields map[string]string) error {
	select {
	case q.entries <- entry{priority: priority, message: message, fields: fields}:
		return nil
	default:
		q.dropped.Add(1)

		return fmt.Errorf("the journal takes no messages, %d are lost", q.dropped.Load())
	}
}

// run sends until ctx ends. The context outlives the flush.
func (q *journalQueue) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-q.entries:
			if next.done != nil {
				close(next.done)

				continue
			}
			if n := q.dropped.Swap(0); n > 0 {
				agent.TellLost(ctx, agent.NewJournalHandler(slog.LevelWarn, send), n)
			}
			_ = send(next.priority, next.message, next.fields)
		}
	}
}

func send(priority int, message string, fields map[string]string) error {
	return journal.Send(message, journal.Priority(priority), fields)
}

// flush waits until all that was put has been sent, for a second at the longest.
func (q *journalQueue) flush() {
	done := make(chan struct{})
	limit := time.NewTimer(flushTimeout)
	defer limit.Stop()
	select {
	case q.entries <- entry{done: done}:
	case <-limit.C:
		return
	}
	select {
	case <-done:
	case <-limit.C:
	}
}
