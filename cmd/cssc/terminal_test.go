package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// terminalRun is cssc on a pseudo-terminal with an agent of its own.
type terminalRun struct {
	t        *testing.T
	stage    *stage
	command  *exec.Cmd
	terminal *os.File
	// ended is closed by the goroutine that reads, when the terminal is gone.
	ended chan struct{}
	// mu guards text; grown is closed and renewed when text grows.
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
	// window is what a person sees of it.
	window *vt.SafeEmulator
}

const windowWidth, windowHeight = 100, 30

// onTerminal starts cssc as a person would, in a window of 100 columns.
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
	r := &terminalRun{
		t: t, stage: s, ended: make(chan struct{}), grown: make(chan struct{}),
		window: vt.NewSafeEmulator(windowWidth, windowHeight),
	}
	r.command = exec.CommandContext(t.Context(), program, args...)
	r.command.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+address, "TERM=xterm-256color")
	r.command.Env = append(r.command.Env, environment...)
	r.terminal, err = pty.StartWithSize(r.command, &pty.Winsize{Rows: windowHeight, Cols: windowWidth})
	if err != nil {
		t.Fatal(err)
	}
	go r.read()
	var answers sync.WaitGroup
	answers.Go(func() { _, _ = io.Copy(r.terminal, r.window) }) // a program may ask a terminal what it can
	t.Cleanup(func() {
		_ = r.command.Process.Kill()
		_ = r.terminal.Close()
		<-r.ended
		_ = r.window.Close()
		answers.Wait()
	})

	return r
}

func (r *terminalRun) read() {
	defer close(r.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := r.terminal.Read(buffer)
		_, _ = r.window.Write(buffer[:n])
		r.mu.Lock()
		r.text.Write(buffer[:n])
		close(r.grown)
		r.grown = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// sees waits until the screen has shown the pattern.
func (r *terminalRun) sees(pattern string) {
	r.t.Helper()
	wanted := regexp.MustCompile(pattern)
	if !r.until(func() bool { return wanted.Match(r.text.Bytes()) }) {
		r.t.Fatalf("the terminal never showed %s, but:\n%q", pattern, r.shown())
	}
}

// shows waits until what is on the screen at one time holds the pattern; with (?s) over lines.
func (r *terminalRun) shows(pattern string) {
	r.t.Helper()
	wanted := regexp.MustCompile("(?m)" + pattern)
	if !r.until(func() bool { return wanted.MatchString(r.window.String()) }) {
		r.t.Fatalf("the screen never held %s, but:\n%s", pattern, r.window.String())
	}
}

// until waits for the condition, looking again whenever something was written; the lock is held.
func (r *terminalRun) until(condition func() bool) bool {
	deadline := time.After(scriptPatience)
	for {
		r.mu.Lock()
		holds, grown := condition(), r.grown
		r.mu.Unlock()
		if holds {
			return true
		}
		select {
		case <-grown:
		case <-deadline:
			return false
		}
	}
}

func (r *terminalRun) shown() string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.text.String()
}

func (r *terminalRun) types(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.terminal, text); err != nil {
		r.t.Fatal(err)
	}
}

// exits waits for the end and compares the status.
func (r *terminalRun) exits(want int) {
	r.t.Helper()
	got := 0
	err := r.command.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		r.t.Fatal(err)
	}
	<-r.ended
	if got != want {
		r.t.Fatalf("exit status %d, want %d; the terminal shows:\n%s", got, want, r.shown())
	}
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
	r.sees(`shut n1: levels 0 to last`)
	r.sees(`Go on\? \[y/N\] $`)
	r.types("y\r")
	r.step()
	r.sees(`shut level 3, running`)
	r.sees(`naming +.*running`)
	r.sees(`db\.service +.*running`)
	r.step()
	r.sees(`✗.* shut level 3: naming failed: .*not now`)
	r.sees(`✓.* db\.service`)
	r.step()
	r.sees(`✓.* shut level 3 .*naming, db\.service`)
	r.sees(`\x1b\[3A\x1b\[J`) // three live lines were taken away again
	r.sees(`naming\.service`)
	r.step()
	r.sees(`shut.* completed`)
	r.step()
	r.exits(exitOK)
	r.sees(`n1 has left the cluster and powers off now`)
}

// TestShutdownAsksAndTakesNoForAnAnswer says no, and nothing, and interrupts.
func TestShutdownAsksAndTakesNoForAnAnswer(t *testing.T) {
	t.Parallel()
	for answer, status := range map[string]int{"n\r": exitFailed, "\r": exitFailed, "\x04": exitFailed, "\x03": exitFailed} {
		r := onTerminal(t, scenarioUp(), nil, "shutdown")
		r.sees(`Go on\? \[y/N\] $`)
		r.types(answer)
		r.exits(status)
		r.sees(`nothing was done`)
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
	r.sees(`shut level 3, running`)
	r.types("\x03")
	r.exits(exitInterrupted)
	r.sees(`interrupted; what was asked of the agent goes on`)
}

// TestHeldStatusOnATerminal compares the screen that an operator sees, without colour.
func TestHeldStatusOnATerminal(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioHeld(), []string{"NO_COLOR=1"}, "status", "--check")
	r.exits(exitAttention)
	got := regexp.MustCompile(`\d+s`).ReplaceAllString(r.shown(), "Ns")
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
		r.exits(exitOK)
		if got := bytes.ContainsRune([]byte(r.shown()), '\x1b'); got != c.colour {
			t.Errorf("%s: colour %v, want %v:\n%q", c.environment, got, c.colour, r.shown())
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
	r.exits(exitOK)
	if shown := r.shown(); bytes.ContainsAny([]byte(shown), "\x1b\x07") || regexp.MustCompile(`(?m)^faked`).MatchString(shown) {
		t.Errorf("control characters reach the terminal: %q", shown)
	}
}

// TestDumbTerminalGetsLinesThatStay follows a shutdown where the cursor cannot move.
func TestDumbTerminalGetsLinesThatStay(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioUp(), []string{"TERM=dumb"}, "shutdown", "--yes", "--noboot")
	r.step()
	r.sees(`shut begins`)
	r.step()
	r.sees(`naming failed`)
	for range 3 {
		r.step()
	}
	r.exits(exitOK)
	if bytes.ContainsRune([]byte(r.shown()), '\x1b') {
		t.Errorf("escape sequences on a dumb terminal: %q", r.shown())
	}
}
