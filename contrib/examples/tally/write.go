package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cssc-ha/cssc/contrib/examples/tally/pair"
	"github.com/cssc-ha/cssc/dbusapi"
)

const (
	every    = 20 * time.Millisecond // a number
	tryAgain = 50 * time.Millisecond
	// So long a client waits for the event before it asks nevertheless.
	askAgain = 200 * time.Millisecond
)

// writer is a client: one number after the other, each until it is acknowledged.
type writer struct {
	client  *dbusapi.Client
	node    string
	journal *pair.Journal
}

// write is a client until ctx ends. It goes on behind the last number of its file.
func write(ctx context.Context, name string) error {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	w := &writer{client: client}
	if w.journal, err = pair.OpenJournal(name); err != nil {
		return err
	}
	defer func() { _ = w.journal.Close() }()
	if w.node, err = os.Hostname(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err = w.attempt(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "tally:", err)
			pause(ctx, tryAgain)
		}
	}

	return nil
}

// attempt writes to the present primary until another is ready, or something fails. Which one
// that is, is asked; the event only says that it is time to ask, so none that is missed
// matters.
func (w *writer) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := w.client.Events(ctx)
	if err != nil {
		return err
	}
	where, err := findPrimary(ctx, w.client)
	if err != nil {
		waiting, enough := context.WithTimeout(ctx, askAgain)
		defer enough()
		masterReady(waiting, events)

		return nil // nobody is ready, and that is no failure
	}
	go func() {
		masterReady(ctx, events)
		cancel() // whatever the old primary was asked, ask the new one
	}()

	return w.session(ctx, where)
}

// masterReady returns with the next event that may mean another primary, or when ctx ends.
func masterReady(ctx context.Context, events <-chan dbusapi.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-events:
			if !open || event.Name == "MasterReady" || event.Name == dbusapi.EventMissed {
				return
			}
		}
	}
}

// location says where clients are served, and in which term.
type location struct {
	node, address string
	term          uint64
}

// findPrimary asks the agent: the master is ready when the last level of its init or promote
// is behind it. It returns levels.ErrTryAgain while none is.
func findPrimary(ctx context.Context, client *dbusapi.Client) (location, error) {
	ctx, cancel := context.WithTimeout(ctx, agentLimit)
	defer cancel()
	master, term, err := client.MasterReady(ctx)
	if err != nil {
		return location{}, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return location{}, err
	}
	for i := range status.Nodes {
		if node := &status.Nodes[i]; node.Node == master {
			return location{string(master), addressOf(node), uint64(term)}, nil
		}
	}

	return location{}, fmt.Errorf("the master %s is not in the node table", master)
}

// session writes over one connection. The term goes with each number: a primary of an older
// one does not take it, and learns that there is a newer.
func (w *writer) session(ctx context.Context, where location) error {
	conn, err := pair.Dial(ctx, where.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for {
		next := pair.Record{Client: w.node, Number: w.journal.Last.Number + 1}
		if err = conn.Put(ctx, where.term, next.Client, next.Number); err != nil {
			return fmt.Errorf("number %d on %s: %w", next.Number, where.node, err)
		}
		next.At = time.Now()
		if err = w.journal.Add(next); err != nil {
			return err
		}
		pause(ctx, every)
	}
}

func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
