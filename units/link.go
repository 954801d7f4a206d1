package units

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busName       = "org.freedesktop.DBus"
	busObject     = "/org/freedesktop/DBus"
	defaultSocket = "unix:path=/run/dbus/system_bus_socket"

	callTimeout    = 10 * time.Second
	dialTimeout    = 10 * time.Second
	firstBackOff   = 50 * time.Millisecond
	longestBackOff = 2 * time.Second

	// Calls in flight: at most portionsAtOnce × portionSize and a few single ones.
	portionSize    = 32
	portionsAtOnce = 3
)

// Options of Driver and System.
type Options struct {
	// Address of the bus. Empty: $DBUS_SYSTEM_BUS_ADDRESS, else the usual socket.
	Address string
	// Logger hears of the connection's life. Nil: nobody does.
	Logger *slog.Logger
}

func (o Options) address() string {
	if o.Address != "" {
		return o.Address
	}
	if address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); address != "" {
		return address
	}

	return defaultSocket
}

func (o Options) logger() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}

	return slog.New(slog.DiscardHandler)
}

// link keeps one private connection to the bus, for ever: run owns it, session
// waits for it. Safe for concurrent use.
type link struct {
	options Options
	// peer is the well-known name whose signals count, matches what to ask the bus for.
	peer    string
	matches [][]dbus.MatchOption
	// heard gets the peer's signals on the reading goroutine and must not block.
	heard func(signal *dbus.Signal)
	// ready is called on run's goroutine for each new connection, before session
	// returns it, and again when the peer's name got a new owner.
	ready func(ctx context.Context, s *session) error

	mu      sync.Mutex
	current *session
	came    chan struct{} // closed and replaced when current is set
	lastErr error
}

// session is one connection. It is over when done is closed.
type session struct {
	conn  *dbus.Conn
	watch *watcher
	// portions holds a token for each portion of calls in flight; capacity portionsAtOnce,
	// never closed.
	portions chan struct{}
}

func (s *session) done() <-chan struct{} { return s.conn.Context().Done() }

func newLink(options Options, peer string) *link {
	return &link{options: options, peer: peer, came: make(chan struct{})}
}

// run connects, and connects again with growing pauses, until ctx ends.
func (l *link) run(ctx context.Context) error {
	log := l.options.logger().With(slog.String("peer", l.peer))
	pause := firstBackOff
	for {
		s, err := l.connect(ctx)
		if err == nil {
			pause = firstBackOff
			l.set(s, nil)
			log.DebugContext(ctx, "bus connected")
			l.hold(ctx, s, log)
			l.set(nil, errLost)
		} else {
			l.set(nil, err)
			log.WarnContext(ctx, "bus not reachable", slog.Any("error", err), slog.Duration("again_in", pause))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, longestBackOff)
		}
	}
}

// hold waits for the end of a connection, and follows the peer while it lasts.
func (l *link) hold(ctx context.Context, s *session, log *slog.Logger) {
	defer func() { _ = s.conn.Close() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done():
			log.WarnContext(ctx, "bus connection lost")

			return
		case <-s.watch.moved:
			if err := l.ready(ctx, s); err != nil {
				log.WarnContext(ctx, "peer does not answer", slog.Any("error", err))
			}
		}
	}
}

func (l *link) set(s *session, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.lastErr = s, err
	if s != nil {
		close(l.came)
		l.came = make(chan struct{})
	}
}

// session returns the connection, waiting for one as long as ctx lasts.
func (l *link) session(ctx context.Context) (*session, error) {
	for {
		s, came, _ := l.look()
		if s != nil && s.conn.Context().Err() == nil {
			return s, nil
		}
		select { // none, or a dead one that run has not noticed yet
		case <-ctx.Done():
			_, _, cause := l.look()
			if cause == nil {
				cause = ctx.Err()
			}

			return nil, fmt.Errorf("%w: %w; it is tried again and again, see systemctl status dbus.service", ErrNoBus, cause)
		case <-came:
		}
	}
}

func (l *link) look() (current *session, came chan struct{}, lastErr error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.current, l.came, l.lastErr
}

func (l *link) connect(ctx context.Context) (*session, error) {
	watch := &watcher{peer: l.peer, heard: l.heard, moved: make(chan struct{}, 1)}
	connCtx, cancel := context.WithCancel(ctx)
	slow := time.AfterFunc(dialTimeout, cancel)
	conn, err := dbus.Connect(l.options.address(), dbus.WithContext(connCtx), dbus.WithSignalHandler(watch))
	if err != nil {
		cancel()

		return nil, fmt.Errorf("connect to %s: %w", l.options.address(), err)
	}
	s := &session{portions: make(chan struct{}, portionsAtOnce), conn: conn, watch: watch}
	if err := l.prepare(connCtx, s); err != nil {
		cancel()
		_ = conn.Close()

		return nil, err
	}
	if !slow.Stop() {
		cancel()
		_ = conn.Close()

		return nil, fmt.Errorf("connect to %s: %w", l.options.address(), context.DeadlineExceeded)
	}

	return s, nil
}

func (l *link) prepare(ctx context.Context, s *session) error {
	own := []dbus.MatchOption{
		dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, l.peer),
	}
	for _, match := range append([][]dbus.MatchOption{own}, l.matches...) {
		if err := s.conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("listen to %s: %w", l.peer, err)
		}
	}
	var owner string
	err := s.call(ctx, object{busName, busObject}, busName+".GetNameOwner", l.peer).Store(&owner)
	if err != nil && s.conn.Context().Err() != nil {
		return fmt.Errorf("look for %s: %w", l.peer, err)
	}
	s.watch.found(owner) // "" when the peer is not there: it will announce itself

	return l.ready(ctx, s)
}

// object is one object of one peer.
type object struct {
	destination string
	path        dbus.ObjectPath
}

// call calls a method and waits, never longer than callTimeout.
func (s *session) call(ctx context.Context, to object, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	return s.conn.Object(to.destination, to.path).CallWithContext(ctx, method, 0, args...)
}

// request is one of several calls in flight at the same time, answered in order.
type request struct {
	to     object
	method string
	args   []any
}

// callAll makes the calls in portions, so that all works together never have more
// answers outstanding than the bus allows a connection: dbus-daemon refuses the 129th.
func (s *session) callAll(ctx context.Context, requests []request) []*dbus.Call {
	calls := make([]*dbus.Call, 0, len(requests))
	for portion := range slices.Chunk(requests, portionSize) {
		calls = append(calls, s.callPortion(ctx, portion)...)
	}

	return calls
}

func (s *session) callPortion(ctx context.Context, requests []request) []*dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	calls := make([]*dbus.Call, len(requests))
	select {
	case s.portions <- struct{}{}:
		defer func() { <-s.portions }()
	case <-ctx.Done():
		for i := range calls {
			calls[i] = &dbus.Call{Err: ctx.Err()}
		}

		return calls
	}
	for i, r := range requests {
		calls[i] = s.conn.Object(r.to.destination, r.to.path).
			GoWithContext(ctx, r.method, 0, make(chan *dbus.Call, 1), r.args...)
	}
	for i, call := range calls {
		calls[i] = <-call.Done
	}

	return calls
}

// broken says whether err tells of the connection and not of the request, so that the
// request has to be repeated or looked into; a call that got no answer in time counts.
func (s *session) broken(err error) bool {
	if s.conn.Context().Err() != nil || errors.Is(err, dbus.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	remote, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return false
	}
	switch remote.Name {
	case busName + ".Error.NoReply", busName + ".Error.Disconnected",
		busName + ".Error.NameHasNoOwner", busName + ".Error.ServiceUnknown":
		return true
	default:
		return false
	}
}

// watcher is the signal handler of one connection: it lets through what the peer's
// owner sent and nothing else. It runs on the reading goroutine, so that whoever has
// the answer to a call has also seen every signal sent before it.
type watcher struct {
	peer  string
	heard func(signal *dbus.Signal)
	// moved has capacity 1 and receives when the peer has a new owner. Never closed.
	moved chan struct{}

	mu    sync.Mutex
	owner string
	told  bool // a NameOwnerChanged is newer than any answer to GetNameOwner
}

func (w *watcher) found(owner string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.told {
		w.owner = owner
	}
}

// DeliverSignal implements dbus.SignalHandler.
func (w *watcher) DeliverSignal(_, _ string, signal *dbus.Signal) {
	if signal.Sender == busName {
		w.ownerChanged(signal)

		return
	}
	w.mu.Lock()
	trusted := w.owner != "" && signal.Sender == w.owner
	w.mu.Unlock()
	if trusted && w.heard != nil {
		w.heard(signal)
	}
}

func (w *watcher) ownerChanged(signal *dbus.Signal) {
	name, _ := argument[string](signal, 0)
	after, ok := argument[string](signal, 2)
	if signal.Name != busName+".NameOwnerChanged" || !ok || name != w.peer {
		return
	}
	w.mu.Lock()
	w.owner, w.told = after, true
	w.mu.Unlock()
	if after != "" {
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}
