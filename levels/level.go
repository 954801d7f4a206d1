package levels

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Level is one step of a sequence: 0…N, then Last (N+1), whatever N is.
type Level int

const (
	// Last comes after the highest numbered level of every sequence. Its number is
	// that of CSSC_LAST_LEVEL and of the D-Bus interface.
	Last Level = -1
	// MaxLevel is the highest N that a configuration may ask for.
	MaxLevel Level = 99
)

// String returns the number, or "last".
func (l Level) String() string {
	if l == Last {
		return "last"
	}

	return strconv.Itoa(int(l))
}

// ParseLevel is the inverse of String. It returns ErrInvalid for anything but
// a plain number in 0…MaxLevel or "last".
func ParseLevel(text string) (Level, error) {
	if text == "last" {
		return Last, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || Level(n) > MaxLevel || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("%w: level %q, want 0…%d or \"last\"", ErrInvalid, text, MaxLevel)
	}

	return Level(n), nil
}

// MarshalText writes the text form.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the text form.
func (l *Level) UnmarshalText(text []byte) error {
	value, err := ParseLevel(string(text))
	*l = value

	return err
}

// Ladder is the range of levels of one sequence: 0…Top, then Last.
type Ladder struct {
	// Top is N, the highest numbered level, 0…MaxLevel.
	Top Level `json:"top"`
}

// Len counts the levels, Last included.
func (d Ladder) Len() int { return int(d.Top) + 2 }

// Index returns the place of l counted from 0, Last being Len()-1, and
// whether the ladder has such a level.
func (d Ladder) Index(l Level) (index int, ok bool) {
	switch {
	case l == Last:
		return d.Len() - 1, true
	case l >= 0 && l <= d.Top:
		return int(l), true
	default:
		return 0, false
	}
}

// At is the inverse of Index. It panics when index is out of range.
func (d Ladder) At(index int) Level {
	switch {
	case index < 0 || index >= d.Len():
		panic(fmt.Sprintf("levels: index %d outside a ladder of %d", index, d.Len()))
	case index == d.Len()-1:
		return Last
	default:
		return Level(index)
	}
}

// All yields the levels upwards, Last at the end.
func (d Ladder) All() iter.Seq[Level] {
	return func(yield func(Level) bool) {
		for index := range d.Len() {
			if !yield(d.At(index)) {
				return
			}
		}
	}
}

// Position is one level of one sequence.
type Position struct {
	Sequence Sequence `json:"sequence"`
	Level    Level    `json:"level"`
}

// String returns "init:3" or "shut:last".
func (p Position) String() string { return p.Sequence.String() + ":" + p.Level.String() }

// ParsePosition is the inverse of String. It returns ErrInvalid for anything else.
func ParsePosition(text string) (Position, error) {
	sequence, level, found := strings.Cut(text, ":")
	if !found {
		return Position{}, fmt.Errorf("%w: position %q, want SEQUENCE:LEVEL", ErrInvalid, text)
	}
	s, err := ParseSequence(sequence)
	if err != nil {
		return Position{}, err
	}
	l, err := ParseLevel(level)

	return Position{s, l}, err
}
