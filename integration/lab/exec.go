package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// runLimit bounds a command in a node.
const runLimit = 90 * time.Second

// Run runs a command in the node as root and returns its standard output; any exit status
// but 0 ends the test.
func (n *Node) Run(t TB, argv ...string) string {
	t.Helper()

	return n.RunAs(t, 0, argv...)
}

// RunAs is Run as another user of the node (65534 is nobody).
func (n *Node) RunAs(t TB, uid int, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	process := n.Command(ctx, uid, argv...)
	process.Stdout, process.Stderr = &stdout, &stderr
	if err := run(process); err != nil {
		t.Fatalf("node %s: %s: %v\n%s%s", n.Name, strings.Join(argv, " "), err, &stdout, &stderr)
	}

	return stdout.String()
}

// Try runs a command in the node as root and returns all its output and its exit status;
// the error is about the command not having run to its end.
func (n *Node) Try(argv ...string) (output string, code int, err error) {
	return n.TryContext(context.Background(), argv...)
}

// TryContext is Try bounded by ctx.
func (n *Node) TryContext(ctx context.Context, argv ...string) (output string, code int, err error) {
	return n.TryAs(ctx, 0, argv...)
}

// TryAs is TryContext as another user of the node.
func (n *Node) TryAs(ctx context.Context, uid int, argv ...string) (all string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	var output bytes.Buffer
	process := n.Command(ctx, uid, argv...)
	process.Stdout, process.Stderr = &output, &output
	err = run(process)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return output.String(), exit.ExitCode(), nil
	}
	if err != nil {
		return output.String(), -1, fmt.Errorf("node %s: %s: %w", n.Name, strings.Join(argv, " "), err)
	}

	return output.String(), 0, nil
}

// Command prepares a command in the node, for callers with wishes of their own (pipes,
// background). It runs in all namespaces of the node with a clean environment.
func (n *Node) Command(ctx context.Context, uid int, argv ...string) *exec.Cmd {
	id := strconv.Itoa(uid)
	args := []string{"-t", strconv.Itoa(n.PID()), "-a", "-G", id, "-S", id}
	process := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	process.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
	}
	process.WaitDelay = 5 * time.Second

	return process
}

// Process is a command that runs in the background of a node.
type Process struct {
	command *exec.Cmd
	output  *bytes.Buffer
	// done is closed when the command has ended and its output is complete.
	done chan struct{}
	err  error
}

// Background starts a command in the node as root; it is killed at the end of the test.
func (n *Node) Background(t TB, argv ...string) *Process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Process{command: n.Command(ctx, 0, argv...), output: &bytes.Buffer{}, done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = p.output, p.output
	if err := start(p.command); err != nil {
		cancel()
		t.Fatalf("node %s: start %s: %v", n.Name, strings.Join(argv, " "), err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
	})

	return p
}

// Wait waits for the end and returns all output and the exit status.
func (p *Process) Wait(t TB) (output string, code int) {
	t.Helper()
	timer := time.NewTimer(runLimit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		t.Fatalf("%s still runs after %v", p.command, runLimit)
	}

	return p.output.String(), p.command.ProcessState.ExitCode()
}
