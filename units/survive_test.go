package units

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/levels"
)

// TestLostSignalsOnlyDelay drops every signal: the states tell the same, a tick later.
func TestLostSignalsOnlyDelay(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{
		"ok.service": {hold: true}, "bad.service": {result: "failed", after: "failed", unitResult: "timeout"}, "never.service": {result: "dependency"},
	})
	d := newDriver(t, f)
	f.set(func() { f.mute = true })
	w := startInBackground(t, d, levels.StartUnits{Target: level(0)})
	f.called(t, "EnqueueUnitJob", 1)
	f.finish("ok.service")
	wantMembers(t, w.wait(t), map[string]string{
		"ok.service": "done", "bad.service": "failed run timed out",
		"never.service": "failed it was not started: a unit that it requires failed, or its job timed out",
	})
	stop := background(t, func(ctx context.Context, _ func(levels.Member)) ([]levels.Member, error) {
		return d.Stop(ctx, levels.StopUnits{Target: level(0)})
	})
	wantMembers(t, stop.wait(t), map[string]string{"ok.service": "done", "bad.service": "already", "never.service": "already"})
}

// TestSignalsLostHalfwayOnlyDelay hears one member and loses the news of the other.
func TestSignalsLostHalfwayOnlyDelay(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"one.service": {hold: true}, "other.service": {hold: true}})
	w := startInBackground(t, newDriver(t, f), levels.StartUnits{Target: level(0)})
	f.called(t, "ListUnitsByNames", 1)
	f.finish("one.service")
	<-w.told
	f.set(func() { f.mute = true })
	f.finish("other.service")
	wantMembers(t, w.wait(t), map[string]string{"one.service": "done", "other.service": "done"})
}

// TestSignalsSaveTheTick ends more jobs, each after it was made, than there are ticks in that
// time.
func TestSignalsSaveTheTick(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"a.service": {hold: true}})
	d := newDriver(t, f)
	began := time.Now()
	const rounds = 10
	for range rounds {
		f.set(func() { f.calls = nil })
		w := startInBackground(t, d, levels.StartUnits{Target: level(0)})
		f.called(t, "EnqueueUnitJob", 1)
		f.finish("a.service")
		w.wait(t)
		if _, err := d.Stop(limited(t), levels.StopUnits{Target: level(0)}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > rounds*tick/2 {
		t.Errorf("%d rounds took %v: the ends of jobs are not heard", rounds, took)
	}
}

// TestResumeAsksOnlyForWhatWasNotAskedFor has each state in which a restarted agent can find
// its level.
func TestResumeAsksOnlyForWhatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// target and member say whether they left traces since the order.
		target, member bool
		want           string
		outcome        string
	}{
		{"nothing was asked for", false, false, "EnqueueUnitJob cssc-init-0.target start fail", "done"},
		{"the member ran, the target could not follow", false, true, "EnqueueUnitJob other.service start fail", "done"},
		{"all of it is over", true, true, "", "failed it was not started: a unit that it requires failed, or its job timed out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.target("cssc-init-0.target", map[string]*fakeUnit{"ran.service": {after: "inactive"}, "other.service": {}})
			since := levels.Instant(readClock(unix.CLOCK_BOOTTIME))
			f.set(func() {
				if c.target {
					u := f.units["cssc-init-0.target"]
					u.state.activeState, u.state.inactiveExit = "active", monotonicNow()
				}
				if c.member {
					f.units["ran.service"].state.inactiveExit = monotonicNow()
				}
			})
			order := levels.StartUnits{Target: level(0), Resume: true, Since: since}
			wantMembers(t, startInBackground(t, newDriver(t, f), order).wait(t), map[string]string{"ran.service": "done", "other.service": c.outcome})
			var asked []string
			for _, call := range f.log() {
				if strings.HasPrefix(call, "EnqueueUnitJob") && !strings.HasSuffix(call, "ignore-dependencies") {
					asked = append(asked, call)
				}
			}
			if got := strings.Join(asked, ", "); got != c.want {
				t.Errorf("asked for %q, want %q", got, c.want)
			}
		})
	}
}

// TestOwnerHeardIsNewerThanOwnerAsked: the answer to the question may be the older news.
func TestOwnerHeardIsNewerThanOwnerAsked(t *testing.T) {
	t.Parallel()
	w := &watcher{peer: systemdName, moved: make(chan struct{}, 1)}
	w.found(":1.1")
	w.DeliverSignal("", "", &dbus.Signal{Sender: busName, Name: busName + ".NameOwnerChanged", Body: []any{systemdName, ":1.1", ":1.2"}})
	w.found(":1.1")
	if w.owner != ":1.2" || len(w.moved) != 1 {
		t.Errorf("owner %s, want :1.2", w.owner)
	}
	for _, body := range [][]any{{systemdName, ":1.2"}, {"other", "", ":1.3"}, {systemdName, "", 4}, nil} {
		w.DeliverSignal("", "", &dbus.Signal{Sender: busName, Name: busName + ".NameOwnerChanged", Body: body})
	}
	if w.owner != ":1.2" {
		t.Errorf("owner %s after nonsense, want :1.2", w.owner)
	}
}

// TestForgedAndMistypedSignalsAreNothing lets somebody else claim that a job has failed,
// and the real owner send nonsense.
func TestForgedAndMistypedSignalsAreNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"slow.service": {hold: true}})
	d := newDriver(t, f)
	w := startInBackground(t, d, levels.StartUnits{Target: level(0)})
	f.called(t, "ListUnitsByNames", 1)
	s, err := d.link.session(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	job := f.jobsOf("slow.service")[0]
	f.mu.Unlock()
	forger := f.bus.Connect(t)
	forged := &dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(s.conn.Names()[0]),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(systemdObject)),
			dbus.FieldInterface:   dbus.MakeVariant(systemdManager),
			dbus.FieldMember:      dbus.MakeVariant("JobRemoved"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(uint32(0), dbus.ObjectPath("/"), "", "")),
		},
		Body: []any{job, dbus.ObjectPath("/job/1"), "slow.service", "failed"},
	}
	forger.Send(forged, nil)
	if err := forger.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]any{{}, {"x"}, {job, "slow.service", "failed", "x"}, {uint64(job), dbus.ObjectPath("/x"), "slow.service", "failed"}} {
		f.emit(systemdManager+".JobRemoved", body...)
		f.emit(systemdManager+".Reloading", body...)
	}
	if _, err := d.Members(limited(t)); err != nil { // behind all of these on the same connection
		t.Fatal(err)
	}
	if result, ok := d.board.result(job); ok {
		t.Errorf("job result %q was believed", result)
	}
	f.finish("slow.service")
	wantMembers(t, w.wait(t), map[string]string{"slow.service": "done"})
}

// TestWorkGoesOnOverReexecAndBusRestart replaces the owner of the name, then the bus,
// while a member is on its way, and lets jobs end while nobody listens.
func TestWorkGoesOnOverReexecAndBusRestart(t *testing.T) {
	t.Parallel()
	for name, happen := range map[string]func(t *testing.T, f *fake){
		"reexec": func(t *testing.T, f *fake) {
			t.Helper()
			f.mu.Lock()
			old := f.conn
			f.mu.Unlock()
			f.connect(t)
			_ = old.Close()
			f.called(t, "Subscribe", 2)
		},
		"bus restart": func(t *testing.T, f *fake) {
			t.Helper()
			f.bus.Stop()
			f.finish("unheard.service")
			f.bus.Start(t)
			f.connect(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.target("cssc-init-0.target", map[string]*fakeUnit{"slow.service": {hold: true}, "unheard.service": {hold: true, result: "failed", after: "failed"}})
			w := startInBackground(t, newDriver(t, f), levels.StartUnits{Target: level(0)})
			f.called(t, "ListUnitsByNames", 1)
			happen(t, f)
			f.finish("unheard.service")
			f.finish("slow.service")
			wantMembers(t, w.wait(t), map[string]string{"slow.service": "done", "unheard.service": "failed it failed to start"})
			if got := f.count("EnqueueUnitJob"); got != 1 {
				t.Errorf("requests: got %d, want 1; %q", got, f.log())
			}
		})
	}
}

// TestRequestWithoutAnswerIsLookedInto breaks the bus after systemd took the request and
// before it answered: nothing may be started twice.
func TestRequestWithoutAnswerIsLookedInto(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"gone.service": {after: "inactive"}})
	broken := make(chan struct{})
	lose := func(method string, args []any) ([]any, bool, error) {
		if method != "EnqueueUnitJob" {
			return nil, false, nil
		}
		f.answer = nil
		_, _ = f.enqueue(args[0].(string), args[1].(string), args[2].(string))
		f.bus.Stop()
		close(broken)

		return []any{}, true, errors.New("nobody hears this")
	}
	f.set(func() { f.answer = lose })
	w := startInBackground(t, newDriver(t, f), levels.StartUnits{Target: level(0)})
	<-broken
	f.bus.Start(t)
	f.connect(t)
	wantMembers(t, w.wait(t), map[string]string{"gone.service": "done"})
	if got := f.count("EnqueueUnitJob"); got != 1 {
		t.Errorf("requests: got %d, want 1; %q", got, f.log())
	}
}
