package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Options are what a server needs.
type Options struct {
	// Backend is the agent; required.
	Backend Backend
	// Logger may be nil: then nothing is logged.
	Logger *slog.Logger
	// Address of the bus; empty is $DBUS_SYSTEM_BUS_ADDRESS or the system bus.
	Address string
}

// Server owns the name org.cssc.Agent1 and answers for it. All methods are safe
// for concurrent use; Publish, Invoke and NotifyCanceled keep the order in which
// one goroutine calls them, and never block.
type Server struct {
	backend Backend
	log     *slog.Logger
	address string
	surface *surface
	// privileged is the function of that name; tests play an unprivileged caller.
	privileged func(uid uint32) bool
	ready      chan struct{}
	readyNow   sync.Once

	// session is the present connection, nil while there is none.
	session atomic.Pointer[session]
	// snapshot is what is readable, nil before the first Publish.
	snapshot atomic.Pointer[snapshot]

	// mu guards what follows.
	mu sync.Mutex
	// told is what the bus knows from property signals; nil makes a new baseline.
	told *snapshot
	// connected is closed and replaced when a session starts to serve.
	connected chan struct{}
	// known are the connections whose end the backend must hear of.
	known map[levels.ClientID]bool
}

// New makes a server that does nothing before Run. It panics when the embedded
// introspection files and the method table do not fit, which a test rules out.
func New(options Options) *Server {
	log := options.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		backend:    options.Backend,
		log:        log,
		address:    options.Address,
		privileged: privileged,
		ready:      make(chan struct{}),
		connected:  make(chan struct{}),
		known:      map[levels.ClientID]bool{},
	}
	surface, err := newSurface(s)
	if err != nil {
		panic("dbusapi: " + err.Error())
	}
	s.surface = surface

	return s
}

// Ready is closed when the name is owned for the first time: READY=1 may be sent.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends and then returns nil. It connects again, for ever,
// after the bus was lost. It returns ErrNameTaken when another process owns the
// name: two agents on one node must not go on.
func (s *Server) Run(ctx context.Context) error {
	pause := retryFirst
	for {
		served, err := s.serve(ctx)
		switch {
		case errors.Is(err, ErrNameTaken):
			return err
		case ctx.Err() != nil:
			return nil //nolint:nilerr // being told to stop is no failure
		case served:
			pause = retryFirst
			s.log.WarnContext(ctx, "message bus lost, connecting again", "error", err)
		default:
			s.log.DebugContext(ctx, "message bus not reachable", "error", err, "pause", pause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()

			return nil
		case <-timer.C:
		}
		pause = min(2*pause, retryLast)
	}
}

// serve lives for one connection. It reports whether the name was owned.
func (s *Server) serve(ctx context.Context) (served bool, err error) {
	current, err := s.open(ctx)
	if err != nil {
		return false, err
	}
	s.readyNow.Do(func() { close(s.ready) })
	s.log.InfoContext(ctx, "bus name acquired", "name", BusName)
	select {
	case <-ctx.Done():
		s.leave(current)
		current.outbox.flush()
		current.stop()

		return true, nil
	case <-current.conn.Context().Done():
		s.leave(current)
		current.stop()
		// Every call in hand has come to its end, so nothing of the old connection follows this.
		s.backend.BusLost()

		return true, ErrNotConnected
	}
}

// open connects, serves and takes the name, in this order: nobody can reach the
// name before there is somebody to answer.
func (s *Server) open(ctx context.Context) (*session, error) {
	opening, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	current, err := newSession(opening, s)
	if err != nil {
		return nil, err
	}
	s.enter(current)
	if err = current.requestName(opening); err != nil {
		s.leave(current)
		current.stop()

		return nil, err
	}

	return current, nil
}

func (s *Server) enter(current *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = s.snapshot.Load()
	s.session.Store(current)
	close(s.connected)
}

func (s *Server) leave(current *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session.CompareAndSwap(current, nil) {
		s.connected = make(chan struct{})
		clear(s.known)
	}
}

// Alive says which of the clients are connected to the bus now, and from then on
// tells the backend when one of them vanishes. It waits for a connection until ctx ends.
func (s *Server) Alive(ctx context.Context, clients []levels.ClientID) (map[levels.ClientID]bool, error) {
	for {
		s.mu.Lock()
		connected := s.connected
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("ask the bus for clients: %w: %w", ErrNotConnected, context.Cause(ctx))
		case <-connected:
		}
		current := s.session.Load()
		if current == nil {
			continue
		}
		s.remember(clients...)
		names, err := current.names(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the bus for clients: %w", fromWire(err))
		}
		alive := make(map[levels.ClientID]bool, len(clients))
		for _, client := range clients {
			alive[client] = names[string(client)]
			if !alive[client] {
				s.forget(client)
			}
		}

		return alive, nil
	}
}

// remember marks clients whose end the backend must hear of.
func (s *Server) remember(clients ...levels.ClientID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, client := range clients {
		s.known[client] = true
	}
}

// forget takes the mark away and says whether there was one.
func (s *Server) forget(client levels.ClientID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[client]
	delete(s.known, client)

	return known
}
