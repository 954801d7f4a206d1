package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	// NoteMark begins every note.
	NoteMark = 0xC6
	// MaxNote bounds what a note carries, in bytes.
	MaxNote = 256 << 10

	noteHead = 1 + 1 + len(Origin{}) + 1 + 8 + 8
	// The longest note is a head, two names and data.
	maxNoteSize = noteHead + 2*(1+election.MaxName) + MaxNote
)

// NoteKind says what a note is. The zero value is no kind.
type NoteKind uint8

const (
	// NoteQuestion is what one node asks another.
	NoteQuestion NoteKind = iota + 1
	// NoteAnswer is what comes of it.
	NoteAnswer
	// NoteAgain refuses a question that does not carry the receiver's session, and tells it:
	// ask again with it.
	NoteAgain
	// NoteFull refuses a question because too many are open.
	NoteFull
)

// Note is one message of a question and its answer. It travels over a stream of its own, so it
// may be long.
type Note struct {
	Origin   Origin
	Kind     NoteKind
	From, To election.NodeID
	// ID is the question's, rising with each question of a node. The other kinds name the
	// question that they belong to.
	ID uint64
	// Session is a number of the receiver of questions, for one asker, which nobody can guess.
	// A question without it is not believed, so a recorded one is worth nothing in another
	// life of its receiver. Zero: not known.
	Session uint64
	// Data is the question or the answer, at most MaxNote bytes. DecodeNote returns a part of
	// what it was given.
	Data []byte
}

// AppendNote writes the note behind dst and returns the longer slice. It returns ErrRange, and
// writes nothing, for what DecodeNote would refuse.
func AppendNote(dst []byte, note *Note) ([]byte, error) {
	if err := note.check(); err != nil {
		return dst, err
	}
	dst = append(dst, NoteMark, Version)
	dst = append(dst, note.Origin[:]...)
	dst = append(dst, byte(note.Kind))
	dst = binary.BigEndian.AppendUint64(dst, note.ID)
	dst = binary.BigEndian.AppendUint64(dst, note.Session)
	dst = appendText(dst, note.From)
	dst = appendText(dst, note.To)

	return append(dst, note.Data...), nil
}

// DecodeNote reads one note; the size is checked before anything else. It returns ErrSize,
// ErrForeign, ErrVersion, ErrMalformed or ErrRange with the cause.
func DecodeNote(text []byte) (Note, error) {
	switch {
	case len(text) < noteHead || len(text) > maxNoteSize:
		return Note{}, fmt.Errorf("%w: %d bytes, want %d to %d", ErrSize, len(text), noteHead, maxNoteSize)
	case text[0] != NoteMark:
		return Note{}, ErrForeign
	case text[1] != Version:
		return Note{}, fmt.Errorf("%w: %d, this node reads %d", ErrVersion, text[1], Version)
	}
	note := Note{Origin: Origin(text[2:headSize]), Kind: NoteKind(text[headSize])}
	note.ID = binary.BigEndian.Uint64(text[headSize+1:])
	note.Session = binary.BigEndian.Uint64(text[headSize+9:])
	rest := text[noteHead:]
	var err error
	if note.From, rest, err = cutName(rest); err != nil {
		return Note{}, err
	}
	if note.To, rest, err = cutName(rest); err != nil {
		return Note{}, err
	}
	note.Data = rest
	if err := note.check(); err != nil {
		return Note{}, err
	}

	return note, nil
}

func cutName(text []byte) (election.NodeID, []byte, error) {
	if len(text) == 0 || int(text[0]) >= len(text) {
		return "", nil, fmt.Errorf("%w: cut short in a name", ErrMalformed)
	}
	end := 1 + int(text[0])

	return election.NodeID(text[1:end]), text[end:], nil
}

func (n *Note) check() error {
	switch {
	case n.Origin == (Origin{}):
		return rangeError("origin", "of zeros")
	case n.Kind < NoteQuestion || n.Kind > NoteFull:
		return rangeError("kind of note", n.Kind)
	case n.From == "" || len(n.From) > election.MaxName:
		return rangeError("sender's name of bytes", len(n.From))
	case n.To == "" || len(n.To) > election.MaxName:
		return rangeError("receiver's name of bytes", len(n.To))
	case n.ID == 0:
		return rangeError("number of a question", n.ID)
	case n.Kind == NoteAgain && n.Session == 0:
		return rangeError("session", n.Session)
	case n.Kind > NoteAnswer && len(n.Data) > 0, len(n.Data) > MaxNote:
		return rangeError("data of bytes", len(n.Data))
	}

	return nil
}
