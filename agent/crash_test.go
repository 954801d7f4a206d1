package agent

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// story is a life of a node whose order is known: init with members and
// callbacks, then noboot, then back, then a reboot.
func story(w *world) {
	w.t.Helper()
	ask := func(request levels.OperationRequested) {
		w.t.Helper()
		for { // an operator who asks again when the agent was not there
			w.mu.Lock()
			agent := w.agent
			w.mu.Unlock()
			_, _, err := agent.Operation(w.t.Context(), request)
			if err == nil || strings.Contains(err.Error(), "in progress") {
				return
			}
			time.Sleep(50 * time.Millisecond)
			if status := agent.Status(); status != nil && request.Kind == levels.OperationShutdown && status.State == levels.StateDown {
				return // it was taken; only the answer was lost
			}
		}
	}
	term := w.untilUp().Term
	ask(levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, By: "uid 0"})
	w.until("down", func(s *Status) bool { return s.State == levels.StateDown })
	ask(levels.OperationRequested{Kind: levels.OperationStart, By: "uid 0"})
	w.until("up again", func(s *Status) bool { return s.State == levels.StateUp && s.Run == nil && s.Term > term })
	ask(levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeReboot, By: "uid 0"})
	w.until("the ending", func(*Status) bool { return strings.Contains(w.seen(), "end reboot") })
}

// supervise starts the agent again whenever it was killed, as systemd does, until
// done is closed; then it stops it.
func supervise(w *world, r *running, done <-chan struct{}) int {
	kills := 0
	for {
		select {
		case err, answered := <-r.result:
			if answered || err != nil {
				w.t.Errorf("Run = %v, want it to be killed", err)

				return kills
			}
			kills++
			w.mu.Lock()
			w.killAt = 0
			w.mu.Unlock()
			time.Sleep(200 * time.Millisecond) // RestartSec
			r = w.launch()
		case <-done:
			r.end()

			return kills
		}
	}
}

// Goal: kill -9 at any moment does nothing twice and loses nothing. Method: the
// story once without a kill counts the writes to the boot log; then twice per
// write, killed just before it and just after it, and everything that the
// services saw must be the same.
func TestKillAtEveryWrite(t *testing.T) {
	prepare := func(w *world) *running {
		w.want("init-0", "a.service")
		w.want("init-1", "b.service")
		w.want("init-1", "c.service")
		w.want("master-2", "m.service")
		w.want("shut-1", "s.service")
		w.config.Levels.Components = map[string]levels.ComponentConfig{
			"naming": {Required: []levels.Position{at("init:1"), at("init:last"), at("shut:0"), at("demote:0")}},
			"config": {Required: []levels.Position{at("init:1"), at("shut:last")}},
		}

		return w.launch()
	}
	live := func(w *world) {
		w.register(":1.6", &component{name: "config", takes: 10 * time.Millisecond}, "init:1", "shut:last")
		w.register(":1.5", &component{name: "naming", takes: 30 * time.Millisecond}, "shut:0", "demote:0", "init:last", "init:1")
		story(w)
	}
	writes, want := 0, ""
	bubble(t, func(w *world) {
		r := prepare(w)
		live(w)
		r.end()
		writes, want = w.appends, outcome(w)
	})
	if writes < 20 {
		t.Fatalf("the story took %d writes, want at least 20: is it still a story?", writes)
	}
	for k := range 2 * writes {
		t.Run(fmt.Sprintf("write %d soon %v", k/2+1, k%2 == 1), func(t *testing.T) {
			bubble(t, func(w *world) {
				t := w.t
				w.set(func() { w.killAt, w.killSoon = k/2+1, k%2 == 1 })
				r := prepare(w)
				done, kills := make(chan struct{}), make(chan int)
				go func() { kills <- supervise(w, r, done) }()
				live(w)
				close(done)
				if n := <-kills; n != 1 && w.appends >= k/2+1 { // how events fall into batches varies
					t.Errorf("the agent was killed %d times, want once", n)
				}
				if got := outcome(w); got != want {
					t.Errorf("killed at write %d, the services saw\n%s\nwithout a kill\n%s\nin the order\n%s", k/2+1, got, want, w.seen())
				}
				checkHistory(t, w)
			})
		})
	}
}

// outcome counts what each service saw. A callback may be executed again only for
// another run, so that counts of a whole story do not depend on when the agent died.
func outcome(w *world) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]int{}
	for _, line := range w.log {
		counts[line]++
	}
	delete(counts, "release inhibitor")
	var lines []string
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%d× %s", n, line))
	}

	return sorted(strings.Join(lines, ", "))
}

// checkHistory wants every run once, with rising numbers.
func checkHistory(t *testing.T, w *world) {
	t.Helper()
	entries, err := w.newStore().History(0)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range entries {
		if want := levels.RunNumber(len(entries) - i); entry.Run != want {
			t.Errorf("history entry %d is run %d, want %d", i, entry.Run, want)
		}
		if entry.Outcome != "completed" {
			t.Errorf("run %d (%s): %s, want completed", entry.Run, entry.Sequence, entry.Outcome)
		}
	}
}

// Goal: a planned restart touches nothing. Method: stop and start while up and
// in the middle of a level.
func TestPlannedRestartTouchesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-0", "a.service")
		r := w.launch()
		w.register(":1.5", &component{name: "slow", takes: 40 * time.Second}, "init:2")
		w.until("at level 2", func(s *Status) bool { return s.Run != nil && s.Run.Level == 2 })
		tag := r.agent.Status().Pending[0].Tag
		r.end()
		time.Sleep(time.Second)
		r = w.launch()
		status := w.until("pending again", func(s *Status) bool { return len(s.Pending) == 1 })
		if status.Pending[0].Tag != tag || status.Term != 1 || status.Role != levels.RoleMaster {
			t.Errorf("tag %d term %d role %s after the restart, want %d, 1, master", status.Pending[0].Tag, status.Term, status.Role, tag)
		}
		w.untilUp()
		r.end()
		r = w.launch()
		synctest.Wait()
		w.untilUp()
		if got, want := w.seen(), "start a.service, call slow init:2"; got != want {
			t.Errorf("services saw %s, want %s", got, want)
		}
		if got := r.agent.Status().Term; got != 1 {
			t.Errorf("term %d after restarts, want 1", got)
		}
		r.end()
	})
}

// Goal: state that broke the core once is not used again. Method: a saved event
// on which the machine panics is imitated by a saved machine that breaks an invariant.
func TestStateThatBreaksAnInvariantIsNotUsed(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		r := w.launch()
		w.untilUp()
		r.end()
		disk := w.newStore()
		boot, err := disk.LoadBoot()
		if err != nil || boot.Machine == nil {
			t.Fatalf("LoadBoot = %+v, %v", boot, err)
		}
		boot.Machine.Qualified = false // a master that is not qualified
		if err := disk.Snapshot(boot); err != nil {
			t.Fatal(err)
		}
		r = w.launch()
		status := w.untilUp()
		if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "role-qualified") {
			t.Errorf("problems = %q, want one that names the invariant", status.Problems)
		}
		if status.Term != 2 {
			t.Errorf("term = %d, want 2: the old one was told already", status.Term)
		}
		r.end()
	})
}
