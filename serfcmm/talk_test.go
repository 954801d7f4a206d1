package serfcmm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/wire"
)

func noteOf(tb testing.TB, origin string, note wire.Note) []byte {
	tb.Helper()
	note.Origin = OriginOf(origin)
	if note.From == "" {
		note.From = "n2"
	}
	if note.To == "" {
		note.To = "n1"
	}
	text, err := wire.AppendNote(nil, &note)
	if err != nil {
		tb.Fatal(err)
	}

	return text
}

// opened counts the questions of others without an answer.
func opened(n *Node) int {
	n.talk.mutex.Lock()
	defer n.talk.mutex.Unlock()

	return len(n.talk.open)
}

// Goal: a question is handed on once, and one that was recorded is not, whatever its
// number: not without the session, not twice, not after many others, not when the asker's clock
// went back. Method: notes put in by hand, a window of 64 numbers on its edges.
func TestAQuestionIsHandedOnOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := offline(t)
		n.refusals = make(chan struct{}) // nothing is sent
		session := uint64(100)
		n.talk.random = func() uint64 { session++; return session }
		asks := func(id, session uint64) bool {
			t.Helper()
			n.hear(nil, noteOf(t, "two", wire.Note{Kind: wire.NoteQuestion, ID: id, Session: session, Data: []byte("?")}))
			select {
			case question := <-n.Asked():
				if !n.talk.close(question) {
					t.Errorf("question %d is not open", id)
				}

				return true
			default:
				return false
			}
		}
		for _, step := range []struct {
			what        string
			id, session uint64
			taken       bool
		}{
			{"without a session", 1000, 0, false},
			{"with another", 1000, 7, false},
			{"with its session", 1000, 101, true},
			{"twice", 1000, 101, false},
			{"the one before", 999, 101, true},
			{"and again", 999, 101, false},
			{"far ahead", 1063, 101, true},
			{"at the end of the window", 1000, 101, false},
			{"in the window, new", 1001, 101, true},
			{"out of the window", 998, 101, false},
			{"in the session that was", 1064, 101, false},
			{"in the next session", 998, 102, true},
			{"in the next session, twice", 998, 102, false},
			{"further than a window", 99999, 102, true},
			{"and again", 99999, 102, false},
		} {
			if got := asks(step.id, step.session); got != step.taken {
				t.Errorf("%s: question %d of session %d taken: %v, want %v", step.what, step.id, step.session, got, step.taken)
			}
		}
	})
}

// Goal: an open question is not opened twice, is answered once, and is closed by time. Method:
// duplicates while it is open, two answers, and nobody who answers.
func TestAnOpenQuestionIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := offline(t)
		n.refusals = make(chan struct{})
		n.talk.random = func() uint64 { return 5 }
		for range 3 {
			n.hear(nil, noteOf(t, "two", wire.Note{Kind: wire.NoteQuestion, ID: 9, Session: 5}))
		}
		question := <-n.Asked()
		if len(n.Asked()) > 0 {
			t.Errorf("%d duplicates are handed on", len(n.Asked()))
		}
		time.Sleep(askTimeout - time.Millisecond)
		synctest.Wait()
		if opened(n) != 1 {
			t.Error("closed early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if opened(n) != 0 || n.talk.close(question) {
			t.Error("still open")
		}
		for id := range uint64(2 * maxAsked) {
			n.hear(nil, noteOf(t, "two", wire.Note{Kind: wire.NoteQuestion, ID: 100 + id, Session: 5}))
		}
		if got := n.Stats().QuestionsRefused; got != maxAsked || len(n.Asked()) != maxAsked {
			t.Errorf("%d refused, %d wait, want %d and %d", got, len(n.Asked()), maxAsked, maxAsked)
		}
		time.Sleep(askTimeout)
		synctest.Wait()
		n.hear(nil, noteOf(t, "two", wire.Note{Kind: wire.NoteQuestion, ID: 1000, Session: 5}))
		if got := n.Stats().QuestionsRefused; got != maxAsked+1 || opened(n) > 0 {
			t.Errorf("%d refused and %d open while the owner does not look, want one more and none", got, opened(n))
		}
	})
}

// Goal: an answer goes to who asked that node that question, and nobody else. Method: answers
// of the wrong node, with the wrong number, from a second machine, twice, and garbage.
func TestAnswersFindTheirQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := offline(t)
		note := wire.Note{Kind: wire.NoteQuestion}
		replies, err := n.talk.begin("n2", &note)
		if err != nil {
			t.Fatal(err)
		}
		answer := wire.Note{Kind: wire.NoteAnswer, ID: note.ID, Data: []byte("yes")}
		with := func(change func(*wire.Note)) wire.Note {
			bad := answer
			change(&bad)

			return bad
		}
		n.hear(nil, noteOf(t, "two", with(func(a *wire.Note) { a.ID++ })))
		n.hear(nil, noteOf(t, "two", with(func(a *wire.Note) { a.To = "n3" })))
		n.hear(nil, noteOf(t, "two", with(func(a *wire.Note) { a.From = "n3" })))
		n.hear(nil, noteOf(t, "two", with(func(a *wire.Note) { a.From = "n1" })))
		n.hear(nil, noteOf(t, "one", with(func(a *wire.Note) { a.From = "n1" })))
		n.hear(nil, noteOf(t, "two", answer)[:12])
		if len(replies) > 0 {
			t.Fatalf("%d wrong answers are believed", len(replies))
		}
		for range 2 * askTries {
			n.hear(nil, noteOf(t, "two", answer))
		}
		n.hear(nil, noteOf(t, "a clone", answer))
		if got := <-replies; string(got.Data) != "yes" || len(replies) != askTries-1 {
			t.Errorf("the answer is %q, and %d more wait, want yes and no more than fit", got.Data, len(replies))
		}
		n.talk.end(note.ID)
		n.hear(nil, noteOf(t, "two", answer))
		if stats := n.Stats(); stats.Malformed != 1 || stats.Unlisted != 1 || stats.Impostor != 2 || stats.Misdirected != 2 {
			t.Errorf("counted %+v, want 1 malformed, 1 unlisted, 2 impostors and 2 misdirected", stats)
		}
		for range maxAsking {
			if _, err := n.talk.begin("n2", &wire.Note{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.talk.begin("n2", &wire.Note{}); err == nil {
			t.Error("more questions than may be open")
		}
	})
}
