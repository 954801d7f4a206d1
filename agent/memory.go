package agent

import (
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

// keptKeys bounds the requests of other nodes whose answers are kept.
const keptKeys = 64

// memory has the answers to the newest requests of other nodes: one that was asked again, because
// the answer was lost on its way, is not carried out again. It does not survive the agent.
type memory struct {
	keys    []string // oldest first
	answers map[string]answer
}

// admit puts a request into the queue, unless its answer is known.
func (l *loop) admit(r request) {
	known, answered := l.answers[r.key]
	switch {
	case r.key == "":
		l.queue = append(l.queue, pending{request: r})
	case answered:
		r.answer <- known
	case l.waitsAlready(r):
	case l.isQueued(r.key):
		r.answer <- answer{err: fmt.Errorf("%w: this was asked before and is not answered yet", levels.ErrTryAgain)}
	default:
		l.queue = append(l.queue, pending{request: r})
	}
}

// waitsAlready lets who asks again wait with who asked first, for the turn of the operation.
func (l *loop) waitsAlready(r request) bool {
	for ticket, first := range l.turnless {
		if first.key == r.key {
			first.also = append(first.also, r.answer)
			l.turnless[ticket] = first

			return true
		}
	}

	return false
}

func (l *loop) isQueued(key string) bool {
	for i := range l.queue {
		if l.queue[i].key == key {
			return true
		}
	}

	return false
}

// keep remembers an answer.
func (l *loop) keep(key string, given answer) {
	if key == "" {
		return
	}
	if l.answers == nil {
		l.answers = map[string]answer{}
	}
	if len(l.keys) == keptKeys {
		delete(l.answers, l.keys[0])
		l.keys = l.keys[1:]
	}
	l.keys = append(l.keys, key)
	l.answers[key] = given
}
