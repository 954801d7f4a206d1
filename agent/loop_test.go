package agent

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: a full inbox answers at once, and an observation is never lost. Method:
// an agent that does not run yet.
func TestFullInboxIsBusyAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		a := New(Options{Ports: Ports{Store: w.newStore(), Units: (*fakeUnits)(w)}})
		for range inboxSize {
			a.inbox <- request{event: levels.Ticked{}}
		}
		if err := a.Sync(t.Context()); !errors.Is(err, levels.ErrBusy) {
			t.Errorf("Sync with a full inbox = %v, want ErrBusy", err)
		}
		told := make(chan struct{})
		go func() {
			a.ClientVanished(":1.5")
			close(told)
		}()
		synctest.Wait()
		select {
		case <-told:
			t.Error("an observation was dropped by a full inbox")
		default:
		}
		<-a.inbox
		<-told
	})
}

// Goal: the watchdog is pinged by the loop and by nothing else. Method: a store
// that hangs stops the pings.
func TestWatchdogStopsWhenTheLoopHangs(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		r := w.launch()
		w.untilUp()
		time.Sleep(time.Minute)
		synctest.Wait()
		pings := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			count := 0
			for _, state := range w.notified {
				if state == "WATCHDOG=1" {
					count++
				}
			}

			return count
		}
		if n := pings(); n < 15 || n > 40 {
			t.Errorf("%d pings in a minute with an interval of 9s, want one every 3s", n)
		}
		hang := make(chan struct{})
		w.mu.Lock()
		w.hang = hang
		before := len(w.notified)
		w.mu.Unlock()
		r.agent.ClientVanished(":1.9")
		w.announced <- levels.ModeReboot // something to publish
		time.Sleep(time.Minute)
		w.mu.Lock()
		after := len(w.notified)
		w.mu.Unlock()
		if after > before+2 {
			t.Errorf("%d notifications while the loop hung, want none", after-before)
		}
		close(hang)
		r.end()
	})
}

// Goal: a broken invariant ends the agent with an error and its state in the
// journal, and the next life goes on. Method: a panic inside a turn.
func TestPanicEndsTheAgentWithItsState(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		w.untilUp()
		w.set(func() { w.panics = true })
		r.agent.ClientVanished(":1.9")
		if err := <-r.result; err == nil || !strings.Contains(err.Error(), "internal error: told to") {
			w.t.Errorf("Run = %v, want the panic as an error", err)
		}
		journal := strings.Join(w.journal, "\n")
		if !strings.Contains(journal, msgCoreBroken.describe().id) || !strings.Contains(journal, "up") {
			w.t.Errorf("journal lacks the state:\n%s", journal)
		}
		w.set(func() { w.panics = false })
		r = w.launch()
		w.untilUp()
		r.end()
	})
}

// Goal: a bus that cannot say who is alive counts as gone: every client is
// expected to register anew. Method: Alive gives an error after a restart.
func TestBusThatCannotTellWhoIsAlive(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		w.register(":1.5", &component{name: "naming"}, "shut:1")
		w.untilUp()
		r.end()
		w.set(func() { w.deafBus = true })
		r = w.launch()
		w.until("nobody registered", func(s *Status) bool { return len(s.Registrations) == 0 && s.State == levels.StateUp })
		w.register(":1.6", &component{name: "naming"}, "shut:1")
		r.end()
	})
}

// Goal: systemd that cannot be asked holds the start up, and only that; requests
// are taken meanwhile. Method: Members gives an error for a while.
func TestSystemdThatCannotBeAskedHoldsTheStart(t *testing.T) {
	bubble(t, func(w *world) {
		w.want("init-1", "a.service")
		w.set(func() { w.deafUnits = true })
		r := w.launch()
		w.register(":1.5", &component{name: "naming"}, "shut:1")
		status := w.until("the problem", func(s *Status) bool { return len(s.Problems) == 1 })
		time.Sleep(time.Minute)
		if !strings.Contains(status.Problems[0], "systemd cannot be asked") || w.seen() != "" {
			w.t.Errorf("problems %q, saw %q; want the reason and nothing begun", status.Problems, w.seen())
		}
		if err := r.agent.Sync(w.t.Context()); !errors.Is(err, levels.ErrTryAgain) {
			w.t.Errorf("Sync = %v, want ErrTryAgain", err)
		}
		w.set(func() { w.deafUnits = false })
		w.untilUp()
		r.end()
	})
}
