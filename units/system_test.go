package units

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// fakeLogin makes the fake answer as logind: it hands out pipes as inhibitors and counts
// how many of them are held.
type fakeLogin struct {
	*fake
	taken    atomic.Int32
	released chan struct{}
	// writers are the fake's own copies, closed by hand once System has its copy.
	writers []*os.File
	// refuse is the error of every Inhibit and every ending while it is set.
	refuse map[string]error
	values map[string]any
}

func newFakeLogin(t *testing.T) *fakeLogin {
	t.Helper()
	f := &fakeLogin{
		fake: newFake(t), released: make(chan struct{}, 64), refuse: map[string]error{},
		values: map[string]any{"PreparingForShutdown": false, "InhibitDelayMaxUSec": uint64(5_000_000)},
	}
	f.set(func() { f.answer = f.login })

	return f
}

func (f *fakeLogin) login(method string, args []any) ([]any, bool, error) {
	if err := f.refuse[method]; err != nil {
		return nil, true, err
	}
	switch method {
	case "Inhibit":
		reader, writer, err := os.Pipe()
		if err != nil {
			return nil, true, err
		}
		f.taken.Add(1)
		f.writers = append(f.writers, writer)
		go func() {
			_, _ = reader.Read(make([]byte, 1))
			_ = reader.Close()
			f.taken.Add(-1)
			f.released <- struct{}{}
		}()
		return []any{dbus.UnixFD(writer.Fd())}, true, nil
	case "Get":
		value, ok := f.values[args[1].(string)]
		if !ok {
			return nil, true, dbus.NewError(busName+".Error.UnknownProperty", []any{"no"})
		}

		return []any{dbus.MakeVariant(value)}, true, nil
	case "RebootWithFlags", "PowerOffWithFlags", "HaltWithFlags", "StartUnit", "Reboot", "PowerOff", "Halt":
		return nil, true, nil
	default:
		return nil, false, nil
	}
}

// handed waits until System holds an inhibitor that counts, and closes our copies.
func (f *fakeLogin) handed(t *testing.T, s *System) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for ctx := limited(t); s.missing(); {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("no inhibitor; calls %q", f.log())
		}
	}
	f.set(func() {
		for _, writer := range f.writers {
			_ = writer.Close()
		}
		f.writers = nil
	})
}

func last(values []string) string { return values[len(values)-1] }

func (f *fakeLogin) announce(member string, body ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.conn.Emit("/org/freedesktop/login1", loginManager+"."+member, body...)
}

func newSystem(t *testing.T, f *fakeLogin) *System {
	t.Helper()
	s := NewSystem(Options{Address: f.bus.Address()})
	running(t, s.Run)

	return s
}

// TestInhibitorIsHeldOverRestarts of logind and of the bus, and until Release only.
func TestInhibitorIsHeldOverRestarts(t *testing.T) {
	t.Parallel()
	f := newFakeLogin(t)
	s := newSystem(t, f)
	if err := errors.Join(s.Inhibit(limited(t)), s.Inhibit(limited(t))); err != nil {
		t.Fatal(err)
	}
	if f.count("Inhibit") != 1 {
		t.Errorf("taken %d times, want once", f.count("Inhibit"))
	}
	f.handed(t, s)
	// A new owner of the name: a new inhibitor, then the old one is given back.
	f.connect(t)
	f.called(t, "Inhibit shutdown cssc", 2)
	f.handed(t, s)
	<-f.released
	// A logind that does not answer at first is asked again, and the old one is kept.
	f.set(func() { f.refuse["Inhibit"] = dbus.NewError(busName+".Error.NoReply", []any{"no"}) })
	f.bus.Stop()
	f.bus.Start(t)
	f.connect(t)
	f.called(t, "Inhibit", 3)
	if f.taken.Load() != 1 {
		t.Errorf("held: %d, want the old one", f.taken.Load())
	}
	f.set(func() { clear(f.refuse) })
	f.handed(t, s)
	<-f.released
	if err := errors.Join(s.Release(), s.Release()); err != nil {
		t.Fatal(err)
	}
	<-f.released
	if f.taken.Load() != 0 {
		t.Errorf("held after release: %d", f.taken.Load())
	}
}

// TestAnnouncementHasItsKind with and without metadata, and not for the end of a shutdown
// or for nonsense.
func TestAnnouncementHasItsKind(t *testing.T) {
	t.Parallel()
	f := newFakeLogin(t)
	f.set(func() {
		f.values["ScheduledShutdown"] = struct {
			Kind string
			When uint64
		}{"halt", 0}
	})
	s := newSystem(t, f)
	if _, err := s.PreparingForShutdown(limited(t)); err != nil {
		t.Fatal(err)
	}
	kind := func(word string) map[string]dbus.Variant {
		return map[string]dbus.Variant{"type": dbus.MakeVariant(word)}
	}
	for _, c := range []struct {
		kind string
		want levels.Mode
	}{{"poweroff", levels.ModePoweroff}, {"reboot", levels.ModeReboot}, {"soft-reboot", levels.ModeReboot}, {"kexec", levels.ModeReboot}, {"", levels.ModeHalt}} {
		f.announce("PrepareForShutdown", "true")
		f.announce("PrepareForShutdown")
		f.announce("PrepareForShutdownWithMetadata", true)
		f.announce("PrepareForShutdownWithMetadata", true, kind(c.kind))
		f.announce("PrepareForShutdown", true)
		select {
		case got := <-s.ShutdownAnnounced():
			if got != c.want {
				t.Errorf("%q: got %v, want %v", c.kind, got, c.want)
			}
		case <-limited(t).Done():
			t.Fatalf("%q: not announced", c.kind)
		}
		f.announce("PrepareForShutdown", false)
	}
	if _, err := s.PreparingForShutdown(limited(t)); err != nil {
		t.Fatal(err)
	}
	if len(s.ShutdownAnnounced()) != 0 {
		t.Error("announced the end of a shutdown")
	}
}

// TestEndEscalates from logind to the target to force, telling each step.
func TestEndEscalates(t *testing.T) {
	t.Parallel()
	denied := dbus.NewError(busName+".Error.AccessDenied", []any{"block inhibitor"})
	for _, c := range []struct {
		name   string
		mode   levels.Mode
		refuse map[string]error
		want   string
		called string
	}{
		{"reboot", levels.ModeReboot, nil, "login1", "RebootWithFlags 0"},
		{"standalone", levels.ModeStandalone, nil, "login1", "RebootWithFlags 0"},
		{"under way", levels.ModeReboot, map[string]error{"RebootWithFlags": dbus.NewError(loginName+".OperationInProgress", nil)}, "login1", "RebootWithFlags 0"},
		{"blocked", levels.ModePoweroff, map[string]error{"PowerOffWithFlags": denied}, "login1! target", "StartUnit poweroff.target replace-irreversibly"},
		{"force", levels.ModeHalt, map[string]error{"HaltWithFlags": denied, "StartUnit": denied}, "login1! target! force", "Halt"},
		{"nothing", levels.ModeReboot, map[string]error{"RebootWithFlags": denied, "StartUnit": denied, "Reboot": denied}, "login1! target! force!", "Reboot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeLogin(t)
			f.set(func() { f.refuse = c.refuse })
			s := newSystem(t, f)
			var steps []string
			err := s.End(limited(t), c.mode, func(step string, err error) {
				if err != nil {
					step += "!"
				}
				steps = append(steps, step)
			})
			if got := strings.Join(steps, " "); got != c.want || (err != nil) != (c.name == "nothing") || last(f.log()) != c.called {
				t.Errorf("steps %q, error %v, calls %q; want %q and %q", got, err, f.log(), c.want, c.called)
			}
		})
	}
	for _, mode := range []levels.Mode{levels.ModeNone, levels.ModeNoboot, 99} {
		if err := NewSystem(Options{}).End(limited(t), mode, nil); !errors.Is(err, levels.ErrInvalid) {
			t.Errorf("%v: got %v, want ErrInvalid", mode, err)
		}
	}
}

// TestReadersOfSystem cover values, missing properties and answers of wrong types.
func TestReadersOfSystem(t *testing.T) {
	t.Parallel()
	f := newFakeLogin(t)
	s := newSystem(t, f)
	if window, err := s.Window(limited(t)); err != nil || window != 5*time.Second {
		t.Errorf("window: %v, %v", window, err)
	}
	if count, err := s.SoftReboots(limited(t)); err != nil || count != 0 {
		t.Errorf("soft-reboots without the property: %v, %v", count, err)
	}
	f.set(func() {
		f.values["SoftRebootsCount"], f.values["SystemState"] = uint32(2), "stopping"
		f.values["UserspaceTimestampMonotonic"] = uint64(3_500_000)
		f.values["TimeoutStopUSec"], f.values["InhibitDelayMaxUSec"] = ^uint64(0), ^uint64(0)
		f.values["PreparingForShutdown"] = "yes"
	})
	count, err := s.SoftReboots(limited(t))
	if booted, err := s.Booted(limited(t)); err != nil || booted != 3500*time.Millisecond {
		t.Errorf("booted: %v, %v", booted, err)
	}
	stopping, stoppingErr := s.Stopping(limited(t))
	limit, limitErr := s.StopTimeout(limited(t), "x.service")
	window, windowErr := s.Window(limited(t))
	if count != 2 || !stopping || limit != 0 || window < 1e6*time.Second || errors.Join(err, stoppingErr, limitErr, windowErr) != nil {
		t.Errorf("got %v, %v, %v, %v; %v", count, stopping, limit, window, errors.Join(err, stoppingErr, limitErr, windowErr))
	}
	for state, want := range map[string]bool{"active": true, "activating": true, "reloading": true, "inactive": false, "failed": false} {
		f.set(func() { f.values["ActiveState"] = state })
		if running, err := s.Running(limited(t), "x.service"); err != nil || running != want {
			t.Errorf("a service that is %s: running %t, %v; want %t", state, running, err, want)
		}
	}
	if _, err := s.PreparingForShutdown(limited(t)); err == nil || !strings.Contains(err.Error(), "answer of type s, want bool") {
		t.Errorf("wrong type: got %v", err)
	}
}

// TestAttacherWritesADropInAndReportsRivals on a root folder of its own; what systemd makes of
// it is tried in package integration.
func TestAttacherWritesADropInAndReportsRivals(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-3.target", map[string]*fakeUnit{"a.service": {}, "gen.service": {state: state{loadState: "masked"}}})
	f.target("cssc-shut-0.target", nil)
	f.set(func() {
		f.answer = func(method string, _ []any) ([]any, bool, error) {
			return nil, method == "EnableUnitFiles" || method == "AddDependencyUnitFiles", nil
		}
	})
	root := plant(t, map[string]string{
		"a.service": "[Install]\nWantedBy=multi-user.target\n", "/etc/systemd/system/multi-user.target.wants/a.service": "-> /usr/lib/systemd/system/a.service",
	})
	a := Attacher{Root: root, Address: f.bus.Address()}
	for _, target := range []levels.Target{level(3), level(3), levels.SequenceTarget(levels.Position{Sequence: levels.Shut})} {
		warnings, err := a.Attach(limited(t), "a", []levels.Target{target})
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "multi-user.target") {
			t.Errorf("attach: %v, %v", warnings, err)
		}
	}
	text, err := os.ReadFile(root + "/etc/systemd/system/a.service.d/50-cssc.conf")
	if want := "[Install]\nWantedBy=\nWantedBy=cssc-init-3.target\nWantedBy=cssc-shut-0.target\n"; err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("drop-in: %q, %v, want %q", text, err, want)
	}
	if got := f.count("AddDependencyUnitFiles"); got != 4 { // enabling links nothing here
		t.Errorf("links made one by one: %d; %q", got, f.log())
	}
	for unit, targets := range map[string][]levels.Target{
		"none.service": {level(3)}, "gen.service": {level(3)}, "a.service": {level(9)}, "cssc-agent.service": {level(3)}, "x@.service": {level(3)}, "a": nil,
	} {
		if _, err := a.Attach(limited(t), unit, targets); !errors.Is(err, levels.ErrInvalid) || !strings.HasPrefix(err.Error(), "attach ") {
			t.Errorf("%s: got %v, want ErrInvalid", unit, err)
		}
	}
	if err := a.Detach(limited(t), "a.service"); err != nil {
		t.Error(err)
	}
	if err := a.Detach(limited(t), "a.service"); !errors.Is(err, levels.ErrInvalid) {
		t.Errorf("detach twice: %v", err)
	}
	if got := a.attached("a.service"); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}
