package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// eventLimit bounds the wait for an event: members suspect each other for long in a large cluster.
const eventLimit = 90 * time.Second

// happening is one thing that all buses are to tell, and all members are to see.
type happening struct {
	// event is what the buses tell of node, with the fields.
	event, node string
	fields      []string
	// words are what members may see of the node; none: they are not asked.
	words []string
	// member: it happens to a member, at the moment of the order.
	member bool
	make   func()
}

func eventNames() []string {
	return []string{"a spare is locked", "it is unlocked", "switchover", "a member leaves", "a member is killed"}
}

// happenings are what eventNames says.
func (f *fleet) happenings(ctx context.Context, c *crowd, members int) ([]happening, error) {
	master := f.settle(ctx)
	view, err := master.View(ctx)
	if err != nil {
		return nil, err
	}
	vice, spare := f.node(view.Vice), master
	for _, node := range f.Nodes() {
		if node != master && node != vice {
			spare = node
		}
	}
	order := func(word string, member int) func() {
		return func() { _, _ = fmt.Fprintf(c.orders, "%s %d\n", word, member) }
	}
	all := []happening{
		{
			event: "NodeDisqualified", node: spare.Name, words: []string{"offline"},
			make: func() { spare.Run(f.t, "cssc", "lock", "--yes") },
		},
		{
			event: "NodeQualified", node: spare.Name, words: []string{"spare", "vice"},
			make: func() { spare.Run(f.t, "cssc", "unlock") },
		},
		{
			event: "RoleChanged", node: vice.Name, fields: []string{"role", "master"}, words: []string{roleWord},
			make: func() { master.Run(f.t, "cssc", "switchover", "--to", vice.Name, "--yes") },
		},
	}
	if members > 1 {
		all = append(all,
			happening{event: "NodeLeft", node: memberName(members - 1), words: []string{"left"}, member: true, make: order("leave", members-1)},
			happening{event: "NodeFailed", node: memberName(members - 2), words: []string{"failed", "left"}, member: true, make: order("kill", members-2)},
		)
	}

	return all, nil
}

// roleWord stands for a member's own knowledge of who is the master.
const roleWord = "leads"

// tellAll makes everything happen and returns a figure for each.
func (f *fleet) tellAll(ctx context.Context, c *crowd, members int) (figures []string, err error) {
	for _, node := range f.Nodes() {
		node.Background(f.t, "/bin/sh", "-c", "exec cssc events --follow --json --limit 1 >/lab/events."+node.Name)
	}
	_, _ = fmt.Fprintln(c.orders, "watch")
	all, err := f.happenings(ctx, c, members)
	if err != nil {
		return nil, err
	}
	witnesses := members
	for _, one := range all {
		f.settle(ctx)
		pause(ctx, 5*time.Second) // what is under way by gossip
		if one.member {
			witnesses--
		}
		figure, err := f.happen(ctx, c, one, witnesses)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure)
	}
	for len(figures) < len(eventNames()) {
		figures = append(figures, "-")
	}

	return figures, nil
}

// happen makes one thing happen and waits until all know, or for eventLimit.
func (f *fleet) happen(ctx context.Context, c *crowd, what happening, witnesses int) (string, error) {
	begin := now()
	what.make()
	var told []time.Duration
	var seen map[string]time.Duration
	err := lab.Await(ctx, eventLimit, func() error {
		told = nil
		for _, node := range f.Nodes() {
			if at := f.toldOn(node, what, begin); at != 0 {
				told = append(told, at)
			}
		}
		seen = c.sawOf(what, begin)
		if len(told) < len(f.Nodes()) || len(seen) < witnesses {
			return fmt.Errorf("%s of %s: told on %d buses, seen by %d of %d members", what.event, what.node, len(told), len(seen), witnesses)
		}

		return nil
	})
	if len(told) < len(f.Nodes()) {
		return "", err
	}
	from := begin
	if !what.member {
		from = slices.Min(told)
	}
	figure := milliseconds(slices.Max(told) - from)
	if witnesses > 0 {
		var taken []time.Duration
		for _, at := range seen {
			taken = append(taken, max(0, at-from))
		}
		figure += fmt.Sprintf("; %d of %d; %s, %s", len(seen), witnesses, milliseconds(quantile(taken, 50)), milliseconds(quantile(taken, 100)))
	}
	fmt.Fprintf(os.Stderr, "%s of %s: %s\n", what.event, what.node, figure)

	return figure, nil
}

// toldOn is when the node's bus has told it, 0 when it has not.
func (f *fleet) toldOn(node *lab.Node, what happening, since time.Duration) time.Duration {
	text, err := os.ReadFile(filepath.Join(f.Shared(), "events."+node.Name))
	if err != nil {
		return 0
	}
	wall := time.Now().Add(-now())
	for line := range strings.Lines(string(text)) {
		var one struct {
			Event  string
			At     time.Time
			Fields map[string]any
		}
		if json.Unmarshal([]byte(line), &one) != nil || one.Event != what.event || fmt.Sprint(one.Fields["node"]) != what.node {
			continue
		}
		if len(what.fields) == 2 && fmt.Sprint(one.Fields[what.fields[0]]) != what.fields[1] {
			continue
		}
		if at := one.At.Sub(wall); at >= since {
			return at
		}
	}

	return 0
}

// sawOf is when each member has first seen what happened.
func (c *crowd) sawOf(what happening, since time.Duration) map[string]time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	seen := map[string]time.Duration{}
	for _, one := range c.sights {
		if _, known := seen[one.member]; known || one.at < since {
			continue
		}
		if one.node == what.node && slices.Contains(what.words, one.word) {
			seen[one.member] = one.at
		}
	}

	return seen
}
