package levels

// Sequence names one of the six ordered series of levels that a node runs.
// The zero value is unknown and valid nowhere.
type Sequence uint8

// The sequences, in the order of the wire numbers of libcssc.
const (
	SequenceUnknown Sequence = iota
	Init                     // the node starts
	Shut                     // the node leaves
	Promote                  // the node takes the master or vice role
	Demote                   // the node is about to lose its role
	Disqualify               // the node may hold no role any more
	Qualify                  // the node may hold a role again
)

func sequenceWords() []string {
	return []string{"unknown", "init", "shut", "promote", "demote", "disqualify", "qualify"}
}

// String returns the word used in configuration, D-Bus, logs and golden files.
func (s Sequence) String() string { return word(s, sequenceWords()) }

// ParseSequence is the inverse of String. It returns ErrInvalid for anything else.
func ParseSequence(text string) (Sequence, error) {
	return parseWord[Sequence]("sequence", text, sequenceWords())
}

// MarshalText writes the word.
func (s Sequence) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Sequence) UnmarshalText(text []byte) error {
	value, err := ParseSequence(string(text))
	*s = value

	return err
}

// Sequences lists all six in wire order.
func Sequences() []Sequence {
	return []Sequence{Init, Shut, Promote, Demote, Disqualify, Qualify}
}

// Outranks says whether a run of s cancels a run of other:
// shut > demote > disqualify > qualify > promote > init; equal never cancels.
func (s Sequence) Outranks(other Sequence) bool { return s.rank() > other.rank() }

func (s Sequence) rank() int {
	switch s {
	case Shut:
		return 6
	case Demote:
		return 5
	case Disqualify:
		return 4
	case Qualify:
		return 3
	case Promote:
		return 2
	case Init:
		return 1
	case SequenceUnknown:
		return 0
	default:
		return 0
	}
}
