package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
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

// emergency is how long the callbacks may take.
func emergency(ctx context.Context, client *dbusapi.Client) time.Duration {
	value, err := client.Config(ctx, "shutdown.emergency")
	if usec, ok := value.(uint64); err == nil && ok {
		return time.Duration(usec) * time.Microsecond
	}

	return emergencyDefault
}
