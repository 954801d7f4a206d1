package dbusapi

import (
	"fmt"
	"sync"

	"github.com/cssc-ha/cssc/levels"
)

// job is one turn of a client: a call, or the news that the client is gone.
type job struct {
	call     *call
	vanished bool
	// granted holds a call that polkit has allowed.
	granted *plan
}

// peer is one connection that has called us. The inbox's lock guards it, but for
// identity, which only the worker whose turn it is touches.
type peer struct {
	name        string
	jobs        []job
	working     bool
	inRing      bool
	authorizing int
	// gone is closed when the connection has ended.
	gone   chan struct{}
	isGone bool

	identity identity
}

// inbox keeps the order of the wire within each client and takes turns between
// clients, so that a flood of one does not delay the others by more than its one
// call. Safe for concurrent use; put never blocks.
type inbox struct {
	mu          sync.Mutex
	work        *sync.Cond
	peers       map[string]*peer
	ring        []*peer
	queued      int
	authorizing int
	closed      bool
}

func newInbox() *inbox {
	b := &inbox{peers: map[string]*peer{}}
	b.work = sync.NewCond(&b.mu)

	return b
}

// put queues a call. It returns ErrBusy at once when a limit is reached.
func (b *inbox) put(c *call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peer(c.sender)
	switch {
	case b.closed:
		return ErrClosed
	case b.queued >= MaxQueued && len(p.jobs) >= MinQueuedPerClient:
		return fmt.Errorf("call %s: %w: %d calls are waiting, try later", c.member, levels.ErrBusy, b.queued)
	case len(p.jobs) >= MaxQueuedPerClient:
		return fmt.Errorf("call %s: %w: %d calls of this connection are waiting, wait for answers",
			c.member, levels.ErrBusy, len(p.jobs))
	}
	b.queued++
	b.push(p, job{call: c})

	return nil
}

// vanish queues the end of a client behind its calls. It is not limited.
func (b *inbox) vanish(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peer(name)
	if p.isGone || b.closed {
		return
	}
	p.isGone = true
	close(p.gone)
	b.push(p, job{vanished: true})
}

// grant queues the rest of an authorised call; it reports false when the client is gone.
func (b *inbox) grant(p *peer, c *call, granted *plan) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.isGone || b.closed {
		return false
	}
	b.queued++
	b.push(p, job{call: c, granted: granted})

	return true
}

// beginAuthorizing counts an authorisation, or returns ErrBusy.
func (b *inbox) beginAuthorizing(p *peer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.authorizing >= MaxAuthorizing || b.authorizing >= MaxAuthorizingAll {
		return fmt.Errorf("ask for authorisation: %w: %d are under way, try later", levels.ErrBusy, b.authorizing)
	}
	p.authorizing++
	b.authorizing++

	return nil
}

func (b *inbox) endAuthorizing(p *peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.authorizing--
	b.authorizing--
}

// next waits for a job and makes its client the caller's own until done. It
// reports false when the inbox is closed.
func (b *inbox) next() (*peer, job, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ring) == 0 && !b.closed {
		b.work.Wait()
	}
	if b.closed {
		return nil, job{}, false
	}
	p := b.ring[0]
	b.ring = b.ring[1:]
	p.inRing = false
	p.working = true
	next := p.jobs[0]
	p.jobs = p.jobs[1:]
	if next.call != nil {
		b.queued--
	}

	return p, next, true
}

// done ends the turn of a client.
func (b *inbox) done(p *peer, last job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.working = false
	if last.vanished {
		delete(b.peers, p.name)

		return
	}
	b.rest(p)
}

// close wakes every worker and ends every wait on a client.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	for _, p := range b.peers {
		if !p.isGone {
			p.isGone = true
			close(p.gone)
		}
	}
	b.work.Broadcast()
}

func (b *inbox) peer(name string) *peer {
	p, known := b.peers[name]
	if !known {
		p = &peer{name: name, gone: make(chan struct{})}
		b.peers[name] = p
	}

	return p
}

func (b *inbox) push(p *peer, next job) {
	p.jobs = append(p.jobs, next)
	b.rest(p)
}

// rest puts a client that has work and no worker at the end of the ring.
func (b *inbox) rest(p *peer) {
	if p.working || p.inRing || len(p.jobs) == 0 {
		return
	}
	p.inRing = true
	b.ring = append(b.ring, p)
	b.work.Signal()
}
