package units

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	systemdName      = "org.freedesktop.systemd1"
	systemdObject    = "/org/freedesktop/systemd1"
	systemdManager   = systemdName + ".Manager"
	unitInterface    = systemdName + ".Unit"
	propertiesGetAll = "org.freedesktop.DBus.Properties.GetAll"
	propertiesGet    = "org.freedesktop.DBus.Properties.Get"
)

func manager() object { return object{systemdName, systemdObject} }

func unitObject(name string) object {
	return object{systemdName, dbus.ObjectPath(busPath(name))}
}

// state is what one reading told of a unit. A unit that is not loaded reads as
// inactive, one that does not exist as not-found.
type state struct {
	id                       string // its first name, when name is an alias
	loadState, loadError     string
	activeState, subState    string
	job                      uint32
	conditionMet, assertMet  bool
	conditionAt, assertAt    monotonic
	inactiveExit, activeExit monotonic
	activeEnter              monotonic
	wants                    []string // Wants, Requires, BindsTo and Upholds together, sorted
	triggeredBy, triggers    []string
	consistsOf               []string // stopped with it
	unitFileState            string
}

// down says whether nothing of the unit runs and nothing is about to.
func (s *state) down() bool { return s.job == 0 && s.inactive() }

func (s *state) inactive() bool {
	return s.activeState == "inactive" || s.activeState == "failed" || s.activeState == ""
}

func (s *state) active() bool {
	return s.activeState == "active" || s.activeState == "reloading" || s.activeState == "refreshing"
}

// waitsForRestart: the unit failed and systemd will try it again by itself.
func (s *state) waitsForRestart() bool {
	return s.activeState == "activating" && strings.HasPrefix(s.subState, "auto-restart")
}

// atRest says whether nothing is under way that could still change the unit.
func (s *state) atRest() bool {
	return s.job == 0 && (s.inactive() || s.active() || s.waitsForRestart())
}

// askedSince says whether there is evidence that the unit was started, or at least
// looked at in order to start it, at or after the given time.
func (s *state) askedSince(since monotonic) bool {
	return s.inactiveExit >= since || s.conditionAt >= since || s.assertAt >= since
}

// unitStatus is one element of the answer of ListUnitsByNames, a(ssssssouso).
type unitStatus struct {
	Name, Description, LoadState, ActiveState, SubState, Following string
	Path                                                           dbus.ObjectPath
	Job                                                            uint32
	JobType                                                        string
	JobPath                                                        dbus.ObjectPath
}

// glance reads the little that one call tells of many units: load, active and sub state
// and the job. All else of the states is unknown. PID 1 needs far longer to write down
// every property of each. Units that it does not name in the answer are missing.
func (s *session) glance(ctx context.Context, names []string) map[string]*state {
	states := make(map[string]*state, len(names))
	var list []unitStatus
	if len(names) == 0 || s.call(ctx, manager(), systemdManager+".ListUnitsByNames", names).Store(&list) != nil {
		return states
	}
	for _, unit := range list {
		states[unit.Name] = &state{
			id: unit.Name, loadState: unit.LoadState, activeState: unit.ActiveState, subState: unit.SubState, job: unit.Job,
		}
	}

	return states
}

// glanceAll is glance, and what that does not tell is read whole.
func (s *session) glanceAll(ctx context.Context, names []string) (map[string]*state, error) {
	states := s.glance(ctx, names)
	whole, err := s.readAll(ctx, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return states[name] != nil }))
	if err != nil {
		return nil, err
	}
	maps.Copy(states, whole)

	return states, nil
}

// readAll reads units, all at the same time. A unit that systemd has no answer for
// reads as broken; an error means that the bus has none.
func (s *session) readAll(ctx context.Context, names []string) (map[string]*state, error) {
	requests := make([]request, len(names))
	for i, name := range names {
		requests[i] = request{unitObject(name), propertiesGetAll, []any{unitInterface}}
	}
	states := make(map[string]*state, len(names))
	for i, call := range s.callAll(ctx, requests) {
		var properties map[string]dbus.Variant
		err := call.Store(&properties)
		switch {
		case err == nil:
			states[names[i]] = parseState(properties)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("read unit %s: %w", names[i], ctx.Err())
		case s.broken(err):
			return nil, fmt.Errorf("%w: read unit %s: %w", errLost, names[i], err)
		default:
			states[names[i]] = &state{id: names[i], loadState: "error", loadError: err.Error()}
		}
	}

	return states, nil
}

func (s *session) read(ctx context.Context, name string) (*state, error) {
	states, err := s.readAll(ctx, []string{name})
	if err != nil {
		return nil, err
	}

	return states[name], nil
}

func parseState(properties map[string]dbus.Variant) *state {
	s := &state{
		id:            value[string](properties, "Id"),
		loadState:     value[string](properties, "LoadState"),
		activeState:   value[string](properties, "ActiveState"),
		subState:      value[string](properties, "SubState"),
		conditionMet:  value[bool](properties, "ConditionResult"),
		assertMet:     value[bool](properties, "AssertResult"),
		conditionAt:   stamp(properties, "ConditionTimestampMonotonic"),
		assertAt:      stamp(properties, "AssertTimestampMonotonic"),
		inactiveExit:  stamp(properties, "InactiveExitTimestampMonotonic"),
		activeEnter:   stamp(properties, "ActiveEnterTimestampMonotonic"),
		activeExit:    stamp(properties, "ActiveExitTimestampMonotonic"),
		triggeredBy:   value[[]string](properties, "TriggeredBy"),
		triggers:      value[[]string](properties, "Triggers"),
		consistsOf:    value[[]string](properties, "ConsistsOf"),
		unitFileState: value[string](properties, "UnitFileState"),
	}
	if job := value[[]any](properties, "Job"); len(job) > 0 {
		s.job, _ = job[0].(uint32)
	}
	if loadError := value[[]any](properties, "LoadError"); len(loadError) > 1 {
		s.loadError, _ = loadError[1].(string)
	}
	for _, kind := range []string{"Wants", "Requires", "BindsTo", "Upholds"} {
		s.wants = append(s.wants, value[[]string](properties, kind)...)
	}
	slices.Sort(s.wants)
	s.wants = slices.Compact(s.wants)

	return s
}

// members are the units of a target that take part in its level: all it wants but
// the targets and services of cssc itself.
func (s *state) members() []string {
	return slices.DeleteFunc(slices.Clone(s.wants), func(name string) bool {
		_, own := ParseTargetUnit(name)

		return own || name == agentUnit || name == leaveUnit || name == guardUnit
	})
}

// value reads one property; one that is missing or of another type is zero.
func value[T any](properties map[string]dbus.Variant, name string) T {
	v, _ := properties[name].Value().(T)

	return v
}

func stamp(properties map[string]dbus.Variant, name string) monotonic {
	return monotonic(value[uint64](properties, name))
}
