package units

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

const (
	agentUnit = "cssc-agent.service"
	leaveUnit = "cssc-leave.service"

	// How often: tick is how often the states are read while a work runs, signals or not.
	tick = time.Second
	// A moment: together is how long the end of a job waits for those of others, to be looked at
	// with them.
	together = 10 * time.Millisecond
	// How often: killTick is how often a unit that will not die is killed again.
	killTick = 200 * time.Millisecond
)

// Driver starts and stops the members of level targets. Make it with NewDriver and
// keep Run running. Safe for concurrent use.
type Driver struct {
	link  *link
	board *board
	// catalog are the members read last.
	catalog catalog
	// changed has capacity 1: one pending hint stands for all. Never closed.
	changed chan struct{}
}

// NewDriver returns a driver that is not connected yet.
func NewDriver(options Options) *Driver {
	d := &Driver{link: newLink(options, systemdName), board: newBoard(), changed: make(chan struct{}, 1)}
	d.link.heard = d.heard
	d.link.ready = d.subscribe
	for _, member := range []string{"JobRemoved", "Reloading", "UnitFilesChanged"} {
		d.link.matches = append(d.link.matches, []dbus.MatchOption{
			dbus.WithMatchSender(systemdName), dbus.WithMatchObjectPath(systemdObject),
			dbus.WithMatchInterface(systemdManager), dbus.WithMatchMember(member),
		})
	}

	return d
}

// Run keeps the driver connected until ctx ends, and returns nil then.
func (d *Driver) Run(ctx context.Context) error { return d.link.run(ctx) }

// Changed has capacity 1 and receives after a daemon-reload, a target that changed
// without our doing, or a reconnect: look at Members and Lost again. Never closed.
func (d *Driver) Changed() <-chan struct{} { return d.changed }

func (d *Driver) hint() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// subscribe asks PID 1 for its signals; without that only the jobs that we asked for
// ourselves are reported, and not those that came with them.
func (d *Driver) subscribe(ctx context.Context, s *session) error {
	err := s.call(ctx, manager(), systemdManager+".Subscribe").Err
	if remote, ok := errors.AsType[dbus.Error](err); ok && remote.Name == systemdName+".AlreadySubscribed" {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("subscribe to systemd: %w", err)
	}
	d.hint()

	return nil
}

// heard takes a signal of PID 1. Those with other types than they should have are
// nothing.
func (d *Driver) heard(signal *dbus.Signal) {
	switch signal.Name {
	case systemdManager + ".JobRemoved":
		id, known := argument[uint32](signal, 0)
		_, placed := argument[dbus.ObjectPath](signal, 1)
		unit, named := argument[string](signal, 2)
		result, ended := argument[string](signal, 3)
		if !known || !placed || !named || !ended {
			return
		}
		target, isTarget := ParseTargetUnit(unit)
		if ours := d.board.removed(id, unit, result); !ours && isTarget && !target.Momentary() {
			d.hint()
		}
	case systemdManager + ".Reloading":
		d.catalog.spoil()
		if active, ok := argument[bool](signal, 0); ok && !active {
			d.hint()
		}
	case systemdManager + ".UnitFilesChanged":
		d.catalog.spoil()
		d.hint()
	}
}

// argument is one argument of a signal, when there is one of exactly that type.
// Conversions such as those of dbus.Store would believe what no systemd sends.
func argument[T any](signal *dbus.Signal, index int) (T, bool) {
	if index >= len(signal.Body) {
		var zero T

		return zero, false
	}
	value, ok := signal.Body[index].(T)

	return value, ok
}

// targetUnits lists the level targets that systemd knows, loaded or on disk.
func (s *session) targetUnits(ctx context.Context) ([]string, error) {
	pattern := []string{unitPrefix + "*" + targetSuffix}
	calls := s.callAll(ctx, []request{
		{manager(), systemdManager + ".ListUnitsByPatterns", []any{[]string{}, pattern}},
		{manager(), systemdManager + ".ListUnitFilesByPatterns", []any{[]string{}, pattern}},
	})
	found := map[string]struct{}{}
	for _, call := range calls {
		if call.Err != nil {
			return nil, fmt.Errorf("list level targets: %w", call.Err)
		}
		var rows [][]any
		if err := call.Store(&rows); err != nil {
			return nil, fmt.Errorf("list level targets: %w", err)
		}
		for _, row := range rows {
			if len(row) == 0 {
				continue
			}
			text, _ := row[0].(string)
			name := text[lastSlash(text)+1:] // unit files come with their folder
			if _, ok := ParseTargetUnit(name); ok {
				found[name] = struct{}{}
			}
		}
	}

	return sortedUnits(found), nil
}

func lastSlash(text string) int {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '/' {
			return i
		}
	}

	return -1
}

// Lost lists the lasting targets out of those given that are neither active nor
// about to be, in the order given.
func (d *Driver) Lost(ctx context.Context, expected []levels.Target) ([]levels.Target, error) {
	expected = slices.DeleteFunc(slices.Clone(expected), levels.Target.Momentary)
	if len(expected) == 0 {
		return nil, nil
	}
	s, err := d.link.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at level targets: %w", err)
	}
	names := make([]string, len(expected))
	for i, target := range expected {
		names[i] = TargetUnit(target)
	}
	states, err := s.glanceAll(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look at level targets: %w", err)
	}
	var lost []levels.Target
	for i, target := range expected {
		if st := states[names[i]]; st.down() || st.activeState == "deactivating" {
			lost = append(lost, target)
		}
	}

	return lost, nil
}
