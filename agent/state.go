package agent

import (
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
)

// Status is everything that the bus shows, as of one turn of the loop. It is
// never changed after it was handed to Bus.Publish.
type Status struct {
	levels.View

	Version        string
	Quorate        bool
	LeaseRemaining time.Duration
	// Headless: the node is up and no master is known.
	Headless   bool
	ConfigHash string
	// NeedReload: the configuration files differ from what is in force.
	NeedReload bool
	// Problems are standing warnings, each with what to do, sorted.
	Problems []string
	Nodes    []levels.NodeView
	// Election is the phase of this node's election in a word: away, forming, following,
	// pre-voting, campaigning, leading, ceasing or restoring.
	Election string
	// Why says why there is no master, or why this node does not stand; empty when all is well.
	Why string
	// Voters count for the quorum; so many of them are heard, this node included.
	Voters, VotersHeard int
	// Clock is read when a node is asked for its status by NodeStatus; else it is nil.
	Clock *levels.ClockView
}

// StampedEvent is one event of the boot log.
type StampedEvent struct {
	// Serial counts the events of one boot from 1, without gaps.
	Serial uint64
	// Now is the instant with which the event was stepped.
	Now   levels.Instant
	Event levels.Event
}

// BootState is what /run holds: the machine as of event Serial, and the events
// after it.
type BootState struct {
	// Incarnation names the boot; a state of another one is worthless.
	Incarnation string
	Serial      uint64
	// Machine is nil when nothing was saved yet.
	Machine *levels.Saved
	Events  []StampedEvent
	// Torn says that a last, never acknowledged record was cut short and dropped.
	Torn bool
}

// DurableState is what /var/lib holds.
type DurableState struct {
	// Term is the highest term that this node has told anybody.
	Term levels.Term `json:"term"`
	// Qualified is the persistent attribute; true on a new node.
	Qualified bool `json:"qualified"`
	// Run is the number of the newest run.
	Run levels.RunNumber `json:"run"`
	// Boots counts the boots in which the agent ran.
	Boots uint64 `json:"boots"`
	// Plan is the operation on the whole cluster that this node coordinates; nil = none.
	Plan *fleet.Plan `json:"plan,omitempty"`
}

// HistoryEntry is one finished run with times that mean something after a boot.
type HistoryEntry struct {
	levels.RunRecord

	Incarnation string    `json:"incarnation"`
	StartedAt   time.Time `json:"started_at"`
	EndedAt     time.Time `json:"ended_at"`
}

// DamagedError says that a state file could not be trusted and was set aside.
// The caller goes on with the empty state beside it and tells the operator.
type DamagedError struct {
	File string
	// Aside is the file's new name; empty when renaming it did not work either.
	Aside string
	Cause string
}

// Error names the file, its new name and the damage.
func (e *DamagedError) Error() string {
	if e.Aside == "" {
		return fmt.Sprintf("read %s: %s; it is not used", e.File, e.Cause)
	}

	return fmt.Sprintf("read %s: %s; it is kept as %s and not used", e.File, e.Cause, e.Aside)
}

// NewerError says that a state file was written by a newer program. Nothing was
// changed; the agent must not start on it.
type NewerError struct {
	File          string
	Format, Known int
}

// Error says what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("read %s: format %d was written by a newer cssc-agent, this one knows up to %d; "+
		"install the newer version again, or remove the file to begin without it", e.File, e.Format, e.Known)
}
