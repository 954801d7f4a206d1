package units

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	timedateName = "org.freedesktop.timedate1"
	timedatePath = "/org/freedesktop/timedate1"
	propertiesOf = propertiesGet + "All"
)

// Properties are those of one unit, or of PID 1 itself, by their names; the bus's own types
// are taken out. They are for people and for checks, never for decisions about members.
type Properties map[string]any

// Text is a property, empty when it is missing or no text.
func (p Properties) Text(name string) string {
	text, _ := p[name].(string)

	return text
}

// Span is a time limit; 0 when it is missing, and when there is no limit.
func (p Properties) Span(name string) time.Duration {
	usec, _ := p[name].(uint64)
	if usec > math.MaxInt64/uint64(time.Microsecond) {
		return 0
	}

	return time.Duration(usec) * time.Microsecond
}

// ManagerProperties are those of PID 1.
func (s *System) ManagerProperties(ctx context.Context) (Properties, error) {
	all := Properties{}

	return all, s.properties(ctx, all, manager(), systemdManager)
}

// UnitProperties are those of a unit and of its type. A unit that does not exist has the
// LoadState "not-found".
func (s *System) UnitProperties(ctx context.Context, name string) (Properties, error) {
	all := Properties{}
	if err := s.properties(ctx, all, unitObject(name), systemdName+".Unit"); err != nil {
		return nil, err
	}
	iface, typed := unitTypes()[unitType(name)]
	if !typed || all.Text("LoadState") == "not-found" {
		return all, nil
	}

	return all, s.properties(ctx, all, unitObject(name), systemdName+"."+iface)
}

func (s *System) properties(ctx context.Context, into Properties, of object, iface string) error {
	session, err := s.link.session(ctx)
	if err != nil {
		return fmt.Errorf("ask systemd for the properties of %s: %w", of.path, err)
	}
	var answer map[string]dbus.Variant
	if err := session.call(ctx, of, propertiesOf, iface).Store(&answer); err != nil {
		return fmt.Errorf("ask systemd for the properties of %s: %w", of.path, err)
	}
	for name, value := range answer {
		into[name] = value.Value()
	}

	return nil
}

// EnabledState is what systemctl is-enabled says of a unit: "enabled", "disabled", "masked"
// and so on; "not-found" without a unit file.
func (s *System) EnabledState(ctx context.Context, name string) (string, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return "", fmt.Errorf("ask systemd for the state of %s: %w", name, err)
	}
	var state string
	err = session.call(ctx, manager(), systemdManager+".GetUnitFileState", name).Store(&state)
	if remote, ok := errors.AsType[dbus.Error](err); ok && (remote.Name == busName+".Error.FileNotFound" || remote.Name == systemdName+".NoSuchUnit") {
		return "not-found", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask systemd for the state of %s: %w", name, err)
	}

	return state, nil
}

// Jobs are the jobs that PID 1 has in hand, a line each: number, unit, type, state.
func (s *System) Jobs(ctx context.Context) ([]string, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask systemd for its jobs: %w", err)
	}
	var jobs []struct {
		ID                uint32
		Unit, Type, State string
		Job, Object       dbus.ObjectPath
	}
	if err := session.call(ctx, manager(), systemdManager+".ListJobs").Store(&jobs); err != nil {
		return nil, fmt.Errorf("ask systemd for its jobs: %w", err)
	}
	lines := make([]string, len(jobs))
	for i, job := range jobs {
		lines[i] = fmt.Sprintf("%d %s %s %s", job.ID, job.Unit, job.Type, job.State)
	}
	slices.Sort(lines)

	return lines, nil
}

// ClockSynchronized says whether something keeps the calendar right, as systemd-timedated knows.
func (s *System) ClockSynchronized(ctx context.Context) (bool, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return false, fmt.Errorf("ask systemd-timedated for the clock: %w", err)
	}

	return property[bool](ctx, session, object{timedateName, timedatePath}, timedateName, "NTPSynchronized")
}

// Activatable says whether a name has an owner on the bus, or would get one when called.
func (s *System) Activatable(ctx context.Context, name string) (bool, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return false, fmt.Errorf("ask the bus for %s: %w", name, err)
	}
	var owned, activatable []string
	to := object{busName, busObject}
	if err := session.call(ctx, to, busName+".ListNames").Store(&owned); err != nil {
		return false, fmt.Errorf("ask the bus for %s: %w", name, err)
	}
	if err := session.call(ctx, to, busName+".ListActivatableNames").Store(&activatable); err != nil {
		return false, fmt.Errorf("ask the bus for %s: %w", name, err)
	}

	return slices.Contains(owned, name) || slices.Contains(activatable, name), nil
}
