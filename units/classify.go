package units

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// ended is all that is known of a unit whose start has come to rest.
type ended struct {
	state *state
	// result is that of its job: "done", "failed", "dependency" … Empty: there was no job,
	// or nobody heard its end.
	result string
	// hadJob says whether a job was made for the unit.
	hadJob bool
	// since is when the start was asked for.
	since monotonic
	// why explains a failed state, "exit status 1"; fetched when it is needed.
	why string
}

// classifyStart says what became of a member. It is the table of what a level job
// tells, read backwards; every row of it is a test.
func classifyStart(e ended) (levels.Outcome, string) {
	if outcome, reason := classifyLoad(e.state); outcome != levels.OutcomeWaiting {
		return outcome, reason
	}
	switch e.result {
	case "", "done":
		return classifyState(e)
	case "skipped":
		return levels.OutcomeSkipped, "not needed"
	case "failed":
		return levels.OutcomeFailed, failedWords(e)
	case "assert":
		return levels.OutcomeFailed, "an assertion is not met"
	case "dependency":
		return levels.OutcomeFailed, "a unit that it requires did not start"
	case "timeout":
		return levels.OutcomeFailed, "its job timed out (JobTimeoutSec=)"
	case "canceled":
		return levels.OutcomeFailed, "its start was cancelled"
	default:
		return levels.OutcomeFailed, "its job ended with " + e.result
	}
}

// classifyLoad judges units that cannot be started at all; waiting means that there
// is nothing wrong.
func classifyLoad(s *state) (levels.Outcome, string) {
	switch s.loadState {
	case "not-found":
		return levels.OutcomeFailed, "unit not found: install it, or disable it"
	case "masked":
		return levels.OutcomeSkipped, "masked"
	case "bad-setting", "error":
		return levels.OutcomeFailed, firstOf(s.loadError, "its unit file is not valid") + ": see systemd-analyze verify"
	default:
		return levels.OutcomeWaiting, ""
	}
}

func classifyState(e ended) (levels.Outcome, string) {
	s := e.state
	switch {
	case s.active() && !e.hadJob && s.inactiveExit < e.since:
		return levels.OutcomeAlready, ""
	case s.active():
		return levels.OutcomeDone, ""
	case s.waitsForRestart(), s.activeState == "failed":
		return levels.OutcomeFailed, failedWords(e)
	case !s.conditionMet && s.conditionAt >= e.since:
		return levels.OutcomeSkipped, "a condition is not met"
	case !s.assertMet && s.assertAt >= e.since:
		return levels.OutcomeFailed, "an assertion is not met"
	case s.inactiveExit >= e.since || e.result == "done":
		return levels.OutcomeDone, "" // a oneshot that has run
	default:
		return levels.OutcomeFailed, "it was not started: a unit that it requires failed, or its job timed out"
	}
}

func failedWords(e ended) string {
	words := firstOf(e.why, "it failed to start")
	if e.state.waitsForRestart() {
		words += "; systemd will try it again"
	}

	return words
}

// classifyStop says what became of a member that was to stop. Down is down; how it
// went down is the reason.
func classifyStop(s *state, result, why string) (levels.Outcome, string) {
	switch {
	case !s.inactive():
		return levels.OutcomeFailed, "still " + s.activeState + " after its stop job ended with " + firstOf(result, "nothing known")
	case s.activeState == "failed":
		return levels.OutcomeDone, why
	default:
		return levels.OutcomeDone, ""
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}

	return ""
}

// explain finds words for a unit in state failed, or waiting to be restarted. It is
// best effort: without an answer the words are missing.
func (s *session) explain(ctx context.Context, name string, state *state) string {
	iface, ok := unitTypes()[unitType(name)]
	if !ok {
		return ""
	}
	var properties map[string]dbus.Variant
	get := func(property string) request {
		return request{unitObject(name), propertiesGet, []any{systemdName + "." + iface, property}}
	}
	properties = map[string]dbus.Variant{}
	names := []string{"Result", "ExecMainCode", "ExecMainStatus"}
	if iface != "Service" {
		names = names[:1]
	}
	requests := make([]request, len(names))
	for i := range names {
		requests[i] = get(names[i])
	}
	for i, call := range s.callAll(ctx, requests) {
		var v dbus.Variant
		if call.Store(&v) == nil {
			properties[names[i]] = v
		}
	}

	return resultWords(properties, state)
}

// The codes of waitid(2), as ExecMainCode tells them.
const (
	codeExited = 1
	codeKilled = 2
	codeDumped = 3
)

func resultWords(properties map[string]dbus.Variant, state *state) string {
	code := value[int32](properties, "ExecMainCode")
	status := value[int32](properties, "ExecMainStatus")
	phase := "start"
	if state.activeEnter >= state.inactiveExit && state.activeEnter > 0 {
		phase = "stop"
		if state.activeExit < state.activeEnter {
			phase = "run"
		}
	}
	switch result := value[string](properties, "Result"); result {
	case "", "success":
		return ""
	case "exit-code":
		if code == codeExited && status != 0 {
			return fmt.Sprintf("exit status %d", status)
		}

		return "one of its commands exited with an error"
	case "signal", "core-dump":
		if code == codeKilled || code == codeDumped {
			return fmt.Sprintf("killed by signal %d", status)
		}

		return "one of its commands was killed"
	case "timeout":
		return phase + " timed out"
	case "watchdog":
		return "watchdog timed out"
	case "oom-kill":
		return "killed: out of memory"
	case "start-limit-hit":
		return "started too often: see StartLimitBurst="
	case "protocol":
		return "it did not say that it is ready (protocol)"
	case "resources":
		return "systemd could not set it up (resources)"
	default:
		return result
	}
}
