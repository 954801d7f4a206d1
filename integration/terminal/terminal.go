// Package terminal runs programs on pseudo-terminals for tests, and looks at what a person would
// see there.
package terminal

import (
	"bytes"
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

// The size of the window of a new terminal.
const (
	Width  = 100
	Height = 30
)

const (
	// Bound of the wait for what is to be seen.
	patience = time.Minute
	// When keys that did nothing are pressed again.
	again = 5 * time.Second
)

// Terminal is a program on a terminal of its own. Its methods are for the test's goroutine and
// end the test when they are disappointed.
type Terminal struct {
	t       testing.TB // of the test that it belongs to
	command *exec.Cmd
	file    *os.File
	// ended is closed by the goroutine that reads, when the terminal is gone.
	ended chan struct{}
	// mu guards text, window and grown. The window is what a person sees of the text; grown is
	// closed and renewed when text grows.
	mu     sync.Mutex
	text   bytes.Buffer
	window *vt.Emulator
	grown  chan struct{}
}

// Start starts the command in a window of Width and Height; it is killed at the end of the test.
func Start(tb testing.TB, command *exec.Cmd) *Terminal {
	tb.Helper()
	file, err := pty.StartWithSize(command, &pty.Winsize{Rows: Height, Cols: Width})
	if err != nil {
		tb.Fatal(err)
	}
	r := &Terminal{
		t: tb, command: command, file: file, ended: make(chan struct{}), grown: make(chan struct{}),
		window: vt.NewEmulator(Width, Height),
	}
	go r.read()
	var answers sync.WaitGroup
	answers.Go(func() { _, _ = io.Copy(file, r.window) }) // a program may ask a terminal what it can
	tb.Cleanup(func() {
		_ = command.Process.Kill()
		_ = file.Close()
		<-r.ended
		if pipe, ok := r.window.InputPipe().(io.Closer); ok {
			_ = pipe.Close() // ends the answers
			answers.Wait()
		}
	})

	return r
}

func (r *Terminal) read() {
	defer close(r.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := r.file.Read(buffer)
		r.mu.Lock()
		_, _ = r.window.Write(buffer[:n])
		r.text.Write(buffer[:n])
		close(r.grown)
		r.grown = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Sees waits until the terminal was sent the pattern, escape sequences and all.
func (r *Terminal) Sees(pattern string) {
	r.t.Helper()
	wanted := regexp.MustCompile(pattern)
	if !r.until(patience, func() bool { return wanted.Match(r.text.Bytes()) }) {
		r.t.Fatalf("the terminal never showed %s, but:\n%q", pattern, r.Sent())
	}
}

// Shows waits until what is on the screen at one time holds the pattern, ^ and $ being those of
// lines; with (?s) it may go over several.
func (r *Terminal) Shows(pattern string) {
	r.t.Helper()
	wanted := regexp.MustCompile("(?m)" + pattern)
	if !r.until(patience, func() bool { return wanted.MatchString(r.window.String()) }) {
		r.t.Fatalf("the screen never held %s, but:\n%s", pattern, r.screen())
	}
}

// Offers presses keys that may do nothing when who is asked is busy, such as the one for completion,
// again and again until the screen holds the pattern.
func (r *Terminal) Offers(keys, pattern string) {
	r.t.Helper()
	wanted := regexp.MustCompile("(?m)" + pattern)
	for begin := time.Now(); ; {
		r.Types(keys)
		if r.until(again, func() bool { return wanted.MatchString(r.window.String()) }) {
			return
		}
		if time.Since(begin) > patience {
			r.t.Fatalf("the keys %q never brought %s, but:\n%s", keys, pattern, r.screen())
		}
	}
}

// until waits for the condition, looking again whenever something was written; the lock is held.
func (r *Terminal) until(limit time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		holds, grown := condition(), r.grown
		r.mu.Unlock()
		if holds {
			return true
		}
		select {
		case <-grown:
		case <-deadline.C:
			return false
		}
	}
}

func (r *Terminal) screen() string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.window.String()
}

// Sent is everything that was written to the terminal.
func (r *Terminal) Sent() string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.text.String()
}

// Types presses keys.
func (r *Terminal) Types(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.file, text); err != nil {
		r.t.Fatal(err)
	}
}

// Resize makes the window larger or smaller.
func (r *Terminal) Resize(columns, rows int) {
	r.t.Helper()
	r.mu.Lock()
	r.window.Resize(columns, rows)
	r.mu.Unlock()
	if err := pty.Setsize(r.file, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}); err != nil {
		r.t.Fatal(err)
	}
}

// Signal sends the program a signal.
func (r *Terminal) Signal(signal os.Signal) {
	r.t.Helper()
	if err := r.command.Process.Signal(signal); err != nil {
		r.t.Fatal(err)
	}
}

// Exits waits for the end and compares the exit status.
func (r *Terminal) Exits(want int) {
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
		r.t.Fatalf("exit status %d, want %d; the terminal shows:\n%s", got, want, r.Sent())
	}
}
