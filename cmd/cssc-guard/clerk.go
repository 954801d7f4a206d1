package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/units"
)

// talkTimeout bounds one conversation with PID 1. A PID 1 that reloads all the time answers
// every second or so, and a new connection takes several answers: to give up early and begin
// again would never end.
const talkTimeout = 30 * time.Second

// clerk carries out orders to PID 1 on two goroutines and two connections, so that what is
// urgent never waits behind a list that a busy PID 1 is slow to make. Orders of the same kind
// that wait are one. Its methods never block and may be called from anywhere.
type clerk struct {
	lists, orders *desk
	latest        atomic.Pointer[roster]
	now           func() int64
	// file keeps the newest list for the guard that comes after this one, which may have no
	// time to ask; saved is what is in it.
	file  string
	saved []byte
}

// desk is one of the two connections with what waits for it.
type desk struct {
	direct *units.Direct
	// wake has capacity 1: one pending order stands for all. Never closed.
	wake chan struct{}

	mu      sync.Mutex
	pending orders
	// failed is what was wrong with the last work; nil = nothing.
	failed error
}

// orders are what waits to be done; the most urgent is done first.
type orders struct {
	reboot     bool
	stop, kill []string
	// refresh asks for a list, meet only for a connection, so that it is there when it is
	// needed. rest ends the connection: while it lasts PID 1 sends every signal.
	refresh, meet, rest bool
}

func newClerk(file string, now func() int64) *clerk {
	open := func() *desk {
		return &desk{direct: units.NewDirect(units.Options{}), wake: make(chan struct{}, 1)}
	}
	c := &clerk{lists: open(), orders: open(), now: now, file: file}
	list := roster{}
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &list.members) == nil {
		list.since, c.saved = 1, text // older than anything
	}
	c.latest.Store(&list)

	return c
}

// order adds to what waits.
func (d *desk) order(change func(o *orders)) {
	d.mu.Lock()
	change(&d.pending)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *desk) take() orders {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.pending
	d.pending = orders{}

	return taken
}

// merge adds names that are not there yet.
func merge(names, more []string) []string {
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}

	return names
}

// calm is how long after PID 1 has told of a change the list is made anew. A master that hands
// over, or takes over, tells of several within some milliseconds, and at that moment
// nothing is as bad as a real-time process that makes PID 1 describe every member. A
// list that is wanted because a lease has run out does not wait for that.
const calm = 200 * time.Millisecond

// run works at one desk until ctx ends. A list is also made anew when PID 1 has told of new
// members.
func (c *clerk) run(ctx context.Context, d *desk) {
	defer d.direct.Close()
	changed := d.direct.Changed()
	if d != c.lists {
		changed = nil
	}
	var calmed <-chan time.Time // nil while there is no change to look at
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			taken := d.take()
			c.work(ctx, d, taken)
			if taken.rest { // what was heard before is nobody's business any more
				calmed = nil
				select {
				case <-changed:
				default:
				}
			}
		case <-changed:
			if calmed == nil {
				calmed = time.After(calm)
			}
		case <-calmed:
			calmed = nil
			d.order(func(o *orders) { o.refresh = true })
		}
	}
}

// work does what was ordered. What fails is ordered again by whoever still wants it.
func (c *clerk) work(ctx context.Context, d *desk, o orders) {
	ctx, cancel := context.WithTimeout(ctx, talkTimeout)
	defer cancel()
	var err error
	if o.reboot {
		err = d.direct.Reboot(ctx)
	}
	if len(o.stop) > 0 {
		err = errors.Join(err, d.direct.Stop(ctx, o.stop))
	}
	if len(o.kill) > 0 {
		err = errors.Join(err, d.direct.Kill(ctx, o.kill))
	}
	switch {
	case o.refresh:
		since := c.now()
		members, listErr := d.direct.Doomed(ctx)
		if listErr == nil {
			c.latest.Store(&roster{since: since, members: members})
			c.save(members)
		}
		err = errors.Join(err, listErr)
	case o.meet:
		err = errors.Join(err, d.direct.Meet(ctx))
	}
	if o.rest { // the list is kept: an old one is better than none when PID 1 does not answer
		d.direct.Close()
		debug.FreeOSMemory()
	}
	if err != nil {
		d.direct.Close() // whatever is wrong with it, the next one is new
	}
	d.mu.Lock()
	d.failed = err
	d.mu.Unlock()
}

// trouble tells what was wrong with the last work at each desk, and what PID 1 refused.
func (c *clerk) trouble() string {
	var errs []error
	for _, d := range []*desk{c.lists, c.orders} {
		d.mu.Lock()
		errs = append(errs, d.failed, d.direct.Refused())
		d.mu.Unlock()
	}
	err := errors.Join(errs...)
	if err == nil {
		return ""
	}

	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// save writes the list for the next guard, when it has changed. Without it that guard asks.
func (c *clerk) save(members []units.Doomed) {
	text, err := json.Marshal(members)
	if err != nil || bytes.Equal(text, c.saved) {
		return
	}
	if os.WriteFile(c.file+".new", text, 0o600) == nil && os.Rename(c.file+".new", c.file) == nil {
		c.saved = text
	}
}
