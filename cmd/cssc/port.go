package main

import (
	"context"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// agentPort is all that the commands ask of the local agent; connection.go
// satisfies it over D-Bus. Every call ends when ctx does; errors wrap the sentinels
// of levels and those below.
type agentPort interface {
	Status(ctx context.Context) (*report, error)
	// NodeStatus is the status of another node as its own agent tells it.
	NodeStatus(ctx context.Context, node string) (*report, error)
	// History returns the newest records first; limit 0 = all that are kept.
	History(ctx context.Context, limit int) ([]record, error)
	// NodeHistory is History of any node, "" for this one; another node tells as many runs as
	// fit into an answer.
	NodeHistory(ctx context.Context, node string, limit int) ([]record, error)
	// Plan checks a request and says what would be done, one line a step.
	Plan(ctx context.Context, request request) ([]string, error)
	Request(ctx context.Context, request request) (levels.OperationID, error)
	Retry(ctx context.Context, sequence levels.Sequence) error
	Skip(ctx context.Context, sequence levels.Sequence) error
	Abort(ctx context.Context, sequence levels.Sequence) error
	Sync(ctx context.Context) error
	Reload(ctx context.Context) error
	// Keys does what is asked with the cluster's keys and returns them; it may take seconds.
	Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error)
	ResetVoter(ctx context.Context) error
	Failover(ctx context.Context, request levels.FailoverRequest) error
	// Changes is like Events, but only says that something may have changed, properties
	// included; the channel has capacity 1.
	Changes(ctx context.Context) (<-chan struct{}, error)
	// Events subscribes and returns once nothing can be missed. The channel is closed
	// when the bus connection is gone or ctx is done.
	Events(ctx context.Context) (<-chan event, error)
	Close() error
}

// Sentinels of the way to the agent, under names of our own.
var (
	// No D-Bus system bus answers; nothing can be asked.
	errNoBus = dbusapi.ErrNoBus
	// The bus answers, and nobody owns org.cssc.Agent1.
	errNoAgent = dbusapi.ErrNoAgent
	// The agent's authorisation said no.
	errDenied = dbusapi.ErrAccessDenied
)

// request is one administrative request.
type request struct {
	Kind   levels.OperationKind
	Node   string // empty: this node
	Mode   levels.Mode
	To     string // of a switchover; empty: the vice
	Force  bool
	Reason string
}

// report is the agent's status, the document of cssc status --json.
type report struct {
	levels.View

	Version            string            `json:"version"`
	Quorate            bool              `json:"quorate"`
	LeaseRemainingUSec uint64            `json:"lease_remaining_usec"`
	Headless           bool              `json:"headless"`
	ConfigHash         string            `json:"config_hash"`
	NeedReload         bool              `json:"need_reload"`
	Problems           []string          `json:"problems"`
	Nodes              []levels.NodeView `json:"nodes"`
	Election           string            `json:"election"`
	Why                string            `json:"why,omitempty"`
	Voters             int               `json:"voters"`
	VotersHeard        int               `json:"voters_heard"`
	// Clock is only in the status of a node that was asked itself.
	Clock *levels.ClockView `json:"clock,omitempty"`
}

// record is one run of the history with calendar times.
type record struct {
	levels.RunRecord

	// Incarnation names the boot in which it ran.
	Incarnation string `json:"incarnation,omitempty"`
	StartedAt   string `json:"started_at,omitempty"`
	EndedAt     string `json:"ended_at,omitempty"`
}

// event is one signal of the agent, or a change of the connection to it: the
// names AgentLost and AgentFound are cssc's own.
type event struct {
	Name string `json:"event"`
	// At is the time of arrival, RFC 3339.
	At string `json:"at"`
	// Fields are the signal's arguments by their names in the interface.
	Fields map[string]any `json:"fields,omitempty"`
}

const (
	eventAgentLost  = "AgentLost"
	eventAgentFound = "AgentFound"
)
