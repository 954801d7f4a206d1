package units

import (
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// newDirect is a Direct on the fake's bus.
func newDirect(t *testing.T, f *fake) *Direct {
	t.Helper()
	d := NewDirect(Options{Address: f.bus.Address()})
	t.Cleanup(d.Close)

	return d
}

// TestDoomedIsWhatTheMasterRuns: members of every kind of every target of the master, what
// goes down with a member target and what a member socket starts; nothing of other roles,
// of cssc itself, or of slices. Method: a systemd with one of each.
func TestDoomedIsWhatTheMasterRuns(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-master-0.target", map[string]*fakeUnit{
		"db.service": {
			state: state{activeState: "active"},
			typed: map[string]any{"ControlGroup": "/system.slice/db.service", "Slice": "system.slice", "MainPID": uint32(7)},
		},
		"web.socket": {state: state{activeState: "active", triggers: []string{"web.service"}}, typed: map[string]any{"ControlGroup": "", "Slice": "system.slice"}},
		"user.slice": {state: state{activeState: "active"}},
	})
	f.target("cssc-master-last.target", map[string]*fakeUnit{
		"grid.target":        {state: state{activeState: "active", consistsOf: []string{"cell.service"}, wants: []string{"network.service"}}},
		"cssc-agent.service": {state: state{activeState: "active"}}, "cssc-guard.service": {state: state{activeState: "active"}},
	})
	f.target("cssc-master.target", nil)
	f.target("cssc-vice-0.target", map[string]*fakeUnit{"standby.service": {}})
	f.set(func() {
		f.add("web.service", &fakeUnit{state: state{activeState: "activating"}, typed: map[string]any{"Slice": "a-b.slice"}})
		f.add("cell.service", &fakeUnit{state: state{activeState: "deactivating"}, typed: map[string]any{"Slice": "system.slice", "MainPID": uint32(0)}})
		f.add("part.service", &fakeUnit{state: state{activeState: "deactivating"}, typed: map[string]any{"Slice": "-.slice", "MainPID": uint32(9)}})
		f.add("down.service", &fakeUnit{typed: map[string]any{"Slice": "system.slice"}})
		f.units["cssc-master-0.target"].state.activeState = "active"
		f.units["cssc-master.target"].state.consistsOf = []string{"part.service", "down.service"}
	})
	got, err := newDirect(t, f).Doomed(limited(t))
	want := []Doomed{
		{Unit: "cell.service", Group: "/system.slice/cell.service", Ending: true},
		{Unit: "cssc-master-0.target", Up: true},
		{Unit: "cssc-master-last.target", Ending: true},
		{Unit: "cssc-master.target", Ending: true},
		{Unit: "db.service", Group: "/system.slice/db.service", Up: true},
		{Unit: "down.service", Group: "/system.slice/down.service", Ending: true},
		{Unit: "grid.target", Up: true},
		{Unit: "part.service", Group: "/part.service"},
		{Unit: "web.service", Group: "/a.slice/a-b.slice/web.service", Up: true},
		{Unit: "web.socket", Group: "/system.slice/web.socket", Up: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\n%+v\nwant\n%+v", err, got, want)
	}
	if n := f.count("Get " + systemdName + ".Target"); n != 0 {
		t.Errorf("%d questions about processes of targets, which have none", n)
	}
}

// TestDirectTellsAndDoesNotWait: one message for each unit, and a lost connection is made
// again for the next.
func TestDirectTellsAndDoesNotWait(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() {
		f.answer = func(method string, _ []any) ([]any, bool, error) {
			return nil, method == "StopUnit", errors.New("refused")
		}
	})
	d := newDirect(t, f)
	ctx := limited(t)
	if err := errors.Join(d.Stop(ctx, []string{"a.service", "b.service"}), d.Kill(ctx, []string{"a.service"})); err != nil {
		t.Errorf("told: %v", err)
	}
	f.called(t, "StopUnit b.service replace", 1)
	f.called(t, "KillUnit a.service all 9", 1)
	for d.Refused() == nil && ctx.Err() == nil {
		runtime.Gosched() // nobody waits for the answers, and so nobody says that they are there
	}
	if refused, ok := errors.AsType[*UnitError](d.Refused()); !ok || refused.Message != "refused" {
		t.Errorf("refused: %+v", d.Refused())
	}
	f.set(func() { f.answer = nil })
	if err := d.Stop(ctx, []string{"c.service"}); err != nil || d.Refused() != nil {
		t.Errorf("told: %v, an old refusal: %v", err, d.Refused())
	}
	f.called(t, "StopUnit c.service replace", 1)
	_ = d.current.conn.Close()
	if err := d.Reboot(ctx); err != nil {
		t.Errorf("after a lost connection: %v", err)
	}
	f.called(t, "Reboot", 1)
	f.bus.Stop()
	<-d.current.done()
	if _, err := d.Doomed(ctx); !errors.Is(err, ErrNoBus) {
		t.Errorf("without PID 1: %v, want ErrNoBus", err)
	}
}

// TestDirectHintsAtNewMembers: at the end of a reload and when a target of the master
// changed, not at other signals or at those of wrong types.
func TestDirectHintsAtNewMembers(t *testing.T) {
	t.Parallel()
	d := NewDirect(Options{})
	for _, c := range []struct {
		signal string
		body   []any
		want   bool
	}{
		{"Reloading", []any{true}, false},
		{"Reloading", []any{false}, true},
		{"Reloading", []any{"no"}, false},
		{"JobRemoved", []any{uint32(1), dbus.ObjectPath("/job/1"), "cssc-master-2.target", "done"}, true},
		{"JobRemoved", []any{uint32(1), dbus.ObjectPath("/job/1"), "cssc-vice-2.target", "done"}, false},
		{"JobRemoved", []any{uint32(1)}, false},
		{"UnitNew", []any{"cssc-master-2.target"}, false},
	} {
		d.DeliverSignal("", "", &dbus.Signal{Name: systemdManager + "." + c.signal, Body: c.body})
		got := false
		select {
		case <-d.Changed():
			got = true
		default:
		}
		if got != c.want {
			t.Errorf("%s %v: hint %v, want %v", c.signal, c.body, got, c.want)
		}
	}
}

// TestGroupsAreWhereSystemdPutsThem: slices nest by their dashes, and names that the kernel
// has for itself are escaped.
func TestGroupsAreWhereSystemdPutsThem(t *testing.T) {
	t.Parallel()
	for slice, want := range map[string]string{
		"-.slice": "", "system.slice": "/system.slice", "a-b-c.slice": "/a.slice/a-b.slice/a-b-c.slice",
		`system-foo\x2dbar.slice`: `/system.slice/system-foo\x2dbar.slice`,
	} {
		if got := sliceGroup(slice); got != want {
			t.Errorf("group of %s: %q, want %q", slice, got, want)
		}
	}
	for name, want := range map[string]string{"db.service": "db.service", "_x.service": "__x.service", "memory.service": "_memory.service", "cgroup.service": "_cgroup.service"} {
		if got := escapeGroup(name); got != want {
			t.Errorf("name of %s: %q, want %q", name, got, want)
		}
	}
}

// TestKillKillsAndTellsWhatWasRefused: the whole group of each unit, in one go; a unit that
// is not known has nothing to kill.
func TestKillKillsAndTellsWhatWasRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() {
		f.answer = func(method string, args []any) ([]any, bool, error) {
			switch {
			case method == "KillUnit" && args[0] == "gone.service":
				return nil, true, dbus.NewError(systemdName+".NoSuchUnit", []any{"not loaded"})
			case method == "KillUnit" && args[0] == "no.service":
				return nil, true, dbus.NewError(busName+".Error.AccessDenied", []any{"no"})
			}

			return nil, false, nil
		}
	})
	d := newDriver(t, f)
	if err := d.Kill(limited(t), []string{"a.service", "gone.service", "b.service"}); err != nil {
		t.Errorf("kill: %v", err)
	}
	var killed []string
	for _, call := range f.log() {
		if rest, ok := strings.CutPrefix(call, "KillUnit "); ok {
			killed = append(killed, rest)
		}
	}
	slices.Sort(killed) // the fake takes them in any order
	if want := []string{"a.service all 9", "b.service all 9", "gone.service all 9"}; !reflect.DeepEqual(killed, want) {
		t.Errorf("killed %q, want %q", killed, want)
	}
	err := d.Kill(limited(t), []string{"a.service", "no.service"})
	if refusal, ok := errors.AsType[*UnitError](err); !ok || refusal.Unit != "no.service" {
		t.Errorf("refused kill: %v, want a UnitError of no.service", err)
	}
	f.set(func() {
		f.answer = func(method string, _ []any) ([]any, bool, error) {
			return nil, method == "KillUnit", dbus.NewError(busName+".Error.NoReply", []any{"silence"})
		}
	})
	if err := d.Kill(limited(t), []string{"a.service"}); !errors.Is(err, ErrNoBus) {
		t.Errorf("kill without an answer: %v, want ErrNoBus", err)
	}
}
