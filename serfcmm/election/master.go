package election

import (
	"slices"
	"time"
)

// master is what the holder of a term keeps.
type master struct {
	lease  Lease
	since  Instant // when it was elected
	first  bool    // nobody else was the master before, or it is resumed
	before NodeID  // who was the master before
	// choice is since when somebody could be vice, named since when the one is who is.
	choice, named Instant
	// completed is when this node's own init ended, for who comes up with it; 0 = not in this life.
	completed Instant
	rounds    []roundSent
	values    []Instant // of majorityOf, kept for its next call
	answers   map[NodeID]answered
	renewAt   Instant
	listeners
	// acted: the demote has begun; killed: KillMembers was said.
	acted, killed bool
	// graceUntil bounds the wait for the answers to a planned restart; graceRound is the
	// first round that asked for it.
	graceUntil Instant
	graceRound Round
}

// roundSent is one renewal under way.
type roundSent struct {
	round Round
	sent  Instant
	until Instant // the end of the lease if a majority answers
}

// answered is what one voter's promises are good for.
type answered struct{ from, until Instant }

// keptRounds is how many renewals may be unanswered at a time.
const keptRounds = 64

// leads says whether this node holds a term.
func (m *Machine) leads() bool { return m.phase == PhaseLeading || m.phase == PhaseCeasing }

// remaining is what is left of the lease.
func (m *Machine) remaining() time.Duration {
	if m.lease.Until == Forever {
		return Endless
	}

	return max(0, m.lease.Until.Sub(m.now))
}

// MayAct is the lease check, to be asked immediately before every side effect that only a
// master may have. At the very end of the lease it is false already.
func (m *Machine) MayAct(now Instant) bool { return m.Lease().Valid(now) }

// Valid is MayAct of a lease that was read earlier: whoever asks needs no machine, and reads
// the clock himself. That the lease was given back since, it cannot know.
func (l Lease) Valid(now Instant) bool { return l.Term != 0 && now < l.Until }

// Serving says what ServingChanged said last, or that this node was elected since.
func (m *Machine) Serving() bool { return m.serving }

// Lease returns the mastership; its Term is 0 when this node holds none.
func (m *Machine) Lease() Lease {
	if !m.leads() {
		return Lease{}
	}

	return m.lease
}

// endless says that the lease of this cluster does not run out: one node, or two by rule.
func (m *Machine) endless() bool { return m.config.alone() || m.config.holds() }

// resume takes up the mastership of this process's earlier life.
func (m *Machine) resume(start Start) {
	m.phase, m.lease, m.serving = PhaseLeading, start.Lease, true
	if start.Acted {
		m.phase, m.acted = PhaseCeasing, true
	}
	m.answers = map[NodeID]answered{}
	m.since, m.first, m.vice, m.named = m.now, true, start.Vice, m.now
	m.tellSoon()
	m.known, m.masterID = true, m.config.Self
	m.state.MasterTerm, m.state.Master = max(m.state.MasterTerm, m.lease.Term), m.config.Self
	m.reason = "the agent is back within its lease"
	m.sayGoodbye = false
}

// elected begins a mastership. The votes are promises, so that the lease counts from the
// moment at which they were asked for.
func (m *Machine) elected() {
	b := m.ballot
	until := b.sent.Add(m.config.ownLease(m.config.Lease))
	if m.endless() {
		until = Forever
	}
	if until != Forever && m.now >= b.sent.Add(m.config.CeaseAfter) {
		m.abandon("the votes came too late")

		return
	}
	before := m.state.Master
	m.ballot = nil
	m.phase, m.serving = PhaseLeading, true
	m.lease = Lease{Term: b.term, From: b.sent, Until: until}
	m.answers = map[NodeID]answered{}
	for id, answer := range b.answers {
		if answer.refusal == RefusalNone {
			m.answers[id] = answered{from: b.sent, until: until}
		}
	}
	m.rounds, m.acted, m.killed, m.graceUntil = nil, false, false, 0
	m.since, m.first = m.now, before == "" || before == m.config.Self
	m.choice, m.named = 0, 0
	m.state.MasterTerm, m.state.Master = b.term, m.config.Self
	m.known, m.masterID, m.vice, m.why = true, m.config.Self, "", ""
	m.highest, m.slow, m.insistLeft = 0, 0, 0
	m.before = before
	if p := m.peers[before]; b.planned && p != nil && p.standing.Qualified {
		m.before = "" // it has handed the role over, may have another, and is about to be heard
	}
	if !b.planned && before != "" && before != m.config.Self {
		m.changes = slices.Insert(m.changes, 0, m.now)
		m.changes = m.changes[:min(len(m.changes), MaxChanges)]
	}
	m.tellSoon()
	m.reason = "elected in term " + termText(b.term)
	m.note(TopicElected, "this node is the master of term %d", b.term)
}

// overdue is the stall rule: a step that comes at or after the end of the lease loses the
// role first, whatever it brings.
func (m *Machine) overdue() {
	if m.leads() && m.now >= m.lease.Until {
		m.lose("the lease has run out")
	}
}

// lead renews, and ceases in time when nobody answers.
func (m *Machine) lead() {
	if !m.leads() {
		return
	}
	m.extend()
	if m.lease.Until != Forever {
		m.cease()
	}
	if m.graceUntil != 0 && m.now >= m.graceUntil {
		m.graceUntil = 0
		m.emit(RestartGranted{})
	}
	if m.acted {
		return
	}
	m.choose()
	if m.now >= m.renewAt && !m.config.alone() {
		m.renew(m.config.Lease)
	}
}

// cease notices that a majority is silent.
func (m *Machine) cease() {
	late := m.now >= m.lease.From.Add(m.config.CeaseAfter) && m.now >= m.lease.Until-Instant(m.ceaseBefore())
	switch {
	case m.phase == PhaseLeading && late:
		m.phase = PhaseCeasing
		m.reason = "no majority answers"
		m.note(TopicCeasing, "no majority has answered for %v: the mastership of term %d ends in %v unless one does", m.now.Sub(m.lease.From), m.lease.Term, m.remaining())
	case m.phase == PhaseCeasing && !late && !m.acted:
		m.phase = PhaseLeading
		m.reason = "a majority answers again"
	}
	if m.phase == PhaseCeasing && !m.killed && m.now >= m.lease.Until-Instant(m.config.KillMargin) {
		m.killed, m.acted = true, true // there is no way back
		m.emit(KillMembers{Term: m.lease.Term, Reason: "the lease ends in " + m.remaining().String()})
	}
}

// ceaseBefore is how long before its end a lease begins to cease; a longer one (of a
// planned restart) is not given up early.
func (m *Machine) ceaseBefore() time.Duration {
	return m.config.ownLease(m.config.Lease) - m.config.CeaseAfter
}

// renewSoon sends the next renewal with this step.
func (m *Machine) renewSoon() {
	if m.leads() {
		m.renewAt = m.now
	}
}

// renew asks everybody for a promise; those that cannot give one hear the news, less often.
func (m *Machine) renew(lease time.Duration) {
	round := roundSent{round: m.nextRound(), sent: m.now, until: m.now.Add(m.config.ownLease(lease))}
	m.rounds = append(m.rounds, round)
	if len(m.rounds) > keptRounds {
		m.rounds = m.rounds[1:]
	}
	released := Term(0)
	if m.graceRound == 0 && lease == m.config.Lease && !m.endless() {
		released = m.lease.Term
		m.lease.Until = min(m.lease.Until, round.until)
	}
	message := Message{
		Released: released, Kind: KindRenew, Term: m.lease.Term, Round: round.round, Lease: lease, Vice: m.vice, Progress: m.progress,
	}
	for _, change := range m.changes {
		message.Changes = append(message.Changes, m.now.Sub(change))
	}
	ask := func(id NodeID) {
		message.To = id
		m.send(message)
	}
	m.everyone(matters, ask)
	m.everyone(m.turn(), ask)
	m.renewAt = m.now.Add(m.config.RenewEvery)
	if m.untold {
		m.renewAt = min(m.renewAt, m.tellAt)
	}
}

// promised takes an answer to a renewal.
func (m *Machine) promised(message Message) {
	if !m.leads() || message.Term != m.lease.Term {
		m.stale++

		return
	}
	if message.Refusal == RefusalTerm && message.MasterTerm > m.lease.Term {
		m.lose("term " + termText(message.MasterTerm) + " of " + string(message.Master) + " has begun")

		return
	}
	i := slices.IndexFunc(m.rounds, func(r roundSent) bool { return r.round == message.Round })
	node, _ := m.config.node(message.From)
	if i < 0 || !node.Vote || message.Refusal != RefusalNone {
		if i < 0 {
			m.stale++
		}

		return
	}
	before := m.answers[message.From]
	m.answers[message.From] = answered{from: max(before.from, m.rounds[i].sent), until: max(before.until, m.rounds[i].until)}
	m.extend()
	if m.graceUntil != 0 && m.majorityOf(func(a answered) Instant { return a.until }) >= m.graceEnd() {
		m.graceUntil = 0
		m.emit(RestartGranted{Until: m.lease.Until})
	}
}

// graceEnd is the lease that the first round of a planned restart would give.
func (m *Machine) graceEnd() Instant {
	i := slices.IndexFunc(m.rounds, func(r roundSent) bool { return r.round == m.graceRound })
	if i < 0 {
		return Forever
	}

	return m.rounds[i].until
}

// extend moves the end of the lease to what a majority has promised. It never moves it back.
func (m *Machine) extend() {
	m.lease.From = max(m.lease.From, m.majorityOf(func(a answered) Instant { return a.from }))
	if m.endless() {
		m.lease.Until = Forever
	} else {
		m.lease.Until = max(m.lease.Until, m.majorityOf(func(a answered) Instant { return a.until }))
	}
}

// majorityOf is the highest value that a majority of voters reaches. This node's own
// promise and that of a fenced one hold as of the newest round.
func (m *Machine) majorityOf(value func(answered) Instant) Instant {
	newest := answered{from: m.lease.From, until: m.lease.Until}
	if n := len(m.rounds); n > 0 {
		newest = answered{from: m.rounds[n-1].sent, until: m.rounds[n-1].until}
		for _, round := range m.rounds {
			newest.until = max(newest.until, round.until)
		}
	}
	values := m.values[:0]
	for _, id := range m.voterIDs {
		if id == m.config.Self || m.fenced[id] {
			values = append(values, value(newest))
		} else {
			values = append(values, value(m.answers[id]))
		}
	}
	slices.Sort(values)
	m.values = values

	return values[len(values)-m.majority()]
}

// serves follows what runs on this node.
func (m *Machine) serves(serving bool) {
	m.serving = serving
	if serving {
		return
	}
	switch m.phase {
	case PhaseRestoring:
		m.phase = PhaseFollowing
		m.reason = "the old mastership has come to rest"
	case PhaseCeasing: // demoted, or never promoted
		m.giveUp("", "no majority answered") // unplanned, and counted as such by the next
	case PhaseUnknown, PhaseAway, PhaseForming, PhaseFollowing, PhasePreVoting, PhaseCampaigning, PhaseLeading:
	}
}

// release gives the role back, planned. A node without the role has nothing to give back.
func (m *Machine) release(to NodeID) error {
	switch {
	case !m.leads():
		return nil
	case m.serving:
		return refuse("release the mastership", ErrServing, "its demote must end first")
	}
	if to == "" {
		if m.now.Sub(m.since) > m.config.FlapWindow {
			m.failures = 0 // it has served well
		}
		m.failures++
		m.notBefore = m.now.Add(min(firstBackOff<<min(m.failures-1, 10), longestBackOff))
		to = m.vice
	}
	m.giveUp(to, "released")

	return nil
}

// giveUp ends a mastership of which nothing runs any more, and sets its voters free.
func (m *Machine) giveUp(to NodeID, why string) {
	term := m.lease.Term
	m.end()
	m.phase = PhaseFollowing
	m.released = max(m.released, term)
	m.note(TopicReleased, "the mastership of term %d is given back: %s", term, why)
	m.forget(why)
	m.reserve(to)
	m.heir = to
	if to != "" {
		m.waitUntil = m.now.Add(m.config.Lease) // it is somebody else's now
		m.insistLeft, m.insistAt = insistTimes, m.now.Add(m.config.RenewEvery)
	}
	m.everyone(anybody, func(id NodeID) { m.send(Message{Kind: KindRelease, To: id, Term: term, Target: to}) })
}

// insistTimes is how often a hand-over is repeated while no new master is heard.
const insistTimes = 4

// insist repeats a hand-over, because one lost message must not undo it.
func (m *Machine) insist() {
	if m.insistLeft == 0 || m.now < m.insistAt {
		return
	}
	m.insistLeft, m.insistAt = m.insistLeft-1, m.now.Add(m.config.RenewEvery)
	if m.known || m.state.MasterTerm > m.released {
		m.insistLeft = 0

		return
	}
	m.disclaim(matters)
}

// lose ends a mastership whose lease is over.
func (m *Machine) lose(why string) {
	term := m.lease.Term
	if !m.killed && m.serving {
		m.emit(KillMembers{Term: term, Reason: why})
	}
	m.end()
	m.phase = PhaseFollowing
	if m.serving {
		m.phase = PhaseRestoring
	}
	m.released = max(m.released, term)
	m.note(TopicLost, "the mastership of term %d is lost: %s", term, why)
	m.forget(why)
}

// end clears what a mastership has left. Its own promise to itself is over with it.
func (m *Machine) end() {
	if m.graceUntil != 0 {
		m.emit(RestartGranted{})
	}
	m.master = master{}
	if m.promise.to == m.config.Self {
		m.promise = promise{}
	}
}

// planRestart asks for one long promise.
func (m *Machine) planRestart() {
	if !m.leads() || m.acted || m.lease.Until == Forever || m.config.RestartGrace == 0 {
		m.emit(RestartGranted{Until: m.Lease().Until})

		return
	}
	m.graceUntil = m.now.Add(m.config.Lease)
	m.renew(m.config.RestartGrace)
	m.graceRound = m.rounds[len(m.rounds)-1].round
	m.give(Message{Kind: KindRenew, From: m.config.Self, Term: m.lease.Term, Lease: m.config.RestartGrace})
	m.extend()
}
