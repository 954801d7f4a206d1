package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// ClientOptions say how a client reaches the agent. The zero value is good for a service.
type ClientOptions struct {
	// Address of the bus; empty is $DBUS_SYSTEM_BUS_ADDRESS or the system bus.
	Address string
	// Logger may be nil: then nothing is logged.
	Logger *slog.Logger
	// Interactive lets polkit ask a person for a password; for commands on a terminal.
	Interactive bool
}

// Client is a connection to the agent, for services that take part in levels and
// for commands. It connects again by itself when the bus was lost, and registers
// again whatever was registered. Safe for concurrent use; Close ends it.
type Client struct {
	address     string
	log         *slog.Logger
	interactive bool

	// stop ends every goroutine; they are counted in group.
	stop  context.CancelFunc
	group sync.WaitGroup
	// turn is held by whoever talks about registrations: capacity 1, never closed.
	turn chan struct{}
	// deliveries are the handler calls that wait; one goroutine empties it.
	deliveries *deliveries

	// mu guards what follows; it is never held over a call on the bus.
	mu   sync.Mutex
	link *clientLink // nil while there is no bus
	// changed is closed and replaced whenever link or its owner changes.
	changed       chan struct{}
	closed        bool
	registrations map[registrationKey]*registered
	open          map[levels.Tag]*opened
	spent         *spentTags
	canceled      func(sequence levels.Sequence, lastLevel levels.Level)
	// subscribed: cancellations are wanted although nothing may be registered.
	subscribed    bool
	subscriptions map[*subscription]bool
}

// clientLink is one connection of a client.
type clientLink struct {
	client *Client
	conn   *dbus.Conn
	name   string
	// The client's lock guards these.
	owner         string
	ownerSequence dbus.Sequence
	eventsMatched bool
	// subscribedTo is the agent to whom SubscribeCancellation was said.
	subscribedTo string
}

// Connect reaches the bus, or returns ErrNoBus. The agent need not be there: a
// call without it returns ErrNoAgent, and Register and Done wait for it. The
// context bounds connecting only.
func Connect(ctx context.Context, options ClientOptions) (*Client, error) {
	log := options.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		address: options.Address, log: log, interactive: options.Interactive,
		stop: stop, turn: make(chan struct{}, 1), deliveries: newDeliveries(), changed: make(chan struct{}),
		registrations: map[registrationKey]*registered{}, open: map[levels.Tag]*opened{},
		spent: newSpentTags(), subscriptions: map[*subscription]bool{},
	}
	link, err := c.connect(ctx)
	if err != nil {
		stop()

		return nil, err
	}
	c.group.Go(c.deliveries.run)
	c.group.Go(func() { c.keep(running, link) })

	return c, nil
}

// Close ends the connection, and with it the registrations. Handlers that run are
// told by their context and waited for.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()

		return nil
	}
	c.closed = true
	link := c.link
	for _, call := range c.open {
		call.cancel()
	}
	c.mu.Unlock()
	c.stop()
	c.deliveries.close()
	var err error
	if link != nil {
		err = link.conn.Close()
	}
	c.group.Wait()

	return err
}

// connect opens a link and learns who the agent is.
func (c *Client) connect(ctx context.Context) (*clientLink, error) {
	opening, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	link := &clientLink{client: c}
	conn, _, err := connectBus(opening, c.address, dbus.WithSignalHandler(link), dbus.WithHandler(nobody{}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	link.conn, link.name = conn, conn.Names()[0]
	err = conn.AddMatchSignalContext(opening,
		dbus.WithMatchSender(driverName), dbus.WithMatchInterface(driverName),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, BusName))
	if err != nil {
		_ = conn.Close()

		return nil, fmt.Errorf("%w: watch for the agent: %w", ErrNoBus, err)
	}
	call := conn.BusObject().CallWithContext(opening, driverName+".GetNameOwner", 0, BusName)
	var owner string
	if err = fromWire(call.Store(&owner)); err != nil && !errors.Is(err, ErrNoAgent) {
		_ = conn.Close()

		return nil, fmt.Errorf("look for the agent: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A signal that the reader has seen after the answer is newer than the answer.
	if link.ownerSequence < call.ResponseSequence {
		link.owner = owner
	}
	c.link = link
	c.wake()

	return link, nil
}

// wake tells everybody who waits that link or owner is another. The lock is held.
func (c *Client) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// keep watches the link, replaces a lost one, and keeps the registrations known to
// whoever is the agent.
func (c *Client) keep(ctx context.Context, link *clientLink) {
	settled := ""
	pause := retryFirst
	for {
		c.mu.Lock()
		owner, changed := link.owner, c.changed
		c.mu.Unlock()
		var again <-chan time.Time
		if owner != settled && owner != "" {
			if err := c.resync(ctx, link, owner); err != nil {
				c.log.DebugContext(ctx, "registrations not settled, trying again", "error", err, "pause", pause)
				again = time.After(pause)
				pause = min(2*pause, retryLast)
			} else {
				settled, pause = owner, retryFirst
			}
		}
		if owner == "" {
			settled = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		case <-link.conn.Context().Done():
			if link = c.reconnect(ctx, link); link == nil {
				return
			}
			settled = ""
		}
	}
}

// reconnect replaces a lost link; nil means that the client is closed.
func (c *Client) reconnect(ctx context.Context, lost *clientLink) *clientLink {
	c.mu.Lock()
	if c.link == lost {
		c.link = nil
	}
	c.endSubscriptions()
	c.wake()
	c.mu.Unlock()
	c.log.DebugContext(ctx, "message bus lost, connecting again")
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()

			return nil
		case <-timer.C:
		}
		if link, err := c.connect(ctx); err == nil {
			if ctx.Err() != nil {
				_ = link.conn.Close()

				return nil
			}

			return link
		}
	}
}

// DeliverSignal implements dbus.SignalHandler; it runs in the reader, in the
// order of the wire, and never blocks. What does not come from the bus itself or
// from the owner of the agent's name is a forgery and ignored.
func (l *clientLink) DeliverSignal(iface, name string, signal *dbus.Signal) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	switch {
	case signal.Sender == driverName:
		if iface == driverName && name == "NameOwnerChanged" {
			l.ownerChanged(signal)
		}
	case signal.Sender != l.owner || l.client.closed:
	case iface == ManagerInterface && name == "Callback":
		if call, valid := parseCallback(signal.Body); valid {
			l.client.take(l, call)
		}
	case iface == ManagerInterface && name == "SequenceCanceled":
		l.client.takeCanceled(signal.Body)
	default:
		l.client.distribute(iface, name, signal)
	}
}

// ownerChanged notes who the agent is now.
func (l *clientLink) ownerChanged(signal *dbus.Signal) {
	if len(signal.Body) != 3 || signal.Body[0] != BusName {
		return
	}
	owner, isText := signal.Body[2].(string)
	if !isText {
		return
	}
	was := l.owner
	l.owner, l.ownerSequence = owner, signal.Sequence
	if was != "" && was != owner {
		l.client.publishEvent(Event{Name: EventAgentLost})
	}
	if owner != "" {
		l.client.publishEvent(Event{Name: EventAgentFound})
	}
	l.client.wake()
}

// current is the link, or why there is none.
func (c *Client) current() (*clientLink, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.link == nil:
		return nil, ErrNoBus
	default:
		return c.link, nil
	}
}

// manager calls a method of the Manager interface and stores the answer.
func (c *Client) manager(ctx context.Context, method string, arguments []any, answer ...any) error {
	link, err := c.current()
	if err != nil {
		return err
	}

	return link.manager(ctx, method, arguments, answer...)
}

func (l *clientLink) manager(ctx context.Context, method string, arguments []any, answer ...any) error {
	timeout := backendTimeout + lookupTimeout
	flags := dbus.FlagNoAutoStart
	if l.client.interactive {
		timeout += interactionTimeout
		flags |= dbus.FlagAllowInteractiveAuthorization
	}
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimeout)
	defer cancel()
	// By hand: godbus's own call drops the flag for interaction.
	message := &dbus.Message{Type: dbus.TypeMethodCall, Flags: flags, Body: arguments, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(BusName),
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(RootPath)),
		dbus.FieldInterface:   dbus.MakeVariant(ManagerInterface),
		dbus.FieldMember:      dbus.MakeVariant(method),
	}}
	if len(arguments) > 0 {
		message.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(arguments...))
	}
	call := <-l.conn.SendWithContext(bounded, message, make(chan *dbus.Call, 1)).Done
	err := fromWire(call.Err)
	switch {
	case err == nil:
		if err = call.Store(answer...); err != nil {
			return fmt.Errorf("read the answer to %s: %w", method, err)
		}

		return nil
	case ctx.Err() == nil && bounded.Err() != nil:
		return fmt.Errorf("%s: %w", method, ErrTimeout)
	default:
		return err
	}
}

// waitChange waits until link or owner changes, or a pause is over.
func (c *Client) waitChange(ctx context.Context, changed <-chan struct{}, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}

	return nil
}

// watch is the channel that the next change closes.
func (c *Client) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.changed
}

// passing says whether an error may go away by itself: then a call that has no
// side effect, or that may be repeated, is worth repeating.
func passing(err error) bool {
	for _, sentinel := range []error{ErrNoAgent, ErrNoBus, ErrTimeout, levels.ErrBusy, levels.ErrTryAgain} {
		if errors.Is(err, sentinel) {
			return true
		}
	}

	return false
}
