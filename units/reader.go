package units

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/godbus/dbus/v5"
)

// Reload makes systemd read its unit files again and run its generators, and with
// them cssc-generator; it returns when that is done.
func (d *Driver) Reload(ctx context.Context) error {
	s, err := d.link.session(ctx)
	if err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}

	return reload(ctx, s)
}

// SoftReboots counts the soft-reboots of this boot, in which /run is kept and the boot id
// stays; 0 with a systemd that has none.
func (s *System) SoftReboots(ctx context.Context) (uint32, error) {
	count, err := systemdProperty[uint32](ctx, s, manager(), systemdManager, "SoftRebootsCount")
	if remote, ok := errors.AsType[dbus.Error](err); ok && remote.Name == busName+".Error.UnknownProperty" {
		return 0, nil
	}

	return count, err
}

// Booted is when PID 1 began this boot, on CLOCK_MONOTONIC: it keeps it over a daemon-reexec,
// and every start of a container has its own, also where all share the kernel's boot id.
func (s *System) Booted(ctx context.Context) (time.Duration, error) {
	usec, err := systemdProperty[uint64](ctx, s, manager(), systemdManager, "UserspaceTimestampMonotonic")

	return time.Duration(min(usec, math.MaxInt64/1000)) * time.Microsecond, err
}

// Stopping says whether PID 1 is carrying out a shutdown: units stop and none starts.
func (s *System) Stopping(ctx context.Context) (bool, error) {
	state, err := systemdProperty[string](ctx, s, manager(), systemdManager, "SystemState")

	return state == "stopping", err
}

// Running says whether a service is up or on its way up; one that systemd does not know is
// not.
func (s *System) Running(ctx context.Context, service string) (bool, error) {
	state, err := systemdProperty[string](ctx, s, unitObject(service), systemdName+".Unit", "ActiveState")

	return state == "active" || state == "activating" || state == "reloading", err
}

// StopTimeout is the TimeoutStopSec= of a service as in force now; 0 means that there
// is no limit.
func (s *System) StopTimeout(ctx context.Context, service string) (time.Duration, error) {
	usec, err := systemdProperty[uint64](ctx, s, unitObject(service), systemdName+".Service", "TimeoutStopUSec")
	if usec > math.MaxInt64/uint64(time.Microsecond) {
		return 0, err
	}

	return time.Duration(usec) * time.Microsecond, err
}

func systemdProperty[T any](ctx context.Context, s *System, of object, iface, name string) (T, error) {
	var zero T
	session, err := s.link.session(ctx)
	if err != nil {
		return zero, fmt.Errorf("ask systemd for %s: %w", name, err)
	}

	return property[T](ctx, session, of, iface, name)
}

// property reads one property; an answer of another type is an error.
func property[T any](ctx context.Context, s *session, of object, iface, name string) (T, error) {
	var zero T
	var answer dbus.Variant
	if err := s.call(ctx, of, propertiesGet, iface, name).Store(&answer); err != nil {
		return zero, fmt.Errorf("ask %s for %s: %w", of.destination, name, err)
	}
	value, ok := answer.Value().(T)
	if !ok {
		return zero, fmt.Errorf("ask %s for %s: answer of type %s, want %T", of.destination, name, answer.Signature(), zero)
	}

	return value, nil
}
