package levels

//sumtype:decl

// Event is something that happened, told to Machine.Step with the time at which
// the owner took note of it. Requests are answered in Result.Err and Result.ID;
// observations never fail. Every event is plain data and may be logged.
type Event interface{ event() }

// Cluster events come from the owner of the election, level-triggered: each
// carries the whole truth of its kind, and repeating one changes nothing.
type (
	// RoleChanged is the role of this node now. While there is no quorum or no master,
	// Role is unknown or Master empty, and the node keeps the role that it has, unless
	// Lost; a node that has a master starts its init on it.
	RoleChanged struct {
		Role         Role
		Term         Term
		Master, Vice NodeID
		// Lost marks a lease that ran out, as against a planned release.
		Lost bool
	}
	// MasterProgress is how far the master's init is; the gate of everybody else's.
	MasterProgress struct {
		Master NodeID
		Term   Term
		// Started is false before the master reached its level 0.
		Started bool
		// Reached is the highest init level reached; counts when Started.
		Reached Level
		// Complete means that init is behind the master, whatever Reached says. Ready means
		// that promote is, too: services on it may be used.
		Complete, Ready bool
	}
	// LeadersSeen is what gossip tells of the master and the vice; zero for one that is not
	// known, or is this node. It is late by a second or two and nothing hangs on it but
	// reasons and the courtesy of waiting for a new vice.
	LeadersSeen struct{ Master, Vice Leader }
)

// Leader is what a node with a role tells of itself.
type Leader struct {
	Node  NodeID    `json:"node"`
	State NodeState `json:"state"`
	Role  Role      `json:"role"`
	// Doing is the level that runs there; SequenceUnknown: none does. In init it is told
	// only while something is the matter.
	Doing Position `json:"doing,omitzero"`
	// Trouble is what is the matter, in a few words: "held: naming failed".
	Trouble string `json:"trouble,omitempty"`
}

// Client events come from the bus.
type (
	// Registered asks for a callback. Result.ID is the RegistrationID.
	Registered struct{ Registration Registration }
	// Unregistered takes one registration back.
	Unregistered struct {
		ID     RegistrationID
		Client ClientID
	}
	// CallbackDone answers an invocation.
	CallbackDone struct {
		Tag    Tag
		Client ClientID
		OK     bool
		// Message is the client's reason when OK is false.
		Message string
	}
	// CancellationSubscribed asks for SequenceCanceled; once per client.
	CancellationSubscribed struct{ Client ClientID }
	// ClientVanished says that the connection is gone, and with it its registrations.
	ClientVanished struct{ Client ClientID }
	// BusLost says that the bus is gone; every client is, but each is expected back. Open
	// invocations wait, within their time limit, for the component to register anew.
	BusLost struct{}
)

// Member events come from systemd.
type (
	// MembersObserved replaces what is known of the targets' members: the names of
	// the units that each non-empty target wants. A target that is not in it is empty.
	MembersObserved struct{ Members map[Target][]string }
	// MemberSettled tells early of one unit of a work in progress.
	MemberSettled struct {
		Work   WorkID
		Member Member
	}
	// WorkFinished ends a StartUnits or StopUnits. It names every unit that took part. Err is set when systemd could
	// not be asked; then Members may be incomplete.
	WorkFinished struct {
		Work    WorkID
		Members []Member
		Err     string
	}
	// TargetLost says that a lasting target went down without our doing.
	TargetLost struct{ Target Target }
)

// Operator events come from the bus and from the operating system.
type (
	// OperationRequested asks for an operation on this node. Result.ID is the OperationID.
	OperationRequested struct {
		Kind   OperationKind
		Mode   Mode   // shutdown only
		To     NodeID // switchover only
		Force  bool
		Reason string
		// By says who asked, for the record: "uid 0", "logind", "signal".
		By string
		// CallbacksOnly leaves every unit alone, because systemd is stopping them itself:
		// shutdown only. It forces as Force does.
		CallbacksOnly bool
		// Linger makes a shutdown stay a voter of the cluster, when all else is done, until the
		// master has no need of its vote any more: shutdown only, and the owner's business.
		Linger bool
		// DryRun only checks: Result.Err tells, Result.Plan says what would be done.
		DryRun bool
		// Briefing is what the owner knows of the other nodes at this moment; nil: nothing.
		Briefing *Briefing
	}
	// RetryRequested invokes the failed participants of a held run again.
	RetryRequested struct{ Sequence Sequence }
	// SkipRequested goes on without the failed participants of a held run.
	SkipRequested struct{ Sequence Sequence }
	// AbortRequested ends a held run as failed.
	AbortRequested struct{ Sequence Sequence }
	// SyncRequested starts what is missing at levels already reached. Result.Err is
	// ErrBusy while a run is in progress; a sync in progress is followed by another.
	SyncRequested struct{}
)

// Owner events come from the loop itself.
type (
	// Configured replaces the configuration; a run in progress keeps the ladder it began with.
	Configured struct{ Config Config }
	// RoleReleased answers ReleaseRole: the election has taken the role back.
	RoleReleased struct{ Err string }
	// Ticked says that time has passed; sent when Result.Wake is due.
	Ticked struct{}
	// Resumed follows Restore: every action whose result is outstanding is issued
	// again, marked Resume.
	Resumed struct{}
)

func (RoleChanged) event()            {}
func (MasterProgress) event()         {}
func (LeadersSeen) event()            {}
func (Registered) event()             {}
func (Unregistered) event()           {}
func (CallbackDone) event()           {}
func (CancellationSubscribed) event() {}
func (ClientVanished) event()         {}
func (BusLost) event()                {}
func (MembersObserved) event()        {}
func (MemberSettled) event()          {}
func (WorkFinished) event()           {}
func (TargetLost) event()             {}
func (OperationRequested) event()     {}
func (RetryRequested) event()         {}
func (SkipRequested) event()          {}
func (AbortRequested) event()         {}
func (SyncRequested) event()          {}
func (Configured) event()             {}
func (RoleReleased) event()           {}
func (Ticked) event()                 {}
func (Resumed) event()                {}
