package levels

import "time"

// View is everything an observer may know of the machine: plain data, a copy,
// complete in itself. Lists are sorted, so that equal machines give equal views.
type View struct {
	Node      NodeID    `json:"node"`
	Cluster   string    `json:"cluster"`
	State     NodeState `json:"state"`
	Role      Role      `json:"role"`
	Term      Term      `json:"term"`
	Master    NodeID    `json:"master"`
	Vice      NodeID    `json:"vice"`
	Qualified bool      `json:"qualified"`
	// Ready: init is complete here. MasterReady: the known master is ready for service.
	Ready       bool `json:"ready"`
	MasterReady bool `json:"master_ready"`
	// Reached is the highest init level reached in this life; counts when ReachedAny.
	Reached    Level `json:"reached"`
	ReachedAny bool  `json:"reached_any"`
	// Run is nil while nothing runs.
	Run           *RunView        `json:"run,omitempty"`
	Registrations []Registration  `json:"registrations"`
	Members       []MemberView    `json:"members"`
	Operations    []OperationView `json:"operations"`
	// Pending are the open invocations.
	Pending []InvocationView `json:"pending"`
	// Syncing says that what is missing at reached levels is being started.
	Syncing bool `json:"syncing,omitempty"`
	// Barred, which the status tells as a problem: the cluster is to give this node no role, because promote failed here.
	Barred *Bar `json:"-"`
	// LostTargets are lasting targets that went down without our doing.
	LostTargets []Target `json:"lost_targets,omitempty"`
}

// Phase says what a run is doing. The zero value is unknown.
type Phase uint8

// The phases.
const (
	PhaseUnknown    Phase = iota
	PhaseWaiting          // for the gate or a required component; Reason says which
	PhaseRunning          // participants of the level are at work
	PhaseStopping         // the mirror level is being taken down
	PhaseHeld             // a participant failed; Reason says which
	PhaseCancelling       // open work comes to rest
	PhaseFinished         //
)

func phaseWords() []string {
	return []string{"unknown", "waiting", "running", "stopping", "held", "cancelling", "finished"}
}

// String returns the word.
func (p Phase) String() string { return word(p, phaseWords()) }

// ParsePhase is the inverse of String.
func ParsePhase(text string) (Phase, error) { return parseWord[Phase]("phase", text, phaseWords()) }

// MarshalText writes the word.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the word; "unknown" reads as the zero value.
func (p *Phase) UnmarshalText(text []byte) error { return unmarshalWord(p, text, ParsePhase) }

// RunView is the run in progress.
type RunView struct {
	Run      RunNumber `json:"run"`
	Sequence Sequence  `json:"sequence"`
	Level    Level     `json:"level"`
	Top      Level     `json:"top"`
	Phase    Phase     `json:"phase"`
	Reason   string    `json:"reason,omitempty"`
	Cause    string    `json:"cause"`
	Term     Term      `json:"term"`
	Started  Instant   `json:"started"`
	// Participants of the present level.
	Participants []Participant `json:"participants"`
}

// MemberView is one unit that a target wants.
type MemberView struct {
	Unit    string  `json:"unit"`
	Target  Target  `json:"target"`
	Outcome Outcome `json:"outcome"` // of its last work, waiting before the first
	Reason  string  `json:"reason,omitempty"`
}

// InvocationView is one open invocation, with all that its signal carried.
type InvocationView struct {
	Tag          Tag          `json:"tag"`
	Registration Registration `json:"registration"`
	Position     Position     `json:"position"`
	Noboot       bool         `json:"noboot"`
	Info         Info         `json:"info"`
	Started      Instant      `json:"started"`
	Deadline     Instant      `json:"deadline"`
}

// OperationResult is how an operation ended. The zero value is running.
type OperationResult uint8

// The results.
const (
	ResultRunning OperationResult = iota
	ResultDone
	ResultFailed
	ResultCanceled
)

func resultWords() []string { return []string{"running", "done", "failed", "canceled"} }

// String returns the word.
func (r OperationResult) String() string { return word(r, resultWords()) }

// ParseOperationResult is the inverse of String, "running" included.
func ParseOperationResult(text string) (OperationResult, error) {
	if text == ResultRunning.String() {
		return ResultRunning, nil
	}

	return parseWord[OperationResult]("result", text, resultWords())
}

// MarshalText writes the word.
func (r OperationResult) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word.
func (r *OperationResult) UnmarshalText(text []byte) error {
	value, err := ParseOperationResult(string(text))
	*r = value

	return err
}

// OperationView is one administrative request, running or lately ended.
type OperationView struct {
	ID      OperationID     `json:"id"`
	Kind    OperationKind   `json:"kind"`
	Node    NodeID          `json:"node"`
	Mode    Mode            `json:"mode,omitempty"`
	To      NodeID          `json:"to,omitempty"`
	By      string          `json:"by"`
	Reason  string          `json:"reason,omitempty"`
	Step    string          `json:"step"` // "demote level 3", "ended"
	Result  OperationResult `json:"result"`
	Error   string          `json:"error,omitempty"`
	Started Instant         `json:"started"`
	Ended   Instant         `json:"ended,omitempty"`
}

// NodeView is one node of the cluster, as this node sees it: what it is configured to be,
// what is heard of it, and what it tells of itself. Of a node that is not alive the latter
// is what it said last.
type NodeView struct {
	Node      NodeID    `json:"node"`
	State     NodeState `json:"state"`
	Role      Role      `json:"role"`
	Term      Term      `json:"term"`
	Eligible  bool      `json:"eligible"`
	Qualified bool      `json:"qualified"`
	Self      bool      `json:"self"`
	// Address is empty in a cluster of one without configuration.
	Address string `json:"address,omitempty"`
	// Vote: it counts for the quorum. A witness votes and is not eligible.
	Vote bool `json:"vote"`
	// Alive: it was heard within a lease, or is this node.
	Alive bool `json:"alive"`
	// Heard is when its last message came, as of when this was written; 0 = never, or this node.
	Heard Instant `json:"heard,omitempty"`
	// Reached is the highest init level reached; counts when ReachedAny.
	Reached    Level `json:"reached"`
	ReachedAny bool  `json:"reached_any"`
	// Version is the agent's, empty while unknown.
	Version string `json:"version,omitempty"`
	// ConfigHash is empty while unknown. InStep: it is this node's, or unknown. Differs
	// names the settings when it is not, as far as that can be told.
	ConfigHash string   `json:"config_hash,omitempty"`
	InStep     bool     `json:"in_step"`
	Differs    []string `json:"differs,omitempty"`
	// Trouble is what the node says is the matter with it, in a few words; Barred: because of
	// that it is to be given no role for a while.
	Trouble string `json:"-"`
	Barred  bool   `json:"-"`
	// Why says in words what keeps it from a role, or what else is the matter; else empty.
	Why string `json:"why,omitempty"`
}

// ClockView is a reading of a node's clocks, for the doctor: its calendar in microseconds since
// 1970 and its lease clock in nanoseconds, both as of when the answer was written.
type ClockView struct {
	CalendarUSec int64 `json:"calendar_usec"`
	Lease        int64 `json:"lease"`
}

// Observation is what the cluster is now, as this node sees it.
type Observation struct {
	Known   bool // a master is known
	Quorate bool
	Role    RoleChanged
	Gate    MasterProgress
	Nodes   []NodeView
	// LeaseRemaining is zero without a lease that runs out.
	LeaseRemaining time.Duration
	// Election is the phase of this node's election in a word, Why says why there is no
	// master or why this node does not stand; empty when all is well.
	Election, Why string
	// Voters count for the quorum; so many of them are heard, this node included.
	Voters, VotersHeard int
}
