package levels

import (
	"cmp"
	"maps"
	"slices"
)

// Saved is the whole of a machine as plain data: what Save returns, what the
// owner writes beside its log of events, and what Restore reads. Nobody but
// this package should interpret it. Lists are sorted or in order of arrival, so
// that equal machines save equal values.
type Saved struct {
	// Config is that in force, because events replayed under another would not give
	// what they gave.
	Config Config `json:"config"`

	State  NodeState `json:"state"`
	Role   Role      `json:"role"`
	Term   Term      `json:"term"`
	Master NodeID    `json:"master"`
	Vice   NodeID    `json:"vice"`

	// Heard, Word: the last RoleChanged as it came. Known and Wanted: what it means now.
	Heard  bool        `json:"heard"`
	Word   RoleChanged `json:"word"`
	Known  bool        `json:"known"`
	Wanted Role        `json:"wanted"`

	// Qualified is the persistent attribute; Persisted says that this machine changed it.
	Qualified bool           `json:"qualified"`
	Persisted bool           `json:"persisted"`
	Gate      MasterProgress `json:"gate"`
	// Leaders is what gossip tells of the master and the vice, for reasons and courtesy.
	Leaders LeadersSeen `json:"leaders"`

	Ready      bool  `json:"ready"`
	Reached    Level `json:"reached"`
	ReachedAny bool  `json:"reached_any"`

	// Redo: a planned demote was aborted, or a promote canceled: while the role is wanted it
	// has to be taken up again in place.
	// Undo: a promote failed, the role has to be put down and given back.
	Redo bool `json:"redo"`
	Undo bool `json:"undo"`
	// Failed is the run that ended failed and is not to be repeated by itself.
	Failed *Failure `json:"failed,omitempty"`
	// Bar counts the promotes that failed.
	Bar     *Bar          `json:"bar,omitempty"`
	Release *Release      `json:"release,omitempty"`
	Leave   *LeaveCluster `json:"leave,omitempty"`

	NextTag          Tag            `json:"next_tag"`
	FirstTag         Tag            `json:"first_tag"`
	NextRun          RunNumber      `json:"next_run"`
	NextRegistration RegistrationID `json:"next_registration"`
	NextOperation    OperationID    `json:"next_operation"`
	NextWork         WorkID         `json:"next_work"`

	Registrations []Registration  `json:"registrations"`
	Subscribed    []ClientID      `json:"subscribed"`
	Members       []TargetMembers `json:"members"`
	Outcomes      []MemberView    `json:"outcomes"`
	// Up are the lasting targets whose level is reached, Started those of them that were
	// really started: empty ones are not.
	Up         []Target        `json:"up"`
	Started    []Target        `json:"started"`
	Lost       []Target        `json:"lost"`
	Run        *RunState       `json:"run,omitempty"`
	Sync       *SyncState      `json:"sync,omitempty"`
	Operation  *OperationState `json:"operation,omitempty"`
	Operations []OperationView `json:"operations"`
	// Kept are units that a switchover has left running for the vice that this node may
	// become; see kept.go.
	Kept []string `json:"kept,omitempty"`
	// KeptIn is the term of the mastership that was left so.
	KeptIn Term `json:"kept_in,omitempty"`
}

// TargetMembers is one non-empty target.
type TargetMembers struct {
	Target Target   `json:"target"`
	Units  []string `json:"units"`
}

// Failure is a run that ended failed.
type Failure struct {
	Run      RunNumber `json:"run"`
	Sequence Sequence  `json:"sequence"`
	Reason   string    `json:"reason"`
	Cause    string    `json:"cause"`
	Role     Role      `json:"role"`
	Started  Instant   `json:"started"`
	Index    int       `json:"index"`
}

// Release is the wait for RoleReleased.
type Release struct {
	To       NodeID  `json:"to"`
	Deadline Instant `json:"deadline"`
}

// RunState is the run in progress.
type RunState struct {
	Number   RunNumber   `json:"number"`
	Sequence Sequence    `json:"sequence"`
	From     Role        `json:"from"`
	To       Role        `json:"to"`
	Op       OperationID `json:"op"`
	// Keep is the role whose members a demote leaves running, unknown: that of To.
	Keep Role `json:"keep,omitempty"`
	// Ladder is that of the sequence, RoleLadder that of the levelled role targets,
	// InitLadder that of the init targets: as they were when the run began.
	Ladder     Ladder `json:"ladder"`
	RoleLadder Ladder `json:"role_ladder"`
	InitLadder Ladder `json:"init_ladder"`
	// LostLease marks a demote after the lease ran out. Leaving marks a run after which no
	// role is taken up: it belongs to a shutdown or init follows. Fenced: members are killed, not asked, from here on.
	LostLease bool    `json:"lost_lease"`
	Leaving   bool    `json:"leaving"`
	Fenced    bool    `json:"fenced"`
	Noboot    bool    `json:"noboot"`
	Info      Info    `json:"info"`
	Cause     string  `json:"cause"`
	Started   Instant `json:"started"`

	// The present level.
	Index     int      `json:"index"`
	Entered   Instant  `json:"entered"`
	WaitUntil Instant  `json:"wait_until"`
	Acted     bool     `json:"acted"`
	Missing   []string `json:"missing"`
	Phase     Phase    `json:"phase"`
	Reason    string   `json:"reason"`
	Todo      []Stage  `json:"todo"`
	Parts     []Part   `json:"parts"`
	Waits     []Wait   `json:"waits,omitempty"`
	Works     []Work   `json:"works"`
	Wake      Instant  `json:"wake"`

	// LastLevel is where the last callback was invoked.
	LastLevel Level `json:"last_level"`
	Invoked   bool  `json:"invoked"`
	// Ending is the outcome towards which the run is being cancelled.
	Ending string `json:"ending"`
	// Plain are empty plain targets, started when the run is over.
	Plain     []Target      `json:"plain"`
	Levels    []LevelRecord `json:"levels"`
	UnitStops []UnitStop    `json:"unit_stops"`
}

// Stage is one thing that a level does after the one before has come to rest.
type Stage struct {
	Do     StageKind `json:"do"`
	Target Target    `json:"target,omitzero"`
	// Keep is the role whose targets' members are left alone.
	Keep  Role     `json:"keep"`
	Units []string `json:"units"`
}

// StageKind says what a stage does.
type StageKind uint8

// The kinds of stages.
const (
	StageWait  StageKind = iota // for the gate and for required components
	StageAct                    // callbacks and the sequence's target
	StageStart                  // a target
	StageStop                   // a target
	StageUnits                  // units of components after their last shut level
)

// Part is a participant with what only the machine needs.
type Part struct {
	Participant

	// Registration as of the invocation.
	Registration Registration `json:"registration,omitzero"`
	// Tag is the open invocation, Work the open work; 0 = none.
	Tag  Tag    `json:"tag"`
	Work WorkID `json:"work"`
	// Busy: the level waits for it. A busy callback without a tag waits for its
	// component to register again.
	Busy bool `json:"busy"`
	// Ending counts the escalation: 1 asked to stop, 2 killed.
	Ending int `json:"ending"`
	// Policy is the effective one of its failure.
	Policy Policy `json:"policy"`
}

// Work is an action on units whose WorkFinished is awaited.
type Work struct {
	ID     WorkID   `json:"id"`
	Target Target   `json:"target,omitzero"`
	Units  []string `json:"units"`
	Keep   []Target `json:"keep"`
	Stop   bool     `json:"stop"`
	Kill   bool     `json:"kill"`
	Since  Instant  `json:"since"`
	// Deadline is when the machine gives up waiting for an answer.
	Deadline Instant `json:"deadline"`
}

// UnitStop says after which shut level a component's unit is stopped.
type UnitStop struct {
	Index int    `json:"index"`
	Unit  string `json:"unit"`
}

// SyncState is a sync in progress: the open work and what comes after it.
type SyncState struct {
	// Again: look at every target once more after the queue.
	Again bool     `json:"again"`
	Queue []Target `json:"queue"`
	Work  Work     `json:"work"`
}

// OperationState is the operation in progress.
type OperationState struct {
	OperationView

	// Forced: nothing of it may hold or abort.
	Forced bool `json:"forced"`
	// CallbacksOnly: units are systemd's.
	CallbacksOnly bool `json:"callbacks_only"`
	// Linger: stay a voter before leaving.
	Linger bool `json:"linger"`
	// Holds: there is a role to give back, which is Gives; Released: it was.
	Holds bool `json:"holds"`
	Gives Role `json:"gives"`
	// Term is that of the beginning.
	Term     Term `json:"term"`
	Released bool `json:"released"`
	// Heirs: somebody was there to take it over when the operation began. Await is the wait
	// until somebody has.
	Heirs bool   `json:"heirs"`
	Await *Await `json:"await,omitempty"`
	// Disqualified and Shut say that those runs are behind it.
	Disqualified bool `json:"disqualified"`
	Shut         bool `json:"shut"`
	// Before is the state to which a failed shutdown returns.
	Before NodeState `json:"before"`
}

type memberKey struct {
	target Target
	unit   string
}

// Save returns a copy of everything; the machine may go on meanwhile.
func (m *Machine) Save() Saved {
	saved := m.s
	saved.Registrations = slices.Clone(m.s.Registrations)
	saved.Subscribed = slices.Clone(m.s.Subscribed)
	saved.Operations = slices.Clone(m.s.Operations)
	saved.Kept = slices.Clone(m.s.Kept)
	saved.Members, saved.Outcomes = nil, nil
	for _, target := range slices.SortedFunc(maps.Keys(m.members), compareTargets) {
		saved.Members = append(saved.Members, TargetMembers{target, slices.Clone(m.members[target])})
	}
	for _, key := range slices.SortedFunc(maps.Keys(m.outcomes), compareKeys) {
		saved.Outcomes = append(saved.Outcomes, m.outcomes[key])
	}
	saved.Up = slices.SortedFunc(maps.Keys(m.up), compareTargets)
	saved.Started = slices.SortedFunc(maps.Keys(m.started), compareTargets)
	saved.Lost = slices.SortedFunc(maps.Keys(m.lost), compareTargets)
	saved.Failed = clone(m.s.Failed)
	saved.Release = clone(m.s.Release)
	saved.Leave = clone(m.s.Leave)
	saved.Bar = clone(m.s.Bar)
	saved.Operation = clone(m.s.Operation)
	if saved.Operation != nil {
		saved.Operation.Await = clone(saved.Operation.Await)
	}
	saved.Run = cloneRun(m.s.Run)
	if sync := clone(m.s.Sync); sync != nil {
		sync.Queue = slices.Clone(sync.Queue)
		sync.Work.Units = slices.Clone(sync.Work.Units)
		saved.Sync = sync
	}

	return saved
}

func clone[T any](value *T) *T {
	if value == nil {
		return nil
	}

	return new(*value)
}

// cloneRun copies all that a later step may change in place.
func cloneRun(run *RunState) *RunState {
	run = clone(run)
	if run == nil {
		return nil
	}
	run.Plain = slices.Clone(run.Plain)
	run.Missing = slices.Clone(run.Missing)
	run.Todo = slices.Clone(run.Todo)
	run.Parts = slices.Clone(run.Parts)
	run.Waits = slices.Clone(run.Waits)
	run.Works = slices.Clone(run.Works)
	run.Levels = slices.Clone(run.Levels)
	run.UnitStops = slices.Clone(run.UnitStops)

	return run
}

// compareTargets orders by group, the plain one first, then upwards.
func compareTargets(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(height(a), height(b)))
}

// height is where a target stands within its group.
func height(t Target) int {
	switch {
	case t.Plain:
		return -1
	case t.Level == Last:
		return int(MaxLevel) + 1
	default:
		return int(t.Level)
	}
}

func compareKeys(a, b memberKey) int {
	return cmp.Or(compareTargets(a.target, b.target), cmp.Compare(a.unit, b.unit))
}
