package endpoints

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// A question must be here in readLimit, its answer be taken in writeLimit, in bytes be no
	// larger than maxHeader and what net/http allows beyond it.
	readLimit  = 2 * time.Second
	writeLimit = 5 * time.Second
	maxHeader  = 4 << 10
	// A pause before an address is tried again.
	retryPause = 2 * time.Second
)

// Options are what a server is made of.
type Options struct {
	Source Source
	Log    *slog.Logger
}

// Server answers. The zero value is not usable; see New.
type Server struct {
	options Options
	handler *handler

	// figures is nil until somebody can ask for them.
	figures atomic.Pointer[figures]
	address atomic.Pointer[string]
	// changed has capacity 1: look at address again; never closed.
	changed chan struct{}
	problem atomic.Pointer[string]
	// bound is where it listens, for tests; nil while it does not.
	bound atomic.Pointer[string]
}

// New returns a server that does nothing until Run, and nothing then until Listen.
func New(options Options) *Server {
	return &Server{options: options, changed: make(chan struct{}, 1)}
}

// Listen says where, host:port; empty = nowhere. It returns at once.
func (s *Server) Listen(address string) {
	s.address.Store(&address)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Problem says why it does not listen and what to do; empty when all is well.
func (s *Server) Problem() string {
	if text := s.problem.Load(); text != nil {
		return *text
	}

	return ""
}

// Observe counts what the loop tells with a view. Called by the loop alone; it takes
// microseconds, and nothing where nobody can ask.
func (s *Server) Observe(view *levels.View, notices []levels.Action) {
	if f := s.figures.Load(); f != nil {
		f.observe(view, notices)
	}
}

// Run answers until ctx ends, and returns nil.
func (s *Server) Run(ctx context.Context) error {
	var now *session
	retry := time.NewTimer(0)
	retry.Stop()
	for {
		select {
		case <-ctx.Done():
			now.end()

			return nil
		case <-s.changed:
		case <-retry.C:
		}
		want := ""
		if text := s.address.Load(); text != nil {
			want = *text
		}
		if now.serves(want) {
			continue
		}
		now.end()
		var err error
		if now, err = s.begin(ctx, want); err != nil {
			retry.Reset(retryPause)
		}
		s.tell(ctx, want, now, err)
	}
}

// tell keeps the problem and the log.
func (s *Server) tell(ctx context.Context, want string, now *session, err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("load balancers and monitoring get no answer: %v; free the address, or choose another one as [endpoints] listen and \"cssc reload\"", err)
	}
	switch {
	case err == nil && want != "":
		s.options.Log.InfoContext(ctx, "endpoints answer", "address", now.listener.Addr().String())
	case err == nil && s.bound.Load() != nil:
		s.options.Log.InfoContext(ctx, "endpoints answer no more")
	}
	s.bound.Store(nil)
	if now != nil {
		bound := now.listener.Addr().String()
		s.bound.Store(&bound)
	}
	s.problem.Store(&text)
}

// session is a listener and who answers on it; nil listens nowhere.
type session struct {
	address  string
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
	// dead: it has ended without being told to.
	dead atomic.Bool
}

func (s *session) serves(address string) bool {
	if s == nil {
		return address == ""
	}

	return s.address == address && !s.dead.Load()
}

// begin listens. What is made for the first time here costs nothing where nobody listens.
func (s *Server) begin(ctx context.Context, address string) (*session, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // nil is the session that listens nowhere
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if s.handler == nil {
		f := newFigures(s.options.Source)
		if err := f.listen(); err != nil {
			s.options.Log.WarnContext(ctx, "the gossip is not counted", "error", err)
		}
		s.handler = newHandler(s.options.Source, f)
		s.figures.Store(f)
	}
	now := &session{
		address: address, listener: newGate(listener, s.handler.figures.shed.Inc),
		server: &http.Server{
			Handler: s.handler, ConnContext: withConn, MaxHeaderBytes: maxHeader,
			ReadTimeout: readLimit, WriteTimeout: writeLimit,
			ErrorLog: slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
		},
	}
	// A connection is for one question: none is ever found dead by who kept it.
	now.server.SetKeepAlivesEnabled(false)
	now.serving.Go(func() {
		if err := now.server.Serve(now.listener); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.WarnContext(ctx, "endpoints stopped, they begin again", "error", err)
			now.dead.Store(true)
			s.Listen(*s.address.Load())
		}
	})

	return now, nil
}

// end cuts everybody off: the agent must not wait for who asks.
func (s *session) end() {
	if s == nil {
		return
	}
	_ = s.server.Close()
	s.serving.Wait()
}
