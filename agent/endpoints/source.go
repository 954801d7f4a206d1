package endpoints

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Source is the agent. Every method but Pulse returns at once; all are safe for concurrent use.
type Source interface {
	// Snapshot is what was published last; nil before the first time.
	Snapshot() *Snapshot
	// Mandate says whether this node has the lease of that term now, by the clock, and how
	// long it lasts without a renewal; Endless when it does not run out.
	Mandate(term levels.Term) (remains time.Duration, held bool)
	// Pulse returns nil when the loop has turned, an error when ctx ended first.
	Pulse(ctx context.Context) error
	// Traffic is what went to and came from the other nodes.
	Traffic() Traffic
}

// Traffic counts since the start of the process what became of messages, in the words of
// package serfcmm.
type Traffic struct {
	Sent, Received, Unsent                     uint64
	Dropped                                    uint64
	Malformed, Unlisted, Misdirected, Impostor uint64
	Refused                                    uint64
	Undecryptable                              uint64
	GossipLost                                 uint64
	EventsDropped                              uint64
	QuestionsRefused                           uint64
}

// Endless is the duration of what does not end.
const Endless = time.Duration(1<<63 - 1)

// Snapshot is what the agent has published. It is not changed afterwards.
type Snapshot struct {
	levels.View

	Version           string
	Quorate, Headless bool
	NeedReload        bool
	// Problems are standing ones, Nodes those of the table.
	Problems int
	Nodes    []levels.NodeView
	// Why there is no master or why this node has no role, for people.
	Why string
	// Voters count for the quorum; so many are heard, this node included.
	Voters, VotersHeard int
}
