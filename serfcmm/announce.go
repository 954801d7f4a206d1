package serfcmm

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// announce makes gossip carry the newest card. SetTags waits until somebody has it, which
// may take a second; cards that come meanwhile are not queued, and neither are those that
// follow faster than a large cluster can pass them on: a lock that begins and ends within a
// moment is one card.
func (n *Node) announce(ctx context.Context, s *session) {
	var next turns
	for {
		select {
		case <-n.cardChanged:
		case <-ctx.Done():
			return
		}
		pace := paceOf(len(n.table.Load().peers))
		rest(ctx, pace.settle)
		card := *n.card.Load()
		if card == s.told {
			continue
		}
		tags, err := tagsOf(card, n.options.Origin)
		if err == nil {
			err = s.serf.SetTags(tags)
			n.tell()
		}
		if errors.Is(err, ErrTooLarge) {
			n.log.to.LogAttrs(ctx, slog.LevelWarn, "the card was not told", slog.Any("cause", err))
		}
		s.told = card
		rest(ctx, next.after(time.Now(), pace.cards))
	}
}

// turns says when the next card may be told. Two may follow each other at once, as the begin and
// the end of a lock do, when none was told for as long as two take.
type turns struct {
	due time.Time // of the next card, had each waited for its own
}

// after is how long to wait after a card that is told now.
func (t *turns) after(now time.Time, each time.Duration) time.Duration {
	if t.due.Before(now) {
		t.due = now
	}
	t.due = t.due.Add(each)

	return t.due.Sub(now) - each
}

// rest waits for that time, or until ctx ends.
func rest(ctx context.Context, length time.Duration) {
	if length <= 0 {
		return
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
}

// depart says goodbye, when announce has ended. The last card tells it, too, whatever the owner
// has said of the state so far: it goes out well before the farewell is final, and makes it one of
// this session for the others.
func (n *Node) depart(ctx context.Context, s *session) {
	card := *n.card.Load()
	if !hasFarewell(card.State) {
		card.State = levels.StateLeaving
	}
	var last sync.WaitGroup
	if tags, err := tagsOf(card, n.options.Origin); err == nil && card != s.told {
		last.Go(func() { _ = s.serf.SetTags(tags) }) // fails when it is not known that somebody has it
	}
	if err := s.serf.Leave(); err != nil {
		n.log.to.WarnContext(ctx, "the others may see this node fail instead of leave", "cause", err)
	}
	last.Wait()
}
