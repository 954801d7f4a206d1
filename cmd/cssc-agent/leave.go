package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

const (
	// The budget: emergencyDefault is used when the agent does not tell its own.
	emergencyDefault = 45 * time.Second
	// A question: askTimeout bounds the questions before the wait.
	askTimeout = 5 * time.Second
)

// leave tells the callbacks of shut that the node goes down, when systemd is
// stopping it and nobody else has. It never fails for want of an agent: what it
// cannot tell, systemd stops in reverse order all the same.
func leave(ctx context.Context, s settings, out io.Writer) error {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if !goingDown(asking, s) {
		_, _ = fmt.Fprintln(out, "cssc-agent leave: the system is not going down, nothing to do")

		return nil
	}
	client, err := dbusapi.Connect(asking, dbusapi.ClientOptions{Address: s.bus})
	if err != nil {
		_, _ = fmt.Fprintf(out, "cssc-agent leave: no agent, nothing to do: %v\n", err)

		return nil
	}
	defer func() { _ = client.Close() }()
	id, err := client.RequestOperation(asking, dbusapi.OperationRequest{
		Kind: levels.OperationShutdown, Mode: levels.ModeReboot, Reason: "the system goes down without logind",
	})
	switch {
	case errors.Is(err, levels.ErrRefused), errors.Is(err, dbusapi.ErrNoAgent):
		_, _ = fmt.Fprintf(out, "cssc-agent leave: nothing to do: %v\n", err)

		return nil
	case err != nil:
		return fmt.Errorf("leave: %w", err)
	}
	waiting, cancelWait := context.WithTimeout(ctx, emergency(asking, client))
	defer cancelWait()
	if _, err := client.WaitOperation(waiting, id); err != nil {
		_, _ = fmt.Fprintf(out, "cssc-agent leave: not every callback was answered in time: %v\n", err)
	}

	return nil
}

// goingDown asks PID 1. This command is for its shutdown alone: when somebody
// stops cssc-leave.service by hand, the node must not go down. The agent asks
// again and, because the system is stopping, touches no unit.
func goingDown(ctx context.Context, s settings) bool {
	system := units.NewSystem(units.Options{Address: s.bus})
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = system.Run(ctx)
	}()
	stopping, err := system.Stopping(ctx)
	cancel()
	<-done

	return err == nil && stopping
}

// emergency is how long the callbacks may take.
func emergency(ctx context.Context, client *dbusapi.Client) time.Duration {
	value, err := client.Config(ctx, "shutdown.emergency")
	if usec, ok := value.(uint64); err == nil && ok {
		return time.Duration(usec) * time.Microsecond
	}

	return emergencyDefault
}
