package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// scriptedPort answers each question for the status with the next of its answers, the
// last one for ever. It belongs to one test.
type scriptedPort struct {
	agentPort

	answers []func() (*report, error)
	events  chan event
	asked   int
}

func (p *scriptedPort) Events(context.Context) (<-chan event, error) { return p.events, nil }

func (p *scriptedPort) Request(context.Context, request) (levels.OperationID, error) { return 5, nil }

func (p *scriptedPort) Status(context.Context) (*report, error) {
	index := min(p.asked, len(p.answers)-1)
	p.asked++

	return p.answers[index]()
}

// running is the status while operation 5 runs.
func running() (*report, error) {
	status := scenarioUp()
	status.Operations = []levels.OperationView{{ID: 5, Kind: levels.OperationShutdown, Node: "n1", Mode: levels.ModeReboot}}

	return status, nil
}

// NodeStatus is a node of another version: it does not tell.
func (p *scriptedPort) NodeStatus(context.Context, string) (*report, error) {
	return nil, levels.ErrRefused
}

// runningThere is the status while operation 5 runs on another node and this one has a run of
// its own.
func runningThere() (*report, error) {
	status, err := running()
	status.Operations[0].Node, status.Operations[0].Step = "n2", "shut level 4"
	status.Run = scenarioHeld().Run

	return status, err
}

func noBus() (*report, error)     { return nil, errNoBus }
func noAgent() (*report, error)   { return nil, errNoAgent }
func forgotten() (*report, error) { return scenarioUp(), nil }

// followed follows a shutdown against such a port, and returns exit status and texts.
func followed(t *testing.T, mode levels.Mode, port *scriptedPort, now func() time.Time) (code int, out, complaints string) {
	t.Helper()
	var shown, complained bytes.Buffer
	sys := fakeSystem(&shown, &complained)
	if now != nil {
		sys.now = now
	}
	program := &app{system: sys}
	code = program.finish(t.Context(), program.follow(t.Context(), port, request{Kind: levels.OperationShutdown, Mode: mode}))

	return code, shown.String(), complained.String()
}

// TestEventsBeforeTheEndOfTheBusStillCount lets the bus go before the status could be
// read again, with the end of shut among the events that came before: that is success
// for an ending of the operating system, and for no other.
func TestEventsBeforeTheEndOfTheBusStillCount(t *testing.T) {
	t.Parallel()
	for mode, want := range map[levels.Mode]int{levels.ModeReboot: exitOK, levels.ModeNoboot: exitUnreachable} {
		port := &scriptedPort{answers: []func() (*report, error){running, noBus}, events: make(chan event, 2)}
		port.events <- event{Name: "LevelReached", Fields: map[string]any{"sequence": "shut", "level": "last"}}
		port.events <- event{Name: "SequenceFinished", Fields: map[string]any{"sequence": "shut", "outcome": "completed"}}
		close(port.events)
		code, out, complaints := followed(t, mode, port, nil)
		if code != want {
			t.Errorf("%s: exit status %d, want %d:\n%s%s", mode, code, want, out, complaints)
		}
	}
}

// TestAnAgentThatStaysAwayIsGivenUp moves the calendar on at every look at it.
func TestAnAgentThatStaysAwayIsGivenUp(t *testing.T) {
	t.Parallel()
	now := time.Now()
	port := &scriptedPort{answers: []func() (*report, error){running, noAgent}, events: make(chan event)}
	code, out, complaints := followed(t, levels.ModeReboot, port, func() time.Time {
		now = now.Add(patience / 3)

		return now
	})
	if code != exitUnreachable || !strings.Contains(complaints, "lost sight of it") {
		t.Errorf("exit status %d, want %d: %s", code, exitUnreachable, complaints)
	}
	if port.asked < 4 || strings.Count(out, "waiting for it to come back") != 1 {
		t.Errorf("asked %d times only, or told more than once:\n%s", port.asked, out)
	}
}

// TestAnOperationThatTheAgentForgotIsNoSuccess restarts the agent with nothing.
func TestAnOperationThatTheAgentForgotIsNoSuccess(t *testing.T) {
	t.Parallel()
	port := &scriptedPort{answers: []func() (*report, error){forgotten}, events: make(chan event)}
	code, _, complaints := followed(t, levels.ModeReboot, port, nil)
	if code != exitFailed || !strings.Contains(complaints, "does not know operation 5 any more") {
		t.Errorf("exit status %d, want %d: %s", code, exitFailed, complaints)
	}
}

// TestFailedOperationIsAFailedCommand gives each bad result.
func TestFailedOperationIsAFailedCommand(t *testing.T) {
	t.Parallel()
	for _, result := range []levels.OperationResult{levels.ResultFailed, levels.ResultCanceled} {
		port := &scriptedPort{answers: []func() (*report, error){func() (*report, error) {
			status, err := running()
			status.Operations[0].Result, status.Operations[0].Error = result, "naming failed at demote:0"

			return status, err
		}}}
		port.events = make(chan event, 2)
		port.events <- event{Name: "SequenceFinished", Fields: map[string]any{"sequence": "demote", "outcome": "failed"}}
		port.events <- event{Name: "OperationRemoved", Fields: map[string]any{"id": uint64(5)}}
		code, out, complaints := followed(t, levels.ModeReboot, port, nil)
		if !strings.Contains(out, "demote failed") {
			t.Errorf("%s: what was on its way is not told: %q", result, out)
		}
		if code != exitFailed || !strings.Contains(complaints, result.String()+": naming failed at demote:0") {
			t.Errorf("%s: exit status %d, want %d: %s", result, code, exitFailed, complaints)
		}
	}
}

// TestOtherErrorsOfTheStatusAreNotWaitedOut ends a watch that can never see again.
func TestOtherErrorsOfTheStatusAreNotWaitedOut(t *testing.T) {
	t.Parallel()
	broken := func() (*report, error) { return nil, errors.New("read status: unexpected end") }
	port := &scriptedPort{answers: []func() (*report, error){running, broken}, events: make(chan event)}
	now := time.Now()
	code, _, complaints := followed(t, levels.ModeReboot, port, func() time.Time {
		now = now.Add(grace)

		return now
	})
	if code != exitUnreachable || !strings.Contains(complaints, "unexpected end") {
		t.Errorf("exit status %d, want %d: %s", code, exitUnreachable, complaints)
	}
}

// TestWhatHappensHereIsNoneOfAnotherNodesBusiness follows an operation on n2 while a run is held
// on this node and its shut sequence ends; then the agent here has forgotten it, then the bus is
// gone: neither is a word about n2.
func TestWhatHappensHereIsNoneOfAnotherNodesBusiness(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		after func() (*report, error)
		code  int
		want  string
	}{
		{forgotten, exitFailed, "the agent here was restarted and follows it no more; it goes on: cssc status n2"},
		{noBus, exitUnreachable, "lost sight of it at: shut level 4"},
	} {
		port := &scriptedPort{answers: []func() (*report, error){runningThere, runningThere, row.after}, events: make(chan event, 2)}
		port.events <- event{Name: "SequenceFinished", Fields: map[string]any{"sequence": "shut", "outcome": "completed"}}
		now := time.Now()
		code, out, complaints := followed(t, levels.ModeReboot, port, func() time.Time {
			now = now.Add(grace)

			return now
		})
		if out != "  n2  shut level 4\n" {
			t.Errorf("told %q, want the step there alone", out)
		}
		if code != row.code || !strings.Contains(complaints, row.want) {
			t.Errorf("exit status %d, want %d with %q: %s", code, row.code, row.want, complaints)
		}
	}
}
