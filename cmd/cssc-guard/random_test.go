package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/units"
)

// TestGuardUnderAnyHistory: leases are written, renewed, given back and lost, PID 1 falls
// silent and comes back, members are started, stopped and survive, and PID 1 waits for a
// command in a group that may be frozen. Nothing is killed, frozen or
// stopped unless a lease has run out; nothing stays frozen afterwards; the node is rebooted
// only when that is wanted; and when a lease has run out and PID 1 answers, after the time
// for it nothing serves that SIGKILL can end. Method: random histories of the fake world.
func TestGuardUnderAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c"}
		w := newWorld()
		for _, name := range names {
			w.members = append(w.members, service(name))
		}
		g := newGuard(w, time.Duration(rapid.IntRange(40, 2000).Draw(t, "interval"))*time.Millisecond)
		term := uint64(0)
		play := func(length time.Duration) {
			for end := w.time + int64(length); w.time < end; {
				due, before := w.err == nil && w.record.Due(w.time), len(w.log)
				next := g.turn()
				for _, line := range w.log[before:] {
					if acts := !strings.Contains(line, " tell ") && !strings.HasSuffix(line, " false"); acts && !due {
						t.Fatalf("without a lease that has run out: %s", line)
					}
					if strings.Contains(line, "reboot") && !w.record.SelfFence {
						t.Fatalf("unwanted: %s", line)
					}
				}
				if !due && slices.Contains([]bool{w.frozen["/a"], w.frozen["/b"], w.frozen["/c"]}, true) {
					t.Fatalf("%dms: frozen without a reason: %v", w.time/ms, w.frozen)
				}
				w.wait(min(next, end))
			}
		}
		actions := map[string]func(*rapid.T){
			"hold": func(t *rapid.T) { term++; w.hold(term, rapid.Bool().Draw(t, "fence")) },
			"renew": func(*rapid.T) {
				if w.record.Held {
					w.hold(term, w.record.SelfFence)
				}
			},
			"clear":   func(*rapid.T) { w.record = lease.Record{Term: term} },
			"silence": func(*rapid.T) { w.mute = !w.mute },
			"start": func(t *rapid.T) {
				i := rapid.IntRange(0, len(names)-1).Draw(t, "which")
				w.alive["/"+names[i]] = rapid.IntRange(1, 3).Draw(t, "lives")
				w.members[i] = service(names[i])
			},
			"stop command": func(t *rapid.T) {
				i := rapid.IntRange(0, len(names)-1).Draw(t, "which")
				w.alive["/"+names[i]] = 1
				w.members[i] = units.Doomed{Unit: names[i] + ".service", Group: "/" + names[i], Ending: true}
				w.unborn["/"+names[i]] = rapid.Bool().Draw(t, "not executed yet")
				maps.DeleteFunc(w.unborn, func(_ string, unborn bool) bool { return !unborn })
			},
			"time": func(t *rapid.T) { play(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond) },
		}
		t.Repeat(actions)
		w.mute = false
		play(20 * time.Millisecond)
		if len(w.unborn) > 0 {
			t.Fatalf("PID 1 is stuck with a frozen command: %v, frozen %v", w.unborn, w.frozen)
		}
		if w.err == nil && w.record.Held {
			play(time.Duration(max(0, w.record.Until-w.time)) + 31*time.Second)
			for i, member := range w.members {
				if !member.Ending && w.alive["/"+names[i]] > 0 {
					t.Fatalf("%s serves long after the end: %v", member.Unit, w.log[max(0, len(w.log)-5):])
				}
			}
		}
	})
}
