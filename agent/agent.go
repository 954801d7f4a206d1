package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	// The inbox: inboxSize bounds the requests that wait; one more is told ErrBusy.
	inboxSize = 1024
	// The results: resultsSize lets the results of a level's works arrive without waiting in line.
	resultsSize = 256
)

// Notifier tells systemd how the agent is: "READY=1", "STATUS=…", "WATCHDOG=1",
// "STOPPING=1". It does not block.
type Notifier interface {
	Notify(state string) error
}

// Ports are the shells that the agent drives.
type Ports struct {
	Units  Units
	System System
	// NewPeers is called once, when the configuration lists more than one node; the agent
	// runs what it returns.
	NewPeers func(c config.Config) (Peers, error)
	// Lease may be nil in a cluster of one.
	Lease LeaseRecord
	Bus   Bus
	Store Store
	// Endpoints may be nil.
	Endpoints Endpoints
	// Notify may be nil.
	Notify Notifier
	Clock  Clock
	// LeaseClock reads the lease clock; as Clock it never goes back.
	LeaseClock func() election.Instant
}

// Options are what an agent is made of.
type Options struct {
	Ports Ports
	// Journal gets every message; the log level of the configuration is the handler's business.
	Journal slog.Handler
	Version string
	// Incarnation names this boot (and soft reboot); saved state of another is not used.
	Incarnation string
	// Load reads the configuration, Digest tells cheaply whether it would read something else.
	Load   func() (config.Config, error)
	Digest func() string
	// FirstTag is where tags begin in a new boot; random, so that nobody guesses one.
	FirstTag levels.Tag
	// Document writes a status as GetStatus does, for other nodes.
	Document func(status *Status) ([]byte, error)
	// BusReady is closed once the bus interface can be reached under its name.
	BusReady <-chan struct{}
	// WatchdogInterval is WatchdogSec= of the unit; 0 = no watchdog.
	WatchdogInterval time.Duration
}

// Agent runs the sequences of one node. Run owns everything; the other methods
// are safe for concurrent use and answer while Run runs.
type Agent struct {
	options Options
	journal journal
	codec   *codec

	// inbox is closed by nobody; its capacity bounds what a flood of requests costs.
	inbox chan request
	// results is closed by nobody; works send to it until their context ends.
	results chan message
	// done is closed by Run when it returns.
	done chan struct{}

	// words are those of persons to the election; unbuffered: heard or given up.
	words chan personsWord
	// turns are questions of other nodes for a turn; unbuffered.
	turns chan turnWord
	// begun are operations on other nodes that are to be followed; unbuffered.
	begun chan remoteBegun
	// curious has an entry for each question that wonder has open.
	curious chan struct{}

	// refresh asks for a publication now; each channel is closed when it is done.
	refresh chan chan struct{}

	// pulse tells that the loop turns; unbuffered.
	pulse chan struct{}

	config atomic.Pointer[config.Config]
	peers  atomic.Pointer[Peers]
	status atomic.Pointer[Status]
	// mandate is the lease as the election has it; only the loop writes it.
	mandate atomic.Pointer[election.Lease]
	// stale says that the loop knows more than was published; only the loop writes it.
	stale atomic.Bool
}

// request is one event that somebody sent, and where its answer goes.
type request struct {
	event levels.Event
	// answer has capacity 1; nil for observations.
	answer chan answer
	// config goes with a Configured.
	config *config.Config
	// key names the request of another node, which may ask again; empty = asked once.
	key string
	// also are those who asked for the same with the same key meanwhile.
	also []chan answer
	// orderer is the node whose operation on the whole cluster this is a part of; else empty.
	orderer levels.NodeID
	// bypass goes with a shutdown that leaves all units to systemd.
	bypass bool
}

// answer is what came of a request.
type answer struct {
	result levels.Result
	err    error
}

// New returns an agent that does nothing until Run.
func New(options Options) *Agent {
	if options.Journal == nil {
		options.Journal = slog.DiscardHandler
	}
	if options.Digest == nil {
		options.Digest = func() string { return "" }
	}

	return &Agent{
		options: options,
		journal: journal{handler: options.Journal},
		codec:   newCodec(),
		inbox:   make(chan request, inboxSize),
		results: make(chan message, resultsSize),
		done:    make(chan struct{}),
		refresh: make(chan chan struct{}),
		pulse:   make(chan struct{}),
		words:   make(chan personsWord),
		turns:   make(chan turnWord),
		begun:   make(chan remoteBegun),
		curious: make(chan struct{}, curious),
	}
}

// Status returns the newest published status; nil before the first.
func (a *Agent) Status() *Status { return a.status.Load() }

// Fresh returns when the published status holds everything that was answered before
// the call, at the latest when ctx ends. It costs nothing when nothing is new.
func (a *Agent) Fresh(ctx context.Context) {
	if !a.stale.Load() {
		return
	}
	shown := make(chan struct{})
	select {
	case a.refresh <- shown:
	case <-ctx.Done():
		return
	case <-a.done:
		return
	}
	select {
	case <-shown:
	case <-ctx.Done():
	case <-a.done:
	}
}

// errStopped answers requests that the agent no longer takes.
var errStopped = errors.New("the agent is stopping; ask again when it is back")

// ask sends a request to the loop and waits for its answer. A full inbox gives
// levels.ErrBusy at once. When ctx ends first, the request may still be carried out.
func (a *Agent) ask(ctx context.Context, r request) (levels.Result, error) {
	event, err := a.codec.normal(r.event)
	if err != nil {
		return levels.Result{}, err
	}
	r.event, r.answer = event, make(chan answer, 1)
	select {
	case <-a.done:
		return levels.Result{}, errStopped
	case a.inbox <- r:
	default:
		return levels.Result{}, fmt.Errorf("%w: %d requests wait already; ask again", levels.ErrBusy, inboxSize)
	}
	select {
	case got := <-r.answer:
		return got.result, got.err
	case <-ctx.Done():
		return levels.Result{}, fmt.Errorf("wait for the agent: %w", context.Cause(ctx))
	case <-a.done:
		return levels.Result{}, errStopped
	}
}

// observe hands over what must not be lost; it waits while the inbox is full,
// so that observations keep their place behind the requests before them.
func (a *Agent) observe(event levels.Event) {
	select {
	case a.inbox <- request{event: event}:
	case <-a.done:
	}
}
