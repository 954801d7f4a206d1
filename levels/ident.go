package levels

import "time"

// Identifiers are types, so that one cannot be passed for another.
type (
	// NodeID is a node's configured name.
	NodeID string
	// ClientID is the unique bus name of a connection; opaque here.
	ClientID string
	// Term numbers a mastership; it only rises. Services use it as a fencing token.
	Term uint64
	// Tag identifies one invocation of one callback. Never used twice.
	Tag uint64
	// RegistrationID identifies one registration. Never used twice in one boot.
	RegistrationID uint64
	// OperationID identifies one operation on this node.
	OperationID uint64
	// RunNumber counts the runs of this node; it only rises.
	RunNumber uint64
	// WorkID identifies one action whose result comes back as an event.
	WorkID uint64
)

// Instant is a reading of the node's clock: nanoseconds of CLOCK_BOOTTIME. It
// goes on over a restart of the agent and over suspend, not over a boot.
type Instant int64

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from other to i.
func (i Instant) Sub(other Instant) time.Duration { return time.Duration(i - other) }

// Before says whether i is earlier than other.
func (i Instant) Before(other Instant) bool { return i < other }
