package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// A wait: settleTries times settlePause is longer than a new master needs to see what is in progress.
	settleTries = 6
	settlePause = 250 * time.Millisecond
)

// Register asks for a callback.
func (a *Agent) Register(ctx context.Context, registration levels.Registration) (levels.RegistrationID, error) {
	result, err := a.ask(ctx, request{event: levels.Registered{Registration: registration}})

	return levels.RegistrationID(result.ID), err
}

// Unregister takes one registration back.
func (a *Agent) Unregister(ctx context.Context, client levels.ClientID, id levels.RegistrationID) error {
	_, err := a.ask(ctx, request{event: levels.Unregistered{ID: id, Client: client}})

	return err
}

// Done answers an invocation.
func (a *Agent) Done(ctx context.Context, done levels.CallbackDone) error {
	_, err := a.ask(ctx, request{event: done})

	return err
}

// SubscribeCancellation asks for SequenceCanceled.
func (a *Agent) SubscribeCancellation(ctx context.Context, client levels.ClientID) error {
	_, err := a.ask(ctx, request{event: levels.CancellationSubscribed{Client: client}})

	return err
}

// Operation begins an operation, or with DryRun returns what it would do. A
// shutdown asked for while PID 1 is stopping everything already only calls the
// callbacks: a unit started or stopped by us then would cancel the shutdown, or
// wait for us as we for it.
func (a *Agent) Operation(ctx context.Context, operation levels.OperationRequested) (levels.OperationID, []string, error) {
	return a.operate(ctx, operation, request{})
}

// operate is Operation for who asks with a key or orders; asked again with the same key it
// answers the same.
func (a *Agent) operate(ctx context.Context, operation levels.OperationRequested, r request) (levels.OperationID, []string, error) {
	bypass := operation.Kind == levels.OperationShutdown && !operation.DryRun && a.stopping(ctx)
	if bypass {
		operation.CallbacksOnly = true
	}
	r.event, r.bypass = operation, bypass
	result, err := a.ask(ctx, r)
	for range settleTries { // a new master begins nothing on the whole cluster for a second
		if !operation.Kind.OfCluster() || !errors.Is(err, levels.ErrTryAgain) || !rest(ctx, settlePause) {
			break
		}
		result, err = a.ask(ctx, r)
	}

	return levels.OperationID(result.ID), result.Plan, err
}

// stopping asks PID 1; without an answer the system is taken for running.
func (a *Agent) stopping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stopping, err := a.options.Ports.System.Stopping(ctx)

	return err == nil && stopping
}

// Retry invokes the failed participants of a held run again.
func (a *Agent) Retry(ctx context.Context, sequence levels.Sequence) error {
	_, err := a.ask(ctx, request{event: levels.RetryRequested{Sequence: sequence}})

	return err
}

// Skip goes on without the failed participants of a held run.
func (a *Agent) Skip(ctx context.Context, sequence levels.Sequence) error {
	_, err := a.ask(ctx, request{event: levels.SkipRequested{Sequence: sequence}})

	return err
}

// Abort ends a held run as failed.
func (a *Agent) Abort(ctx context.Context, sequence levels.Sequence) error {
	_, err := a.ask(ctx, request{event: levels.AbortRequested{Sequence: sequence}})

	return err
}

// Sync starts what is missing at levels already reached. It looks at the members
// itself first, so that a unit that was enabled just before the call is one of them.
func (a *Agent) Sync(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	members, err := a.options.Ports.Units.Members(asking)
	if err != nil {
		return fmt.Errorf("%w: sync: systemd cannot be asked: %s", levels.ErrTryAgain, err.Error())
	}
	if _, err := a.ask(ctx, request{event: levels.MembersObserved{Members: members}}); err != nil {
		return err
	}
	_, err = a.ask(ctx, request{event: levels.SyncRequested{}})

	return err
}

// Reload reads the configuration anew. A bad one gives levels.ErrInvalid with
// every problem in the text, and the one in force stays.
func (a *Agent) Reload(ctx context.Context) error {
	next, err := a.options.Load()
	if err != nil {
		a.journal.tell(ctx, msgConfigRefused, "error", err.Error())

		return fmt.Errorf("reload: %w: the running configuration stays in force:\n%s", levels.ErrInvalid, err.Error())
	}
	if now := a.config.Load(); now != nil && now.ClusterOfOne() != next.ClusterOfOne() {
		return fmt.Errorf("reload: %w: one node becomes several, or several one: restart the agent with \"systemctl restart cssc-agent\"", levels.ErrRefused)
	}
	if err := a.options.Ports.Units.Reload(ctx); err != nil {
		return fmt.Errorf("reload: make the targets anew: %w", err)
	}
	_, err = a.ask(ctx, request{event: levels.Configured{Config: next.Levels}, config: &next})

	return err
}

// ClientVanished tells that a connection is gone.
func (a *Agent) ClientVanished(client levels.ClientID) {
	a.observe(levels.ClientVanished{Client: client})
}

// BusLost tells that the bus itself is gone.
func (a *Agent) BusLost() { a.observe(levels.BusLost{}) }

// History returns the newest runs first as JSON documents; limit 0 = all.
func (a *Agent) History(_ context.Context, limit int) ([]string, error) {
	entries, err := a.options.Ports.Store.History(limit)
	if err != nil {
		return nil, err
	}
	documents := make([]string, 0, len(entries))
	for _, entry := range entries {
		body, err := json.Marshal(entry)
		if err != nil {
			return nil, fmt.Errorf("read the history: run %d: %w", entry.Run, err)
		}
		documents = append(documents, string(body))
	}

	return documents, nil
}

// ConfigValue answers one key of GetConfig; unknown ones give levels.ErrInvalid.
// "levels.init" and the like give N, "timeout.init" µs, "on-failure.init" a word.
func (a *Agent) ConfigValue(key string) (any, error) {
	c := a.config.Load()
	if c == nil {
		return nil, fmt.Errorf("%w: the configuration is not read yet", levels.ErrTryAgain)
	}
	switch key {
	case "node":
		return string(c.Levels.Node), nil
	case "cluster":
		return c.Levels.Cluster, nil
	case "channel":
		return "org.cssc.Agent1.Manager", nil
	case "event.master-ready":
		return "MasterReady", nil
	case "event.disqualified":
		return "NodeDisqualified", nil
	case "event.qualified":
		return "NodeQualified", nil
	case "config-hash":
		return c.Hash, nil
	case "shutdown.timeout":
		return uint64(c.Shutdown.Timeout.Microseconds()), nil
	case "shutdown.emergency":
		return uint64(c.Shutdown.Emergency.Microseconds()), nil
	}
	group, word, found := strings.Cut(key, ".")
	sequence, err := levels.ParseSequence(word)
	if !found || err != nil {
		return nil, fmt.Errorf("%w: no configuration value %q", levels.ErrInvalid, key)
	}
	settings := c.Levels.Sequences[sequence]
	switch group {
	case "levels":
		return int32(settings.Ladder.Top), nil
	case "timeout":
		return uint64(settings.Timeout.Microseconds()), nil
	case "on-failure":
		return settings.OnFailure.String(), nil
	default:
		return nil, fmt.Errorf("%w: no configuration value %q", levels.ErrInvalid, key)
	}
}
