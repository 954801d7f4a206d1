package dbusapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Registration is a wish to be called at one level of one sequence.
type Registration struct {
	// Component is the name that people see; the same on every node.
	Component string
	Sequence  levels.Sequence
	Level     levels.Level
	// Cookie comes back in every invocation.
	Cookie uint64
	// Timeout and OnFailure override the configuration when not zero.
	Timeout   time.Duration
	OnFailure levels.Policy
}

// Invocation is one call of one registration.
type Invocation struct {
	Tag       levels.Tag
	Component string
	Sequence  levels.Sequence
	Level     levels.Level
	// Noboot: the shutdown will not be followed by a reboot.
	Noboot bool
	// Resume: the agent restarted and sends an invocation again that it sent before.
	Resume bool
	Cookie uint64
	// Info is the node as of the start of the run. Term is a fencing token.
	Info levels.Info
}

// Handler is called for each invocation, one after another, in the order of the
// agent. It should start the work and return; Done may be called from anywhere.
// The context ends when the invocation becomes void: cancelled, replaced, or the
// client closed. Work must be idempotent by (term, sequence, level): after a
// restart of the bus the same level may be asked for again, under another tag.
type Handler func(ctx context.Context, invocation Invocation)

type registrationKey struct {
	component string
	position  levels.Position
}

// registered is a registration that shall exist. The client's turn guards link and path.
type registered struct {
	registration Registration
	handler      Handler
	// link is the connection on which the agent has acknowledged it, nil before.
	link *clientLink
	path dbus.ObjectPath
}

func (r *registered) key() registrationKey {
	return registrationKey{r.registration.Component, levels.Position{Sequence: r.registration.Sequence, Level: r.registration.Level}}
}

// Register asks for invocations and returns when the agent has acknowledged, or
// refused. While there is no agent it waits for one, until ctx ends. From then on
// the registration is kept: over a restart of the agent and of the bus.
func (c *Client) Register(ctx context.Context, registration Registration, handler Handler) error {
	r := &registered{registration: registration, handler: handler}
	c.mu.Lock()
	if _, taken := c.registrations[r.key()]; taken {
		c.mu.Unlock()

		return fmt.Errorf("register %s: %w at %s", registration.Component, levels.ErrAlreadyRegistered, r.key().position)
	}
	// Known before the call: the first invocation may overtake the answer.
	c.registrations[r.key()] = r
	c.mu.Unlock()
	err := c.persist(ctx, func(link *clientLink) error { return c.settle(ctx, link, r) })
	if err != nil {
		c.mu.Lock()
		delete(c.registrations, r.key())
		c.mu.Unlock()

		return fmt.Errorf("register %s at %s: %w", registration.Component, r.key().position, err)
	}

	return nil
}

// Unregister takes a registration back.
func (c *Client) Unregister(ctx context.Context, component string, position levels.Position) error {
	c.mu.Lock()
	r := c.registrations[registrationKey{component, position}]
	c.mu.Unlock()
	if r == nil {
		return fmt.Errorf("unregister %s: %w at %s", component, levels.ErrNoSuchRegistration, position)
	}
	tried := false
	err := c.persist(ctx, func(link *clientLink) error {
		if r.link != link {
			return nil // a lost connection took it along
		}
		err := link.manager(ctx, "UnregisterCallback", []any{r.path})
		if tried && errors.Is(err, levels.ErrNoSuchRegistration) {
			return nil // the lost answer was a yes
		}
		tried = true

		return err
	})
	if err != nil && !errors.Is(err, levels.ErrNoSuchRegistration) {
		return fmt.Errorf("unregister %s at %s: %w", component, position, err)
	}
	c.mu.Lock()
	delete(c.registrations, r.key())
	c.mu.Unlock()

	return err
}

// OnCanceled sets the function that is called, in turn with the handlers, when a
// sequence was cancelled. The invocations of that sequence are void by then.
func (c *Client) OnCanceled(canceled func(sequence levels.Sequence, lastLevel levels.Level)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = canceled
}

// SubscribeCancellation asks the agent for SequenceCanceled without registering
// anything; Register does it too.
func (c *Client) SubscribeCancellation(ctx context.Context) error {
	if err := c.persist(ctx, func(link *clientLink) error { return c.subscribeCancellation(ctx, link) }); err != nil {
		return fmt.Errorf("subscribe cancellation: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribed = true

	return nil
}

// persist repeats an attempt, in turn with others, until it succeeds, fails for a
// reason that stays, or ctx ends; the last reason is then in the error.
func (c *Client) persist(ctx context.Context, attempt func(link *clientLink) error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		changed := c.watch()
		err := c.inTurn(ctx, attempt)
		if err == nil || !passing(err) {
			return err
		}
		if wait := c.waitChange(ctx, changed, pause); wait != nil {
			return fmt.Errorf("%w (%w)", err, wait)
		}
	}
}

func (c *Client) inTurn(ctx context.Context, attempt func(link *clientLink) error) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case c.turn <- struct{}{}:
	}
	defer func() { <-c.turn }()
	link, err := c.current()
	if err != nil {
		return err
	}

	return attempt(link)
}

// settle makes sure that the agent knows a registration on this link.
func (c *Client) settle(ctx context.Context, link *clientLink, r *registered) error {
	if r.link == link {
		return nil
	}
	if err := c.subscribeCancellation(ctx, link); err != nil {
		return err
	}
	options := map[string]dbus.Variant{"cookie": dbus.MakeVariant(r.registration.Cookie)}
	if r.registration.Timeout != 0 {
		options["timeout-usec"] = dbus.MakeVariant(uint64(r.registration.Timeout.Microseconds()))
	}
	if r.registration.OnFailure != levels.PolicyInherit {
		options["on-failure"] = dbus.MakeVariant(r.registration.OnFailure.String())
	}
	var path dbus.ObjectPath
	err := link.manager(ctx, "RegisterCallback", []any{
		r.registration.Component, r.registration.Sequence.String(), int32(r.registration.Level), options,
	}, &path)
	if errors.Is(err, levels.ErrAlreadyRegistered) {
		// Ours when the answer to an earlier attempt was lost.
		mine, listErr := link.listed(ctx)
		if listErr != nil {
			return listErr
		}
		var found bool
		if path, found = mine[r.key()]; !found {
			return err
		}
		err = nil
	}
	if err == nil {
		r.link, r.path = link, path
	}

	return err
}

func (c *Client) subscribeCancellation(ctx context.Context, link *clientLink) error {
	c.mu.Lock()
	owner := link.owner
	known := owner != "" && link.subscribedTo == owner
	c.mu.Unlock()
	if known {
		return nil
	}
	err := link.manager(ctx, "SubscribeCancellation", []any{uint64(0)})
	if err != nil && !errors.Is(err, levels.ErrAlreadyRegistered) {
		return err
	}
	c.mu.Lock()
	link.subscribedTo = owner
	c.mu.Unlock()

	return nil
}

// listed are the registrations that the agent has for this connection.
func (l *clientLink) listed(ctx context.Context) (map[registrationKey]dbus.ObjectPath, error) {
	var rows []registrationRow
	if err := l.manager(ctx, "ListRegistrations", []any{uint64(0)}, &rows); err != nil {
		return nil, err
	}
	mine := map[registrationKey]dbus.ObjectPath{}
	for _, row := range rows {
		sequence, err := levels.ParseSequence(row.Sequence)
		if row.Client != l.name || err != nil {
			continue
		}
		mine[registrationKey{row.Component, levels.Position{Sequence: sequence, Level: levels.Level(row.Level)}}] = row.Path
	}

	return mine, nil
}

// resync brings a new owner of the agent's name and this client to the same view:
// registrations it does not have are made, invocations that were missed are
// delivered, and those that it does not know any more are void.
func (c *Client) resync(ctx context.Context, link *clientLink, owner string) error {
	c.mu.Lock()
	wanted := make([]*registered, 0, len(c.registrations))
	for _, r := range c.registrations {
		wanted = append(wanted, r)
	}
	nothing := len(wanted) == 0 && !c.subscribed
	c.mu.Unlock()
	if nothing {
		return nil
	}
	slices.SortFunc(wanted, func(a, b *registered) int {
		return cmp.Or(cmp.Compare(a.registration.Component, b.registration.Component),
			cmp.Compare(a.registration.Sequence, b.registration.Sequence), cmp.Compare(a.registration.Level, b.registration.Level))
	})

	return c.inTurn(ctx, func(current *clientLink) error {
		if current != link {
			return nil
		}
		bounded, cancel := context.WithTimeout(ctx, backendTimeout)
		defer cancel()
		mine, err := link.listed(bounded)
		if err != nil {
			return err
		}
		for _, r := range wanted {
			if _, found := mine[r.key()]; !found && r.link == link {
				r.link = nil
			}
		}
		for _, r := range wanted {
			if err = c.settle(bounded, link, r); err != nil {
				return err
			}
		}
		if err = c.subscribeCancellation(bounded, link); err != nil {
			return err
		}

		return c.resyncPending(bounded, link, owner)
	})
}

// resyncPending compares the open invocations of both sides.
func (c *Client) resyncPending(ctx context.Context, link *clientLink, owner string) error {
	var rows []invocationRow
	if err := link.manager(ctx, "GetPendingCallbacks", nil, &rows); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if link.owner != owner || c.closed {
		return nil
	}
	listed := map[levels.Tag]bool{}
	for _, row := range rows {
		if call, valid := newInvocation(row); valid {
			listed[call.Tag] = true
			c.take(link, call)
		}
	}
	for tag, call := range c.open {
		if !listed[tag] && !call.answering && call.link == link && call.owner != owner {
			call.cancel()
			delete(c.open, tag)
		}
	}

	return nil
}
