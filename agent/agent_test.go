package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: a node without anything comes up as master, READY=1 is said before any
// sequence, and the term is on disk. Method: the empty world.
func TestEmptyNodeComesUpAsMaster(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		r := w.launch()
		status := w.untilUp()
		if status.Role != levels.RoleMaster || status.Term != 1 || !status.MasterReady || len(status.Problems) != 0 {
			t.Errorf("status = %+v, want master of term 1 without problems", status)
		}
		if len(w.notified) == 0 || w.notified[0] != "WATCHDOG=1" && w.notified[0] != "READY=1" || !slices.Contains(w.notified, "READY=1") {
			t.Errorf("notified %q, want READY=1 first", w.notified)
		}
		if !slices.Contains(w.notified, "STATUS=up, master of term 1, init complete") {
			t.Errorf("notified %q, want a STATUS= of the end", w.notified)
		}
		r.end()
		durable, err := w.newStore().LoadDurable()
		if err != nil || durable.Term != 1 || durable.Run != 1 || durable.Boots != 1 || !durable.Qualified {
			t.Errorf("durable = %+v, %v; want term 1, run 1, boot 1, qualified", durable, err)
		}
	})
}

// Goal: members and callbacks run level by level, mixed. Method: the order in
// which the services saw it.
func TestInitRunsLevelByLevel(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-0", "a.service")
		w.want("init-2", "c.service")
		w.want("master-2", "m.service")
		w.want("init-last", "z.service")
		w.config.Levels.Components = map[string]levels.ComponentConfig{"naming": {Required: []levels.Position{at("init:1")}}}
		r := w.launch()
		w.until("waiting for naming", func(s *Status) bool { return s.Run != nil && s.Run.Phase == levels.PhaseWaiting })
		w.register(":1.5", &component{name: "naming", takes: time.Second}, "init:1", "init:last")
		w.untilUp()
		want := "start a.service, call naming init:1, start c.service, start m.service, call naming init:last, start z.service"
		if got := w.seen(); sorted(got) != sorted(want) || strings.Index(got, "naming init:1") > strings.Index(got, "c.service") {
			t.Errorf("services saw %s\nwant %s", got, want)
		}
		r.end()
	})
}

func sorted(text string) string {
	words := strings.Split(text, ", ")
	slices.Sort(words)

	return strings.Join(words, ", ")
}

// Goal: a failed member holds init with a reason, and retry resumes it. Method:
// a unit that fails once.
func TestFailedMemberHoldsUntilRetry(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-1", "bad.service")
		w.failing["bad.service"] = 1
		r := w.launch()
		held := w.until("held", func(s *Status) bool { return s.Run != nil && s.Run.Phase == levels.PhaseHeld })
		if !strings.Contains(held.Run.Reason, "bad.service") {
			t.Errorf("reason = %q, want it to name bad.service", held.Run.Reason)
		}
		if err := r.agent.Retry(t.Context(), levels.Shut); !errors.Is(err, levels.ErrNotHeld) {
			t.Errorf("Retry(shut) = %v, want ErrNotHeld", err)
		}
		if err := r.agent.Retry(t.Context(), levels.Init); err != nil {
			t.Errorf("Retry(init) = %v", err)
		}
		w.untilUp()
		for _, kind := range []messageKind{msgComponentFailed, msgSequenceHeld, msgSequenceCompleted, msgMasterReady} {
			if !strings.Contains(strings.Join(w.journal, "\n"), kind.describe().id) {
				t.Errorf("journal lacks %q:\n%s", kind.describe().text, strings.Join(w.journal, "\n"))
			}
		}
		r.end()
	})
}

// Goal: every ending of a shutdown stops in reverse and then asks for the right
// thing. Method: each mode once.
func TestShutdownEndsAsAsked(t *testing.T) {
	for mode, want := range map[levels.Mode]string{
		levels.ModeReboot: "end reboot", levels.ModePoweroff: "end poweroff", levels.ModeHalt: "end halt", levels.ModeStandalone: "end reboot",
	} {
		t.Run(mode.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				t := w.t
				w.want("init-0", "a.service")
				w.want("init-2", "c.service")
				r := w.launch()
				w.register(":1.5", &component{name: "naming"}, "shut:0")
				w.untilUp()
				if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationShutdown, Mode: mode, By: "uid 0"}); err != nil {
					t.Fatal(err)
				}
				w.until("the ending", func(*Status) bool { return strings.Contains(w.seen(), "end ") })
				got := w.seen()
				if want := "start a.service, start c.service, call naming shut:0, stop c.service, stop a.service, release inhibitor, " + want; got != want {
					t.Errorf("services saw %s\nwant %s", got, want)
				}
				if _, err := w.newStore().History(0); err != nil {
					t.Error(err)
				}
				r.end()
			})
		})
	}
}

// Goal: noboot stops the services, the agent stays, and start brings them back.
// Method: shutdown, look, start.
func TestNobootAndBack(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-1", "a.service")
		r := w.launch()
		w.untilUp()
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, By: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		w.until("down", func(s *Status) bool { return s.State == levels.StateDown })
		time.Sleep(5 * time.Minute)
		if got := r.agent.Status(); got.State != levels.StateDown || got.Role == levels.RoleMaster {
			t.Errorf("state %s role %s five minutes later, want down and no role", got.State, got.Role)
		}
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationStart, By: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		status := w.untilUp()
		if status.Role != levels.RoleMaster || status.Term != 2 {
			t.Errorf("role %s term %d, want master of term 2", status.Role, status.Term)
		}
		if got, want := w.seen(), "start a.service, stop a.service, start a.service"; got != want {
			t.Errorf("services saw %s, want %s", got, want)
		}
		if len(w.endings) != 0 {
			t.Errorf("endings %v, want none", w.endings)
		}
		r.end()
	})
}

// Goal: logind's announcement runs the shutdown, lets logind go on afterwards
// and does not end the node itself. Method: an announcement while up.
func TestAnnouncedShutdownRunsTheSequences(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-1", "a.service")
		r := w.launch()
		w.untilUp()
		w.announced <- levels.ModePoweroff
		w.until("leaving", func(s *Status) bool {
			return s.State == levels.StateLeaving && strings.Contains(w.seen(), "release")
		})
		if got, want := w.seen(), "start a.service, stop a.service, release inhibitor"; got != want {
			t.Errorf("services saw %s, want %s", got, want)
		}
		r.end()
	})
}

// Goal: an announcement during init cancels it and shuts down; nothing is
// started any more. Method: a component that keeps init waiting.
func TestAnnouncedShutdownCancelsInit(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-0", "a.service")
		w.want("init-2", "c.service")
		w.config.Levels.Components = map[string]levels.ComponentConfig{"naming": {Required: []levels.Position{at("init:1")}}}
		r := w.launch()
		w.until("waiting", func(s *Status) bool { return s.Run != nil && s.Run.Phase == levels.PhaseWaiting })
		w.announced <- levels.ModeReboot
		w.until("leaving", func(s *Status) bool { return s.State == levels.StateLeaving })
		time.Sleep(time.Minute)
		if got, want := w.seen(), "start a.service, stop a.service, release inhibitor"; got != want {
			t.Errorf("services saw %s, want %s", got, want)
		}
		r.end()
	})
}

// Goal: when logind's patience ends, the inhibitor is given back before it, and
// the journal says where the shutdown was cut. Method: a callback that hangs and
// a window of 20 s.
func TestShutdownIsCutBeforeTheWindowEnds(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.window = 20 * time.Second
		r := w.launch()
		w.register(":1.5", &component{name: "slow", hangs: true}, "shut:1")
		up := w.untilUp()
		if !slices.ContainsFunc(up.Problems, func(p string) bool { return strings.Contains(p, "InhibitDelayMaxSec") }) {
			t.Errorf("problems %q, want one that names InhibitDelayMaxSec", up.Problems)
		}
		begin := time.Now()
		w.announced <- levels.ModeReboot
		w.until("released", func(*Status) bool { return strings.Contains(w.seen(), "release inhibitor") })
		if took := time.Since(begin); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("inhibitor given back after %s, want 15s (window 20s − margin 5s)", took)
		}
		synctest.Wait()
		if journal := strings.Join(w.journal, "\n"); !strings.Contains(journal, "shut level 1") || !strings.Contains(journal, msgShutdownCut.describe().id) {
			t.Errorf("journal does not say which level was cut:\n%s", journal)
		}
		r.end()
	})
}

// Goal: an agent that starts in a system that goes down begins nothing. Method:
// PreparingForShutdown is true from the start.
func TestNothingBeginsWhileTheSystemGoesDown(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.want("init-0", "a.service")
		w.set(func() { w.preparing = true })
		r := w.launch()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		status := r.agent.Status()
		if w.seen() != "" || status.State != levels.StateJoining || len(status.Problems) != 1 {
			t.Errorf("saw %q, state %s, problems %q; want nothing, joining and the reason", w.seen(), status.State, status.Problems)
		}
		w.set(func() { w.preparing = false }) // somebody cancelled the shutdown
		w.untilUp()
		r.end()
	})
}

// Goal: a node without logind comes up and says what is missing. Method: logind
// never answers.
func TestNodeWithoutLogindComesUp(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.noLogind = true
		r := w.launch()
		status := w.untilUp()
		if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "logind") {
			t.Errorf("problems %q, want one about logind", status.Problems)
		}
		r.end()
	})
}

// Goal: a shutdown whose ending is refused stays visible as a problem. Method:
// End gives an error.
func TestFailedEndingIsAProblem(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		w.endingFails = errors.New("nobody answers")
		r := w.launch()
		w.untilUp()
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeReboot, By: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		w.until("the problem", func(s *Status) bool {
			return slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "systemctl reboot --force") })
		})
		r.end()
	})
}

// Goal: a master that gives its role up is not elected again during a lock, and
// is after the unlock. Method: lock with force, wait, unlock.
func TestLockAndUnlockOfASingleNode(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		r := w.launch()
		w.untilUp()
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationDisqualify, By: "uid 0"}); !errors.Is(err, levels.ErrRefused) {
			t.Errorf("lock of the only node = %v, want ErrRefused", err)
		}
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationDisqualify, Force: true, By: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		w.until("offline", func(s *Status) bool { return s.Role == levels.RoleOffline && s.Run == nil })
		time.Sleep(10 * time.Minute)
		if status := r.agent.Status(); status.Role != levels.RoleOffline || !status.Headless || status.Qualified {
			t.Errorf("role %s headless %v ten minutes later, want offline and headless", status.Role, status.Headless)
		}
		if durable, err := w.newStore().LoadDurable(); err != nil || durable.Qualified {
			t.Errorf("durable = %+v, %v; want it disqualified", durable, err)
		}
		if _, _, err := r.agent.Operation(t.Context(), levels.OperationRequested{Kind: levels.OperationQualify, By: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		w.until("master again", func(s *Status) bool { return s.Role == levels.RoleMaster && s.Term == 2 && s.Run == nil })
		r.end()
	})
}

// Goal: a bad configuration leaves the running one in force, a good one is taken
// over, and a changed file shows. Method: reload with both.
func TestReload(t *testing.T) {
	bubble(t, func(w *world) {
		t := w.t
		r := w.launch()
		w.untilUp()
		w.mu.Lock()
		w.badFile, w.digest = errors.New("cssc.toml:1:1: unknown key"), "d2"
		w.mu.Unlock()
		w.until("need reload", func(s *Status) bool { return s.NeedReload })
		if err := r.agent.Reload(t.Context()); !errors.Is(err, levels.ErrInvalid) || !strings.Contains(err.Error(), "cssc.toml:1:1") {
			t.Errorf("Reload of a bad file = %v, want ErrInvalid and its text", err)
		}
		w.mu.Lock()
		w.badFile = nil
		w.config.Digest, w.config.Hash = "d2", "h2"
		w.config.Levels.Sequences[levels.Init].Ladder.Top = 7
		w.mu.Unlock()
		if err := r.agent.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.until("reloaded", func(s *Status) bool { return !s.NeedReload && s.ConfigHash == "h2" })
		if top, err := r.agent.ConfigValue("levels.init"); err != nil || top != int32(7) {
			t.Errorf("ConfigValue(levels.init) = %v, %v; want 7", top, err)
		}
		if w.reloads != 1 {
			t.Errorf("systemd was reloaded %d times, want once", w.reloads)
		}
		if _, err := r.agent.ConfigValue("levels.lunch"); !errors.Is(err, levels.ErrInvalid) {
			t.Errorf("ConfigValue of an unknown key = %v, want ErrInvalid", err)
		}
		r.end()
	})
}

// Goal: a target that somebody took down is shown, and a unit that was enabled
// later is started at a quiet moment. Method: both while up.
func TestLostTargetsAndLateMembers(t *testing.T) {
	bubble(t, func(w *world) {
		w.want("init-1", "a.service")
		r := w.launch()
		w.untilUp()
		w.mu.Lock()
		w.lost = []levels.Target{{Group: "init", Level: 1}}
		w.mu.Unlock()
		w.until("the loss", func(s *Status) bool { return len(s.LostTargets) == 1 })
		w.mu.Lock()
		w.members[levels.Target{Group: "init", Level: 2}] = []string{"late.service"}
		w.mu.Unlock()
		w.changed <- struct{}{}
		w.until("the late member", func(*Status) bool { return strings.Contains(w.seen(), "start late.service") })
		w.mu.Lock()
		w.members[levels.Target{Group: "init", Level: 2}] = []string{"late.service", "later.service"}
		w.mu.Unlock()
		if err := r.agent.Sync(w.t.Context()); err != nil { // at once, whatever the agent has noticed
			w.t.Fatal(err)
		}
		w.until("the later member", func(*Status) bool { return strings.Contains(w.seen(), "start later.service") })
		r.end()
	})
}

// Goal: a client that vanished while the agent was away is noticed. Method: the
// client goes between two lives.
func TestClientsThatVanishMeanwhile(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.launch()
		w.register(":1.5", &component{name: "stays"}, "shut:1")
		w.register(":1.6", &component{name: "goes"}, "shut:1")
		w.untilUp()
		r.end()
		delete(w.components, ":1.6")
		r = w.launch()
		w.until("one registration", func(s *Status) bool {
			return len(s.Registrations) == 1 && s.Registrations[0].Component == "stays"
		})
		r.end()
	})
}
