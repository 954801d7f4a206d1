package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// What "cssc status --check" exits with when somebody should look.
	exitAttention = 6
	// Every command is bounded.
	patience = 2 * time.Minute
)

// stage is the node where commands are typed, how much of the story was printed, and where
// it is printed to. It belongs to one goroutine.
type stage struct {
	ctx  func() context.Context
	t    lab.TB
	node *lab.Node
	// story reads what the services have written down.
	story func() string
	shown int
	// since is when the present step began.
	since time.Time
	// looking says that a person does: then there is colour and movement.
	looking bool
}

func newStage(ctx context.Context, t lab.TB) *stage {
	return &stage{
		ctx: func() context.Context { return ctx }, t: t,
		looking: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "",
	}
}

func (s *stage) chapter(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.looking {
		text = "\x1b[1;36m" + text + "\x1b[0m"
	}
	fmt.Printf("\n━━ %s\n\n", text)
}

func (s *stage) say(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }

// run types a command in the node, on a terminal of its own, and shows its real output. Any
// exit status but the wanted one ends the demo.
func (s *stage) run(want int, argv ...string) {
	prompt := s.node.Name + "#"
	if s.looking {
		prompt = "\x1b[1m" + prompt + "\x1b[0m"
	}
	fmt.Printf("\n%s %s\n", prompt, strings.Join(quoteWords(argv), " "))
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	command := s.node.Command(ctx, 0, argv...)
	command.Env = slices.DeleteFunc(command.Env, func(pair string) bool { return strings.HasPrefix(pair, "TERM=") })
	if s.looking {
		command.Env = append(command.Env, "TERM=xterm-256color")
	} else {
		command.Env = append(command.Env, "TERM=dumb", "NO_COLOR=1")
	}
	code, err := onTerminal(command)
	if err != nil || code != want {
		s.t.Fatalf("%s: exit status %d, want %d: %v", strings.Join(argv, " "), code, want, err)
	}
	fmt.Println()
}

// onTerminal runs a command on a pseudo-terminal and copies its output.
func onTerminal(command *exec.Cmd) (code int, err error) {
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 40, Cols: 110})
	if err != nil {
		return -1, err
	}
	defer func() { _ = terminal.Close() }()
	// Reading fails with EIO when the last process on the terminal is gone.
	if _, err := io.Copy(os.Stdout, terminal); err != nil && !errors.Is(err, syscall.EIO) {
		return -1, err
	}
	err = command.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}

	return 0, err
}

func quoteWords(argv []string) []string {
	words := slices.Clone(argv)
	for i, word := range words {
		if strings.Contains(word, " ") {
			words[i] = "'" + word + "'"
		}
	}

	return words
}

// tell prints what the services have written since it was last asked.
func (s *stage) tell() {
	lines := strings.SplitAfter(s.story(), "\n")
	for ; s.shown < len(lines)-1; s.shown++ {
		fmt.Print("      │ " + lines[s.shown])
	}
}

// ends waits for the node's end and prints what the services did on the way.
func (s *stage) ends(want lab.Exit) {
	exit := s.node.WaitExit(s.t)
	if exit != want {
		s.t.Fatalf("the node has %v, want %v", exit, want)
	}
	s.say("What the services wrote down meanwhile:")
	s.tell()
	s.say("And the node has %v.", exit)
}
