package dbusapi

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
)

// The C library contrib/libcssc against this server: contrib/libcssc/test/player is a program
// that obeys commands. It is built with the sanitizers of the compiler, and with
// CSSC_PLAYER_UNDER=valgrind run under that instead.

// buildPlayer builds the program once; it skips the test where the library cannot be built.
func buildPlayer(tb testing.TB) string {
	tb.Helper()
	for _, tool := range [][]string{{"cc", "--version"}, {"make", "--version"}, {"pkg-config", "--exists", "libsystemd"}} {
		if err := exec.Command(tool[0], tool[1:]...).Run(); err != nil {
			tb.Skipf("%s: %v: libcssc needs a C compiler, pkg-config and libsystemd-dev", strings.Join(tool, " "), err)
		}
	}
	built, err := playerOnce()
	if err != nil {
		tb.Fatal(err)
	}

	return built
}

// playerOnce is one build per process.
var playerOnce = sync.OnceValues(func() (string, error) {
	flags := "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
	folder := "sanitized"
	if os.Getenv("CSSC_PLAYER_UNDER") != "" {
		flags, folder = "-O1 -g", "plain"
	}
	build, err := filepath.Abs(filepath.Join("..", "build", "test", "libcssc-"+folder))
	if err != nil {
		return "", err
	}
	output, err := exec.Command("make", "-s", "-j2", "-C", "../contrib/libcssc", "player", "BUILD="+build, "CFLAGS="+flags).CombinedOutput()
	if err != nil {
		return "", &buildError{string(output), err}
	}

	return filepath.Join(build, "player"), nil
})

// buildError is a compiler's refusal.
type buildError struct {
	output string
	cause  error
}

func (e *buildError) Error() string { return "build libcssc: " + e.cause.Error() + "\n" + e.output }

// player is a running program.
type player struct {
	tb      testing.TB
	input   io.WriteCloser
	lines   chan string // closed by the reader at the end of the output
	process *exec.Cmd
	errors  *strings.Builder
}

// play starts a program on the bus; it must end without a complaint of the sanitizers.
func (b *testBus) play(tb testing.TB) *player {
	tb.Helper()
	program := []string{buildPlayer(tb)}
	if under := os.Getenv("CSSC_PLAYER_UNDER"); under != "" {
		program = append(strings.Fields(under), program...)
	}
	p := &player{tb: tb, lines: make(chan string, 4096), process: exec.Command(program[0], program[1:]...), errors: &strings.Builder{}}
	p.process.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+b.address, "ASAN_OPTIONS=detect_leaks=1", "UBSAN_OPTIONS=print_stacktrace=1")
	p.process.Stderr = p.errors
	input, err := p.process.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := p.process.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err = p.process.Start(); err != nil {
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
func (p *player) end() {
	p.tb.Helper()
	_ = p.input.Close()
	for open := true; open; {
		_, open = <-p.lines
	}
	if err := p.process.Wait(); err != nil || p.errors.Len() != 0 {
		p.tb.Errorf("the program ended with %v:\n%s", err, p.errors)
	}
}

func (p *player) send(command string) {
	p.tb.Helper()
	if _, err := io.WriteString(p.input, command+"\n"); err != nil {
		p.tb.Fatalf("%s: %v\n%s", command, err, p.errors)
	}
}

// line is the next line, which must match; the result are the groups.
func (p *player) line(pattern string) []string {
	p.tb.Helper()
	got := receive(p.tb, pattern, p.lines)
	groups := regexp.MustCompile("^(?:" + pattern + ")$").FindStringSubmatch(got)
	if groups == nil {
		p.tb.Fatalf("the program said %q, want %q", got, pattern)
	}

	return groups[1:]
}

// ask is send, and the next line.
func (p *player) ask(command, pattern string) []string {
	p.tb.Helper()
	p.send(command)

	return p.line(pattern)
}
