package election

// Phase is what this node is doing about mastership. The zero value is unknown.
type Phase uint8

// The phases.
const (
	PhaseUnknown     Phase = iota
	PhaseAway              // it has left, or was not started
	PhaseForming           // waits for a proof that its missing state does no harm
	PhaseFollowing         // a master is known, or may exist
	PhasePreVoting         // asks whether it would be voted for
	PhaseCampaigning       // asks for votes
	PhaseLeading           // it is the master
	PhaseCeasing           // it is the master without an answer of a majority
	PhaseRestoring         // it was the master, and what it ran has not come to rest
)

func phaseWords() []string {
	return []string{"unknown", "away", "forming", "following", "pre-voting", "campaigning", "leading", "ceasing", "restoring"}
}

// String returns the word.
func (p Phase) String() string { return word(p, phaseWords()) }

// View is everything an observer may know of the machine: a copy, complete in itself.
type View struct {
	Phase Phase
	Role  Role
	// Term is that of the known master, or the highest seen.
	Term         Term
	Master, Vice NodeID
	Progress     Progress
	// Quorate: this node leads with a majority, or hears a master that does, or has heard
	// from a majority of voters within a lease.
	Quorate bool
	// Lease counts while this node leads.
	Lease Lease
	// Proven: this voter may vote.
	Proven bool
	// Why says why there is no master, or why this node does not stand; empty when all is well.
	Why string
	// Peers are the other nodes of the table, in its order.
	Peers []PeerView
	// Dropped counts the messages that were refused as nonsense, Stale those that came late or twice.
	Dropped, Stale uint64
}

// PeerView is what this node has heard of another.
type PeerView struct {
	Node NodeID
	// Heard is when its last message came; 0 = never since the start.
	Heard    Instant
	Standing Standing
	Hash     string
	// Alive: it was heard within a lease.
	Alive bool
}

// View returns what an observer may know.
func (m *Machine) View() View {
	v := View{
		Phase: m.phase, Role: m.told.Role, Term: m.state.MasterTerm, Master: m.masterID, Vice: m.vice,
		Progress: m.news, Quorate: m.quorate(), Lease: m.Lease(), Proven: m.proven, Why: m.whyText(),
		Dropped: m.dropped, Stale: m.stale,
	}
	if m.leads() {
		v.Term, v.Progress = m.lease.Term, m.progress
	}
	m.everyone(anybody, func(id NodeID) {
		p := m.peers[id]
		v.Peers = append(v.Peers, PeerView{
			Node: id, Heard: p.heard, Standing: p.standing, Hash: p.hash, Alive: m.alive(id, 3*m.config.Lease),
		})
	})

	return v
}

// quorate says that a majority of voters is known to be there.
func (m *Machine) quorate() bool {
	switch {
	case m.phase == PhaseAway:
		return false
	case m.phase == PhaseLeading, m.known && m.masterID != m.config.Self:
		return true
	case m.phase == PhaseCeasing:
		return false
	default:
		within := 2 * m.probeEvery()

		return m.count(func(id NodeID) bool { return m.alive(id, within) }) >= m.majority()
	}
}

// whyText says what is not as it should be.
func (m *Machine) whyText() string {
	switch {
	case m.phase == PhaseAway:
		return "this node has left the cluster"
	case m.phase == PhaseForming:
		return "this node's vote is not proven: it waits until all nodes are present, or for the first formation of the cluster"
	case m.phase == PhaseCeasing:
		return "no majority of voters answers"
	case m.phase == PhaseRestoring:
		return "the mastership was lost, and what it ran has not come to rest"
	case m.known:
		return ""
	case m.heldUntil() > m.now:
		return "the master has changed too often: the next change is held"
	case !m.quorate():
		return "no majority of voters can be reached"
	case m.hindrance() != "":
		return "no master; this node does not stand: " + m.hindrance()
	case m.why != "":
		return "no master: " + m.why
	default:
		return "no master yet"
	}
}
