package dbusapi

import (
	"context"

	"github.com/cssc-ha/cssc/levels"
)

// Backend is what the server asks of the agent. Every method may be called from
// several goroutines, returns within the context's time and maps to one event of
// the owner loop; errors wrap the sentinels of levels, whose D-Bus names stand in
// errors.go. The wiring in cmd/cssc-agent satisfies it.
type Backend interface {
	// Fresh returns once everything that was answered before is published.
	Fresh(ctx context.Context)
	Register(ctx context.Context, registration levels.Registration) (levels.RegistrationID, error)
	Unregister(ctx context.Context, client levels.ClientID, id levels.RegistrationID) error
	Done(ctx context.Context, done levels.CallbackDone) error
	SubscribeCancellation(ctx context.Context, client levels.ClientID) error
	// OperationOn begins an operation on a node, or with DryRun says what it would do. Without a
	// node it is this one, and the master for a switchover
	// and an operation on the whole cluster.
	OperationOn(ctx context.Context, node levels.NodeID, request levels.OperationRequested) (levels.OperationID, []string, error)
	Retry(ctx context.Context, sequence levels.Sequence) error
	Skip(ctx context.Context, sequence levels.Sequence) error
	Abort(ctx context.Context, sequence levels.Sequence) error
	Sync(ctx context.Context) error
	Reload(ctx context.Context) error
	// Keys does what is asked with the cluster's keys and returns them as they are then,
	// sorted, the primary first. In a cluster of one it gives levels.ErrRefused, as the
	// two below do.
	Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error)
	// ResetVoter lets this node vote again although its state file was lost; by is who asked.
	ResetVoter(ctx context.Context, by string) error
	// Failover takes a person's word that a node is off.
	Failover(ctx context.Context, request levels.FailoverRequest) error
	// ClientVanished and BusLost are observations; they never wait for an answer.
	ClientVanished(client levels.ClientID)
	BusLost()
	// History returns the newest records first, as JSON documents of levels.RunRecord
	// with wall clock times; limit 0 = all that are kept.
	History(ctx context.Context, limit int) ([]string, error)
	// NodeStatus is the document of GetStatus of any node, NodeHistory what History returns
	// there, as much as one answer of that node holds. Empty is this node.
	NodeStatus(ctx context.Context, node levels.NodeID) (string, error)
	NodeHistory(ctx context.Context, node levels.NodeID, limit int) ([]string, error)
	// ConfigValue answers GetConfig; unknown keys give levels.ErrInvalid.
	ConfigValue(key string) (any, error)
}

// Status is what properties and lists are made from: a snapshot, never changed
// after it was given to Server.Publish.
type Status struct {
	levels.View

	Version        string `json:"version"`
	Quorate        bool   `json:"quorate"`
	LeaseRemaining uint64 `json:"lease_remaining_usec"` // µs
	Headless       bool   `json:"headless"`
	ConfigHash     string `json:"config_hash"`
	NeedReload     bool   `json:"need_reload"`
	// Problems are standing warnings: "logind window 5 s is shorter than …".
	Problems []string          `json:"problems"`
	Nodes    []levels.NodeView `json:"nodes"`
	// Election is the phase of this node's election: away, forming, following, pre-voting,
	// campaigning, leading, ceasing, restoring.
	Election string `json:"election"`
	// Why says why there is no master, or why this node does not stand; empty when all is well.
	Why string `json:"why,omitempty"`
	// Voters count for the quorum; so many of them are heard, this node included.
	Voters      int `json:"voters"`
	VotersHeard int `json:"voters_heard"`
	// Clock is only in the answer of NodeStatus.
	Clock *levels.ClockView `json:"clock,omitempty"`
}
