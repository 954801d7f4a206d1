package levels

import (
	"fmt"
	"strings"
)

// Target names one generated systemd target without systemd's spelling. Its
// text form is what stands between "cssc-" and ".target" in the unit name.
type Target struct {
	// Group is a sequence's word, "master" or "vice" for the levelled targets;
	// "ready", "master", "vice", "spare" or "offline" for the plain ones.
	Group string
	// Level counts only when Plain is false.
	Level Level
	// Plain marks a target without levels.
	Plain bool
}

// SequenceTarget is the target of one level of a sequence, "init-3". That of
// init is lasting, those of the other sequences are momentary.
func SequenceTarget(p Position) Target {
	return Target{Group: p.Sequence.String(), Level: p.Level}
}

// RoleTarget is the target of a role taken up to a level, "master-3"; only
// master and vice have them.
func RoleTarget(r Role, l Level) Target { return Target{Group: r.String(), Level: l} }

// PlainTarget is a target without levels: "ready", "master", "vice", "spare", "offline".
func PlainTarget(group string) Target { return Target{Group: group, Plain: true} }

// ReadyTarget stands for "init is complete on this node".
func ReadyTarget() Target { return PlainTarget("ready") }

// Momentary says whether the target is up only while its level runs.
func (t Target) Momentary() bool {
	sequence, err := ParseSequence(t.Group)

	return err == nil && sequence != Init
}

// String returns "init-3", "master-last", "ready".
func (t Target) String() string {
	if t.Plain {
		return t.Group
	}

	return t.Group + "-" + t.Level.String()
}

// ParseTarget is the inverse of String. It returns ErrInvalid for anything else.
func ParseTarget(text string) (Target, error) {
	switch text {
	case "ready", "master", "vice", "spare", "offline":
		return PlainTarget(text), nil
	}
	group, rest, found := strings.Cut(text, "-")
	_, notSequence := ParseSequence(group)
	if !found || (notSequence != nil && group != "master" && group != "vice") {
		return Target{}, fmt.Errorf("%w: target %q", ErrInvalid, text)
	}
	level, err := ParseLevel(rest)
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", text, err)
	}

	return Target{Group: group, Level: level}, nil
}

// MarshalText writes the text form.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the text form.
func (t *Target) UnmarshalText(text []byte) error {
	value, err := ParseTarget(string(text))
	*t = value

	return err
}
