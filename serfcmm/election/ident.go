package election

import "time"

// Identifiers are types, so that one cannot be passed for another.
type (
	// NodeID is a node's configured name.
	NodeID string
	// Term numbers a mastership. It only rises, and each has at most one holder.
	Term uint64
	// Round numbers the questions of one asker. It rises over a restart of the process.
	Round uint64
)

// Instant is a reading of one node's lease clock, in nanoseconds.
// Instants of different nodes, or of different boots, have nothing to do with each other.
type Instant int64

// Add returns the instant d later; it saturates at Forever.
func (i Instant) Add(d time.Duration) Instant {
	if d == Endless || i == Forever {
		return Forever
	}

	return i + Instant(d)
}

// Sub returns the time from other to i.
func (i Instant) Sub(other Instant) time.Duration { return time.Duration(i - other) }

const (
	// Forever is the instant that never comes.
	Forever = Instant(1<<63 - 1)
	// Endless is the duration until then.
	Endless = time.Duration(1<<63 - 1)

	lastRound = Round(1<<64 - 1)
)
