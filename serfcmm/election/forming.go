package election

// forming is what a voter without a trustworthy state waits for.
type forming struct {
	// proven: this voter may vote.
	proven  bool
	started Instant
	probeAt Instant
	// sayGoodbye: the disk tells of a mastership or campaign of this node that is over.
	sayGoodbye bool
}

// prove looks whether a voter without a trustworthy state may vote again. Its lost votes do
// no harm when it goes on above every term that any node has seen: all of them must be
// there to tell. A cluster that has never had a master has no votes to lose.
func (m *Machine) prove() {
	if m.proven {
		return
	}
	if m.phase == PhaseFollowing {
		m.phase = PhaseForming
	}
	all, highest := true, m.state.Term
	m.everyone(matters, func(id NodeID) {
		p := m.peers[id]
		lately := m.hasTold(id)
		all = all && lately
		if lately {
			highest = max(highest, p.term)
		}
	})
	voters := m.count(m.hasTold)
	switch {
	case all:
		m.believe(highest, "all nodes are present")
		m.foretold = highest
		if highest == 0 {
			m.quietUntil = 0 // there was no mastership that a forgotten promise could serve
		}
	case highest == 0 && voters >= m.majority() && m.now >= m.started.Add(m.config.FormationTimeout):
		m.believe(0, "formation: a majority is present, and none of it has ever seen a master")
	}
}

// hasTold says that the node has told its term lately, asked by this life of this node.
func (m *Machine) hasTold(id NodeID) bool {
	p := m.peers[id]

	return p != nil && p.toldAt != 0 && m.now.Sub(p.toldAt) <= 2*m.probeEvery()
}

// believe lets this voter vote, above every term that was seen.
func (m *Machine) believe(highest Term, why string) {
	m.proven, m.started = true, m.now
	if highest > m.state.Term {
		m.state.Term, m.state.Vote = highest, ""
	}
	m.adoptTable()
	m.dirty = true
	m.probeAt = m.now // who waits for this node's vote hears of it
	if m.phase == PhaseForming {
		m.phase = PhaseFollowing
	}
	m.note(TopicUnproven, "this node may vote from now on: %s", why)
}

// reset is the operator's word.
func (m *Machine) reset() error {
	if m.proven {
		return refuse("reset the voter", ErrNotNeeded, "its state file is in order")
	}
	highest := m.state.Term
	for _, p := range m.peers {
		highest = max(highest, p.term)
	}
	m.believe(highest, "an operator said so")

	return nil
}

// fence is the operator's word that a node is off.
func (m *Machine) fence(id NodeID) error {
	const operation = "take over from a fenced node"
	node, listed := m.config.node(id)
	switch {
	case !listed || id == m.config.Self:
		return refuse(operation, ErrUnknownNode, "%q is not another node of the table", id)
	case m.alive(id, 2*m.probeEvery()):
		return refuse(operation, ErrNotNeeded, "%s was heard %v ago, it is not off", id, m.now.Sub(m.peers[id].heard))
	case m.leads():
		return refuse(operation, ErrNotNeeded, "this node is the master")
	case !m.proven || !m.self().Eligible || !m.standing.Qualified:
		return refuse(operation, ErrNotNeeded, "this node cannot be the master: it must be eligible, qualified and its state in order")
	}
	m.fenced[id] = node.Vote
	if m.promise.to == id {
		m.promise = promise{}
		m.state.Promised, m.state.PromisedTerm, m.state.Hold = "", 0, 0
		m.dirty = true
	}
	if m.masterID == id {
		m.forget(string(id) + " is off, an operator says")
	}
	m.note(TopicFenced, "an operator says that %s is off; its vote counts as given until it is heard again", id)
	m.changes = nil
	m.forgive()

	return nil
}

// goodbye tells the others once what this node no longer does: after a boot nothing of its
// old mastership runs.
func (m *Machine) goodbye() {
	m.sayGoodbye = false
	m.disclaim(anybody)
	if !m.leads() && m.promise.to == m.config.Self {
		m.promise = promise{}
	}
}

// disclaim releases the terms in which this node was master or candidate: it does not act in
// them now and never will again.
func (m *Machine) disclaim(passes func(Node) bool) {
	if m.leads() || m.serving || m.phase == PhaseCampaigning {
		return
	}
	var terms []Term
	if m.state.Master == m.config.Self {
		terms = append(terms, m.state.MasterTerm)
	}
	if m.state.Vote == m.config.Self && m.state.Term != m.state.MasterTerm {
		terms = append(terms, m.state.Term)
	}
	for _, term := range terms {
		message := Message{Kind: KindRelease, Term: term}
		if term == m.released {
			message.Target = m.heir
		}
		m.everyone(passes, func(id NodeID) {
			message.To = id
			m.send(message)
		})
	}
}
