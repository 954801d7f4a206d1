package units

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"go.uber.org/goleak"

	"github.com/cssc-ha/cssc/levels"
)

func level(n levels.Level) levels.Target {
	return levels.SequenceTarget(levels.Position{Sequence: levels.Init, Level: n})
}

func newDriver(t *testing.T, f *fake) *Driver {
	t.Helper()
	d := NewDriver(Options{Address: f.bus.Address()})
	running(t, d.Run)

	return d
}

// work is a Start or Stop in the background, whose early news can be waited for.
type testWork struct {
	told chan levels.Member
	done chan struct{}
	got  map[string]string
	err  error
}

func background(t *testing.T, do func(ctx context.Context, tell func(levels.Member)) ([]levels.Member, error)) *testWork {
	t.Helper()
	w := &testWork{told: make(chan levels.Member, 64), done: make(chan struct{})}
	ctx := limited(t)
	go func() {
		defer close(w.done)
		members, err := do(ctx, func(m levels.Member) { w.told <- m })
		w.got, w.err = described(members), err
	}()

	return w
}

func startInBackground(t *testing.T, d *Driver, order levels.StartUnits) *testWork {
	t.Helper()

	return background(t, func(ctx context.Context, tell func(levels.Member)) ([]levels.Member, error) {
		return d.Start(ctx, order, tell)
	})
}

func (w *testWork) wait(t *testing.T) map[string]string {
	t.Helper()
	<-w.done // bounded by the work's own context
	if w.err != nil {
		t.Fatalf("got %v, error %v", w.got, w.err)
	}

	return w.got
}

func described(members []levels.Member) map[string]string {
	out := map[string]string{}
	for _, m := range members {
		out[m.Unit] = strings.TrimSpace(m.Outcome.String() + " " + m.Reason)
	}

	return out
}

func wantMembers(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("members:\n got %v\nwant %v", got, want)
	}
}

// called waits until the driver has called a method so often.
func (f *fake) called(t *testing.T, call string, times int) {
	t.Helper()
	for ctx := limited(t); ; {
		f.mu.Lock()
		news := f.news
		f.mu.Unlock()
		if f.count(call) >= times {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			t.Fatalf("%s: called %d times, want %d; all: %q", call, f.count(call), times, f.log())
		}
	}
}

// TestStartTellsEveryJobResult has one member for each result that a job can have.
func TestStartTellsEveryJobResult(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	members := map[string]*fakeUnit{
		"gone.service": {after: "inactive"}, "bad.service": {result: "failed", after: "failed", unitResult: "exit-code"},
		"there.service": {state: state{activeState: "active"}},
	}
	want := map[string]string{
		"gone.service": "done", "bad.service": "failed exit status 4", "there.service": "already",
		"done.service": "done", "canceled.service": "failed its start was cancelled", "timeout.service": "failed its job timed out (JobTimeoutSec=)",
		"dependency.service": "failed a unit that it requires did not start", "assert.service": "failed an assertion is not met",
		"skipped.service": "skipped not needed", "unsupported.service": "failed its job ended with unsupported",
		"collected.service": "failed its job ended with collected", "once.service": "failed its job ended with once",
	}
	for _, result := range []string{"done", "canceled", "timeout", "dependency", "assert", "skipped", "unsupported", "collected", "once"} {
		members[result+".service"] = &fakeUnit{result: result}
	}
	f.target("cssc-init-3.target", members)
	w := startInBackground(t, newDriver(t, f), levels.StartUnits{Target: level(3)})
	wantMembers(t, w.wait(t), want)
	close(w.told)
	if told := described(slices.Collect(channel(w.told))); !maps.Equal(told, want) {
		t.Errorf("told early: %v, want %v", told, want)
	}
	if f.count("EnqueueUnitJob") != 1 {
		t.Errorf("requests: %q, want one", f.log())
	}
}

func channel[T any](c <-chan T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// TestMembersAreToldEarly hears of the quick member while the slow one is on its way.
func TestMembersAreToldEarly(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"quick.service": {}, "slow.service": {hold: true}})
	w := startInBackground(t, newDriver(t, f), levels.StartUnits{Target: level(0)})
	if got := <-w.told; got.Unit != "quick.service" {
		t.Errorf("told first: %v, want quick.service", got)
	}
	select {
	case <-w.done:
		t.Error("start returned while slow.service was on its way")
	default:
	}
	f.finish("slow.service")
	wantMembers(t, w.wait(t), map[string]string{"quick.service": "done", "slow.service": "done"})
}

// TestRefusalsBecomeReasons covers refusals with and without a culprit among the members.
func TestRefusalsBecomeReasons(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"ok.service": {}, "none.service": {state: state{loadState: "not-found"}}})
	f.target("cssc-init-1.target", map[string]*fakeUnit{"fine.service": {}})
	refuse := func(method string, _ []any) ([]any, bool, error) {
		return nil, method == "EnqueueUnitJob", dbus.NewError(systemdName+".OnlyByDependency", []any{"Refused."})
	}
	f.set(func() { f.answer = refuse })
	d := newDriver(t, f)
	got, err := d.Start(limited(t), levels.StartUnits{Target: level(0)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, described(got), map[string]string{
		"ok.service": "failed not started: Refused.", "none.service": "failed unit not found: install it, or disable it",
	})
	_, err = d.Start(limited(t), levels.StartUnits{Target: level(1)}, nil)
	if refusal, ok := errors.AsType[*UnitError](err); !ok || refusal.Name != systemdName+".OnlyByDependency" || !strings.HasPrefix(err.Error(), "start cssc-init-1.target: unit cssc-init-1.target: Refused") {
		t.Errorf("refusal without a culprit: got %v", err)
	}
	got, err = d.Start(limited(t), levels.StartUnits{Target: level(1), Units: []string{"fine.service"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, described(got), map[string]string{"fine.service": "failed not started: Refused."})
	_, err = d.Start(limited(t), levels.StartUnits{Target: level(77)}, nil)
	if err == nil || !strings.Contains(err.Error(), "not loaded (not-found)") {
		t.Errorf("target that does not exist: got %v", err)
	}
}

// TestOtherJobsInTheWay are replaced, but not a shutdown: that nothing may cancel.
func TestOtherJobsInTheWay(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"a.service": {}})
	f.set(func() {
		f.add("shutdown.target", &fakeUnit{})
		f.answer = func(method string, args []any) ([]any, bool, error) {
			return nil, method == "EnqueueUnitJob" && args[2] == "fail", dbus.NewError(errDestructive, []any{"Transaction is destructive."})
		}
	})
	d := newDriver(t, f)
	got, err := d.Start(limited(t), levels.StartUnits{Target: level(0)}, nil)
	if err != nil || f.count("EnqueueUnitJob cssc-init-0.target start replace") != 1 {
		t.Fatalf("with another job in the way: %v, %v; %q", got, err, f.log())
	}
	wantMembers(t, described(got), map[string]string{"a.service": "done"})

	f.set(func() {
		f.calls = nil
		f.jobs[1] = &fakeJob{1, "shutdown.target", "start"}
	})
	_, err = d.Start(limited(t), levels.StartUnits{Target: level(0)}, nil)
	if refusal, ok := errors.AsType[*UnitError](err); !ok || refusal.Name != errDestructive || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("while the system shuts down: %v", err)
	}
	got, err = d.Start(limited(t), levels.StartUnits{Target: level(0), Units: []string{"b.service"}}, nil)
	if err != nil {
		t.Error(err)
	}
	wantMembers(t, described(got), map[string]string{"b.service": "failed unit not found: install it, or disable it"})
	if f.count("EnqueueUnitJob") != 2 { // in mode fail
		t.Errorf("requests: %q", f.log())
	}
}

// TestTimeIsUp ends the context while a member is on its way, with and without a bus.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"quick.service": {}, "slow.service": {hold: true}})
	d := newDriver(t, f)
	ctx, cancel := context.WithCancel(limited(t))
	members, err := d.Start(ctx, levels.StartUnits{Target: level(0)}, func(levels.Member) { cancel() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "slow.service") || len(members) != 1 {
		t.Errorf("start: got %v, %v, want quick.service and an error that names slow.service", members, err)
	}
	s, err := d.link.session(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	f.bus.Stop()
	<-s.done()
	ctx, cancel = context.WithCancel(limited(t))
	cancel()
	_, err = d.Stop(ctx, levels.StopUnits{Target: level(0)})
	if !errors.Is(err, ErrNoBus) {
		t.Errorf("stop without a bus: got %v, want ErrNoBus", err)
	}
}

// TestStopOfWhatIsDownIsNoJob and what is up gets one each, the target last.
func TestStopOfWhatIsDownIsNoJob(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	up := state{activeState: "active"}
	f.target("cssc-master-1.target", map[string]*fakeUnit{"a.service": {state: up}, "b.service": {stopHold: true, state: up}, "off.service": {}, "both.service": {state: up}})
	f.target("cssc-vice-1.target", map[string]*fakeUnit{"both.service": {state: up}})
	f.set(func() { f.units["cssc-master-1.target"].state.activeState = "active" })
	d := newDriver(t, f)
	order := levels.StopUnits{Target: levels.RoleTarget(levels.RoleMaster, 1), Keep: []levels.Target{levels.RoleTarget(levels.RoleVice, 1)}}
	w := background(t, func(ctx context.Context, _ func(levels.Member)) ([]levels.Member, error) { return d.Stop(ctx, order) })
	f.called(t, "EnqueueUnitJob b.service stop", 1)
	if f.count("EnqueueUnitJob cssc-master-1.target") != 0 {
		t.Error("the target was stopped before its members were down")
	}
	f.finish("b.service")
	wantMembers(t, w.wait(t), map[string]string{
		"a.service": "done", "b.service": "done", "off.service": "already", "both.service": "skipped kept: cssc-vice-1.target wants it too",
	})
	if f.count("EnqueueUnitJob") != 3 || f.count("EnqueueUnitJob cssc-master-1.target stop") != 1 || f.count("KillUnit") != 0 {
		t.Errorf("requests: %q, want a, b and the target", f.log())
	}
	f.set(func() { f.calls = nil })
	if got, err := d.Stop(limited(t), levels.StopUnits{Target: order.Target, Keep: order.Keep}); err != nil || f.count("EnqueueUnitJob") != 0 {
		t.Errorf("stop of what is down: got %v, %v, requests %q, want none", got, err, f.log())
	}
}

// TestKillGoesOnUntilNothingIsLeft kills at once and again while the unit still runs.
func TestKillGoesOnUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-master-1.target", map[string]*fakeUnit{"hang.service": {stopHold: true, state: state{activeState: "active"}}})
	d := newDriver(t, f)
	order := levels.StopUnits{Target: levels.RoleTarget(levels.RoleMaster, 1), Kill: true}
	w := background(t, func(ctx context.Context, _ func(levels.Member)) ([]levels.Member, error) { return d.Stop(ctx, order) })
	f.called(t, "KillUnit hang.service all 9", 3)
	f.finish("hang.service")
	wantMembers(t, w.wait(t), map[string]string{"hang.service": "done"})
}

// TestMembersAndLostAndHints reads targets, and is told when to look again.
func TestMembersAndLostAndHints(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"b.service": {}, "a.service": {}, "cssc-agent.service": {}})
	f.target("cssc-init-1.target", nil)
	f.target("cssc-other.target", map[string]*fakeUnit{"c.service": {}})
	f.set(func() { f.units["cssc-init-1.target"].state.activeState = "active" })
	d := newDriver(t, f)
	<-d.Changed() // the connection
	members, err := d.Members(limited(t))
	if got := strings.Join(members[level(0)], " "); err != nil || got != "a.service b.service" || len(members) != 1 {
		t.Errorf("members: got %v, %v", members, err)
	}
	momentary := levels.SequenceTarget(levels.Position{Sequence: levels.Shut, Level: 0})
	lost, err := d.Lost(limited(t), []levels.Target{level(1), momentary, level(0)})
	if err != nil || !slices.Equal(lost, []levels.Target{level(0)}) {
		t.Errorf("lost: got %v, %v, want init-0", lost, err)
	}
	for _, signal := range []func(){
		func() { f.emit(systemdManager+".Reloading", false) },
		func() { f.emit(systemdManager + ".UnitFilesChanged") },
		func() {
			f.emit(systemdManager+".JobRemoved", uint32(7), dbus.ObjectPath("/job/7"), "cssc-init-1.target", "done")
		},
	} {
		signal()
		select {
		case <-d.Changed():
		case <-limited(t).Done():
			t.Fatal("no hint")
		}
	}
	f.emit(systemdManager+".Reloading", true)
	f.emit(systemdManager+".JobRemoved", uint32(7), dbus.ObjectPath("/job/7"), "cssc-shut-1.target", "done")
	f.emit(systemdManager+".JobRemoved", uint32(7), dbus.ObjectPath("/job/7"), "other.service", "done")
	if _, err := d.Members(limited(t)); err != nil {
		t.Fatal(err)
	}
	if len(d.Changed()) != 0 {
		t.Error("a hint for nothing")
	}
}

// TestRunLeavesNothingBehind and serves nobody afterwards.
func TestRunLeavesNothingBehind(t *testing.T) {
	f := newFake(t)
	before := goleak.IgnoreCurrent()
	d := NewDriver(Options{Address: f.bus.Address()})
	ctx, cancel := context.WithCancel(limited(t))
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	if _, err := d.Members(limited(t)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	goleak.VerifyNone(t, before)
}

// TestManyUnitsStayWithinTheLimitOfTheBus starts and stops more units than the bus allows
// a connection to have unanswered calls, three targets at a time.
func TestManyUnitsStayWithinTheLimitOfTheBus(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	want := map[string]string{}
	const each = 300
	for number := range levels.Level(3) {
		members := map[string]*fakeUnit{}
		for i := range each {
			members[fmt.Sprintf("m%d-%d.service", number, i)] = &fakeUnit{after: "inactive"}
		}
		f.target(TargetUnit(level(number)), members)
	}
	d := newDriver(t, f)
	works := make([]chan map[string]string, 3)
	for number := range works {
		works[number] = make(chan map[string]string, 1)
		go func() {
			members, err := d.Start(limited(t), levels.StartUnits{Target: level(levels.Level(number))}, nil)
			if err != nil {
				t.Errorf("start: %v", err)
			}
			works[number] <- described(members)
		}()
	}
	for number, work := range works {
		clear(want)
		for i := range each {
			want[fmt.Sprintf("m%d-%d.service", number, i)] = "done"
		}
		wantMembers(t, <-work, want)
	}
}
