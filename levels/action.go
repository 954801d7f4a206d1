package levels

//sumtype:decl

// Action is something the owner must do, in the order given, after it has made
// the machine's saved state durable. Actions with a Work are answered by exactly
// one WorkFinished with that number, possibly much later; the machine ignores
// answers that it no longer waits for.
type Action interface{ action() }

// Info is what an invocation tells of the node, as of the start of its run.
type Info struct {
	Node    NodeID    `json:"node"`
	Cluster string    `json:"cluster"`
	State   NodeState `json:"state"`
	Role    Role      `json:"role"`
	Term    Term      `json:"term"`
	Master  NodeID    `json:"master"`
	Vice    NodeID    `json:"vice"`
}

// Actions on clients; no answer is awaited but CallbackDone.
type (
	// Invoke sends the Callback signal.
	Invoke struct {
		Tag          Tag
		Registration Registration
		Position     Position
		// Noboot is the noboot flag of the seed: no reboot follows this shutdown.
		Noboot bool
		Info   Info
		// Resume marks an invocation sent before the agent restarted: same tag.
		Resume bool
	}
	// NotifyCanceled sends SequenceCanceled to the clients that asked for it.
	NotifyCanceled struct {
		Clients   []ClientID
		Sequence  Sequence
		LastLevel Level
	}
)

// Actions on units; each is answered by WorkFinished.
type (
	// StartUnits starts a target, or only Units of its members when that is not empty
	// (retry, sync), and waits until every one has settled. Members are told early by
	// MemberSettled. With Resume the owner first looks whether they were started at or
	// after Since and, if so, waits for them and does not start them again.
	StartUnits struct {
		Work   WorkID
		Target Target
		Units  []string
		Since  Instant
		Resume bool
	}
	// StopUnits stops the members of Target, waits until they are inactive, then stops
	// the target; or, when Units is not empty, those units alone (members whose time is
	// up, whose run was cancelled, or a component after its last shut level). A unit
	// that a target of Keep wants too is left alone.
	StopUnits struct {
		Work   WorkID
		Target Target
		Units  []string
		Keep   []Target
		// Kill sends SIGKILL at once instead of asking.
		Kill bool
	}
)

// Actions on the node.
type (
	// PersistQualified makes the qualified attribute durable before anything after it.
	PersistQualified struct{ Qualified bool }
	// ReleaseRole gives the role back to the election; answered by RoleReleased.
	ReleaseRole struct{ To NodeID }
	// LeaveCluster ends the shutdown: leave the cluster, then the mode's ending.
	LeaveCluster struct {
		Mode   Mode
		Reason string
		// Linger as it was asked for.
		Linger bool
	}
)

// Actions that tell: they become signals, journal entries and history.
type (
	// TellStateChanged says that NodeState or role in the view changed.
	TellStateChanged struct {
		State    NodeState
		Role     Role
		OldState NodeState
		OldRole  Role
	}
	// TellSequenceStarted opens a run.
	TellSequenceStarted struct {
		Run      RunNumber
		Sequence Sequence
		Term     Term
		Cause    string
	}
	// TellLevelReached closes a level.
	TellLevelReached struct {
		Run      RunNumber
		Position Position
	}
	// TellSequenceFinished closes a run.
	TellSequenceFinished struct{ Record RunRecord }
	// TellFailed reports one participant, once.
	TellFailed struct {
		Run         RunNumber
		Participant Participant
		Policy      Policy
	}
	// TellHeld says that the run waits for an operator or for the failed component.
	TellHeld struct {
		Run      RunNumber
		Position Position
		Reason   string
	}
	// TellWaiting says that the run waits for the gate or for a required component.
	TellWaiting struct {
		Run      RunNumber
		Position Position
		Reason   string
	}
	// TellMasterReady says that this node is the master and its last init or promote level is reached.
	TellMasterReady struct {
		Node NodeID
		Term Term
	}
	// TellQualified says that qualify (or disqualify) completed here.
	TellQualified struct {
		Node      NodeID
		Qualified bool
	}
	// TellOperationStarted opens an operation.
	TellOperationStarted struct{ Operation OperationView }
	// TellOperationFinished closes it.
	TellOperationFinished struct{ Operation OperationView }
	// TellNoSuccessor says that an operation goes on although no other node has taken up the
	// role that it gave back, and why it waits no longer.
	TellNoSuccessor struct {
		Operation OperationView
		Reason    string
	}
	// TellTargetLost says that an operator took a level down behind our back.
	TellTargetLost struct{ Target Target }
	// TellDropped names something that was ignored and should not have happened; for the journal.
	TellDropped struct{ Reason string }
)

func (Invoke) action()                {}
func (NotifyCanceled) action()        {}
func (StartUnits) action()            {}
func (StopUnits) action()             {}
func (PersistQualified) action()      {}
func (ReleaseRole) action()           {}
func (LeaveCluster) action()          {}
func (TellStateChanged) action()      {}
func (TellSequenceStarted) action()   {}
func (TellLevelReached) action()      {}
func (TellSequenceFinished) action()  {}
func (TellFailed) action()            {}
func (TellHeld) action()              {}
func (TellWaiting) action()           {}
func (TellMasterReady) action()       {}
func (TellQualified) action()         {}
func (TellOperationStarted) action()  {}
func (TellOperationFinished) action() {}
func (TellNoSuccessor) action()       {}
func (TellTargetLost) action()        {}
func (TellDropped) action()           {}
