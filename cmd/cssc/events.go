package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) eventsCommand() *cobra.Command {
	var follow bool
	var limit int
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happened, and with --follow what happens, one line an event",
		Long: "Print what happened on this node, as far as the history of runs goes back, one\n" +
			"line an event. With --follow go on with the agent's signals as they come.",
		Example: "  cssc events\n  cssc events --follow --json",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usage("cssc events: --limit %d: must not be negative", limit)
			}
			if follow {
				return a.followEvents(cmd.Context(), limit)
			}
			records, err := a.records(cmd.Context(), max(limit, 1))
			if err != nil || limit == 0 {
				return err
			}

			return a.printEvents(pastEvents(records))
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	cmd.Flags().IntVarP(&limit, "limit", "n", 10, "begin with the last so many `RUNS` of the history")
	freely(cmd, "limit")

	return cmd
}

// followEvents runs until it is interrupted, --timeout is over or the bus is gone.
func (a *app) followEvents(ctx context.Context, limit int) error {
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	agent, err := a.dial(ctx, a.address)
	if err != nil {
		return err
	}
	defer func() { _ = agent.Close() }()
	events, err := agent.Events(ctx)
	if err != nil {
		return err
	}
	if limit > 0 {
		records, err := agent.History(ctx, limit)
		if err != nil {
			return err
		}
		if err := a.printEvents(pastEvents(records)); err != nil {
			return err
		}
	}
	for happened := range events {
		if err := a.printEvents([]event{happened}); err != nil {
			return err
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(ctx.Err(), context.Canceled) {
		return nil // the end that was asked for
	}

	return fmt.Errorf("follow events: %w", errNoBus)
}

func (a *app) printEvents(events []event) error {
	p := a.paint()
	for _, happened := range events {
		if a.asJSON {
			if err := a.printJSONLine(happened); err != nil {
				return err
			}

			continue
		}
		name := happened.Name
		switch name {
		case "ComponentFailed", eventAgentLost:
			name = p.bad(name)
		case "SequenceFinished", "MasterReady", "NodeQualified":
			name = p.good(name)
		}
		if _, err := fmt.Fprintf(a.out, "%s %s%s\n", p.dim(eventTime(happened.At)), name, fieldWords(happened.Fields)); err != nil {
			return err
		}
	}

	return nil
}

func eventTime(at string) string {
	stamp, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return dash(printable(at))
	}

	return stamp.Local().Format("2006-01-02T15:04:05.000Z07:00")
}

// fieldWords writes key=value pairs, sorted by key.
func fieldWords(fields map[string]any) string {
	var words strings.Builder
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fmt.Sprint(fields[key])
		if value == "" {
			continue
		}
		fmt.Fprintf(&words, " %s=%s", printable(key), quoted(value))
	}

	return words.String()
}
