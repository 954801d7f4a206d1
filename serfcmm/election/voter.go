package election

import "time"

// voter is what a node keeps for others to be elected.
type voter struct {
	promise promise
	// quietUntil: a promise may have been given that nobody remembers.
	quietUntil Instant
	// foretold is the highest term that anybody could have voted in before quietUntil counted,
	// as all nodes have told; 0 = not told.
	foretold Term
	// favoured is who got the last pre-vote; until then no other gets one, so that two
	// candidates do not split the votes. It has nothing to do with safety.
	favoured      NodeID
	favouredUntil Instant
	// released is the highest term that its master has given back; abandoned is the last
	// campaign that its candidate gave up. What arrives of them afterwards is stale.
	released      Term
	abandonedBy   NodeID
	abandonedTerm Term
}

// promise binds this voter: until then it answers nobody but to.
type promise struct {
	to    NodeID
	term  Term
	until Instant
	// made is the round of the question on which until rests; the last there can be when
	// nobody knows.
	made Round
}

// bound says for how long this voter may not answer the node; 0 when it may.
func (m *Machine) bound(to NodeID) time.Duration {
	until := m.quietUntil
	if m.promise.to != "" && m.promise.to != to {
		until = max(until, m.promise.until)
	}
	switch {
	case until == Forever:
		return Endless
	case m.now >= until:
		return 0
	default:
		return until.Sub(m.now)
	}
}

// give makes the promise that a vote or a renewal asks for; the caller has made sure that
// none to another is running. A longer one to the same node stays in force, unless that node
// gives the rest of it back in a later question than the one that it rests on.
func (m *Machine) give(question Message) {
	to, term, lease := question.From, question.Term, question.Lease
	if m.promise.to == to {
		term = max(term, m.promise.term) // a late renewal of an older term must not make it void with that
	}
	length := m.config.promise(lease)
	until, made := m.now.Add(length), question.Round
	givenBack := question.Kind == KindRenew && question.Released == question.Term && question.Round > m.promise.made
	if m.promise.to == to && m.promise.until > until && !givenBack {
		until, made = m.promise.until, m.promise.made
		length = Endless
		if until != Forever {
			length = until.Sub(m.now)
		}
	}
	m.promise = promise{to: to, term: term, until: until, made: made}
	if m.state.Promised == to && m.state.PromisedTerm == term && m.state.Hold >= length &&
		(m.state.Hold == length || length != m.config.promise(lease)) {
		return // a longer one that is running out is not worth a write
	}
	m.state.Promised, m.state.PromisedTerm, m.state.Hold = to, term, length
	m.dirty = true
}

// judge says whether a vote, or a pre-vote, is to be refused and when to ask again.
func (m *Machine) judge(message Message) (Refusal, time.Duration) {
	candidate, _ := m.config.node(message.From)
	again := message.Term == m.state.Term && m.state.Vote == message.From
	switch {
	case !m.proven:
		return RefusalUnproven, Endless
	case !candidate.Eligible || !message.Standing.Qualified:
		return RefusalCandidate, Endless
	case message.Hash != m.config.Hash:
		return RefusalHash, Endless
	case m.leads():
		return RefusalPromised, m.remaining()
	case m.serving:
		return RefusalServing, m.config.KillMargin
	case message.Term < m.state.Term, message.Term <= m.state.MasterTerm:
		return RefusalTerm, 0
	case message.Term == m.state.Term && !again:
		return RefusalVoted, 0
	case message.From == m.abandonedBy && message.Term <= m.abandonedTerm:
		return RefusalTerm, 0
	}
	if m.freed(message) {
		return RefusalNone, 0
	}
	if left := m.bound(message.From); left > 0 {
		return RefusalPromised, left
	}

	return RefusalNone, 0
}

// freed says that the candidate was handed the very term that this voter has promised: its
// master has told the candidate that it is over.
func (m *Machine) freed(message Message) bool {
	return message.Released != 0 && message.Released == m.promise.term && m.now >= m.quietUntil
}

// preVoteAsked answers whether this node would vote. Nothing changes.
func (m *Machine) preVoteAsked(message Message) {
	if !m.self().Vote {
		return
	}
	refusal, left := m.judge(message)
	if b := m.ballot; refusal == RefusalNone && b != nil && b.pre && m.rank() < m.rankOf(message.From) {
		refusal, left = RefusalPromised, m.config.Stagger // this node asks the same, and comes first
	}
	if refusal == RefusalNone && m.favoured != message.From && m.favoured != "" && m.now < m.favouredUntil {
		refusal, left = RefusalPromised, m.favouredUntil.Sub(m.now)
	}
	if refusal == RefusalNone {
		m.favoured, m.favouredUntil = message.From, m.now.Add(m.config.Stagger)
	}
	m.answer(message, KindPreVoteReply, refusal, left)
}

// voteAsked votes. Term, vote and promise are on disk before the answer leaves.
func (m *Machine) voteAsked(message Message) {
	if !m.self().Vote || !sane(message.Lease) {
		m.drop(message, "this node has no vote, or the lease makes no sense")

		return
	}
	refusal, left := m.judge(message)
	if refusal == RefusalNone {
		m.abandon("voted for " + string(message.From))
		m.state.Term, m.state.Vote = message.Term, message.From
		m.dirty = true
		m.give(message)
		m.favoured, m.favouredUntil = "", 0
		if message.Released != 0 && message.Released == m.state.MasterTerm {
			m.released = message.Released
			m.forget("released by " + string(m.state.Master))
		}
	}
	m.answer(message, KindVoteReply, refusal, left)
}

// sane bounds the lease that another node names.
func sane(lease time.Duration) bool { return lease > 0 && lease <= longestLease }

// renewAsked follows a master and promises, if nobody else has this voter's promise.
func (m *Machine) renewAsked(message Message) {
	node, _ := m.config.node(message.From)
	switch {
	case !node.Eligible || !sane(message.Lease) || message.Term == 0:
		m.drop(message, "it cannot be a master")

		return
	case message.Term < m.state.MasterTerm:
		m.answer(message, KindPromise, RefusalTerm, Endless)

		return
	case message.Term == m.state.MasterTerm && m.state.Master != message.From:
		m.drop(message, "another node holds this term: "+string(m.state.Master))

		return
	case message.Term <= m.released, message.Term == m.state.MasterTerm && message.Round <= m.lastRound:
		m.stale++

		return
	}
	if m.leads() {
		m.lose("term " + termText(message.Term) + " of " + string(message.From) + " has begun")
	}
	m.abandon("a master is there: " + string(message.From))
	m.follow(message)
	refusal, left := RefusalNone, time.Duration(0)
	if m.self().Vote {
		refusal, left = m.promiseTo(message)
	}
	m.answer(message, KindPromise, refusal, left)
}

func (m *Machine) promiseTo(message Message) (Refusal, time.Duration) {
	if !m.proven {
		return RefusalUnproven, Endless
	}
	if m.promise.to != message.From && m.promise.term <= message.Term {
		m.promise = promise{} // that this term was elected proves that every one before it is over
	}
	m.recollect(message)
	if left := m.bound(message.From); left > 0 {
		return RefusalPromised, left
	}
	m.give(message)

	return RefusalNone, 0
}

// recollect bounds what a voter without a trustworthy memory may have promised, once all nodes
// have told their terms. Every candidate was among them, so that no forgotten promise is of a term
// above the highest. That a term not below it was elected proves that every one before it is
// over; what is left is a promise for this very term, which is its master's.
func (m *Machine) recollect(renewal Message) {
	other := m.promise.to != "" && m.promise.to != renewal.From
	if m.now >= m.quietUntil || m.foretold == 0 || renewal.Term < m.foretold || other {
		return
	}
	m.promise = promise{
		to: renewal.From, term: max(renewal.Term, m.promise.term), until: max(m.quietUntil, m.promise.until), made: lastRound,
	}
	m.quietUntil = 0
}

// releaseHeard voids this voter's promise for a term that its asker will never act in again.
func (m *Machine) releaseHeard(message Message) {
	if m.promise.to == message.From && m.promise.term == message.Term {
		m.promise, m.freeSince = promise{}, m.now
	}
	m.abandonedBy, m.abandonedTerm = message.From, message.Term
	if m.state.Master != message.From || m.state.MasterTerm != message.Term || message.Term <= m.released {
		return
	}
	m.released = message.Term
	m.forget("released by " + string(message.From))
	m.handed = message.Target == m.config.Self
	m.reserve(message.Target)
}

// answer repeats the question's term and round.
func (m *Machine) answer(question Message, kind Kind, refusal Refusal, left time.Duration) {
	message := Message{
		Kind: kind, To: question.From, Term: question.Term, Round: question.Round,
		Refusal: refusal, Remaining: left, MasterTerm: m.state.MasterTerm, Master: m.state.Master,
		Fresh: !m.proven,
	}
	if kind != KindPromise {
		message.MasterTerm, message.Master = m.state.Term, ""
		if question.From == m.abandonedBy { // it may have lost the memory of that
			message.MasterTerm = max(m.state.Term, m.abandonedTerm)
		}
	}
	m.send(message)
}
