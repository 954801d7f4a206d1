package units

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// Limits: how many members are looked at, and how deep targets in targets.
	maxDoomed  = 4096
	maxNesting = 4
)

// Doomed is a unit that must not run on a node without a lease.
type Doomed struct {
	Unit string
	// Group is the path of its control group below the hierarchy's root, also while the
	// unit is down; empty for units that have no processes, such as targets and timers.
	Group string
	// Up: it is active or becoming so, or it failed and will be started again.
	Up bool
	// Ending: it is being stopped, and no process of it is the one that served: what runs
	// are its commands for stopping.
	Ending bool
}

// Doomed lists the master's targets and their members, whatever other targets want these
// too: what the targets want, require or pull down with them; of a member that is a target
// itself what goes down with it, and what members that are sockets, timers or paths
// start. Sorted by name.
func (d *Direct) Doomed(ctx context.Context) ([]Doomed, error) {
	s, err := d.session(ctx)
	if err != nil {
		return nil, err
	}
	states, err := s.doomedStates(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the members of the master's targets: %w", err)
	}

	return s.groups(ctx, states)
}

// doomedStates reads the members, generation by generation.
func (s *session) doomedStates(ctx context.Context) (map[string]*state, error) {
	next, err := s.mastersTargets(ctx)
	found := map[string]*state{}
	for depth := 0; err == nil && len(next) > 0 && depth < maxNesting; depth++ {
		var states map[string]*state
		if states, err = s.readAll(ctx, next); err == nil {
			next = add(found, states)
		}
	}

	return found, err
}

// mastersTargets lists the loaded targets of the role.
func (s *session) mastersTargets(ctx context.Context) ([]string, error) {
	var rows [][]any
	patterns := []string{unitPrefix + levels.PlainTarget("master").String() + "*" + targetSuffix}
	if err := s.call(ctx, manager(), systemdManager+".ListUnitsByPatterns", []string{}, patterns).Store(&rows); err != nil {
		return nil, err
	}
	var names []string
	for _, row := range rows {
		if len(row) == 0 {
			continue
		}
		if name, ok := row[0].(string); ok && mastersTarget(name) {
			names = append(names, name)
		}
	}

	return names, nil
}

// add puts one generation among those found, and returns the names of the next one.
func add(found, generation map[string]*state) []string {
	next := map[string]struct{}{}
	for _, name := range sortedUnits(generation) {
		found[name] = generation[name]
		for _, member := range generation[name].dragged(name) {
			if found[member] == nil && doomable(member) && len(found)+len(next) < maxDoomed {
				next[member] = struct{}{}
			}
		}
	}

	return sortedUnits(next)
}

// dragged are the units that must not run when this one must not.
func (s *state) dragged(name string) []string {
	switch {
	case mastersTarget(name):
		return append(slices.Clone(s.wants), s.consistsOf...)
	case unitType(name) == "target":
		return s.consistsOf
	default:
		return s.triggers
	}
}

// mastersTarget says whether a unit is one of the targets of the role.
func mastersTarget(name string) bool {
	target, ok := ParseTargetUnit(name)

	return ok && target.Group == levels.RoleMaster.String()
}

// doomable says whether a unit may be killed at all: nothing of cssc itself, and no slice,
// which would be everybody in it.
func doomable(name string) bool {
	_, own := ParseTargetUnit(name)

	return !own && name != agentUnit && name != leaveUnit && name != guardUnit && unitType(name) != "slice"
}

// groups completes the units by what their type knows of them.
func (s *session) groups(ctx context.Context, states map[string]*state) ([]Doomed, error) {
	names := sortedUnits(states)
	known, err := s.processes(ctx, names)
	if err != nil {
		return nil, err
	}
	out := make([]Doomed, len(names))
	for i, name := range names {
		p, st := known[name], states[name]
		if p.group == "" && p.slice != "" {
			p.group = sliceGroup(p.slice) + "/" + escapeGroup(name)
		}
		ending := p.main == 0 && (st.activeState == "deactivating" || st.inactive())
		out[i] = Doomed{Unit: name, Group: p.group, Up: !st.inactive() && st.activeState != "deactivating", Ending: ending}
	}

	return out, nil
}

// processes is what the type of a unit knows of its processes; zero when it knows of none.
type processes struct {
	group, slice string
	main         uint32
}

// processes asks for those of the units that can have any: to be told three times that a target
// has none takes PID 1 as long as three answers.
func (s *session) processes(ctx context.Context, names []string) (map[string]processes, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !hasProcesses(name) })
	keys := []string{"ControlGroup", "Slice", "MainPID"}
	var requests []request
	for _, name := range names {
		iface := systemdName + "." + unitTypes()[unitType(name)]
		for _, key := range keys {
			requests = append(requests, request{unitObject(name), propertiesGet, []any{iface, key}})
		}
	}
	calls := s.callAll(ctx, requests)
	known := make(map[string]processes, len(names))
	for i, name := range names {
		answers := calls[i*len(keys) : (i+1)*len(keys)]
		for _, call := range answers {
			if call.Err != nil && (ctx.Err() != nil || s.broken(call.Err)) {
				return nil, fmt.Errorf("read unit %s: %w", name, call.Err)
			}
		}
		known[name] = processes{answer[string](answers[0]), answer[string](answers[1]), answer[uint32](answers[2])}
	}

	return known, nil
}

// hasProcesses says whether units of this type have a control group.
func hasProcesses(name string) bool {
	switch unitType(name) {
	case "target", "timer", "path", "device", "automount":
		return false
	default:
		return true
	}
}

// answer is the value of one property; zero when the type has none of that name.
func answer[T any](call *dbus.Call) T {
	var v dbus.Variant
	var zero T
	if call.Err != nil || call.Store(&v) != nil {
		return zero
	}
	value, _ := v.Value().(T)

	return value
}

// sliceGroup is the path of a slice: that of "a-b.slice" is "/a.slice/a-b.slice".
func sliceGroup(slice string) string {
	name := strings.TrimSuffix(slice, ".slice")
	if name == "-" {
		return ""
	}
	var path strings.Builder
	for i := range len(name) {
		if name[i] == '-' {
			path.WriteString("/" + escapeGroup(name[:i]+".slice"))
		}
	}

	return path.String() + "/" + escapeGroup(slice)
}

// escapeGroup is the name of a unit's group: the kernel's own names get an underscore.
func escapeGroup(name string) string {
	first, _, _ := strings.Cut(name, ".")
	kernels := []string{"cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids", "hugetlb", "rdma", "misc", "freezer", "net_cls", "net_prio", "perf_event"}
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || slices.Contains(kernels, first) {
		return "_" + name
	}

	return name
}
