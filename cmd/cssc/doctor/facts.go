package doctor

import (
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// Known is a fact, or the reason why it is not known.
type Known[T any] struct {
	Value T
	// Why the fact is not known; Value counts when it is empty.
	Why string
}

// Of is the answer to a question that may have failed.
func Of[T any](value T, err error) Known[T] {
	if err != nil {
		return Known[T]{Why: err.Error()}
	}

	return Known[T]{Value: value}
}

func (k Known[T]) ok() bool { return k.Why == "" }

// Facts are all that the checks look at. Slices are never changed.
type Facts struct {
	// CLI is the version of cssc itself.
	CLI string
	// Root says that whoever asks may read everything.
	Root  bool
	Agent Known[Agent]
	// Reach is what to do so that the agent answers, when it does not.
	Reach []string
	// Others are the answers of the other nodes that the agent hears.
	Others []Other
	// Keys are the cluster's, as every node answered; not known in a cluster of one.
	Keys Known[[]levels.KeyView]
	// Config is that on disk. ConfigProblems say why it cannot be used.
	Config         Known[config.Config]
	ConfigProblems []string
	// Keyring is the number of keys in the file.
	Keyring Known[int]
	Host    Host
	// Units are mistakes in the graph of the units; it is only looked at with a configuration.
	Units []Unit
	// Members are the limits of the units that take part.
	Members Known[[]Member]
}

// Agent is what the agent of this node tells.
type Agent struct {
	Version      string
	Node         levels.NodeID
	State        levels.NodeState
	Role         levels.Role
	Master, Vice levels.NodeID
	Election     string
	Quorate      bool
	// Voters count for the quorum; so many are heard.
	Voters, VotersHeard int
	Nodes               []levels.NodeView
	// Attention is what waits for an operator, in sentences.
	Attention []string
}

// Other is another node, as it answered.
type Other struct {
	Node levels.NodeID
	// Why it could not be asked; empty when it answered.
	Why string
	// Attention is what waits for an operator there.
	Attention []string
	Clock     Known[Clock]
}

// Clock is another node's clocks beside this one's.
type Clock struct {
	// Ahead is how far its calendar is ahead of this one's, at most Error wrong.
	Ahead, Error time.Duration
	// Rate is how much faster its lease clock goes, in thousandths, at most RateError wrong.
	Rate, RateError float64
}

// Host is the operating system under the agent.
type Host struct {
	// Systemd is its version.
	Systemd Known[int]
	// Enabled is the state of the unit files of ours, as systemctl is-enabled says it.
	Enabled map[string]Known[string]
	// Window is logind's InhibitDelayMaxSec=, StopTimeout TimeoutStopSec= of cssc-leave.service.
	Window, StopTimeout Known[time.Duration]
	// AgentWatchdog and GuardWatchdog are their WatchdogSec=; 0 = none.
	AgentWatchdog, GuardWatchdog Known[time.Duration]
	// GuardActive is the state of cssc-guard.service: "active" when it runs.
	GuardActive Known[string]
	// HardwareWatchdog is PID 1's RuntimeWatchdogSec=; 0 = none.
	HardwareWatchdog Known[time.Duration]
	// Synchronized says that something keeps the calendar right.
	Synchronized Known[bool]
	// BusPolicy and PolkitActions are whether the files are installed; Polkit whether it is there.
	BusPolicy, PolkitActions, Polkit Known[bool]
	// PersistentJournal says that the journal outlives a boot.
	PersistentJournal Known[bool]
	// StateSpace and RunSpace are the file systems of /var/lib/cssc and /run/cssc.
	StateSpace, RunSpace Known[Space]
	// Damaged are state files that were set aside; Standalone is the marker for the next boot.
	Damaged    []string
	Standalone bool
	// MTU is that of the interface with this node's address, in bytes.
	MTU Known[int]
}

// Space is what is left of a file system.
type Space struct {
	FreeBytes, FreeInodes uint64
	// Inodes is false for file systems that do not count them.
	Inodes bool
}

// Unit is one mistake in the graph of the units.
type Unit struct{ Name, Text string }

// Member is one unit that takes part, with the limits that systemd keeps; 0 = none.
type Member struct {
	Name   string
	Target levels.Target
	// Start and Stop are TimeoutStartSec= and TimeoutStopSec=, Job is JobRunningTimeoutSec= or
	// JobTimeoutSec=, the shorter.
	Start, Stop, Job time.Duration
}

// Mute is a host whose systemd does not answer: why is told once, and of everything else that
// would have been asked of it only that.
func (h *Host) Mute(why string) {
	for _, fact := range []*string{
		&h.Window.Why, &h.StopTimeout.Why, &h.AgentWatchdog.Why, &h.GuardWatchdog.Why, &h.GuardActive.Why,
		&h.HardwareWatchdog.Why, &h.Synchronized.Why, &h.Polkit.Why,
	} {
		*fact = noSystemd
	}
	h.Systemd.Why = noSystemd + ": " + why
}

const noSystemd = "systemd does not answer"
