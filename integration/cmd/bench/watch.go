package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// watchPause is the pause between two looks of a member at all others: what it tells of them
// may be late by so much.
const watchPause = 100 * time.Millisecond

// watch prints what a member sees of the others by gossip, from when watched is closed: a
// line with the time, the member, the other one, and its role, "left" or "failed".
func watch(ctx context.Context, name string, node *serfcmm.Node, watched <-chan struct{}) {
	select {
	case <-watched:
	case <-ctx.Done():
		return
	}
	before := map[levels.NodeID]string{}
	for {
		for _, card := range node.Seen() {
			word := sightOf(card)
			if old, known := before[card.Node]; known && old != word {
				fmt.Println("seen", now().Nanoseconds(), name, card.Node, word)
			}
			before[card.Node] = word
		}
		pause(ctx, watchPause)
		select {
		case <-node.Changed():
		case <-ctx.Done():
			return
		}
	}
}

func sightOf(card levels.Card) string {
	switch {
	case card.Left:
		return "left"
	case !card.Alive:
		return "failed"
	default:
		return card.Role.String()
	}
}

// obey reads from the standard input what the members should do: "watch", once, and "leave"
// or "kill" with the number of one.
func obey(ctx context.Context, nodes []*serfcmm.Node, kills []context.CancelFunc, watched chan<- struct{}) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		number := 0
		if _, err := fmt.Sscan(rest, &number); word != "watch" && (err != nil || number < 0 || number >= len(nodes)) {
			fmt.Fprintf(os.Stderr, "members: cannot obey %q\n", lines.Text())

			continue
		}
		switch word {
		case "watch":
			close(watched)
		case "leave":
			_ = nodes[number].Leave(ctx)
		case "kill":
			kills[number]()
		}
	}
}
