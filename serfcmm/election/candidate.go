package election

import (
	"slices"
	"time"
)

// candidate is what a node does to be elected.
type candidate struct {
	ballot *ballot
	// waitUntil: not before, because of what the last ballot learned. notBefore: because
	// this node gave the role back, failures times in a row.
	waitUntil Instant
	notBefore Instant
	failures  int
	// freeSince is when this node last became free to stand: its master fell silent or released.
	freeSince Instant
	// slow counts the questions that too few have answered in time; each gets more of it.
	slow int
	// highest is the highest term that a refusal named.
	highest Term
	// handed: the last master gave its term to this node, to stand at once.
	handed bool
	// heir was handed the released term; the message is repeated insistLeft times.
	heir       NodeID
	insistLeft int
	insistAt   Instant
	// heldNote is when the flap limit was last told.
	heldNote Instant
}

// ballot is one pre-vote or campaign.
type ballot struct {
	pre     bool
	term    Term
	round   Round
	sent    Instant
	until   Instant
	planned bool
	// fresh: it was opened with this step, and its term is not yet on disk.
	fresh bool
	// short: it ends early, because of an answer.
	short   bool
	answers map[NodeID]ballotAnswer
}

type ballotAnswer struct {
	refusal Refusal
	again   Instant // when to ask again
}

const (
	firstBackOff   = time.Second
	longestBackOff = time.Minute
)

// forgive ends every back-off.
func (m *Machine) forgive() { m.failures, m.notBefore, m.waitUntil = 0, 0, 0 }

// hindrance says why this node may not stand, whatever the time; empty when it may.
func (m *Machine) hindrance() string {
	switch {
	case m.phase != PhaseFollowing && m.phase != PhasePreVoting && m.phase != PhaseCampaigning:
		return "it is " + m.phase.String()
	case !m.self().Eligible:
		return "it is not eligible"
	case !m.standing.Qualified:
		return "it is not qualified"
	case m.yielding:
		return "it is giving its role up"
	case !m.proven:
		return "its vote is not proven"
	case m.serving:
		return "its old mastership has not come to rest"
	}

	return ""
}

// standAt is when this node would stand for election; Forever when it would not. Nobody
// stands while it has promised another node its vote, or hears a master.
func (m *Machine) standAt() Instant {
	if m.hindrance() != "" {
		return Forever
	}
	if m.handed && m.free() {
		return m.now
	}
	lapsed := max(m.started, m.quietUntil, m.freeSince)
	if m.promise.to != "" && m.promise.to != m.config.Self {
		lapsed = max(lapsed, m.promise.until)
	}
	if m.known {
		lapsed = max(lapsed, m.knownUntil)
	}
	if lapsed == Forever {
		return Forever
	}
	at := max(lapsed.Add(time.Duration(m.rank())*m.config.Stagger), m.waitUntil, m.notBefore)
	if m.hasty() {
		at = max(at, m.started.Add(m.config.Lease))
	}
	if held := m.heldUntil(); held > at {
		return held
	}

	return at
}

// hasty says that this would be the first election ever and a node that is there cannot vote
// yet. Left behind, it would see a mastership that it may have forgotten a promise to, and
// answer nobody for the longest promise.
func (m *Machine) hasty() bool {
	if max(m.state.Term, m.state.MasterTerm, m.highest) > 0 {
		return false
	}
	for _, p := range m.peers {
		if p.unproven {
			return true
		}
	}

	return false
}

// free says that this node has not promised to answer another one only.
func (m *Machine) free() bool { return !m.self().Vote || m.bound(m.config.Self) == 0 }

// rank is this node's place in the queue of candidates.
func (m *Machine) rank() int { return m.rankOf(m.config.Self) }

// rankOf puts the vice first, then the table, and last the node that was the master.
func (m *Machine) rankOf(id NodeID) int {
	rank := 0
	if m.lastVice == id {
		return 0
	}
	if m.lastVice != "" {
		rank = 1
	}
	for _, node := range m.config.Nodes {
		switch {
		case !node.Eligible || node.ID == m.lastVice:
		case node.ID == id && m.state.Master != id:
			return rank
		case node.ID != m.state.Master:
			rank++
		}
	}

	return rank
}

// heldUntil is the end of the flap limit's hold; 0 when it is not in force.
func (m *Machine) heldUntil() Instant {
	limit := m.config.FlapLimit
	if limit == 0 || len(m.changes) < limit || m.state.Master == m.config.Self {
		return 0
	}

	return m.changes[limit-1].Add(m.config.FlapWindow)
}

// vote stands for election when it is time, and ends what has taken too long.
func (m *Machine) vote() {
	if b := m.ballot; b != nil && m.now >= b.until {
		if !b.short {
			m.slow = min(m.slow+1, 2)
		}
		m.lost("no majority in time")
	}
	if m.ballot != nil {
		if why := m.hindrance(); why != "" {
			m.abandon(why)
		}

		return
	}
	at := m.standAt()
	m.handed = m.handed && at != Forever
	if held := m.heldUntil(); at != Forever && held > m.now && held != m.heldNote {
		m.heldNote = held
		m.note(TopicHeld, "%d unplanned changes of the master within %v: this node does not stand before that time is over, or \"cssc failover\" says so",
			len(m.changes), m.config.FlapWindow)
	}
	if m.now < at {
		return
	}
	if m.handed && m.free() {
		m.campaign(m.nextTerm(), m.released)

		return
	}
	m.preVote()
}

func (m *Machine) nextTerm() Term { return max(m.state.Term, m.state.MasterTerm, m.highest) + 1 }

// preVote asks whether a campaign would be won. No term rises anywhere.
func (m *Machine) preVote() {
	m.phase = PhasePreVoting
	m.open(&ballot{pre: true, term: m.nextTerm(), until: m.now.Add(m.patience())})
}

// patience bounds one question. A network may be slow and yet good enough for the lease.
func (m *Machine) patience() time.Duration {
	return max(m.config.Lease/8, 20*time.Millisecond) << m.slow
}

// campaign asks for votes. The term and the vote for itself are on disk first.
func (m *Machine) campaign(term, released Term) {
	m.handed = false
	m.phase = PhaseCampaigning
	m.state.Term, m.state.Vote = term, m.config.Self
	m.dirty = true
	if m.self().Vote {
		m.give(Message{Kind: KindVote, From: m.config.Self, Term: term, Lease: m.config.Lease})
	}
	m.note(TopicCampaign, "this node stands for term %d", term)
	m.open(&ballot{term: term, until: m.now.Add(2 * m.patience()), planned: released != 0})
}

// open sends the question of a ballot and looks whether it is won already.
func (m *Machine) open(b *ballot) {
	b.round, b.sent, b.answers = m.nextRound(), m.now, map[NodeID]ballotAnswer{}
	m.ballot = b
	message := Message{Kind: KindVote, Term: b.term, Round: b.round, Lease: m.config.Lease}
	if b.pre {
		message.Kind, message.Lease = KindPreVote, 0
	}
	if m.released == m.state.MasterTerm {
		message.Released = m.released // who has not heard of it yet would refuse
	}
	m.everyone(isVoter, func(id NodeID) {
		message.To = id
		m.send(message)
	})
	b.fresh = !b.pre && !m.config.alone()
	if !b.fresh {
		m.tally()
	}
}

// saved counts the own vote, and those that count as given, once the term is on disk: they
// may be enough.
func (m *Machine) saved() {
	if b := m.ballot; b != nil && b.fresh {
		b.fresh = false
		m.tally()
	}
}

// counted takes an answer. It counts only for the very question that is open, and once.
func (m *Machine) counted(message Message) {
	b := m.ballot
	node, _ := m.config.node(message.From)
	if b == nil || b.round != message.Round || b.term != message.Term || b.pre != (message.Kind == KindPreVoteReply) || !node.Vote {
		m.stale++

		return
	}
	again := Forever
	if message.Remaining != Endless && message.Remaining >= 0 && message.Remaining <= longestLease*2 {
		again = m.now.Add(message.Remaining)
	}
	b.answers[message.From] = ballotAnswer{refusal: message.Refusal, again: again}
	if message.Refusal != RefusalNone {
		m.highest = max(m.highest, message.MasterTerm)
	}
	if b.pre && message.Refusal == RefusalPromised && again != Forever {
		// Whoever is silent is the dead master, as a rule: ask again when this one may say yes.
		b.until = min(b.until, max(again, m.now.Add(time.Millisecond)))
		b.short = true
	}
	m.tally()
}

// tally ends a ballot that is won, or that cannot be won any more.
func (m *Machine) tally() {
	b := m.ballot
	granted := m.count(func(id NodeID) bool {
		answer, there := b.answers[id]

		return there && answer.refusal == RefusalNone
	})
	possible := m.count(func(id NodeID) bool {
		answer, there := b.answers[id]

		return !there || answer.refusal == RefusalNone
	})
	switch {
	case granted >= m.majority() && b.pre:
		m.campaign(b.term, 0)
	case granted >= m.majority():
		m.elected()
	case possible < m.majority():
		m.lost("refused: " + m.refusals())
	}
}

// refusals is a text of why a ballot was lost, for people.
func (m *Machine) refusals() string {
	text := ""
	for _, node := range m.config.Nodes {
		if answer, there := m.ballot.answers[node.ID]; there && answer.refusal != RefusalNone {
			if text != "" {
				text += ", "
			}
			text += string(node.ID) + " " + answer.refusal.String()
		}
	}

	return text
}

// lost ends a ballot and plans the next: when enough of those that refused may grant, or
// after a pause that differs from node to node.
func (m *Machine) lost(why string) {
	b := m.ballot
	missing := m.majority() - m.count(func(id NodeID) bool {
		answer, there := b.answers[id]

		return there && answer.refusal == RefusalNone
	})
	var again []Instant
	for _, id := range m.config.voters() {
		if answer, there := b.answers[id]; there && answer.refusal != RefusalNone && answer.again != Forever {
			again = append(again, answer.again)
		}
	}
	slices.Sort(again)
	pause := m.now.Add(m.patience() + time.Duration(m.rank())*m.config.Stagger)
	if missing > 0 && missing <= len(again) && again[missing-1] < m.now.Add(2*m.config.Lease) {
		// By rank: candidates that have split the favours come back at the same moment.
		pause = max(again[missing-1], m.now.Add(time.Millisecond)).Add(time.Duration(m.rank()) * m.config.Stagger)
	}
	m.why = "no majority: " + why
	m.abandon(why)
	m.waitUntil = pause
}

// abandon gives a ballot up. The votes of a campaign are given back, and whatever of it
// arrives later does not count: this node never acts in that term.
func (m *Machine) abandon(why string) {
	b := m.ballot
	if b == nil {
		return
	}
	m.ballot = nil
	if m.phase == PhasePreVoting || m.phase == PhaseCampaigning {
		m.phase = PhaseFollowing
	}
	if b.pre {
		return
	}
	m.note(TopicElected, "this node is not elected in term %d: %s", b.term, why)
	if m.promise.to == m.config.Self {
		m.promise = promise{}
	}
	m.everyone(isVoter, func(id NodeID) { m.send(Message{Kind: KindRelease, To: id, Term: b.term}) })
}

// reserve gives the node that was handed the term a head start.
func (m *Machine) reserve(target NodeID) {
	if target != "" && target != m.config.Self {
		m.lastVice = target
		m.waitUntil = m.now.Add(2 * m.config.Stagger)
	}
}
