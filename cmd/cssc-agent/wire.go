package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cssc-ha/cssc/agent"
	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/agent/endpoints"
	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/units"
)

const (
	// A goal: gcPercent lets the heap grow in a storm of callbacks, which a limit of memory
	// would spend on collecting; at idle the process stays below 20 MB resident.
	gcPercent = 100
	// Numbers: tagBits keeps tags below 2^53, so that every JSON reader can hold them.
	tagBits = 48
	// A wait: bootTimeout bounds that for the system bus.
	bootTimeout = 20 * time.Second
)

// serve runs the agent until ctx ends.
func serve(ctx context.Context, s settings, complaints io.Writer) error {
	debug.SetGCPercent(gcPercent)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	level := new(slog.LevelVar)
	to := openMessages(background, level, complaints)
	defer to.flush()

	return to.ended(background, serveNode(ctx, s, to.handler, level))
}

// serveNode runs the agent and the parts around it.
func serveNode(ctx context.Context, s settings, handler slog.Handler, level *slog.LevelVar) error {
	n := newNode(ctx, s, slog.New(handler))
	defer n.end()
	incarnation, err := n.incarnation(ctx, s)
	if err != nil {
		return err
	}
	store, err := n.wire(ctx, s, handler, level, incarnation)
	if err != nil {
		return err
	}

	return errors.Join(n.run(), store.Close())
}

// node is everything that runs in this process beside the agent.
type node struct {
	ctx    context.Context //nolint:containedctx // the life of the process, ended by the first part that fails
	fail   context.CancelCauseFunc
	parts  context.Context //nolint:containedctx // the life of the parts, which outlive the agent
	stop   context.CancelFunc
	active sync.WaitGroup

	log    *slog.Logger
	driver *units.Driver
	system *units.System
	server *dbusapi.Server
	agent  *agent.Agent
	lease  *lease.Writer // nil before wire
	// way is the one to the other nodes, once there is one.
	way atomic.Pointer[serfcmm.Node]
	// pages are the endpoints, which answer nobody unless the configuration says so.
	pages *endpoints.Server
}

// newNode connects to systemd and logind.
func newNode(ctx context.Context, s settings, log *slog.Logger) *node {
	n := &node{
		log:    log,
		driver: units.NewDriver(units.Options{Address: s.bus, Logger: log}),
		system: units.NewSystem(units.Options{Address: s.bus, Logger: log}),
	}
	n.ctx, n.fail = context.WithCancelCause(ctx)
	n.parts, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	n.start("talk to systemd", n.driver.Run)
	n.start("talk to logind", n.system.Run)

	return n
}

func (n *node) start(what string, run func(context.Context) error) {
	n.active.Go(func() {
		if err := run(n.parts); err != nil {
			n.fail(&partError{part: what, cause: err})
		}
	})
}

// end stops the parts.
func (n *node) end() {
	n.stop()
	n.active.Wait()
	n.fail(nil)
	if n.lease != nil {
		_ = n.lease.Close() // the record stays in force
	}
}

// wire makes the agent and the server that shows it.
func (n *node) wire(ctx context.Context, s settings, handler slog.Handler, level *slog.LevelVar, incarnation string) (*agent.FileStore, error) {
	load := func() (config.Config, error) {
		c, err := config.Load(s.configDir)
		if err == nil {
			_ = level.UnmarshalText([]byte(c.Local.LogLevel)) // the reader has checked the word
		}

		return c, err
	}
	now, loadErr := load() // the agent tells what is wrong
	store := agent.NewFileStore(agent.StoreOptions{
		RunDir: s.runDir, StateDir: s.stateDir, Incarnation: incarnation, HistoryRuns: now.Limits.HistoryRuns,
	})
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.WarnContext(ctx, "watchdog not usable", "error", err)
	}
	tag, err := firstTag()
	if err != nil {
		return nil, err
	}
	var record agent.LeaseRecord
	switch n.lease, err = openLease(s); {
	case err == nil:
		record = n.lease
	case loadErr != nil || !now.ClusterOfOne():
		return nil, err
	default:
		// A cluster of one has no lease that runs out; it starts with a full or read-only /run, too.
		n.lease = nil
	}
	bus, backend := &busAdapter{}, &backend{}
	n.server = dbusapi.New(dbusapi.Options{Backend: backend, Logger: n.log, Address: s.bus})
	bus.Server = n.server
	n.pages = endpoints.New(endpoints.Options{Source: shown{n}, Log: n.log})
	bus.pages = n.pages
	n.agent = agent.New(agent.Options{
		Ports: agent.Ports{
			Units: n.driver, System: n.system, NewPeers: n.newPeers(s), Lease: record, Bus: bus, Store: store, Endpoints: n.pages, Notify: notifier{}, Clock: agent.BootClock, LeaseClock: agent.NewLeaseClock(),
		},
		Journal: handler, Version: version, Incarnation: incarnation,
		Load: load, Digest: func() string { return config.Digest(s.configDir) },
		Document: func(status *agent.Status) ([]byte, error) { return json.Marshal(onBus(status)) },
		FirstTag: tag, BusReady: n.server.Ready(), WatchdogInterval: watchdog,
	})
	backend.Agent = n.agent

	return store, nil
}

// run returns when the agent has stopped, or when a part without which it is
// worth nothing has failed.
func (n *node) run() error {
	n.start("serve the bus", n.server.Run)
	n.start("answer over HTTP", n.pages.Run)
	err := n.agent.Run(n.ctx)
	if failed, ok := errors.AsType[*partError](context.Cause(n.ctx)); ok && err == nil {
		err = failed
	}

	return err
}

// partError says which part of the process ended it.
type partError struct {
	part  string
	cause error
}

// Error returns the part and the cause.
func (e *partError) Error() string { return e.part + ": " + e.cause.Error() }

// Unwrap returns the cause.
func (e *partError) Unwrap() error { return e.cause }

// incarnation names this boot, and in it the time since the last soft-reboot:
// that keeps the boot id and /run, but no service. A container shares the kernel's boot id
// with others, at least behind ProtectKernelTunables=, and so the start of its PID 1 belongs to
// it, too. Without the system bus, as in tests, there is neither.
func (n *node) incarnation(ctx context.Context, s settings) (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("find out which boot this is: %w", err)
	}
	boot := strings.TrimSpace(string(text))
	if s.bus != "" {
		return boot, nil
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	count, err := n.system.SoftReboots(ctx)
	var booted time.Duration
	if err == nil {
		booted, err = n.system.Booted(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("find out which boot this is: %w", err)
	}

	return fmt.Sprintf("%s.%d.%d", boot, count, booted.Microseconds()), nil
}

// firstTag is random, so that nobody answers an invocation by guessing its tag.
func firstTag() (levels.Tag, error) {
	var bytes [8]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		return 0, fmt.Errorf("make a random tag: %w", err)
	}

	return levels.Tag(binary.LittleEndian.Uint64(bytes[:])>>(64-tagBits)) | 1, nil
}

// notifier speaks to systemd, when it listens.
type notifier struct{}

// Notify sends one state.
func (notifier) Notify(state string) error {
	_, err := daemon.SdNotify(false, state)

	return err
}

// busAdapter shows the agent's status in the server's terms.
type busAdapter struct {
	*dbusapi.Server

	pages *endpoints.Server
}

// Publish converts the status.
func (b *busAdapter) Publish(status *agent.Status, notices []levels.Action) {
	b.Server.Publish(onBus(status), notices)
	b.pages.Observe(&status.View, notices)
}

// onBus is a status in the server's terms.
func onBus(status *agent.Status) *dbusapi.Status {
	return &dbusapi.Status{
		View: status.View, Version: status.Version, Quorate: status.Quorate,
		LeaseRemaining: uint64(max(0, status.LeaseRemaining).Microseconds()),
		Headless:       status.Headless, ConfigHash: status.ConfigHash, NeedReload: status.NeedReload,
		Problems: status.Problems, Nodes: status.Nodes,
		Election: status.Election, Why: status.Why, Voters: status.Voters, VotersHeard: status.VotersHeard,
		Clock: status.Clock,
	}
}

// backend is the agent as the server wants it; the methods fit as they are.
type backend struct{ *agent.Agent }
