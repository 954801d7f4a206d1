package agent

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
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
	// Running says whether a service is up or on its way up.
	Running(ctx context.Context, service string) (bool, error)
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

// Peers is the way to the other nodes of a cluster. It carries messages and says who is
// there; it decides nothing. Every method but Run, Ask, Asked, Join, Leave and Keys returns
// at once.
type Peers interface {
	// Run keeps the way open until ctx ends.
	Run(ctx context.Context) error
	// Send hands a message to the network, which may lose it.
	Send(message election.Message)
	// Received yields messages of listed nodes. It is bounded, the oldest are dropped.
	Received() <-chan election.Message
	// Advertise replaces what gossip tells of this node.
	Advertise(card levels.Card)
	// Seen is what gossip knows of the listed nodes.
	Seen() []levels.Card
	// Changed has capacity 1 and receives when Seen or Problems would tell something new.
	Changed() <-chan struct{}
	// Problems are standing ones, for people.
	Problems() []string
	// Ask asks one node and waits for its answer until ctx ends. It returns levels.ErrNoSuchNode;
	// levels.ErrUnreachable when the node has certainly not got the question; levels.ErrBusy
	// when too many are open; otherwise the node may have got it.
	Ask(ctx context.Context, node levels.NodeID, question []byte) ([]byte, error)
	// Asked waits for a question of another node until ctx ends.
	Asked(ctx context.Context) (Question, error)
	// Keys asks every node for the keys, or changes them first.
	Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error)
	// Reconfigure puts another node table into force.
	Reconfigure(c config.Config) error
	// Leave takes the node out of the gossip; Join brings it back.
	Leave(ctx context.Context) error
	Join(ctx context.Context) error
}

// Question is what another node asks. Answer is called once, or not at all; it waits for as
// long as the asker does at most.
type Question struct {
	From   levels.NodeID
	Data   []byte
	Answer func(answer []byte) error
}

// LeaseRecord is where the guard reads until when this node may act as master. The Writer
// of package lease satisfies it.
type LeaseRecord interface {
	// Last is what was written last, in an earlier life of the agent too.
	Last() (lease.Record, error)
	// Write puts the record in force; it neither fails nor blocks.
	Write(record lease.Record)
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
	// LoadVote returns what this voter has promised; nil when there is nothing. Damage sets
	// the file aside and is returned as *DamagedError: the voter has lost its memory.
	LoadVote() (*election.State, error)
	// SaveVote is as durable as SaveDurable.
	SaveVote(state *election.State) error
	// SaveConfig and LoadConfig keep the configuration in force for the rest of this boot, for
	// an agent that is restarted when its files cannot be read.
	SaveConfig(c config.Config) error
	LoadConfig() (config.Config, error)
	// AppendHistory keeps a bounded number of records.
	AppendHistory(entry HistoryEntry) error
	History(limit int) ([]HistoryEntry, error)
	// SetStandalone leaves the marker that keeps the next boot out of the cluster.
	SetStandalone() error
}

// Clock reads CLOCK_BOOTTIME, by which everything is counted but what a lease depends on.
type Clock func() levels.Instant
