package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/cssc-ha/cssc/integration/terminal"
)

// terminalRun is cssc on a pseudo-terminal with an agent of its own.
type terminalRun struct {
	*terminal.Terminal

	t     *testing.T
	stage *stage
}

// onTerminal starts cssc as a person would.
func onTerminal(t *testing.T, status *report, environment []string, args ...string) *terminalRun {
	t.Helper()
	dir := t.TempDir()
	s := &stage{}
	t.Cleanup(s.close)
	address, err := s.startBus(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.agent = newFakeAgent(status)
	s.agent.history = fakeHistory()
	s.agent.stepped = true
	s.agent.vanish = s.stopBus
	if err := s.startAgent(address); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("cssc") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+address, "TERM=xterm-256color")
	command.Env = append(command.Env, environment...)

	return &terminalRun{terminal.Start(t, command), t, s}
}

func (r *terminalRun) step() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), scriptPatience)
	defer cancel()
	if err := r.stage.agent.wait(ctx, func() bool { return len(r.stage.agent.story) > 0 }); err != nil {
		r.t.Fatalf("no story is told: %v", err)
	}
	r.stage.agent.step()
}

// TestShutdownShowsItsLevelsLive drives a whole shutdown at a terminal: the plan, the
// question, the participants of each level while they work, finished levels that stay,
// and the node's end, which takes the bus along and is success.
func TestShutdownShowsItsLevelsLive(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioUp(), nil, "shutdown", "--poweroff")
	r.Sees(`shut n1: levels 0 to last`)
	r.Sees(`Go on\? \[y/N\] $`)
	r.Types("y\r")
	r.step()
	r.Sees(`shut level 3, running`)
	r.Sees(`naming +.*running`)
	r.Sees(`db\.service +.*running`)
	r.step()
	r.Sees(`✗.* shut level 3: naming failed: .*not now`)
	r.Sees(`✓.* db\.service`)
	r.step()
	r.Sees(`✓.* shut level 3 .*naming, db\.service`)
	r.Sees(`\x1b\[3A\x1b\[J`) // three live lines were taken away again
	r.Sees(`naming\.service`)
	r.step()
	r.Sees(`shut.* completed`)
	r.step()
	r.Exits(exitOK)
	r.Sees(`n1 has left the cluster and powers off now`)
}

// TestShutdownAsksAndTakesNoForAnAnswer says no, and nothing, and interrupts.
func TestShutdownAsksAndTakesNoForAnAnswer(t *testing.T) {
	t.Parallel()
	for answer, status := range map[string]int{"n\r": exitFailed, "\r": exitFailed, "\x04": exitFailed, "\x03": exitFailed} {
		r := onTerminal(t, scenarioUp(), nil, "shutdown")
		r.Sees(`Go on\? \[y/N\] $`)
		r.Types(answer)
		r.Exits(status)
		r.Sees(`nothing was done`)
		r.stage.agent.mu.Lock()
		if len(r.stage.agent.status.Operations) != 0 {
			t.Errorf("answer %q: an operation was asked for", answer)
		}
		r.stage.agent.mu.Unlock()
	}
}

// TestInterruptStopsWatchingNotTheOperation presses Ctrl-C in the middle.
func TestInterruptStopsWatchingNotTheOperation(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioUp(), nil, "shutdown", "--yes")
	r.step()
	r.Sees(`shut level 3, running`)
	r.Types("\x03")
	r.Exits(exitInterrupted)
	r.Sees(`interrupted; what was asked of the agent goes on`)
}

// TestHeldStatusOnATerminal compares the screen that an operator sees, without colour.
func TestHeldStatusOnATerminal(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioHeld(), []string{"NO_COLOR=1"}, "status", "--check")
	r.Exits(exitAttention)
	got := regexp.MustCompile(`\d+s`).ReplaceAllString(r.Sent(), "Ns")
	want := "plant-7  master n1 not ready yet · no vice · term 4 · quorum\r\n" +
		"\r\n" +
		"  NODE  ROLE    STATE         LEVEL         WHY\r\n" +
		"● n1    master  initializing  init 3 of 10  held: web.service failed\r\n" +
		"\r\n" +
		"HELD init level 3  run 7, boot, since Ns\r\n" +
		"  ✓ naming                   callback  done  1.Ns\r\n" +
		"  … cache                    callback  running  Ns of 1m Ns\r\n" +
		"  ✗ web.service              member    failed  2.Ns  exit status 1\r\n" +
		"\r\n" +
		"  look at:                     journalctl -b -u web.service\r\n" +
		"  cause repaired, try again:   cssc sequence retry init\r\n" +
		"  go on without what failed:   cssc sequence skip init\r\n" +
		"  give the run up:             cssc sequence abort init\r\n"
	if got != want {
		t.Errorf("the screen is\n%s\nwant\n%s", got, want)
	}
}

// TestColourOnlyWhereItIsWanted looks for escape sequences.
func TestColourOnlyWhereItIsWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment string
		colour      bool
	}{{"TERM=xterm", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		r := onTerminal(t, scenarioTrouble(), []string{c.environment}, "status")
		r.Exits(exitOK)
		if got := bytes.ContainsRune([]byte(r.Sent()), '\x1b'); got != c.colour {
			t.Errorf("%s: colour %v, want %v:\n%q", c.environment, got, c.colour, r.Sent())
		}
	}
}

// TestForeignTextCannotSteerTheTerminal gives a participant a reason with escape
// sequences in it, as a hostile service could.
func TestForeignTextCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	status := scenarioHeld()
	status.Run.Participants[2].Reason = "bad\x1b]0;owned\x07\r\nfaked line"
	status.Problems = []string{"\x1b[2Jgone"}
	r := onTerminal(t, status, []string{"NO_COLOR=1"}, "status")
	r.Exits(exitOK)
	if shown := r.Sent(); bytes.ContainsAny([]byte(shown), "\x1b\x07") || regexp.MustCompile(`(?m)^faked`).MatchString(shown) {
		t.Errorf("control characters reach the terminal: %q", shown)
	}
}

// TestDumbTerminalGetsLinesThatStay follows a shutdown where the cursor cannot move.
func TestDumbTerminalGetsLinesThatStay(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioUp(), []string{"TERM=dumb"}, "shutdown", "--yes", "--noboot")
	r.step()
	r.Sees(`shut begins`)
	r.step()
	r.Sees(`naming failed`)
	for range 3 {
		r.step()
	}
	r.Exits(exitOK)
	if bytes.ContainsRune([]byte(r.Sent()), '\x1b') {
		t.Errorf("escape sequences on a dumb terminal: %q", r.Sent())
	}
}
