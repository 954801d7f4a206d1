package election

//sumtype:decl

// Event is something that happened, told to Machine.Step with the time at which the owner
// took note of it. It is plain data.
type Event interface{ event() }

type (
	// Received is a message from another node, of a sender that the shell has checked
	// against the node table. Nonsense in it is refused and counted, never believed.
	Received struct{ Message Message }
	// Ticked says that the time is what it is: Result.Wake has come.
	Ticked struct{}
	// StandingChanged tells what this node is for the others. Yielding: it is about to give
	// its role up, and stands for election no more; a vice stays one until it is not qualified.
	StandingChanged struct {
		Standing Standing
		Yielding bool
	}
	// ProgressChanged tells how far this node's init is; sent to all at once by a master.
	ProgressChanged struct{ Progress Progress }
	// ServingChanged says whether anything of this node's mastership may still run: from
	// the moment it was elected until its demote has ended. Only then does a node that lost
	// or released its role vote or stand again.
	ServingChanged struct{ Serving bool }
	// DemoteActed says that the demote of a ceasing master has begun: there is no way back.
	DemoteActed struct{}
	// ReleaseAsked gives the role back, to the named node when not empty. Nothing of the
	// mastership may run any more.
	ReleaseAsked struct{ To NodeID }
	// RestartPlanned asks for one long promise, so that the process may be away.
	RestartPlanned struct{}
	// LeaveAsked takes the node out: it neither stands nor votes nor promises.
	LeaveAsked struct{}
	// JoinAsked brings it back.
	JoinAsked struct{}
	// Configured replaces the configuration.
	Configured struct{ Config Config }
	// PersistFailed says that Result.Persist could not be written: the owner has dropped
	// the messages of that result.
	PersistFailed struct{}
	// ResetAsked is an operator's word that this voter may vote without its lost state.
	ResetAsked struct{}
	// FencedAsked is an operator's word that the node is off and stays off until it is seen
	// again: its vote counts as given, its promise as void.
	FencedAsked struct{ Node NodeID }
)

func (Received) event()        {}
func (Ticked) event()          {}
func (StandingChanged) event() {}
func (ProgressChanged) event() {}
func (ServingChanged) event()  {}
func (DemoteActed) event()     {}
func (ReleaseAsked) event()    {}
func (RestartPlanned) event()  {}
func (LeaveAsked) event()      {}
func (JoinAsked) event()       {}
func (Configured) event()      {}
func (PersistFailed) event()   {}
func (ResetAsked) event()      {}
func (FencedAsked) event()     {}
