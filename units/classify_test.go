package units

import (
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// TestClassifyStart is the whole decision, a line each: what is known, what is told.
// The rows that systemd really shows are tried in package integration.
func TestClassifyStart(t *testing.T) {
	t.Parallel()
	const since, before, after = 1000, 900, 1100
	loaded := func(active string, change func(s *state)) *state {
		s := &state{loadState: "loaded", activeState: active, conditionMet: true, assertMet: true}
		if change != nil {
			change(s)
		}

		return s
	}
	for _, c := range []struct {
		name string
		e    ended
		want string
	}{
		{"up", ended{state: loaded("active", nil), result: "done", hadJob: true}, "done"},
		{"was up", ended{state: loaded("active", func(s *state) { s.inactiveExit = before })}, "already"},
		{"came up without our job", ended{state: loaded("active", func(s *state) { s.inactiveExit = after })}, "done"},
		{"came up before, restarted by our job", ended{state: loaded("active", func(s *state) { s.inactiveExit = before }), hadJob: true}, "done"},
		{"reloading", ended{state: loaded("reloading", nil), result: "done", hadJob: true}, "done"},
		{"ran and is gone", ended{state: loaded("inactive", func(s *state) { s.inactiveExit = after })}, "done"},
		{"ran and is gone, as its job says", ended{state: loaded("inactive", nil), result: "done"}, "done"},
		{"ran long ago", ended{state: loaded("inactive", func(s *state) { s.inactiveExit = before })}, "failed it was not started"},
		{"failed", ended{state: loaded("failed", nil), result: "failed", why: "exit status 2"}, "failed exit status 2"},
		{"failed without words", ended{state: loaded("failed", nil), result: "failed"}, "failed it failed to start"},
		{"started well and failed at once", ended{state: loaded("failed", nil), result: "done", why: "killed by signal 9"}, "failed killed by signal 9"},
		{"condition", ended{state: loaded("inactive", func(s *state) { s.conditionMet, s.conditionAt = false, after }), result: "done"}, "skipped a condition"},
		{"old condition", ended{state: loaded("inactive", func(s *state) { s.conditionMet, s.conditionAt, s.inactiveExit = false, before, after })}, "done"},
		{"assertion, heard", ended{state: loaded("inactive", nil), result: "assert"}, "failed an assertion"},
		{"assertion, read", ended{state: loaded("inactive", func(s *state) { s.assertMet, s.assertAt = false, after })}, "failed an assertion"},
		{"dependency", ended{state: loaded("inactive", nil), result: "dependency"}, "failed a unit that it requires"},
		{"masked", ended{state: &state{loadState: "masked", activeState: "inactive"}}, "skipped masked"},
		{"missing", ended{state: &state{loadState: "not-found", activeState: "inactive"}}, "failed unit not found"},
		{"broken", ended{state: &state{loadState: "bad-setting", loadError: "no ExecStart="}}, "failed no ExecStart="},
		{"waits for its restart", ended{state: loaded("activating", func(s *state) { s.subState = "auto-restart-queued" }), why: "exit status 1"}, "failed exit status 1; systemd will"},
		{"new result of a later systemd", ended{state: loaded("active", nil), result: "frozen"}, "failed its job ended with frozen"},
	} {
		c.e.since = since
		outcome, reason := classifyStart(c.e)
		if got := strings.TrimSpace(outcome.String() + " " + reason); !strings.HasPrefix(got, c.want) || outcome == levels.OutcomeWaiting {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestClassifyStopTellsDownFromUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ active, result, why, want string }{
		{"inactive", "done", "", "done"},
		{"failed", "done", "exit status 143", "done exit status 143"},
		{"failed", "timeout", "stop timed out", "done stop timed out"},
		{"deactivating", "timeout", "", "failed still deactivating after its stop job ended with timeout"},
		{"active", "canceled", "", "failed still active after its stop job ended with canceled"},
		{"active", "", "", "failed still active after its stop job ended with nothing known"},
	} {
		outcome, reason := classifyStop(&state{activeState: c.active}, c.result, c.why)
		if got := strings.TrimSpace(outcome.String() + " " + reason); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestResultWords(t *testing.T) {
	t.Parallel()
	started, running, stopped := &state{inactiveExit: 5}, &state{inactiveExit: 5, activeEnter: 6}, &state{inactiveExit: 5, activeEnter: 6, activeExit: 7}
	for _, c := range []struct {
		result       string
		code, status int32
		state        *state
		want         string
	}{
		{"success", 1, 0, started, ""},
		{"exit-code", 1, 3, started, "exit status 3"},
		{"exit-code", 0, 0, started, "one of its commands exited with an error"},
		{"signal", 2, 15, started, "killed by signal 15"},
		{"core-dump", 3, 11, started, "killed by signal 11"},
		{"signal", 0, 0, started, "one of its commands was killed"},
		{"timeout", 2, 15, started, "start timed out"},
		{"timeout", 2, 15, running, "run timed out"},
		{"timeout", 2, 15, stopped, "stop timed out"},
		{"watchdog", 2, 6, running, "watchdog timed out"},
		{"oom-kill", 2, 9, running, "killed: out of memory"},
		{"start-limit-hit", 0, 0, started, "started too often: see StartLimitBurst="},
		{"protocol", 1, 0, started, "it did not say that it is ready (protocol)"},
		{"resources", 0, 0, started, "systemd could not set it up (resources)"},
		{"exec-condition", 0, 0, started, "exec-condition"},
	} {
		properties := map[string]dbus.Variant{
			"Result": dbus.MakeVariant(c.result), "ExecMainCode": dbus.MakeVariant(c.code), "ExecMainStatus": dbus.MakeVariant(c.status),
		}
		if got := resultWords(properties, c.state); got != c.want {
			t.Errorf("%s %d/%d: got %q, want %q", c.result, c.code, c.status, got, c.want)
		}
	}
}

// TestParseStateTakesWhatItKnows and nothing of another type.
func TestParseStateTakesWhatItKnows(t *testing.T) {
	t.Parallel()
	s := parseState(map[string]dbus.Variant{
		"Id": dbus.MakeVariant(7), "ActiveState": dbus.MakeVariant("active"), "Job": dbus.MakeVariant("x"),
		"Wants": dbus.MakeVariant([]string{"b.service", "cssc-leave.service"}), "Requires": dbus.MakeVariant([]string{"b.service", "a.service"}),
		"InactiveExitTimestampMonotonic": dbus.MakeVariant(int32(4)), "LoadError": dbus.MakeVariant([]string{}),
	})
	if got := strings.Join(s.members(), " "); s.id != "" || s.activeState != "active" || s.job != 0 || s.inactiveExit != 0 || got != "a.service b.service" {
		t.Errorf("got %+v, members %s", s, got)
	}
}

// TestClockTakesASuspendForEarlier: what was started at or after an instant always
// compares as such, however long the machine slept in between.
func TestClockTakesASuspendForEarlier(t *testing.T) {
	t.Parallel()
	second := int64(1e9)
	for _, c := range []struct {
		instant levels.Instant
		offset  int64
		want    monotonic
	}{
		{levels.Instant(100 * second), 0, 100e6},
		{levels.Instant(100 * second), 40 * second, 60e6}, // slept before: exact; after: earlier
		{levels.Instant(10 * second), 40 * second, 0},
		{levels.Instant(100*second + 999), 0, 100e6}, // as systemd: microseconds, cut off
	} {
		if got := shift(c.instant, c.offset); got != c.want {
			t.Errorf("%v: got %d", c, got)
		}
	}
	before := monotonicNow()
	if got := monotonicOf(levels.Instant(readClock(7))); got > monotonicNow() || got+10_000 < before { // 7 is CLOCK_BOOTTIME
		t.Errorf("now: got %d, want about %d", got, before)
	}
}
