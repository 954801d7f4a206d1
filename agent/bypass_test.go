package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: when systemd is stopping everything already, the callbacks of shut are
// called in order, no unit is touched, not even by a work under way, and nobody ends
// the node a second time. Method: a shutdown asked for in that state while up;
// during another one whose units do not come down; and an agent that is started again in
// the middle of one.
func TestSystemThatStopsByItselfGetsCallbacksOnly(t *testing.T) {
	request := levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeReboot, By: "uid 0"}
	ask := func(w *world, r *running) {
		w.t.Helper()
		if _, _, err := r.agent.Operation(w.t.Context(), request); err != nil {
			w.t.Fatal(err)
		}
	}
	stuckInShut := func(w *world, r *running) {
		w.t.Helper()
		w.set(func() { w.stuck = true })
		ask(w, r)
		w.until("stuck", func(s *Status) bool { return s.Run != nil && s.Run.Sequence == levels.Shut && s.Run.Level == 1 })
		time.Sleep(time.Second)
	}
	stories := map[string]func(w *world, r *running) *running{
		"while up": func(w *world, r *running) *running {
			w.set(func() { w.stopping = true })
			ask(w, r)

			return r
		},
		"during a shutdown": func(w *world, r *running) *running {
			stuckInShut(w, r)
			w.set(func() { w.stopping = true })
			ask(w, r)

			return r
		},
		"after a restart": func(w *world, r *running) *running {
			stuckInShut(w, r)
			r.end()
			w.set(func() { w.stopping, w.stuck = true, false })

			return w.launch()
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.want("init-0", "a.service")
				w.want("init-2", "c.service")
				w.want("shut-1", "s.service")
				r := w.launch()
				w.register(":1.5", &component{name: "naming"}, "shut:0", "shut:3", "shut:last")
				w.untilUp()
				r = story(w, r)
				begin := time.Now()
				w.until("leaving", func(s *Status) bool { return s.State == levels.StateLeaving })
				if took := time.Since(begin); took > 5*time.Second {
					w.t.Errorf("the callbacks took %s, want no wait for units", took)
				}
				time.Sleep(time.Minute)
				want := "start a.service, start c.service, call naming shut:0, call naming shut:3, call naming shut:last"
				if got := strings.ReplaceAll(w.seen(), ", release inhibitor", ""); got != want || len(w.endings) != 0 {
					w.t.Errorf("services saw %s, endings %v\nwant %s and none", got, w.endings, want)
				}
				r.end()
			})
		})
	}
}
