package agent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: a full /run refuses requests, keeps what happens in memory, says so, and
// is made good as soon as there is room. Method: the disk full while up, then not.
func TestFullRunRefusesAndRecovers(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-1", "a.service")
		r := w.launch()
		w.register(":1.5", &component{name: "naming"}, "shut:1")
		w.untilUp()
		w.set(func() { w.fail.boot = true })
		_, err := r.agent.Register(t.Context(), levels.Registration{Component: "late", Client: ":1.6", Position: at("shut:1")})
		if !errors.Is(err, levels.ErrTryAgain) || !strings.Contains(err.Error(), "make room in /run") {
			t.Errorf("Register on a full disk = %v, want ErrTryAgain and what to do", err)
		}
		r.agent.ClientVanished(":1.5") // this happened all the same
		status := w.until("the problem", func(s *Status) bool { return len(s.Problems) == 1 && len(s.Registrations) == 0 })
		if !strings.Contains(status.Problems[0], "no space left") {
			t.Errorf("problems = %q", status.Problems)
		}
		for range 40 { // a client that asks faster than the disk is tried again
			err = r.agent.SubscribeCancellation(t.Context(), ":1.7")
			time.Sleep(25 * time.Millisecond)
		}
		if err == nil || strings.Count(err.Error(), "no space left") != 1 {
			t.Errorf("after many tries the text is %v, want the cause once", err)
		}
		w.set(func() { w.fail.boot = false })
		for begin := time.Now(); err != nil; time.Sleep(25 * time.Millisecond) {
			if err = r.agent.SubscribeCancellation(t.Context(), ":1.7"); time.Since(begin) > 2*retryPause {
				t.Fatalf("still refused %s after there was room: %v", time.Since(begin), err)
			}
		}
		w.until("no problem", func(s *Status) bool { return len(s.Problems) == 0 })
		w.register(":1.6", &component{name: "late"}, "shut:1")
		r.end()
		r = w.launch()
		status = w.until("back", func(s *Status) bool { return s.State == levels.StateUp })
		if len(status.Registrations) != 1 || status.Registrations[0].Component != "late" {
			t.Errorf("registrations = %+v after a restart, want late alone", status.Registrations)
		}
		r.end()
	})
}

// Goal: an agent that is killed while /run is full forgets what it said it would
// forget, and nothing before. Method: kill with a full disk.
func TestFullRunAtTheStart(t *testing.T) {
	bubble(t, func(w *world) {
		w.want("init-1", "a.service")
		w.set(func() { w.fail.boot = true })
		r := w.launch()
		status := w.untilUp()
		if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "would forget") {
			w.t.Errorf("problems = %q, want one", status.Problems)
		}
		r.stop()
		if err := <-r.result; err != nil {
			w.t.Fatal(err)
		}
		w.set(func() { w.fail.boot = false })
		r = w.launch()
		w.untilUp()
		if got := w.seen(); got != "start a.service" {
			w.t.Errorf("services saw %s, want one start", got)
		}
		r.end()
	})
}

// Goal: a read-only /var keeps nobody from serving, and is said and made good.
// Method: as above with the durable state.
func TestReadOnlyVar(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.set(func() { w.fail.durable = true })
		r := w.launch()
		status := w.untilUp()
		if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "/var/lib/cssc") || status.Role != levels.RoleMaster {
			t.Errorf("role %s, problems %q; want a master with one problem", status.Role, status.Problems)
		}
		w.set(func() { w.fail.durable = false })
		w.until("no problem", func(s *Status) bool { return len(s.Problems) == 0 })
		if durable, err := w.newStore().LoadDurable(); err != nil || durable.Term != 1 {
			t.Errorf("durable = %+v, %v; want term 1", durable, err)
		}
		r.end()
	})
}

// Goal: damaged files are reported in the status and the node serves. Method: a
// bit flipped in each file between two lives.
func TestDamagedFilesAreReported(t *testing.T) {
	for _, name := range []string{"run/events.log", "run/snapshot.json", "var/state.json"} {
		bubble(t, func(w *world) {
			t := w.t
			w.want("init-1", "a.service")
			r := w.launch()
			w.untilUp()
			r.agent.ClientVanished(":1.77")
			time.Sleep(time.Second)
			if name == "run/events.log" { // a kill leaves events in it, a planned stop does not
				w.set(func() { w.killAt = w.appends + 1 })
				r.agent.ClientVanished(":1.78")
				if err, ended := <-r.result; ended {
					t.Fatalf("Run = %v, want it killed", err)
				}
				w.set(func() { w.killAt = 0 })
			} else {
				r.end()
			}
			flip(t, w.dir+"/"+name)
			r = w.launch()
			status := w.untilUp()
			if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], name+".damaged-1") {
				t.Errorf("%s: problems = %q, want one that names the file kept", name, status.Problems)
			}
			if got := w.seen(); got != "start a.service" {
				t.Errorf("%s: services saw %s, want one start", name, got)
			}
			if status.Term < 1 {
				t.Errorf("%s: term %d", name, status.Term)
			}
			r.end()
		})
	}
}

// Goal: state of a newer program stops the start with a clear text. Method: a
// durable state of a later format.
func TestNewerStateStopsTheStart(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		w.untilUp()
		r.end()
		rewrite(w.t, w.dir+"/var/state.json", `{"format":2}`)
		r = w.launch()
		if err := <-r.result; err == nil || !strings.Contains(err.Error(), "install the newer version again") {
			w.t.Errorf("Run = %v, want it refused", err)
		}
	})
}

// Goal: a configuration that cannot be read at the start of a boot stops the
// agent; in the middle of one the node goes on with the one before. Method: both.
func TestBadConfigurationAtTheStart(t *testing.T) {
	bubble(t, func(w *world) {
		w.set(func() { w.badFile = errors.New("cssc.toml:3:1: unknown key") })
		r := w.launch()
		if err := <-r.result; err == nil || !strings.Contains(err.Error(), "cssc.toml:3:1") {
			w.t.Errorf("Run = %v, want the place of the mistake", err)
		}
		w.set(func() { w.badFile = nil })
		r = w.launch()
		w.untilUp()
		r.end()
		w.set(func() { w.badFile = errors.New("cssc.toml:3:1: unknown key") })
		r = w.launch()
		status := w.until("up with a problem", func(s *Status) bool { return s.State == levels.StateUp && len(s.Problems) > 0 })
		if !strings.Contains(status.Problems[0], "cssc.toml:3:1") || status.Term != 1 {
			w.t.Errorf("term %d, problems %q; want the mistake named and term 1", status.Term, status.Problems)
		}
		r.end()
	})
}
