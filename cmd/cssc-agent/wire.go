package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cssc-ha/cssc/agent"
	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

const (
	// A goal: memoryGoal makes the collector work before the process grows beyond 20 MB resident.
	memoryGoal = 12 << 20
	// Numbers: tagBits keeps tags below 2^53, so that every JSON reader can hold them.
	tagBits = 48
)

// serve runs the agent until ctx ends.
func serve(ctx context.Context, s settings, complaints io.Writer) error {
	debug.SetMemoryLimit(memoryGoal)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	level := new(slog.LevelVar)
	handler, flush := logHandler(background, level, complaints)
	defer flush()
	incarnation, err := incarnation()
	if err != nil {
		return err
	}
	node, err := wire(ctx, s, handler, level, incarnation)
	if err != nil {
		return err
	}

	return node.run(ctx)
}

// node is everything that runs in this process.
type node struct {
	agent  *agent.Agent
	store  *agent.FileStore
	server *dbusapi.Server
	driver *units.Driver
	system *units.System
}

func wire(ctx context.Context, s settings, handler slog.Handler, level *slog.LevelVar, incarnation string) (*node, error) {
	log := slog.New(handler)
	historyRuns := 0
	load := func() (config.Config, error) {
		c, err := config.Load(s.configDir)
		if err == nil {
			_ = level.UnmarshalText([]byte(c.Local.LogLevel)) // the reader has checked the word
			historyRuns = c.Limits.HistoryRuns
		}

		return c, err
	}
	_, _ = load() // for the history's size; the agent tells what is wrong
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.WarnContext(ctx, "watchdog not usable", "error", err)
	}
	n := &node{
		store: agent.NewFileStore(agent.StoreOptions{
			RunDir: s.runDir, StateDir: s.stateDir, Incarnation: incarnation, HistoryRuns: historyRuns,
		}),
		driver: units.NewDriver(units.Options{Address: s.bus, Logger: log}),
		system: units.NewSystem(units.Options{Address: s.bus, Logger: log}),
	}
	bus := &busAdapter{}
	backend := &backend{}
	n.server = dbusapi.New(dbusapi.Options{Backend: backend, Logger: log, Address: s.bus})
	bus.Server = n.server
	tag, err := firstTag()
	if err != nil {
		return nil, err
	}
	n.agent = agent.New(agent.Options{
		Ports: agent.Ports{
			Units: driver{n.driver}, System: n.system, Bus: bus, Store: n.store, Notify: notifier{}, Clock: agent.BootClock,
		},
		Journal: handler, Version: version, Incarnation: incarnation,
		Load: load, Digest: func() string { return config.Digest(s.configDir) },
		FirstTag: tag, BusReady: n.server.Ready(), WatchdogInterval: watchdog,
	})
	backend.Agent = n.agent

	return n, nil
}

// run returns when the agent has stopped, or when a part without which it is
// worth nothing has failed.
func (n *node) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	start := func(what string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(parts); err != nil {
				fail(&partError{part: what, cause: err})
			}
		})
	}
	start("serve the bus", n.server.Run)
	start("talk to systemd", n.driver.Run)
	start("talk to logind", n.system.Run)
	err := n.agent.Run(ctx)
	stopParts()
	running.Wait()
	if failed, ok := errors.AsType[*partError](context.Cause(ctx)); ok && err == nil {
		err = failed
	}
	fail(nil)

	return errors.Join(err, n.store.Close())
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

// incarnation names this boot.
func incarnation() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("find out which boot this is: %w", err)
	}

	return strings.TrimSpace(string(text)), nil
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
type busAdapter struct{ *dbusapi.Server }

// Publish converts the status.
func (b *busAdapter) Publish(status *agent.Status, notices []levels.Action) {
	b.Server.Publish(&dbusapi.Status{
		View: status.View, Version: status.Version, Quorate: status.Quorate,
		LeaseRemaining: uint64(max(0, status.LeaseRemaining).Microseconds()),
		Headless:       status.Headless, ConfigHash: status.ConfigHash, NeedReload: status.NeedReload,
		Problems: status.Problems, Nodes: status.Nodes,
	}, notices)
}

// backend is the agent as the server wants it; the methods fit as they are.
type backend struct{ *agent.Agent }

// driver lets the agent make systemd run the generators again.
type driver struct{ *units.Driver }

// Reload does what "systemctl daemon-reload" does.
func (d driver) Reload(ctx context.Context) error {
	if reloader, ok := any(d.Driver).(interface {
		Reload(ctx context.Context) error
	}); ok {
		return reloader.Reload(ctx)
	}

	return nil
}
