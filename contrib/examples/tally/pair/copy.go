package pair

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// For so long nobody asks why nothing happens.
	hurry = 200 * time.Millisecond
	// After that a secondary is given up, even if it is the vice still.
	patience = 10 * time.Second
	// Well below the time limit of a callback, so that the reason is told by us.
	handOverLimit = 5 * time.Second
)

var (
	errNotHere = errors.New("not the primary, or not open")
	errOldTerm = errors.New("there is a newer term")
)

// Standing is what a copy needs to know of its node and the others.
type Standing struct {
	Master, Vice string
	Term         uint64
	// MasterFor is how long this node is the master for certain; 0: it may not be.
	MasterFor time.Duration
	// Copies are the addresses of the nodes that may have one; Alive are those that are heard.
	Copies map[string]string
	Alive  map[string]bool
}

// Copy is one node's. Safe for concurrent use.
type Copy struct {
	node     string
	standing func(context.Context) (Standing, error)

	mu sync.Mutex
	// changed is closed and replaced with every change of what follows.
	changed chan struct{}
	book    *book
	term    uint64 // the highest that was heard

	primary bool // others may follow
	open    bool // clients may put
	// second is the node that must have an entry before it is acknowledged, "" for nobody.
	second string
	line   *Conn // with it, nil while there is none
	has    int   // entries on its disk
	// aloneUntil is the end of the time in which this node is the master for certain.
	aloneUntil time.Time

	following bool  // this copy wants to be the secondary
	inStep    bool  // and it is
	upstream  *Conn // what is being received
}

// Open reads a node's copy from its file, or makes it. Standing asks how things are; it may
// block until its context ends.
func Open(file, node string, standing func(context.Context) (Standing, error)) (*Copy, error) {
	b, err := openBook(file)
	if err != nil {
		return nil, fmt.Errorf("open the copy: %w", err)
	}

	return &Copy{node: node, standing: standing, changed: make(chan struct{}), book: b, term: b.extent().Last}, nil
}

// tell wakes whoever waits for a change. The lock is held.
func (c *Copy) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait gives the lock away until something changes or ctx ends, but not for long.
func (c *Copy) wait(ctx context.Context) error {
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	timer := time.NewTimer(hurry)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}

	return nil
}

// ask gives the lock away while it asks how things are.
func (c *Copy) ask(ctx context.Context) (Standing, error) {
	c.mu.Unlock()
	defer c.mu.Lock()

	return c.standing(ctx)
}

// hear takes note of a term: a newer one ends the primary of an older. The lock is held.
func (c *Copy) hear(term uint64) {
	if term > c.term {
		c.term = term
		c.stepDown()
	}
}

// stepDown ends a primary, and what is received from one. The lock is held.
func (c *Copy) stepDown() {
	c.primary, c.open = false, false
	if c.upstream != nil {
		c.upstream.interrupt()
	}
	c.dismiss()
}

// dismiss goes on without a secondary. The lock is held.
func (c *Copy) dismiss() {
	if c.line != nil {
		_ = c.line.Close()
	}
	c.second, c.line, c.has = "", nil, 0
	c.tell()
}

// retire ends whatever this copy is. The lock is held.
func (c *Copy) retire() {
	c.following = false
	c.stepDown()
}

// Retire makes this copy one that only answers questions.
func (c *Copy) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retire()
}

// put takes a client's number and returns nil when it is safe, also when it was taken
// before: a client that got no answer asks again.
func (c *Copy) put(ctx context.Context, term uint64, client string, number uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(term)
	if !c.open || term != c.term {
		return fmt.Errorf("%w, in term %d", errNotHere, term)
	}
	if number > c.book.highest[client] {
		if err := c.book.add(Entry{c.term, client, number}); err != nil {
			return err
		}
		c.tell()
	}

	return c.secure(ctx, len(c.book.entries))
}

// secure waits until the first count entries are where they must be. The lock is held.
func (c *Copy) secure(ctx context.Context, count int) error {
	term, since := c.term, time.Now()
	for {
		waited := time.Since(since)
		switch {
		case !c.primary || c.term != term:
			return fmt.Errorf("%w any more", errNotHere)
		case c.second != "" && c.has >= count, c.second == "" && time.Now().Before(c.aloneUntil):
			return nil
		case c.second == "" || waited > hurry:
			if err := c.reconsider(ctx, waited > patience); err != nil {
				return err
			}
		default:
			if err := c.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// reconsider asks whether the secondary is the vice still, and for how long this primary may
// do without one. The lock is held.
func (c *Copy) reconsider(ctx context.Context, giveUp bool) error {
	asked, term := time.Now(), c.term
	now, err := c.ask(ctx)
	if err != nil {
		return err
	}
	c.hear(now.Term)
	if now.Master != c.node || c.term != term {
		return fmt.Errorf("%w: the master is %q in term %d", errNotHere, now.Master, now.Term)
	}
	c.aloneUntil = asked.Add(now.MasterFor)
	switch {
	case c.second != "" && (c.second != now.Vice || giveUp):
		c.dismiss()

		return nil
	case c.second == "" && now.MasterFor > 0:
		return nil
	default:
		return c.wait(ctx)
	}
}

// TakeOver makes this copy the primary of a term. It goes on with the furthest copy that
// answers within the limit. Each that is asked hears of the term and so takes nothing of an
// older primary from then on.
func (c *Copy) TakeOver(ctx context.Context, term uint64, limit time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(term)
	if c.primary && c.term == term {
		return nil // asked for again
	}
	c.retire()
	now, err := c.ask(ctx)
	if err != nil {
		return err
	}
	c.mu.Unlock()
	best, from := survey(ctx, c.node, term, now, limit)
	c.mu.Lock()
	if best.beyond(c.book.extent()) {
		if err = c.receive(ctx, now.Copies[from], message{Do: "copy", Term: term}); err != nil {
			return fmt.Errorf("take over what %s has: %w", from, err)
		}
	}
	if c.term != term {
		return fmt.Errorf("take over in term %d: %w", term, errOldTerm)
	}
	c.primary = true
	c.tell()

	return nil
}

// Admit lets clients in.
func (c *Copy) Admit(term uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.primary || c.term != term {
		return fmt.Errorf("admit clients in term %d: %w", term, errNotHere)
	}
	c.open = true

	return nil
}

// HandOver lets clients in no more, and returns when the vice has everything, or there is
// none. It takes 5 seconds at most.
func (c *Copy) HandOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, handOverLimit, errors.New("not in time"))
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = false
	for {
		now, err := c.ask(ctx)
		if err != nil {
			return err
		}
		// A mastership that is lost, not given away, has nobody to hand over to.
		if now.MasterFor == 0 || now.Vice == "" || c.second == now.Vice && c.has == len(c.book.entries) {
			return nil
		}
		if err = c.wait(ctx); err != nil {
			return fmt.Errorf("%s has not everything that was acknowledged: %w", now.Vice, err)
		}
	}
}

// Follow makes this copy the secondary, and returns when it is in step with the primary.
func (c *Copy) Follow(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.following {
		c.retire()
		c.following = true
		c.tell()
	}
	for !c.inStep {
		if err := c.wait(ctx); err != nil {
			return fmt.Errorf("not in step with the primary: %w", err)
		}
	}

	return nil
}

// keepUp does the work of a secondary, while this copy is one, until ctx ends.
func (c *Copy) keepUp(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ctx.Err() == nil {
		if c.following {
			// Nothing is remembered: the master may be another one each time.
			if now, err := c.ask(ctx); err == nil && now.Vice == c.node {
				c.hear(now.Term)
				_ = c.receive(ctx, now.Copies[now.Master], message{Do: "follow", Term: now.Term, Who: c.node})
			}
		}
		_ = c.wait(ctx)
	}
}
