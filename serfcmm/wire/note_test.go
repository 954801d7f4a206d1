package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// notes has one of each kind.
func notes() []Note {
	origin := Origin{1, 2, 3, 4, 5, 6, 7, 8}

	return []Note{
		{Origin: origin, Kind: NoteQuestion, From: "n1", To: "n2", ID: 7, Session: 9, Data: []byte("lock?")},
		{Origin: origin, Kind: NoteAnswer, From: "n2", To: "n1", ID: 7, Data: []byte{}},
		{Origin: origin, Kind: NoteAgain, From: "n2", To: "n1", ID: 7, Session: 1 << 63, Data: []byte{}},
		{Origin: origin, Kind: NoteFull, From: "n2", To: "n1", ID: 7, Data: []byte{}},
	}
}

// Goal: nodes of different releases understand each other's questions. Method: the bytes of
// one are written down here for ever, and each kind is read as it was written.
func TestTheBytesOfANoteNeverChange(t *testing.T) {
	t.Parallel()
	for i, note := range notes() {
		text, err := AppendNote(nil, &note)
		if err != nil {
			t.Fatalf("AppendNote(%+v) = %v", note, err)
		}
		if again, err := DecodeNote(text); err != nil || !reflect.DeepEqual(again, note) {
			t.Errorf("DecodeNote(%x) = %+v, %v, want %+v", text, again, err, note)
		}
		want := "c601" + "0102030405060708" + "01" + "0000000000000007" + "0000000000000009" + "026e31" + "026e32" + "6c6f636b3f"
		if got := hex.EncodeToString(text); i == 0 && got != want {
			t.Errorf("a question is %s, want %s", got, want)
		}
	}
}

// Goal: what cannot be meant is neither written nor read. Method: one wrong thing at a time.
func TestImpossibleNotesAreRefused(t *testing.T) {
	t.Parallel()
	long := election.NodeID(strings.Repeat("n", election.MaxName+1))
	for what, change := range map[string]func(*Note){
		"no origin":       func(n *Note) { n.Origin = Origin{} },
		"no kind":         func(n *Note) { n.Kind = 0 },
		"a later kind":    func(n *Note) { n.Kind = NoteFull + 1 },
		"no sender":       func(n *Note) { n.From = "" },
		"a long sender":   func(n *Note) { n.From = long },
		"no receiver":     func(n *Note) { n.To = "" },
		"a long receiver": func(n *Note) { n.To = long },
		"no number":       func(n *Note) { n.ID = 0 },
		"no session":      func(n *Note) { n.Kind, n.Session, n.Data = NoteAgain, 0, nil },
		"a chatty no":     func(n *Note) { n.Kind = NoteFull },
		"too long":        func(n *Note) { n.Data = make([]byte, MaxNote+1) },
	} {
		note := notes()[0]
		change(&note)
		if text, err := AppendNote(nil, &note); !errors.Is(err, ErrRange) || len(text) > 0 {
			t.Errorf("%s: AppendNote = %d bytes, %v, want ErrRange", what, len(text), err)
		}
	}
	good, err := AppendNote(nil, &notes()[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(good) - len("lock?") - len("n2") {
		if _, err := DecodeNote(good[:cut]); err == nil {
			t.Errorf("%d of %d bytes are read", cut, len(good))
		}
	}
	for what, text := range map[string][]byte{
		"a datagram":      append([]byte{Mark}, good[1:]...),
		"another version": append([]byte{NoteMark, Version + 1}, good[2:]...),
		"without an end":  bytes.Repeat([]byte{NoteMark}, maxNoteSize+1),
	} {
		if _, err := DecodeNote(text); !errors.Is(err, ErrForeign) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrSize) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
