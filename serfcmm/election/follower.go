package election

import (
	"slices"
	"strconv"
	"time"
)

// follower is what a node knows of its master.
type follower struct {
	known    bool
	masterID NodeID
	vice     NodeID
	// masterHash is the configuration of the master.
	masterHash string
	news       Progress
	lastRound  Round
	// knownUntil is when silence means that there is no master.
	knownUntil Instant
	// viceBy is when this node no longer expects to be named as soon as its master has heard of it.
	viceBy Instant
	// lastVice was named by the last master; it stands first.
	lastVice NodeID
	// why says why no master is known.
	why string
	// changes are when the master changed without a plan, the newest first.
	changes []Instant
	drifted string // the master's hash for which a note was made
}

// receive takes a message from another node. Whatever it claims, it comes from a node of
// the table and is meant for this one, or it is dropped.
func (m *Machine) receive(message Message) {
	sender := m.peers[message.From]
	switch {
	case sender == nil:
		m.drop(message, "not in the node table")

		return
	case message.To != m.config.Self:
		m.drop(message, "it is for "+strconv.Quote(string(message.To)))

		return
	case message.Kind == KindUnknown || message.Kind > KindReport:
		m.drop(message, "of no known kind")

		return
	case max(message.Term, message.MasterTerm, message.Released) > max(m.state.Term, m.highest)+farTerm:
		m.drop(message, "a term beyond all measure")

		return
	case m.phase == PhaseAway:
		return
	}
	m.hears(sender, message)
	if m.fenced[message.From] {
		delete(m.fenced, message.From)
		m.note(TopicFenced, "%s was declared to be off and is heard again: its vote is its own from now on", message.From)
	}
	m.dispatch(message, sender)
}

// hears takes what a sender says of itself, unless it has said something newer. A sender
// that was silent for a while begins anew: perhaps its time of day was set back.
func (m *Machine) hears(sender *peer, message Message) {
	if message.Serial > sender.serial || m.now.Sub(sender.heard) > m.config.Lease {
		sender.serial, sender.standing, sender.hash = message.Serial, message.Standing, message.Hash
	}
	sender.heard = m.now
}

// farTerm above the highest that this node has seen nobody can be: whatever a broken node
// says, there is room to count.
const farTerm = Term(1) << 32

func (m *Machine) dispatch(message Message, sender *peer) {
	switch message.Kind {
	case KindPreVote:
		m.preVoteAsked(message)
	case KindVote:
		m.voteAsked(message)
	case KindRenew:
		m.inquire(message.From)
		m.renewAsked(message)
	case KindRelease:
		m.releaseHeard(message)
	case KindProbe:
		sender.learn(message)
		m.inquire(message.From)
		m.report(message.From, message.Round)
		m.disclaim(func(node Node) bool { return node.ID == message.From })
	case KindPreVoteReply, KindVoteReply:
		m.counted(message)
	case KindPromise:
		sender.unproven = message.Fresh
		m.promised(message)
	case KindReport:
		sender.learn(message)
		if message.Round > m.firstRound && message.Round <= m.round {
			sender.toldAt = m.now
		}
	case KindUnknown:
	}
}

// inquire asks around at once, when a node that has just come up is to tell its term.
func (m *Machine) inquire(from NodeID) {
	if !m.proven && m.now >= m.probeAt.Add(m.config.RenewEvery-m.probeEvery()) && !m.hasTold(from) {
		m.probeAt = m.now
	}
}

// learn takes what a node tells of its state.
func (p *peer) learn(message Message) {
	p.unproven, p.term = message.Fresh, max(p.term, message.Term)
}

// report says who this node is and what it has seen.
func (m *Machine) report(to NodeID, round Round) { m.introduce(KindReport, to, round) }

func (m *Machine) introduce(kind Kind, to NodeID, round Round) {
	m.send(Message{
		Kind: kind, To: to, Term: m.state.Term, Round: round,
		MasterTerm: m.state.MasterTerm, Master: m.state.Master, Fresh: !m.proven,
	})
}

// follow takes up what a renewal says. A new master is on disk before it is answered.
func (m *Machine) follow(message Message) {
	if message.Term > m.state.MasterTerm {
		m.state.MasterTerm, m.state.Master = message.Term, message.From
		if message.Term > m.state.Term {
			m.state.Term, m.state.Vote = message.Term, message.From
		}
		m.dirty = true
		m.expectWord()
		m.reason = "term " + termText(message.Term) + " of " + string(message.From)
	} else if !m.known {
		m.expectWord()
		m.reason = string(message.From) + " is heard"
	}
	m.known, m.masterID, m.vice, m.lastVice = true, message.From, message.Vice, message.Vice
	m.masterHash, m.news, m.lastRound, m.why = message.Hash, message.Progress, message.Round, ""
	m.knownUntil = max(m.knownUntil, m.now.Add(message.Lease+share(message.Lease, m.config.DriftPermille)))
	m.handed, m.slow = false, 0
	m.changes = m.changes[:0]
	for _, age := range message.Changes[:min(len(message.Changes), MaxChanges)] {
		m.changes = append(m.changes, m.now-Instant(max(0, age)))
	}
	if drift := message.Hash; drift != m.config.Hash && drift != m.drifted {
		m.note(TopicDrift, "the master %s has another configuration (%s, here %s): this node may hold no role", message.From, drift, m.config.Hash)
	}
	m.drifted = message.Hash
}

// lapse notices that the master is silent.
func (m *Machine) lapse() {
	if m.known && m.masterID != m.config.Self && m.now >= m.knownUntil {
		m.forget(string(m.masterID) + " is silent")
	}
}

// forget says that no master is known.
func (m *Machine) forget(why string) {
	m.known, m.masterID, m.vice, m.masterHash = false, "", "", ""
	m.news, m.lastRound, m.knownUntil = Progress{}, 0, 0
	m.why, m.reason = why, why
	m.waitUntil, m.freeSince = 0, m.now
	m.probeAt = m.now
}

// probe asks around while no master is known, so that everybody learns who is there.
func (m *Machine) probe() {
	if m.known && m.proven || m.now < m.probeAt {
		return
	}
	m.probeAt = m.now.Add(m.probeEvery())
	round := m.nextRound()
	m.everyone(matters, func(id NodeID) { m.introduce(KindProbe, id, round) })
}

func (m *Machine) probeEvery() time.Duration { return max(m.config.Lease/2, 100*time.Millisecond) }

// alive says whether the node was heard within that time.
func (m *Machine) alive(id NodeID, within time.Duration) bool {
	if id == m.config.Self {
		return true
	}
	p := m.peers[id]

	return p != nil && p.heard != 0 && m.now.Sub(p.heard) <= within
}

// tell decides the role and says so when it is another.
func (m *Machine) tell() {
	next := RoleDecided{Term: m.state.MasterTerm, Master: m.masterID, Vice: m.vice, Reason: m.reason}
	self := m.config.Self
	switch {
	case m.phase == PhaseLeading:
		next.Role, next.Term = RoleMaster, m.lease.Term
	case m.phase == PhaseCeasing, m.phase == PhaseRestoring:
		next.Lost, next.Master, next.Vice = true, "", ""
	case !m.known:
		next.Master, next.Vice = "", ""
	case m.vice == self && m.couldBeVice():
		next.Role = RoleVice
	default:
		next.Role, next.Provisional = RoleFollower, m.viceOpen()
	}
	before := m.told
	before.Reason = next.Reason
	if before != next {
		m.told = next
		m.emit(next)
	}
	m.tellProgress()
}

func (m *Machine) couldBeVice() bool {
	return m.standing.Qualified && m.self().Eligible && m.masterHash == m.config.Hash
}

// expectWord begins the time in which a master that names no vice may name this node.
func (m *Machine) expectWord() { m.viceBy = m.now.Add(3 * m.config.RenewEvery) }

// viceOpen says that no vice is named yet and that it may be this node, whose init is not over.
func (m *Machine) viceOpen() bool {
	return m.vice == "" && m.couldBeVice() && !m.standing.Up && m.now < m.viceBy
}

func (m *Machine) tellProgress() {
	next := MasterProgressed{}
	if m.known && m.masterID != m.config.Self {
		next = MasterProgressed{Master: m.masterID, Term: m.state.MasterTerm, Progress: m.news}
	}
	if next != m.toldProgress && next.Master != "" {
		m.emit(next)
	}
	m.toldProgress = next
}

func termText(term Term) string { return strconv.FormatUint(uint64(term), 10) }

// strangeVoters says that the table differs in more than one voter from that on disk. A
// state without voters is that of a node which was never proven.
func (m *Machine) strangeVoters() bool {
	if len(m.state.Voters) == 0 {
		return true
	}
	now, differ := m.config.voters(), 0
	for _, id := range now {
		if !slices.Contains(m.state.Voters, id) {
			differ++
		}
	}
	for _, id := range m.state.Voters {
		if !slices.Contains(now, id) {
			differ++
		}
	}

	return differ > 1
}
