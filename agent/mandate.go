package agent

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Endpoints answer load balancers and monitoring beside the loop, from what it has published.
// Every method returns at once.
type Endpoints interface {
	// Listen says where, host:port; empty = nowhere. Called at the start and with each new
	// configuration.
	Listen(address string)
	// Problem says why nothing listens there, and what to do; empty when all is well.
	Problem() string
}

// Endless is what Mandate says remains of a lease that does not run out.
const Endless = election.Endless

// Mandate is the check before everything that only a master may do, for who is not the loop:
// whether this node has the lease of that term now, and for how long if nobody renews it,
// Endless in a cluster of one. It asks neither the loop nor what was published, but the
// clock, and after that once more whether the lease was given back. The answer is true of
// this moment: who acts on it later asks again. Safe for concurrent use.
func (a *Agent) Mandate(term levels.Term) (remains time.Duration, held bool) {
	first := a.mandate.Load()
	now := a.options.Ports.LeaseClock()
	second := a.mandate.Load()
	if first == nil || second == nil || !first.Valid(now) || levels.Term(first.Term) != term || second.Term != first.Term {
		return 0, false
	}
	if first.Until == election.Forever {
		return Endless, true
	}

	return first.Until.Sub(now), true
}

// recordMandate shows the lease that the election has now to Mandate; as for the guard, before
// the disk and before any message that gives it back.
func (l *loop) recordMandate() {
	held := l.election.Lease()
	if last := l.mandate.Load(); last == nil || *last != held {
		l.mandate.Store(&held)
	}
}

// Pulse returns nil as soon as the loop takes note of it, which it does between two turns. An
// error says that it did not before ctx ended. Safe for concurrent use.
func (a *Agent) Pulse(ctx context.Context) error {
	select {
	case a.pulse <- struct{}{}:
		return nil
	case <-a.done:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listen tells the endpoints what the configuration says.
func (l *loop) listen() {
	if l.ports.Endpoints != nil {
		l.ports.Endpoints.Listen(l.config.Load().Endpoints.Listen)
	}
}

// endpointProblem shows why nobody can ask.
func (l *loop) endpointProblem() {
	if l.ports.Endpoints == nil {
		return
	}
	if text := l.ports.Endpoints.Problem(); text != "" {
		l.problems.set("endpoints", text)
	} else {
		l.problems.clear("endpoints")
	}
}
