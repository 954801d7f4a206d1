package units

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/integration/privatebus"
)

// fake is a systemd1 (and, under a second name, a login1) of our own on a private bus. Its
// units run as long as hold says and end as their script says. Safe for concurrent use.
type fake struct {
	bus *privatebus.Bus

	mu    sync.Mutex
	conn  *dbus.Conn
	units map[string]*fakeUnit
	jobs  map[uint32]*fakeJob
	next  uint32
	// calls are the methods called, with their arguments, in order.
	calls []string
	// news is closed and replaced at every call.
	news chan struct{}
	// mute loses every signal.
	mute bool
	// loaded is the stamp of the unit files; 0 = there is no such property.
	loaded uint64
	// answer, when set, is asked before anything else: not done goes on.
	answer func(method string, args []any) (out []any, done bool, err error)
}

// fakeUnit is one unit with what becomes of it when it is started.
type fakeUnit struct {
	state state
	// result of its start job and the state after it; "" means "done" and "active".
	result, after string
	// unitResult is the property Result.
	unitResult string
	// typed are properties of its type's interface.
	typed map[string]any
	// hold keeps its start jobs until finish.
	hold bool
	// stopHold keeps its stop jobs.
	stopHold bool
}

type fakeJob struct {
	id   uint32
	unit string
	verb string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{bus: startBus(t), units: map[string]*fakeUnit{}, jobs: map[uint32]*fakeJob{}, next: 100, news: make(chan struct{})}
	f.connect(t)

	return f
}

// connect takes the names on a new connection, as after daemon-reexec or a restart of
// the bus.
func (f *fake) connect(t *testing.T) {
	t.Helper()
	conn := f.bus.Connect(t, dbus.WithHandler(f))
	for _, name := range []string{systemdName, loginName} {
		reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue|dbus.NameFlagReplaceExisting|dbus.NameFlagAllowReplacement)
		if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
			t.Fatalf("own %s: %v, %v", name, reply, err)
		}
	}
	f.mu.Lock()
	f.conn = conn
	f.mu.Unlock()
}

// set changes the fake under its lock.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// target adds a level target with members.
func (f *fake) target(name string, members map[string]*fakeUnit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for member, unit := range members {
		f.add(member, unit)
	}
	f.add(name, &fakeUnit{state: state{wants: sortedUnits(members)}})
}

func (f *fake) add(name string, unit *fakeUnit) {
	unit.state.id = name
	unit.state.loadState = firstOf(unit.state.loadState, "loaded")
	unit.state.activeState = firstOf(unit.state.activeState, "inactive")
	unit.state.conditionMet, unit.state.assertMet = true, true
	f.units[name] = unit
}

// finish ends the job of a unit that is held.
func (f *fake) finish(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.jobsOf(name) {
		f.end(f.jobs[id])
	}
}

func (f *fake) jobsOf(name string) []uint32 {
	var ids []uint32
	for id, job := range f.jobs {
		if job.unit == name {
			ids = append(ids, id)
		}
	}

	return ids
}

// count says how often a method was called with this beginning of its arguments.
func (f *fake) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, call) {
			n++
		}
	}

	return n
}

// log is every call so far.
func (f *fake) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return slices.Clone(f.calls)
}

// call is one method; it runs under the lock, so that signals and answers keep order.
func (f *fake) call(path dbus.ObjectPath, member string, args []any) ([]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(member+" "+fmt.Sprintln(args...)))
	close(f.news)
	f.news = make(chan struct{})
	if f.answer != nil {
		if out, done, err := f.answer(member, args); done {
			return out, err
		}
	}
	switch member {
	case "Subscribe", "KillUnit", "Reload", "StopUnit", "Reboot":
		return nil, nil
	case "GetAll":
		return f.properties(path), nil
	case "ListUnitsByNames":
		return f.byNames(args[0].([]string)), nil
	case "Get":
		return f.property(path, args)
	case "EnqueueUnitJob":
		return f.enqueue(args[0].(string), args[1].(string), args[2].(string))
	case "ListUnitsByPatterns", "ListUnitFilesByPatterns":
		return f.list(member), nil
	case "GetUnitProcesses":
		return []any{[]struct {
			Group   string
			PID     uint32
			Command string
		}{}}, nil
	default:
		return nil, dbus.MakeFailedError(fmt.Errorf("fake has no %s", member))
	}
}

func (f *fake) byNames(names []string) []any {
	list := []unitStatus{}
	for _, name := range names {
		s := f.unitAt(dbus.ObjectPath(busPath(name))).state
		one := unitStatus{
			Name: name, LoadState: s.loadState, ActiveState: s.activeState, SubState: s.subState, Path: "/", JobPath: "/",
		}
		if ids := f.jobsOf(s.id); len(ids) > 0 {
			one.Job = ids[0]
		}
		list = append(list, one)
	}

	return []any{list}
}

func (f *fake) unitAt(path dbus.ObjectPath) *fakeUnit {
	for name, unit := range f.units {
		if busPath(name) == string(path) {
			return unit
		}
	}

	return &fakeUnit{state: state{loadState: "not-found", activeState: "inactive", conditionMet: true, assertMet: true}}
}

func (f *fake) properties(path dbus.ObjectPath) []any {
	u := f.unitAt(path)
	s := u.state
	job := uint32(0)
	if ids := f.jobsOf(s.id); len(ids) > 0 {
		job = ids[0]
	}
	values := map[string]any{
		"Id": s.id, "LoadState": s.loadState, "ActiveState": s.activeState, "SubState": s.subState,
		"Job": struct {
			ID   uint32
			Path dbus.ObjectPath
		}{job, "/"},
		"ConditionResult": s.conditionMet, "AssertResult": s.assertMet, "Wants": append([]string{}, s.wants...),
		"ConsistsOf": append([]string{}, s.consistsOf...), "Triggers": append([]string{}, s.triggers...),
		"ConditionTimestampMonotonic":    uint64(s.conditionAt),
		"AssertTimestampMonotonic":       uint64(s.assertAt),
		"InactiveExitTimestampMonotonic": uint64(s.inactiveExit),
		"ActiveEnterTimestampMonotonic":  uint64(s.activeEnter),
		"ActiveExitTimestampMonotonic":   uint64(s.activeExit),
	}
	out := map[string]dbus.Variant{}
	for name, value := range values {
		out[name] = dbus.MakeVariant(value)
	}

	return []any{out}
}

func (f *fake) property(path dbus.ObjectPath, args []any) ([]any, error) {
	u := f.unitAt(path)
	switch args[1].(string) {
	case "UnitsLoadTimestampMonotonic":
		if f.loaded == 0 {
			break
		}

		return []any{dbus.MakeVariant(f.loaded)}, nil
	case "Result":
		return []any{dbus.MakeVariant(firstOf(u.unitResult, "success"))}, nil
	case "ControlGroup", "Slice", "MainPID":
		if v, ok := u.typed[args[1].(string)]; ok {
			return []any{dbus.MakeVariant(v)}, nil
		}

		return nil, dbus.NewError(busName+".Error.UnknownProperty", []any{"no such property"})
	case "ExecMainCode":
		return []any{dbus.MakeVariant(int32(codeExited))}, nil
	case "ExecMainStatus":
		return []any{dbus.MakeVariant(int32(4))}, nil
	}

	return nil, dbus.NewError(busName+".Error.UnknownProperty", []any{"no such property"})
}

func (f *fake) list(member string) []any {
	var rows []struct{ Name, State string }
	for _, name := range sortedUnits(f.units) {
		if strings.HasPrefix(name, unitPrefix) {
			if member == "ListUnitFilesByPatterns" {
				name = "/run/systemd/generator/" + name
			}
			rows = append(rows, struct{ Name, State string }{name, "loaded"})
		}
	}

	return []any{rows}
}

// enqueue makes a job for the unit and, when it is a target that starts, for its members.
func (f *fake) enqueue(name, verb, mode string) ([]any, error) {
	if f.units[name] == nil {
		return nil, dbus.NewError(systemdName+".NoSuchUnit", []any{"Unit " + name + " not found."})
	}
	names := []string{name}
	if verb == "start" && mode != "ignore-dependencies" {
		for _, member := range f.units[name].state.wants {
			if unit := f.units[member]; unit != nil && !unit.state.active() {
				names = append(names, member)
			}
		}
	}
	var infos []jobInfo
	for _, unit := range names {
		f.next++
		for _, old := range f.jobsOf(unit) {
			f.remove(f.jobs[old], "canceled")
		}
		f.jobs[f.next] = &fakeJob{f.next, unit, verb}
		if u := f.units[unit]; verb == "start" && !u.state.active() && unit != name || u.hold && verb == "start" {
			u.state.activeState, u.state.inactiveExit = "activating", monotonicNow()
		}
		infos = append(infos, jobInfo{f.next, dbus.ObjectPath(fmt.Sprintf("/job/%d", f.next)), unit, dbus.ObjectPath(busPath(unit)), verb})
	}
	slices.Reverse(names) // the target last
	go f.runJobs()

	first := infos[0]

	return []any{first.ID, first.Job, first.Unit, first.UnitPath, first.Type, append([]jobInfo{}, infos[1:]...)}, nil
}

// runJobs ends every job that nothing holds; a target's when its members have none.
func (f *fake) runJobs() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, target := range []bool{false, true} {
		for _, id := range sortedJobs(f.jobs) {
			job := f.jobs[id]
			u := f.units[job.unit]
			if isTarget := strings.HasSuffix(job.unit, targetSuffix); isTarget == target && (!u.hold || job.verb == "stop") && (!u.stopHold || job.verb != "stop") {
				f.end(job)
			}
		}
	}
}

func sortedJobs(jobs map[uint32]*fakeJob) []uint32 {
	var ids []uint32
	for id := range jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)

	return ids
}

// end gives the unit its last state and removes the job.
func (f *fake) end(job *fakeJob) {
	u := f.units[job.unit]
	if strings.HasSuffix(job.unit, targetSuffix) && job.verb == "start" {
		for _, member := range u.state.wants {
			if len(f.jobsOf(member)) > 0 {
				return // its members are on their way, and their end asks again
			}
		}
	}
	now := monotonicNow()
	result := "done"
	switch {
	case job.verb == "stop":
		u.state.activeState, u.state.activeExit = "inactive", now
	case u.result == "" || u.result == "done" || u.result == "failed":
		u.state.inactiveExit = now
		u.state.activeState, u.state.activeEnter = firstOf(u.after, "active"), now
		result = firstOf(u.result, "done")
	default: // it never ran
		u.state.activeState, u.state.inactiveExit = firstOf(u.after, "inactive"), 0
		result = u.result
	}
	f.remove(job, result)
	go f.runJobs()
}

func (f *fake) remove(job *fakeJob, result string) {
	delete(f.jobs, job.id)
	if !f.mute {
		_ = f.conn.Emit(systemdObject, systemdManager+".JobRemoved", job.id, dbus.ObjectPath(fmt.Sprintf("/job/%d", job.id)), job.unit, result)
	}
}

// emit sends any signal.
func (f *fake) emit(name string, body ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.conn.Emit(systemdObject, name, body...)
}

// LookupObject, LookupInterface and LookupMethod let godbus find every method.
func (f *fake) LookupObject(path dbus.ObjectPath) (dbus.ServerObject, bool) {
	return fakeObject{f, path, ""}, true
}

type fakeObject struct {
	fake   *fake
	path   dbus.ObjectPath
	member string
}

func (o fakeObject) LookupInterface(string) (dbus.Interface, bool) { return o, true }
func (o fakeObject) LookupMethod(member string) (dbus.Method, bool) {
	return fakeObject{o.fake, o.path, member}, true
}
func (o fakeObject) Call(args ...any) ([]any, error) { return o.fake.call(o.path, o.member, args) }
func (o fakeObject) NumArguments() int               { return 0 }
func (o fakeObject) NumReturns() int                 { return 0 }
func (o fakeObject) ArgumentValue(int) any           { return nil }
func (o fakeObject) ReturnValue(int) any             { return nil }

func (o fakeObject) DecodeArguments(_ *dbus.Conn, _ string, _ *dbus.Message, args []any) ([]any, error) {
	return args, nil
}
