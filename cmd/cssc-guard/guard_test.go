package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/units"
)

const ms = int64(time.Millisecond)

// fakeWorld is a node of which every time is known. A member is a group of processes that
// SIGKILL ends, unless it is told otherwise; PID 1 answers a refresh at once, or never.
type fakeWorld struct {
	time    int64
	record  lease.Record
	err     error
	list    roster
	members []units.Doomed // what PID 1 would tell
	alive   map[string]int // lives of a group: SIGKILL takes one
	frozen  map[string]bool
	// mute: PID 1 answers nothing and does nothing. unborn are groups in which it starts a
	// command that is not executed yet: as long as one of them is frozen it is as if mute.
	mute   bool
	unborn map[string]bool
	// refusal is what PID 1 answers to a stop, "" = it stops.
	refusal string
	// log is what was done, "12ms kill /db".
	log   []string
	pings int
}

func newWorld(members ...units.Doomed) *fakeWorld {
	w := &fakeWorld{time: 1000 * ms, err: lease.ErrNone, members: members, alive: map[string]int{}, frozen: map[string]bool{}, unborn: map[string]bool{}}
	for _, m := range members {
		if m.Group != "" {
			w.alive[m.Group] = 1
		}
	}

	return w
}

func (w *fakeWorld) did(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%dms ", w.time/ms)+fmt.Sprintf(format, args...))
}

func (w *fakeWorld) now() int64                  { return w.time }
func (w *fakeWorld) read() (lease.Record, error) { return w.record, w.err }
func (w *fakeWorld) roster() roster              { return w.list }
func (w *fakeWorld) rest()                       {}
func (w *fakeWorld) populated(group string) bool { return w.alive[group] > 0 }
func (w *fakeWorld) awaited(group string) bool   { return w.unborn[group] }
func (w *fakeWorld) trouble() string             { return w.refusal }
func (w *fakeWorld) ping()                       { w.pings++ }

// wait lets time pass, in which what is not frozen calls exec.
func (w *fakeWorld) wait(until int64) {
	w.time = max(until, w.time+1)
	maps.DeleteFunc(w.unborn, func(group string, _ bool) bool { return !w.frozen[group] || w.alive[group] <= 0 })
}

func (w *fakeWorld) refresh() {
	if !w.mute && len(w.unborn) == 0 {
		w.list = roster{since: w.time, members: slices.Clone(w.members)}
	}
}

func (w *fakeWorld) stop(names []string) {
	w.did("stop %s", strings.Join(names, " "))
	for i, m := range w.members {
		if !w.mute && len(w.unborn) == 0 && w.refusal == "" && slices.Contains(names, m.Unit) {
			w.members[i].Up = false
		}
	}
}

func (w *fakeWorld) kill(names []string) { w.did("ask to kill %s", strings.Join(names, " ")) }

func (w *fakeWorld) killGroup(group string) error {
	w.did("kill %s", group)
	w.alive[group]--

	return nil
}

func (w *fakeWorld) freeze(group string, on bool) {
	if w.frozen[group] != on {
		w.did("freeze %s %v", group, on)
	}
	w.frozen[group] = on
}

func (w *fakeWorld) reboot(grace time.Duration) { w.did("reboot within %v", grace) }

func (w *fakeWorld) tell(kind messageKind, fields ...field) {
	text := entry{kind, fields}.text()
	if kind != msgStarted && kind != msgArmed {
		w.did("tell %s", text)
	}
}

// hold writes a lease of 1 s from now whose last 100 ms are the guard's.
func (w *fakeWorld) hold(term uint64, fence bool) {
	until := w.time + 1000*ms
	w.record, w.err = lease.Record{Term: term, Held: true, SelfFence: fence, From: w.time, Until: until, KillAt: until - 100*ms}, nil
}

// play runs the guard for a time.
func (w *fakeWorld) play(g *guard, length time.Duration) {
	for end := w.time + int64(length); w.time < end; {
		w.wait(min(g.turn(), end))
	}
}

// wantLog compares what was done.
func (w *fakeWorld) wantLog(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.log, want) {
		t.Errorf("done:\n  %s\nwant:\n  %s", strings.Join(w.log, "\n  "), strings.Join(want, "\n  "))
	}
}

func service(name string) units.Doomed {
	return units.Doomed{Unit: name + ".service", Group: "/" + name, Up: true}
}

const (
	struckText = "tell lease is over, members of the master are killed: "
	goneText   = "tell no member of the master runs any more: "
	failedText = "tell a member runs on without a lease: "
)

// TestLeaseThatIsRenewedOrEndsHurtsNobody: the guard does nothing without a lease, with one
// that is renewed, with one that is given back, and with one without an end.
func TestLeaseThatIsRenewedOrEndsHurtsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.play(g, 3*time.Second)
	for range 20 {
		w.hold(1, true)
		w.play(g, 125*time.Millisecond)
	}
	w.record.KillAt, w.record.Until = lease.Forever, lease.Forever
	w.play(g, time.Hour)
	w.record = lease.Record{Term: 1}
	w.play(g, time.Minute)
	w.wantLog(t)
}

// TestMembersAreDeadBeforeTheEnd: at the deadline every group is killed, then PID 1 is told,
// and the guard says so.
func TestMembersAreDeadBeforeTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"), units.Doomed{Unit: "ip.service", Up: true}, service("web"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 1050*time.Millisecond)
	w.wantLog(t,
		"1900ms kill /db", "1900ms kill /web", "1900ms stop db.service ip.service web.service",
		"1900ms "+struckText+"term=7 members=3 late_us=0", "1900ms "+goneText+"term=7 after_us=0 before_end_us=100000")
	w.log = nil
	w.record = lease.Record{Term: 7}
	w.play(g, time.Second)
	w.wantLog(t, "2050ms tell guard is at rest again: term=7")
}

// TestWhatSurvivesIsKilledAgainAndFencesTheNode: a member lives through two, or all SIGKILLs.
// At the end of the lease, not before, the node is rebooted, if that is wanted.
func TestWhatSurvivesIsKilledAgainAndFencesTheNode(t *testing.T) {
	t.Parallel()
	for lives, want := range map[int]string{2: "", 1000: "2000ms reboot within 250ms"} {
		for _, fence := range []bool{true, false} {
			w := newWorld(service("db"))
			w.alive["/db"] = lives
			g := newGuard(w, 500*time.Millisecond)
			w.hold(7, fence)
			w.play(g, 10*time.Second)
			got := ""
			for _, line := range w.log {
				if strings.Contains(line, "reboot") {
					got += line
				}
			}
			if !fence {
				want = ""
			}
			if got != want {
				t.Errorf("%d lives, fence %v: reboot %q, want %q\n%s", lives, fence, got, want, strings.Join(w.log[:12], "\n"))
			}
			if at := slices.Index(w.log, "1950ms ask to kill db.service"); at < 0 {
				t.Errorf("%d lives: PID 1 was not asked halfway:\n%s", lives, strings.Join(w.log[:min(8, len(w.log))], "\n"))
			}
			told := slices.IndexFunc(w.log, func(line string) bool { return strings.Contains(line, failedText) })
			if (told >= 0) != (lives > 2) {
				t.Errorf("%d lives: told of a survivor %v\n%s", lives, told >= 0, strings.Join(w.log[:8], "\n"))
			}
		}
	}
}

// TestStopCommandsAreSpared: what runs after the first kill of a unit that is being stopped
// is its own commands for that. They have a lease of time, and no longer.
func TestStopCommandsAreSpared(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 901*time.Millisecond)
	w.alive["/db"] = 1 // ExecStopPost=
	w.members[0].Ending, w.members[0].Up = true, false
	w.play(g, 1000*time.Millisecond)
	w.log = slices.DeleteFunc(w.log, func(line string) bool { return strings.Contains(line, "tell") })
	if kills := strings.Count(strings.Join(w.log, "\n"), "kill /db"); kills != 1 {
		t.Errorf("killed %d times, want once:\n%s", kills, strings.Join(w.log, "\n"))
	}
	w.play(g, 2*time.Second)
	if !slices.Contains(w.log, "3000ms reboot within 250ms") {
		t.Errorf("a command that does not end: no reboot a lease after the end:\n%s", strings.Join(w.log, "\n"))
	}
}

// TestWhatIsStartedAfterTheKillDoesNotRun until it is known what it is: a service that a slow
// PID 1 has started once more is killed, a command for stopping goes on.
func TestWhatIsStartedAfterTheKillDoesNotRun(t *testing.T) {
	t.Parallel()
	for _, stopping := range []bool{true, false} {
		w := newWorld(service("db"))
		g := newGuard(w, 500*time.Millisecond)
		w.hold(7, false)
		w.play(g, 901*time.Millisecond)
		w.mute, w.alive["/db"], w.log = true, 1, nil
		w.list.since = 1 // made before the kill
		w.play(g, 300*time.Millisecond)
		w.wantLog(t, "1901ms freeze /db true")
		w.mute, w.log = false, nil
		w.members[0].Ending, w.members[0].Up = stopping, false
		w.play(g, 10*time.Millisecond)
		killed := slices.ContainsFunc(w.log, func(line string) bool { return strings.HasSuffix(line, " kill /db") })
		if killed == stopping || w.frozen["/db"] {
			t.Errorf("stopping %v: killed %v, frozen %v: %q", stopping, killed, w.frozen["/db"], w.log)
		}
	}
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, false)
	w.play(g, 901*time.Millisecond)
	w.mute, w.alive["/db"], w.list.since = true, 1, 1
	w.play(g, 10*time.Millisecond)
	w.hold(8, false)
	w.play(g, time.Millisecond)
	if w.frozen["/db"] {
		t.Error("a member is frozen under the next lease")
	}
}

// TestListCannotTellOfWhatCameLater: a list that is younger than the first kill and older than
// a command for stopping says that the unit is up; the command is not killed for that.
func TestListCannotTellOfWhatCameLater(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"), service("ip"))
	w.alive["/ip"] = 0 // a oneshot: up without a process
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, false)
	w.play(g, 950*time.Millisecond)
	w.members[1].Up = true // PID 1 has not come to it
	w.refresh()
	w.mute, w.alive["/ip"], w.log = true, 1, nil
	w.play(g, 20*time.Millisecond)
	w.wantLog(t, "1950ms freeze /ip true")
	w.mute, w.log = false, nil
	w.members[1].Ending, w.members[1].Up = true, false
	w.play(g, 200*time.Millisecond)
	w.wantLog(t, "1971ms freeze /ip false", "1971ms stop ip.service")
}

// TestMemberThatTheListLackedIsKilledWhenItIsFound, not only halfway.
func TestMemberThatTheListLackedIsKilledWhenItIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, false)
	w.play(g, 800*time.Millisecond)
	w.members, w.alive["/new"] = append(w.members, service("new")), 1
	w.play(g, 130*time.Millisecond)
	if w.alive["/new"] != 0 {
		t.Errorf("it lives: %q", w.log)
	}
}

// TestWhatComesBackIsKilledAtOnce, as long as the record says that there is no lease.
func TestWhatComesBackIsKilledAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, false)
	w.play(g, 5*time.Second)
	w.log = nil
	w.alive["/db"] = 1
	w.play(g, time.Second)
	if len(w.log) < 2 || w.log[0] != "6000ms freeze /db true" || w.log[1] != "6006ms kill /db" || w.alive["/db"] != 0 || len(w.log) > 6 {
		t.Errorf("done: %q", w.log)
	}
	w.hold(8, false)
	w.alive["/db"] = 1
	w.play(g, 500*time.Millisecond)
	if w.alive["/db"] != 1 {
		t.Error("a member of the next mastership was killed")
	}
}

// TestSilentManagerIsNoExcuse: with the list at hand the groups are killed though PID 1 never
// answers again; without a list, and without anybody to stop what has no process, the node
// ends after the time for that.
func TestSilentManagerIsNoExcuse(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"), units.Doomed{Unit: "ip.service", Up: true})
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 100*time.Millisecond)
	w.mute = true
	w.play(g, 2*time.Second)
	if w.alive["/db"] != 0 || w.log[0] != "1900ms kill /db" {
		t.Errorf("done: %q", w.log)
	}
	w.play(g, 2*time.Second)
	if !slices.Contains(w.log, "3000ms reboot within 250ms") {
		t.Errorf("a member that nobody stops: %q", w.log)
	}
	blind := newWorld(service("db"))
	blind.mute = true
	g = newGuard(blind, 500*time.Millisecond)
	blind.hold(7, true)
	blind.play(g, 5*time.Second)
	blind.wantLog(t, "3000ms "+failedText+`term=7 reason="PID 1 does not say what runs" fence=true listed=never`, "3000ms reboot within 250ms")
}

// TestLateGuardActsAtOnce: a guard that was started, or woke up, long after the end.
func TestLateGuardActsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	w.alive["/db"] = 1000
	w.hold(7, true)
	w.time += 60_000 * ms
	g := newGuard(w, 500*time.Millisecond)
	w.play(g, time.Second)
	if len(w.log) < 1 || w.log[0] != "61001ms kill /db" || !slices.Contains(w.log, "61101ms reboot within 250ms") {
		t.Errorf("done: %q", w.log)
	}
}

// TestSurvivalIsJudgedAfterTheKill, though the list of members came after the end of the lease.
func TestSurvivalIsJudgedAfterTheKill(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	w.alive["/db"], w.mute = 2, true
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 1100*time.Millisecond)
	w.mute = false
	w.play(g, 500*time.Millisecond)
	if w.alive["/db"] != 0 || slices.ContainsFunc(w.log, func(line string) bool { return strings.Contains(line, "reboot") }) {
		t.Errorf("done: %q", w.log)
	}
}

// TestUnreadableRecordChangesNothing: the deadline that was known stands, and the trouble is
// told once.
func TestUnreadableRecordChangesNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{lease.ErrDamaged, lease.ErrNone, fs.ErrNotExist, errors.New("input/output error")} {
		w := newWorld(service("db"))
		g := newGuard(w, 500*time.Millisecond)
		w.hold(7, false)
		w.play(g, 300*time.Millisecond)
		w.err = err
		w.play(g, 2*time.Second)
		if w.alive["/db"] != 0 || !slices.Contains(w.log, "1900ms kill /db") {
			t.Errorf("%v: done %q", err, w.log)
		}
		if told := strings.Count(strings.Join(w.log, "\n"), "lease record not readable"); told != 1 {
			t.Errorf("%v: told %d times, want once", err, told)
		}
	}
	w := newWorld(service("db"))
	w.err = lease.ErrDamaged
	w.play(newGuard(w, 0), 5*time.Second)
	w.wantLog(t, `1000ms tell lease record not readable: error="the lease record is damaged" held=false`)
}

// TestWatchdogHearsOfTheGuard: at least twice in its interval, also in the middle of a strike.
func TestWatchdogHearsOfTheGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	w.alive["/db"] = 1000
	g := newGuard(w, 62*time.Millisecond)
	w.hold(7, false)
	for range 40 {
		w.pings = 0
		w.play(g, 62*time.Millisecond)
		if w.pings < 2 {
			t.Fatalf("%d pings in the interval, at %dms", w.pings, w.time/ms)
		}
	}
}
