package agent

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Units drives systemd. Implementations are safe for concurrent use; every call
// ends when ctx does. The Driver of package units satisfies it.
type Units interface {
	// Members lists the units that each non-empty level target wants.
	Members(ctx context.Context) (map[levels.Target][]string, error)
	// Start carries out the order and returns when every affected unit has settled;
	// tell hears of each member early.
	Start(ctx context.Context, order levels.StartUnits, tell func(levels.Member)) ([]levels.Member, error)
	// Stop carries out the order and returns when every unit is inactive.
	Stop(ctx context.Context, order levels.StopUnits) ([]levels.Member, error)
	// Changed has capacity 1 and receives after a daemon-reload, a lost target or a
	// reconnect: look at Members and Lost again. Never closed.
	Changed() <-chan struct{}
	// Lost lists the lasting targets out of those given that are not active.
	Lost(ctx context.Context, expected []levels.Target) ([]levels.Target, error)
	// Reload makes systemd run its generators, and with them ours, again.
	Reload(ctx context.Context) error
}

// System is the operating system under the agent: logind and PID 1. The System
// of package units satisfies it.
type System interface {
	// PreparingForShutdown says whether a shutdown is under way.
	PreparingForShutdown(ctx context.Context) (bool, error)
	// Stopping says whether PID 1 itself is stopping everything already.
	Stopping(ctx context.Context) (bool, error)
	// Inhibit takes the delay inhibitor; Release gives it back (idempotent).
	Inhibit(ctx context.Context) error
	Release() error
	// Window is logind's InhibitDelayMaxUSec as in force now.
	Window(ctx context.Context) (time.Duration, error)
	// ShutdownAnnounced receives the kind of ending ("reboot", "poweroff", "halt",
	// "kexec", "soft-reboot") when logind prepares for shutdown. Capacity 1, never closed.
	ShutdownAnnounced() <-chan levels.Mode
	// End carries out the ending with the escalation login1, reboot.target, force.
	// It returns when the request was accepted; each escalation is told to report.
	End(ctx context.Context, mode levels.Mode, report func(step string, err error)) error
}

// Cluster is the election and the membership. The Solo of package serfcmm satisfies it
// for a cluster of one.
type Cluster interface {
	// Run decides until ctx ends; until it runs, Observe tells what ClusterStart said.
	Run(ctx context.Context) error
	// Observe returns the present truth.
	Observe() levels.Observation
	// Changed has capacity 1 and receives when Observe would tell something new.
	Changed() <-chan struct{}
	// SetQualified tells the election whether this node may hold a role.
	SetQualified(ctx context.Context, qualified bool) error
	// Release gives the role back, to the named node when not empty.
	Release(ctx context.Context, to levels.NodeID) error
	// Leave takes the node out of the cluster; Join brings it back (operation start).
	Leave(ctx context.Context) error
	Join(ctx context.Context) error
	// MayAct is the lease check: asked immediately before every side effect that
	// only a master may have.
	MayAct(now levels.Instant) bool
}

// ClusterStart is what the agent knows of the cluster when it starts.
type ClusterStart struct {
	Node      levels.NodeID
	Eligible  bool
	Qualified bool
	// Term is the highest that was ever told; Master says that this node holds it
	// still, because only the agent was restarted.
	Term   levels.Term
	Master bool
	// Left: the node is out of the cluster until Join.
	Left bool
}

// Bus delivers to clients and publishes. The Server of package dbusapi satisfies it
// through the wiring in cmd/cssc-agent. No call blocks: each has a bounded queue behind it.
type Bus interface {
	Invoke(call levels.Invoke) error
	NotifyCanceled(notice levels.NotifyCanceled)
	// Publish makes status readable and sends the signals of the notices, in this
	// order: properties first.
	Publish(status *Status, notices []levels.Action)
	// Alive says which of the clients are still connected; asked after a restart.
	Alive(ctx context.Context, clients []levels.ClientID) (map[levels.ClientID]bool, error)
}

// Store keeps what must outlive the process. The boot log is event sourcing: the
// machine is deterministic, so its state is the newest snapshot plus the events
// since, each with the instant at which it was stepped.
type Store interface {
	// LoadBoot returns the snapshot and the events after it. A torn last record is
	// dropped (it was never acknowledged); other damage sets the files aside and is
	// returned as *DamagedError beside an empty state.
	LoadBoot() (*BootState, error)
	// Append writes events to /run in one write, before anything reveals them.
	Append(events []StampedEvent) error
	// Snapshot replaces snapshot and log atomically.
	Snapshot(state *BootState) error
	// LoadDurable and SaveDurable are /var/lib: fsynced, checksummed, replaced atomically.
	LoadDurable() (*DurableState, error)
	SaveDurable(state *DurableState) error
	// AppendHistory keeps a bounded number of records.
	AppendHistory(entry HistoryEntry) error
	History(limit int) ([]HistoryEntry, error)
	// SetStandalone leaves the marker that keeps the next boot out of the cluster.
	SetStandalone() error
}

// Clock reads the lease clock, CLOCK_BOOTTIME.
type Clock func() levels.Instant
