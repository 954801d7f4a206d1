package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/units"
)

// TestManagerIsNotStuckWithAFrozenCommand: PID 1 starts the command for stopping of a member, in
// a group that is frozen already or is frozen before the command is executed, and can say
// nothing until it is. The guard lets it run so far, holds it until it is known, and then
// lets it go on; and no group stays frozen in which nothing runs, or that is no member any more.
func TestManagerIsNotStuckWithAFrozenCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"), service("ip"))
	w.alive["/ip"] = 0 // a oneshot: up without a process
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 901*time.Millisecond)
	w.members[1].Ending, w.members[1].Up = true, false
	w.alive["/ip"], w.unborn["/ip"], w.frozen["/ip"], g.strike.frozen["/ip"] = 1, true, true, true
	w.list.since, w.log = 1, nil
	w.play(g, 10*time.Millisecond)
	w.wantLog(t, "1901ms freeze /ip false", "1902ms freeze /ip true", "1906ms freeze /ip false", "1906ms stop ip.service")
	w.alive["/ip"] = 0
	w.play(g, 10*time.Second)
	if slices.ContainsFunc(w.log, func(line string) bool { return strings.Contains(line, failedText) }) {
		t.Errorf("done: %q", w.log)
	}
	w.frozen["/ip"], g.strike.frozen["/ip"] = true, true
	w.play(g, time.Second)
	if w.frozen["/ip"] {
		t.Error("an empty group stays frozen")
	}
	w.alive["/ip"], w.members = 1, w.members[:1]
	w.frozen["/ip"], g.strike.frozen["/ip"] = true, true
	w.play(g, time.Second)
	if w.frozen["/ip"] {
		t.Error("what is no member any more stays frozen")
	}
}

// TestWhatAGuardHasFrozenOutlivesNone: neither one that is stopped nor one that is killed
// leaves a frozen group behind, in which PID 1 would be stuck.
func TestWhatAGuardHasFrozenOutlivesNone(t *testing.T) {
	t.Parallel()
	for _, due := range []bool{true, false} {
		w := newWorld(service("db"))
		w.refresh()
		w.frozen["/db"] = true
		if w.hold(7, false); due {
			w.time += 950 * ms
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		newGuard(w, 500*time.Millisecond).run(ctx)
		if w.frozen["/db"] || w.alive["/db"] > 0 == due {
			t.Errorf("due %v: frozen %v, alive %v: %q", due, w.frozen["/db"], w.alive["/db"], w.log)
		}
	}
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, false)
	w.play(g, 901*time.Millisecond)
	w.mute, w.alive["/db"], w.list.since = true, 1, 1
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.run(ctx)
	if w.frozen["/db"] || !slices.Contains(w.log, "1901ms freeze /db true") {
		t.Errorf("frozen %v after the end: %q", w.frozen["/db"], w.log)
	}
}

// TestManagerIsAskedAgainAndItsRefusalIsTold: also while no list comes, and beside a member
// that survives SIGKILL.
func TestManagerIsAskedAgainAndItsRefusalIsTold(t *testing.T) {
	t.Parallel()
	for _, lives := range []int{1, 1000} {
		w := newWorld(service("db"), units.Doomed{Unit: "ip.service", Up: true})
		w.alive["/db"], w.refusal = lives, "unit ip.service: no"
		g := newGuard(w, 500*time.Millisecond)
		w.hold(7, false)
		w.play(g, 500*time.Millisecond)
		w.mute = true
		w.play(g, 4400*time.Millisecond)
		asked := 0
		for _, line := range w.log {
			if strings.Contains(line, "ms stop ") && strings.HasSuffix(line, " ip.service") {
				asked++
			}
		}
		if asked != 4 {
			t.Errorf("%d lives: asked %d times in 4 s, want 4: %q", lives, asked, w.log[:min(20, len(w.log))])
		}
		if !slices.ContainsFunc(w.log, func(line string) bool {
			return strings.Contains(line, failedText) && strings.HasSuffix(line, `fence=false listed=never pid1="unit ip.service: no"`)
		}) {
			t.Errorf("%d lives: the refusal is not told: %q", lives, w.log[:min(20, len(w.log))])
		}
	}
}

// TestWhatPID1NeverNamesIsTold: something was started after the kill and PID 1 never says what
// it is. It does not run, and the node ends after the time for that.
func TestWhatPID1NeverNamesIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(service("db"))
	g := newGuard(w, 500*time.Millisecond)
	w.hold(7, true)
	w.play(g, 950*time.Millisecond)
	w.mute, w.alive["/db"], w.log = true, 1, nil
	w.play(g, 3*time.Second)
	if !slices.ContainsFunc(w.log, func(line string) bool { return strings.Contains(line, "PID 1 does not say whether it serves") }) || !w.frozen["/db"] {
		t.Errorf("done: %q", w.log)
	}
}
