package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Whoever watches looks again at the latest after this time.
const watchTick = time.Second

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Show the cluster as it changes, with what happens and why",
		Long: "Show the cluster as it changes. A terminal is taken as a whole: the nodes, the runs in\n" +
			"progress with their levels and participants, what needs attention, the events, and for\n" +
			"the node that is selected why it is as it is (Enter); the key ? shows all keys. Elsewhere each\n" +
			"fact that is new or different is a line with its time, and \"gone\" stands before one that\n" +
			"holds no more. Goes on over a restart of the agent, until ended or until --timeout is over.",
		Example: "  cssc watch\n  cssc watch --json | jq .master",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
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
			if !a.asJSON && a.drawable() {
				return a.fullScreen(ctx, agent)
			}
			w := &watcher{app: a, agent: agent}

			return w.run(ctx)
		},
	}
}

// drawable says that a person sits at a terminal whose size is known, and whose cursor can be moved.
func (a *app) drawable() bool {
	return a.terminalIn && a.terminalOut && a.getenv("TERM") != "dumb" && a.width() > 0 && a.height() > 0
}

// watcher shows the status until its context ends. It belongs to one goroutine.
type watcher struct {
	app   *app
	agent agentPort
	// shown is the document that was shown last.
	shown string
	// facts are the lines of the plain form that hold now.
	facts []string
	// lost is when the agent went away, zero while it answers.
	lost time.Time
}

func (w *watcher) run(ctx context.Context) error {
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	var changes <-chan struct{} // nil while there is no bus: then the ticker asks
	for {
		if changes == nil {
			changes, _ = w.agent.Changes(ctx)
		}
		status, err := w.agent.Status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // the end that was asked for
		case err == nil:
			w.lost = time.Time{}
			err = w.show(status)
		case passing(err) || errors.Is(err, errNoBus):
			err = w.showLoss(err)
		}
		if err != nil {
			return err
		}
		select {
		case _, open := <-changes:
			if !open {
				changes = nil
			}
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// show shows a status when it differs from the one before.
func (w *watcher) show(status *report) error {
	if w.app.asJSON {
		return w.showJSON(status)
	}

	return w.tell(lines(w.app.statusLines(status)))
}

// tell prints the facts that are new, and those that hold no more.
func (w *watcher) tell(facts []string) error {
	now := w.app.now().Format("2006-01-02T15:04:05.000Z07:00")
	var out strings.Builder
	before := steady(w.facts)
	for _, fact := range facts {
		if !slices.Contains(before, steady([]string{fact})[0]) {
			fmt.Fprintf(&out, "%s %s\n", now, fact)
		}
	}
	for _, fact := range w.facts {
		if !slices.Contains(keysOf(facts), keyOf(fact)) {
			fmt.Fprintf(&out, "%s gone %s\n", now, keyOf(fact))
		}
	}
	w.facts = facts
	_, err := fmt.Fprint(w.app.out, out.String())

	return err
}

// steady takes the rounds of an election that nobody wins for one: they change twice a second.
func steady(facts []string) []string {
	asking := strings.NewReplacer(" election=pre-voting ", " election=following ", " election=campaigning ", " election=following ")
	calm := make([]string, len(facts))
	for i, fact := range facts {
		calm[i] = asking.Replace(fact)
	}

	return calm
}

// keyOf is the kind and the name of a fact, "node n1"; an attention is its own name.
func keyOf(fact string) string {
	kind, rest, _ := strings.Cut(fact, " ")
	if kind == "attention" || kind == "resume" {
		return fact
	}
	name, _, _ := strings.Cut(rest, " ")

	return kind + " " + name
}

func keysOf(facts []string) []string {
	keys := make([]string, len(facts))
	for i, fact := range facts {
		keys[i] = keyOf(fact)
	}

	return keys
}

// showJSON prints a status that differs in more than the times that always change.
func (w *watcher) showJSON(status *report) error {
	bare := *status
	bare.LeaseRemainingUSec = 0
	if bare.Election == "pre-voting" || bare.Election == "campaigning" {
		bare.Election = "following" // as steady
	}
	bare.Nodes = append(bare.Nodes[:0:0], bare.Nodes...)
	for i := range bare.Nodes {
		bare.Nodes[i].Heard = 0
	}
	text, err := json.Marshal(bare)
	if err != nil || string(text) == w.shown {
		return err
	}
	w.shown = string(text)

	return w.app.printJSONLine(status)
}

// showLoss says that the agent does not answer.
func (w *watcher) showLoss(cause error) error {
	if w.lost.IsZero() {
		w.lost = w.app.now()
	}
	word := errNoAgent.Error()
	if errors.Is(cause, errNoBus) {
		word = errNoBus.Error()
	}
	if w.app.asJSON {
		return nil
	}

	return w.tell([]string{"attention " + quoted(word)})
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
