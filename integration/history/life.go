package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Life is one process of a recorder.
type Life struct {
	Name, Node, Duty string
	// Start and Last are the times of its first and its last record.
	Start, Last time.Duration
	// Stopped: it was told to stop; otherwise it was killed or still runs.
	Stopped bool
	// Term of its mastership; 0 when the agent could not be asked.
	Term uint64
	// clashed is when it found the lock taken; 0 = it did not.
	clashed time.Duration
}

// String names duty, node, term and times.
func (l Life) String() string {
	return fmt.Sprintf("%s on %s (term %d) %s…%s", l.Duty, l.Node, l.Term, clock(l.Start), clock(l.Last))
}

// clock prints a time of the kernel's clock.
func clock(at time.Duration) string { return fmt.Sprintf("%.4f", at.Seconds()) }

// Lives joins the records of each process, in the order of their starts in the file.
func Lives(records []Record) []Life {
	var lives []Life
	place := map[string]int{}
	for _, r := range records {
		if r.Duty != Lead && r.Duty != Second {
			continue
		}
		at, known := place[r.Life]
		if !known {
			at = len(lives)
			place[r.Life] = at
			lives = append(lives, Life{Name: r.Life, Node: r.Node, Duty: r.Duty, Start: r.At})
		}
		life := &lives[at]
		life.Start, life.Last = min(life.Start, r.At), max(life.Last, r.At)
		switch r.Word {
		case Clash:
			life.clashed = r.At
		case Stop:
			life.Stopped = true
		case Term:
			// A reader that is late may see the next mastership, somewhere else.
			words := strings.Fields(r.Text)
			if len(words) == 2 && words[1] == r.Node {
				life.Term, _ = strconv.ParseUint(words[0], 10, 64)
			}
		}
	}

	return lives
}

// span is a stretch of time, both ends within.
type span struct{ from, to time.Duration }

// pauses are when the nodes were stopped as a whole.
func pauses(records []Record) map[string][]span {
	all := map[string][]span{}
	for _, r := range records {
		switch r.Word {
		case Pause:
			all[r.Node] = append(all[r.Node], span{r.At, 1 << 62})
		case Resume:
			if at := len(all[r.Node]) - 1; at >= 0 {
				all[r.Node][at].to = r.At
			}
		}
	}

	return all
}

// running are the stretches in which the life was there and its node was not stopped.
func (l Life) running(paused []span) []span {
	parts := []span{{l.Start, l.Last}}
	for _, pause := range paused {
		var next []span
		for _, part := range parts {
			if pause.to < part.from || pause.from > part.to {
				next = append(next, part)

				continue
			}
			if part.from < pause.from {
				next = append(next, span{part.from, pause.from})
			}
			if pause.to < part.to {
				next = append(next, span{pause.to, part.to})
			}
		}
		parts = next
	}

	return parts
}

// common are the stretches that both have.
func common(one, other []span) []span {
	var both []span
	for _, a := range one {
		for _, b := range other {
			if from, to := max(a.from, b.from), min(a.to, b.to); from <= to {
				both = append(both, span{from, to})
			}
		}
	}

	return both
}

// woken says whether the node went on from a pause at most limit before the end of the span.
func woken(paused []span, overlap span, limit time.Duration) bool {
	return slices.ContainsFunc(paused, func(pause span) bool {
		return overlap.from >= pause.to && overlap.to <= pause.to+limit
	})
}
