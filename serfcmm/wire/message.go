package wire

import (
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	// Mark begins every datagram of ours. Serf counts its own message types from 0 up.
	Mark = 0xC5
	// Version of the form that this package reads and writes.
	Version = 1
	// MaxSize bounds a datagram, so that it fits one unfragmented packet with the
	// encryption around it. The largest message there can be is shorter.
	MaxSize = 1200
	// MaxTerm bounds a term. A new master every millisecond would reach it in 8900 years; a
	// higher one is somebody's attempt to use up all the numbers.
	MaxTerm election.Term = 1 << 48
	// MaxLevel bounds Progress.Reached; the lowest is -1, the last level.
	MaxLevel = 999

	lastLevel = -1
	maxRound  = election.Round(1<<63 - 1)
	maxSerial = 1<<63 - 1
)

// Origin identifies a machine, whatever name it goes by: a digest of its machine-id. The
// zero value means that it is not known, and no datagram has it.
type Origin [8]byte

// Envelope is a message together with the machine that wrote it.
type Envelope struct {
	Origin  Origin
	Message election.Message
}

// Check says whether a message is within the ranges that may be sent: known kind and
// refusal, names and hash within the election's limits, terms and rounds that can be,
// durations that are not negative. It returns ErrRange with the field and the value.
func Check(m *election.Message) error {
	switch {
	case m.Kind <= election.KindUnknown || m.Kind > election.KindReport:
		return rangeError("kind", m.Kind)
	case m.Refusal > election.RefusalUnsaved:
		return rangeError("refusal", m.Refusal)
	case m.From == "" || len(m.From) > election.MaxName:
		return rangeError("sender's name of bytes", len(m.From))
	case m.To == "" || len(m.To) > election.MaxName:
		return rangeError("receiver's name of bytes", len(m.To))
	case len(m.Hash) > election.MaxHash:
		return rangeError("hash of bytes", len(m.Hash))
	case len(m.Master) > election.MaxName, len(m.Target) > election.MaxName, len(m.Vice) > election.MaxName:
		return rangeError("name of bytes", max(len(m.Master), len(m.Target), len(m.Vice)))
	case m.Term > MaxTerm, m.MasterTerm > MaxTerm, m.Released > MaxTerm:
		return rangeError("term", max(m.Term, m.MasterTerm, m.Released))
	case m.Round > maxRound:
		return rangeError("round", m.Round)
	case m.Serial > maxSerial:
		return rangeError("serial", m.Serial)
	case m.Remaining < 0:
		return rangeError("remaining time", m.Remaining)
	case m.Lease < 0:
		return rangeError("lease", m.Lease)
	case m.Progress.Reached < lastLevel || m.Progress.Reached > MaxLevel:
		return rangeError("level", m.Progress.Reached)
	case len(m.Changes) > election.MaxChanges:
		return rangeError("number of changes", len(m.Changes))
	}

	return checkChanges(m.Changes)
}

func checkChanges(changes []time.Duration) error {
	for _, age := range changes {
		if age < 0 {
			return rangeError("age of a change", age)
		}
	}

	return nil
}

func rangeError(what string, value any) error {
	return fmt.Errorf("%w: %s %v", ErrRange, what, value)
}
