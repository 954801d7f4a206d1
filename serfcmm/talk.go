package serfcmm

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// talk is what a Node remembers of questions. Safe for concurrent use.
type talk struct {
	mutex sync.Mutex
	// next is the number of the next question; it begins at the time, so that numbers rise
	// over restarts.
	next uint64
	// asking are the questions of this node without an answer, by number.
	asking map[uint64]asking
	// told are the sessions that other nodes gave this one.
	told map[levels.NodeID]uint64
	// askers are the sessions that this node gave, each with the questions that came in it.
	askers map[levels.NodeID]*asker
	// open are the questions of others without an answer, with what closes them in the end.
	open map[*Question]*time.Timer
	// random makes a session; never zero.
	random func() uint64
}

type asking struct {
	node levels.NodeID
	// replies has capacity askTries: one reply for each time it was sent.
	replies chan wire.Note
}

// asker remembers which questions of one session came: the highest number, and of the 64
// numbers up to it those that are set in seen, counted down from the highest.
type asker struct {
	session, highest, seen uint64
}

// fresh says whether the number is new; low says that it cannot be known.
func (a *asker) fresh(id uint64) (fresh, low bool) {
	switch back := a.highest - id; {
	case id > a.highest:
		return true, false
	case back >= 64:
		return false, true
	default:
		return a.seen&(1<<back) == 0, false
	}
}

func (a *asker) note(id uint64) {
	if id > a.highest {
		a.seen <<= min(id-a.highest, 64)
		a.highest = id
	}
	a.seen |= 1 << (a.highest - id)
}

func newTalk(random func() uint64) *talk {
	return &talk{
		next: uint64(max(1, time.Now().UnixNano())), random: random, asking: map[uint64]asking{},
		told: map[levels.NodeID]uint64{}, askers: map[levels.NodeID]*asker{}, open: map[*Question]*time.Timer{},
	}
}

// begin numbers a question of this node. The caller ends it.
func (t *talk) begin(node levels.NodeID, note *wire.Note) (<-chan wire.Note, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if len(t.asking) >= maxAsking {
		return nil, fmt.Errorf("%w here", ErrFull)
	}
	t.next++
	note.ID, note.Session = t.next, t.told[node]
	replies := make(chan wire.Note, askTries)
	t.asking[note.ID] = asking{node: node, replies: replies}

	return replies, nil
}

func (t *talk) end(id uint64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.asking, id)
}

// reply hands a reply to who waits for it; what nobody waits for is dropped.
func (t *talk) reply(from levels.NodeID, note *wire.Note) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	waiting, known := t.asking[note.ID]
	if !known || waiting.node != from {
		return
	}
	if note.Kind == wire.NoteAgain {
		t.told[from] = note.Session
	}
	select {
	case waiting.replies <- *note:
	default:
	}
}

// take opens a question, unless it came before, or says how to refuse it. What came before is
// neither taken nor refused.
func (t *talk) take(question *Question, session uint64) (refusal wire.Note, taken bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	from := t.askers[question.From]
	if from == nil {
		from = &asker{session: t.random()}
		t.askers[question.From] = from
	}
	refusal = wire.Note{To: election.NodeID(question.From), ID: question.id}
	fresh, low := from.fresh(question.id)
	again := session != from.session
	if !again && low { // the asker's clock went back, or the question was long on its way
		*from, again = asker{session: t.random()}, true
	}
	switch {
	case t.isOpen(question), !again && !fresh:
		return wire.Note{}, false
	case again:
		refusal.Kind, refusal.Session = wire.NoteAgain, from.session

		return refusal, false
	}
	from.note(question.id)
	if len(t.open) >= maxAsked {
		refusal.Kind = wire.NoteFull

		return refusal, false
	}
	t.open[question] = time.AfterFunc(askTimeout, func() { t.close(question) })

	return wire.Note{}, true
}

func (t *talk) isOpen(question *Question) bool {
	for one := range t.open {
		if one.From == question.From && one.id == question.id {
			return true
		}
	}

	return false
}

// close says whether the question was open.
func (t *talk) close(question *Question) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	timer, open := t.open[question]
	if open {
		timer.Stop()
		delete(t.open, question)
	}

	return open
}

// newSession is a number that nobody can guess, and not zero.
func newSession() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:]) // it never fails

	return binary.BigEndian.Uint64(bytes[:]) | 1
}
