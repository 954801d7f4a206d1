// Package cplayer builds the C library and plays a program that uses it: it obeys commands,
// contrib/libcssc/test/commands.c lists them.
package cplayer

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// lineLimit bounds the wait for a line.
const lineLimit = time.Minute

// How the library is built.
const (
	// Sanitized complains of wrong accesses, leaks and undefined behaviour, and ends the program.
	Sanitized = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
	// Plain is for valgrind, and for other machines.
	Plain = "-O1 -g"
)

//nolint:gochecknoglobals // one make at a time
var making sync.Mutex

// Build builds library and program and returns the program, which finds the library beside
// itself. Without a compiler it skips the test.
func Build(tb testing.TB, flags string) string {
	tb.Helper()
	for _, tool := range [][]string{{"cc", "--version"}, {"make", "--version"}, {"pkg-config", "--exists", "libsystemd"}} {
		if err := exec.CommandContext(tb.Context(), tool[0], tool[1:]...).Run(); err != nil {
			tb.Skipf("%s: %v: libcssc needs a C compiler, pkg-config and libsystemd-dev", strings.Join(tool, " "), err)
		}
	}
	top, err := lab.Repository()
	if err != nil {
		tb.Fatal(err)
	}
	build := filepath.Join(top, "build", "test", "libcssc-plain")
	if flags == Sanitized {
		build = filepath.Join(top, "build", "test", "libcssc-sanitized")
	}
	if err = os.MkdirAll(filepath.Dir(build), 0o755); err != nil {
		tb.Fatal(err)
	}
	making.Lock()
	defer making.Unlock()
	// Another process may be at it, for its own tests.
	argv := []string{"flock", "-o", filepath.Dir(build), "make", "-s", "-j2", "-C", filepath.Join(top, "contrib/libcssc"), "player", "BUILD=" + build, "CFLAGS=" + flags}
	if output, err := exec.CommandContext(tb.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		tb.Fatalf("build libcssc: %v\n%s", err, output)
	}

	return filepath.Join(build, "player")
}

// Player is a running program. Owned by one test.
type Player struct {
	tb      testing.TB
	input   io.WriteCloser
	lines   chan string // closed by the reader at the end of the output
	process *exec.Cmd
	errors  *strings.Builder
	// heard is what came, word and error code: "register EALREADY".
	heard map[string]bool
}

// Start starts a program, which must end with the test, by itself and without a word on
// standard error.
func Start(tb testing.TB, process *exec.Cmd) *Player {
	tb.Helper()
	p := &Player{tb: tb, lines: make(chan string, 4096), process: process, errors: &strings.Builder{}, heard: map[string]bool{}}
	process.Stderr = p.errors
	input, err := process.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err = process.Start(); err != nil {
		tb.Fatal(err)
	}
	p.input = input
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	tb.Cleanup(p.end)

	return p
}

// end lets the program end by itself.
func (p *Player) end() {
	p.tb.Helper()
	_ = p.input.Close()
	for open := true; open; {
		_, open = <-p.lines
	}
	if err := p.process.Wait(); err != nil || p.errors.Len() != 0 {
		p.tb.Errorf("the program ended with %v:\n%s", err, p.errors)
	}
}

// Send gives a command.
func (p *Player) Send(command string) {
	p.tb.Helper()
	if _, err := io.WriteString(p.input, command+"\n"); err != nil {
		p.tb.Fatalf("%s: %v\n%s", command, err, p.errors)
	}
}

// Line is the next line, which must match; the result are the groups.
func (p *Player) Line(pattern string) []string {
	p.tb.Helper()
	timer := time.NewTimer(lineLimit)
	defer timer.Stop()
	select {
	case got, open := <-p.lines:
		groups := regexp.MustCompile("^(?:" + pattern + ")$").FindStringSubmatch(got)
		if groups == nil {
			p.tb.Fatalf("the program said %q (%v), want %q", got, open, pattern)
		}
		if words := strings.Fields(strings.TrimPrefix(got, "child ")); len(words) > 1 {
			p.heard[words[0]+" "+words[1]] = true
		}

		return groups[1:]
	case <-timer.C:
		p.tb.Fatalf("the program says nothing, want %q", pattern)

		return nil
	}
}

// Ask is Send, and the next line.
func (p *Player) Ask(command, pattern string) []string {
	p.tb.Helper()
	p.Send(command)

	return p.Line(pattern)
}

// Heard says whether a line began with a function's word and this error.
func (p *Player) Heard(word, code string) bool { return p.heard[word+" "+code] }
