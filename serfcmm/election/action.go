package election

//sumtype:decl

// Action is something that the owner must do, in the order given, after Result.Persist is
// on disk. It is plain data.
type Action interface{ action() }

// Role is what this node is to its cluster. The zero value is unknown: no master is known.
type Role uint8

// The roles.
const (
	RoleUnknown  Role = iota
	RoleMaster        //
	RoleVice          //
	RoleFollower      // of a known master, without a role
)

func roleWords() []string { return []string{"unknown", "master", "vice", "follower"} }

// String returns the word.
func (r Role) String() string { return word(r, roleWords()) }

// Topic says what a Note is about. The zero value is unknown.
type Topic uint8

// The topics.
const (
	TopicUnknown  Topic = iota
	TopicCampaign       // this node asks for votes
	TopicElected        // this node has won, or lost, an election
	TopicCeasing        // the lease is running out
	TopicLost           // the lease has run out
	TopicReleased       // a role was given back
	TopicHeld           // this node does not stand: too many unplanned changes, or a back-off
	TopicUnproven       // this voter may not vote for want of its state, or may again
	TopicDrift          // this node's configuration differs from the master's
	TopicFenced         // an operator's word is taken, or a fenced node was seen
	TopicDropped        // a message made no sense
)

func topicWords() []string {
	return []string{"unknown", "campaign", "elected", "ceasing", "lost", "released", "held", "unproven", "drift", "fenced", "dropped"}
}

// String returns the word.
func (t Topic) String() string { return word(t, topicWords()) }

type (
	// Send hands a message to the network; it may get lost.
	Send struct{ Message Message }
	// RoleDecided tells this node's role, whenever something in it has changed.
	RoleDecided struct {
		Role Role
		Term Term
		// Master and Vice are empty while none is known.
		Master, Vice NodeID
		// Lost: this node was the master and its lease is running out or over; nothing
		// must be serving when it ends.
		Lost bool
		// Provisional: no vice is named yet, and it may be this node, whose init is not over.
		// What it would begin as a follower it would have to begin again. Another decision
		// follows within three renewals.
		Provisional bool
		Reason      string
	}
	// MasterProgressed tells how far the master is, when that has changed.
	MasterProgressed struct {
		Master   NodeID
		Term     Term
		Progress Progress
	}
	// KillMembers says that the lease ends within the margin, or has ended. Every member of the
	// master's targets must be dead by then.
	KillMembers struct {
		Term   Term
		Reason string
	}
	// RestartGranted answers RestartPlanned: the process may be away until then. Until is 0
	// when a majority did not promise in time, and this node's mastership may be lost.
	RestartGranted struct{ Until Instant }
	// Note is news for the journal.
	Note struct {
		Topic Topic
		Text  string
	}
)

func (Send) action()             {}
func (RoleDecided) action()      {}
func (MasterProgressed) action() {}
func (KillMembers) action()      {}
func (RestartGranted) action()   {}
func (Note) action()             {}

// Result is what one step decided.
type Result struct {
	// Persist is written and synced before any of the actions; nil when nothing changed.
	Persist *State
	Actions []Action
	// Wake is when Ticked is wanted next; 0 = not needed.
	Wake Instant
	// Err answers a request (ReleaseAsked, FencedAsked, ResetAsked) that was not taken;
	// then nothing has changed.
	Err error
}
