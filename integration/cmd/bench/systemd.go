package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemd is PID 1 of the node, as much of it as the references need.
type systemd struct {
	conn *dbus.Conn
	// jobs receives JobRemoved in order. Unbounded behind: a sequential handler.
	jobs chan *dbus.Signal
}

const managerInterface = "org.freedesktop.systemd1.Manager"

func newSystemd(ctx context.Context) (*systemd, error) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return nil, err
	}
	s := &systemd{conn: conn, jobs: make(chan *dbus.Signal, 256)}
	if err = conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(managerInterface), dbus.WithMatchMember("JobRemoved")); err != nil {
		return nil, err
	}
	conn.Signal(s.jobs)

	return s, s.call(ctx, "Subscribe")
}

func (s *systemd) object() dbus.BusObject {
	return s.conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
}

func (s *systemd) call(ctx context.Context, method string, args ...any) error {
	return s.object().CallWithContext(ctx, managerInterface+"."+method, 0, args...).Err
}

// jobs starts one job for each unit and waits for all of them.
func (s *systemd) run(ctx context.Context, method string, units ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	open := map[dbus.ObjectPath]string{}
	for _, unit := range units {
		var job dbus.ObjectPath
		if err := s.object().CallWithContext(ctx, managerInterface+"."+method, 0, unit, "replace").Store(&job); err != nil {
			return fmt.Errorf("%s %s: %w", method, unit, err)
		}
		open[job] = unit
	}
	for len(open) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %d jobs are open: %w", method, len(open), ctx.Err())
		case signal := <-s.jobs:
			if signal == nil || len(signal.Body) < 4 {
				return fmt.Errorf("%s: the bus is gone", method)
			}
			job, _ := signal.Body[1].(dbus.ObjectPath)
			if unit := open[job]; unit != "" && signal.Body[3] != "done" {
				return fmt.Errorf("%s %s: job result %v", method, unit, signal.Body[3])
			}
			delete(open, job)
		}
	}

	return nil
}

// runAlone lets systemd run its own chain and takes it down again.
func (s *systemd) runAlone(ctx context.Context) (time.Duration, error) {
	up, _, err := s.aloneUpAndDown(ctx)

	return up, err
}

// stopAlone is runAlone for the way down.
func (s *systemd) stopAlone(ctx context.Context) (time.Duration, error) {
	_, down, err := s.aloneUpAndDown(ctx)

	return down, err
}

func (s *systemd) aloneUpAndDown(ctx context.Context) (up, down time.Duration, err error) {
	begin := time.Now()
	if err := s.run(ctx, "StartUnit", fmt.Sprintf("alone-%d.target", benchLevels-1)); err != nil {
		return 0, 0, err
	}
	up = time.Since(begin)
	var all []string
	for path := range benchUnits() {
		if name := path[strings.LastIndexByte(path, '/')+1:]; strings.HasPrefix(name, "alone-") {
			all = append(all, name)
		}
	}
	begin = time.Now()
	err = s.run(ctx, "StopUnit", all...)

	return up, time.Since(begin), err
}

func (s *systemd) enable(ctx context.Context, units []string) error {
	if err := s.call(ctx, "EnableUnitFiles", units, false, false); err != nil {
		return err
	}

	return s.call(ctx, "Reload")
}

func (s *systemd) disable(ctx context.Context, units []string) error {
	if err := s.call(ctx, "DisableUnitFiles", units, false); err != nil {
		return err
	}

	return s.call(ctx, "Reload")
}

// property reads one property of a unit.
func (s *systemd) property(ctx context.Context, unit, iface, name string, into any) error {
	var path dbus.ObjectPath
	if err := s.object().CallWithContext(ctx, managerInterface+".LoadUnit", 0, unit).Store(&path); err != nil {
		return err
	}

	return s.conn.Object("org.freedesktop.systemd1", path).
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.systemd1."+iface, name).Store(into)
}
