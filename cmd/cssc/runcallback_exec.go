package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// drain is how long the pipes of a command that has exited are still read, for
// commands that leave a process behind which holds them.
const drain = time.Second

// run runs the command in a process group of its own; when ctx ends the whole group
// gets SIGTERM and, after the grace, SIGKILL. The error is the reason for the agent.
func (r *callbackRunner) run(ctx context.Context, invoked invocation) error {
	last := &lastLine{}
	command := exec.CommandContext(context.WithoutCancel(ctx), r.command[0], r.command[1:]...)
	command.Env = append(os.Environ(), environment(invoked)...)
	command.Stdout = r.app.out
	command.Stderr = io.MultiWriter(r.app.err, last)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = drain
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.endWith(ctx, command.Process.Pid, ended)
	}()
	err := command.Wait()
	close(ended)
	<-watched

	return commandFailure(err, last.String())
}

// endWith ends the process group when ctx ends before ended is closed.
func (r *callbackRunner) endWith(ctx context.Context, group int, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	_ = syscall.Kill(-group, syscall.SIGTERM)
	timer := time.NewTimer(r.grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
	_ = syscall.Kill(-group, syscall.SIGKILL)
}

// commandFailure is the reason in words: what the command said last, and how it ended.
func commandFailure(err error, said string) error {
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case said == "":
		return err
	default:
		return fmt.Errorf("%s (%w)", said, err)
	}
}

// environment is what a command learns of its invocation.
func environment(invoked invocation) []string {
	flags := 0
	if invoked.Noboot {
		flags = 1
	}

	return []string{
		"CSSC_COMPONENT=" + invoked.Component,
		"CSSC_SEQUENCE=" + invoked.Position.Sequence.String(),
		"CSSC_LEVEL=" + invoked.Position.Level.String(),
		"CSSC_TAG=" + strconv.FormatUint(uint64(invoked.Tag), 10),
		"CSSC_FLAGS=" + strconv.Itoa(flags),
		"CSSC_COOKIE=" + strconv.FormatUint(invoked.Cookie, 10),
		"CSSC_NODE=" + string(invoked.Info.Node),
		"CSSC_CLUSTER=" + invoked.Info.Cluster,
		"CSSC_STATE=" + invoked.Info.State.String(),
		"CSSC_ROLE=" + invoked.Info.Role.String(),
		"CSSC_TERM=" + strconv.FormatUint(uint64(invoked.Info.Term), 10),
		"CSSC_MASTER=" + string(invoked.Info.Master),
		"CSSC_VICE=" + string(invoked.Info.Vice),
	}
}

// lastLine remembers the last line with something in it, cut to what a message to
// the agent may hold. It belongs to the goroutine that copies the command's output.
type lastLine struct {
	current, complete []byte
}

// maxReason leaves room for the exit status within the agent's limit of a message.
const maxReason = 900

func (l *lastLine) Write(data []byte) (int, error) {
	for line := range bytes.Lines(data) {
		l.current = append(l.current, line[:min(len(line), maxReason-min(len(l.current), maxReason))]...)
		if line[len(line)-1] != '\n' {
			continue
		}
		if len(bytes.TrimSpace(l.current)) > 0 {
			l.complete = append(l.complete[:0], l.current...)
		}
		l.current = l.current[:0]
	}

	return len(data), nil
}

// String returns the line without control characters and broken runes.
func (l *lastLine) String() string {
	line := l.complete
	if len(bytes.TrimSpace(l.current)) > 0 {
		line = l.current
	}

	return strings.TrimSpace(printable(strings.ToValidUTF8(string(line), "?")))
}
