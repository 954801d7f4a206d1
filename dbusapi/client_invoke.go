package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// opened is an invocation that was taken and not answered. The client's lock guards it.
type opened struct {
	key    registrationKey
	link   *clientLink
	owner  string
	cancel context.CancelFunc
	// answering: Done is at work on it.
	answering bool
}

// deliveries are handler calls in order. Safe for concurrent use; put never blocks.
// What waits is bounded by the agent: one invocation a registration.
type deliveries struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []func()
	closed bool
}

func newDeliveries() *deliveries {
	d := &deliveries{}
	d.more = sync.NewCond(&d.mu)

	return d
}

func (d *deliveries) put(deliver func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, deliver)
	d.more.Signal()
}

func (d *deliveries) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.more.Signal()
}

func (d *deliveries) run() {
	for {
		d.mu.Lock()
		for len(d.queue) == 0 && !d.closed {
			d.more.Wait()
		}
		if d.closed {
			d.mu.Unlock()

			return
		}
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.mu.Unlock()
		next()
	}
}

// spentTags remembers the last tags that were answered or became void, so that none is delivered
// again by a list that was asked for before.
// Its client's lock guards it.
type spentTags struct {
	tags map[levels.Tag]bool
	ring []levels.Tag
	next int
}

func newSpentTags() *spentTags { return &spentTags{tags: map[levels.Tag]bool{}} }

func (a *spentTags) add(tag levels.Tag) {
	if a.tags[tag] {
		return
	}
	a.tags[tag] = true
	if len(a.ring) < maxSpent {
		a.ring = append(a.ring, tag)

		return
	}
	delete(a.tags, a.ring[a.next])
	a.ring[a.next] = tag
	a.next = (a.next + 1) % maxSpent
}

// parseCallback reads the body of a Callback signal. Types are checked: a signal
// is foreign data even from the right sender.
func parseCallback(body []any) (Invocation, bool) {
	if len(body) != 7 {
		return Invocation{}, false
	}
	var row invocationRow
	var valid [7]bool
	// The signal has the registration before the component, the list after it.
	row.Tag, valid[0] = body[0].(uint64)
	row.Registration, valid[1] = body[1].(dbus.ObjectPath)
	row.Component, valid[2] = body[2].(string)
	row.Sequence, valid[3] = body[3].(string)
	row.Level, valid[4] = body[4].(int32)
	row.Flags, valid[5] = body[5].(uint64)
	row.Info, valid[6] = body[6].(map[string]dbus.Variant)
	if valid != [7]bool{true, true, true, true, true, true, true} {
		return Invocation{}, false
	}

	return newInvocation(row)
}

func newInvocation(row invocationRow) (Invocation, bool) {
	sequence, err := levels.ParseSequence(row.Sequence)
	if err != nil {
		return Invocation{}, false
	}
	text := func(key string) string { value, _ := row.Info[key].Value().(string); return value }
	number := func(key string) uint64 { value, _ := row.Info[key].Value().(uint64); return value }
	state, _ := levels.ParseNodeState(text("state"))
	role, _ := levels.ParseRole(text("role"))
	resume, _ := row.Info["resume"].Value().(bool)

	return Invocation{
		Tag:       levels.Tag(row.Tag),
		Component: row.Component,
		Sequence:  sequence,
		Level:     levels.Level(row.Level),
		Noboot:    row.Flags&FlagNoboot != 0,
		Resume:    resume,
		Cookie:    number("cookie"),
		Info: levels.Info{
			Node: levels.NodeID(text("node")), Cluster: text("cluster"), State: state, Role: role,
			Term: levels.Term(number("term")), Master: levels.NodeID(text("master")), Vice: levels.NodeID(text("vice")),
		},
	}, true
}

// take queues an invocation for its handler, once for each tag. The lock is held.
func (c *Client) take(link *clientLink, call Invocation) {
	key := registrationKey{call.Component, levels.Position{Sequence: call.Sequence, Level: call.Level}}
	r := c.registrations[key]
	if r == nil || c.spent.tags[call.Tag] {
		return
	}
	if known, again := c.open[call.Tag]; again {
		known.link, known.owner = link, link.owner

		return
	}
	for tag, older := range c.open {
		if older.key == key && !older.answering {
			c.void(tag, older) // replaced: the agent waits for this one only
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.open[call.Tag] = &opened{key: key, link: link, owner: link.owner, cancel: cancel}
	c.deliveries.put(func() {
		if ctx.Err() == nil {
			r.handler(ctx, call)
		}
	})
}

// void ends an invocation that the agent waits for no more. The lock is held.
func (c *Client) void(tag levels.Tag, call *opened) {
	call.cancel()
	delete(c.open, tag)
	c.spent.add(tag)
}

// takeCanceled voids the open invocations of a sequence. The lock is held.
func (c *Client) takeCanceled(body []any) {
	var word string
	var last int32
	var info map[string]dbus.Variant
	if dbus.Store(body, &word, &last, &info) != nil {
		return
	}
	sequence, err := levels.ParseSequence(word)
	if err != nil {
		return
	}
	for tag, call := range c.open {
		if call.key.position.Sequence == sequence && !call.answering {
			c.void(tag, call)
		}
	}
	if canceled := c.canceled; canceled != nil {
		c.deliveries.put(func() { canceled(sequence, levels.Level(last)) })
	}
}

// Done answers an invocation: nil for success, else the reason. It waits for an
// agent that is restarting, until ctx ends; an answer that arrived although the
// agent's reply was lost counts as given. It returns levels.ErrNoSuchInvocation
// when the invocation is void: cancelled, late, or of a bus that was restarted (then
// the work is asked for again).
func (c *Client) Done(ctx context.Context, tag levels.Tag, failure error) error {
	status, message := StatusDone, ""
	if failure != nil {
		status, message = StatusError, shorten(printable(failure.Error()), MaxMessage)
	}
	c.mu.Lock()
	call := c.open[tag]
	if call != nil {
		call.answering = true
	}
	c.mu.Unlock()
	err := c.answer(ctx, call, []any{uint64(tag), status, message})
	c.mu.Lock()
	if err == nil || !passing(err) {
		if call != nil {
			call.cancel()
		}
		delete(c.open, tag)
		c.spent.add(tag)
	} else if call != nil {
		call.answering = false
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("done with invocation %d: %w", tag, err)
	}

	return nil
}

// answer sends Done until somebody has taken it.
func (c *Client) answer(ctx context.Context, call *opened, arguments []any) error {
	lost := false
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		changed := c.watch()
		link, err := c.current()
		if err == nil {
			if call != nil && c.replaced(call, link) {
				return fmt.Errorf("%w: the message bus was restarted", levels.ErrNoSuchInvocation)
			}
			err = link.manager(ctx, "Done", arguments)
		}
		switch {
		case err == nil, lost && errors.Is(err, levels.ErrNoSuchInvocation):
			return nil
		case !passing(err):
			return err
		}
		lost = lost || errors.Is(err, ErrTimeout) || errors.Is(err, ErrNoBus)
		if wait := c.waitChange(ctx, changed, pause); wait != nil {
			return fmt.Errorf("%w (%w)", err, wait)
		}
	}
}

// replaced says whether an invocation came over another connection than this.
func (c *Client) replaced(call *opened, link *clientLink) bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	return call.link != link
}

// shorten cuts a text to at most limit bytes, between letters.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := 0
	for index, r := range text {
		if index+len(string(r)) > limit-len("…") {
			break
		}
		end = index + len(string(r))
	}

	return text[:end] + "…"
}
