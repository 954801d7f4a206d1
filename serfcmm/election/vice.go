package election

import (
	"cmp"
	"slices"
)

// viceStay, in leases, is for how long a vice stays after its master's init is over, and after it
// was named, although another node would come first.
const viceStay = 3

// pickVice is the first node of the table that could take over at once; while there is none,
// the first that could once its init is over, so that the nodes of a cluster that come up
// together have a vice among them. Who is named stays for a while, and those before in the
// table are waited for before somebody is: a node that is vice for a moment has begun its
// init, or its services, for nothing.
func (m *Machine) pickVice() NodeID {
	if m.viceSits() {
		return m.vice
	}
	first := NodeID("") // of those whose init is not over
	for _, node := range m.config.Nodes {
		if !node.Eligible || m.peers[node.ID] == nil {
			continue
		}
		switch {
		case m.fit(node.ID):
			return node.ID
		case m.coming(node.ID):
			first = cmp.Or(first, node.ID)
		case m.awaited(node.ID):
			return first
		}
	}
	if m.coming(m.vice) {
		return m.vice
	}

	return first
}

// viceSits says that a node that comes first does not replace the vice yet: this node's init is
// under way or has just ended, so that others are about to end theirs; the vice was named a
// moment ago; or this agent has come back, and has heard it not yet.
func (m *Machine) viceSits() bool {
	if m.unheard(m.vice) {
		return m.now < m.since.Add(m.config.Lease)
	}

	return m.heardWell(m.vice) && (m.together() || m.now < m.named.Add(viceStay*m.config.Lease))
}

// awaited says that the node is there and may be about to say that it can be vice: nobody behind
// it in the table is named until then. This lasts for two renewals: after an election for those
// that have not answered yet; and when somebody could be named again, unless somebody could take
// over at once, and it was not all agents that have just come up.
func (m *Machine) awaited(id NodeID) bool {
	moment := 2 * m.config.RenewEvery
	if !m.alive(id, viceStay*m.config.Lease) {
		return false
	}
	if m.peers[id].heard < m.since {
		return m.now < m.since.Add(moment) && id != m.before
	}

	return m.vice == "" && m.now < m.choice.Add(moment) && (m.first || !m.some(m.fit))
}

// choose names the vice anew, if it is another.
func (m *Machine) choose() {
	switch {
	case !m.some(m.heardWell):
		m.choice = 0
	case m.choice == 0:
		m.choice = m.now
	}
	if vice := m.pickVice(); vice != m.vice {
		m.vice, m.named = vice, m.now
		m.tellSoon()
	}
}

// some says that one of those that may ever be vice is so.
func (m *Machine) some(is func(NodeID) bool) bool {
	return slices.ContainsFunc(m.config.Nodes, func(node Node) bool { return node.Eligible && is(node.ID) })
}

// choiceEnds is when nodes are no longer waited for and somebody is named; 0 = not waited for.
func (m *Machine) choiceEnds() Instant {
	if m.choice == 0 || m.vice != "" {
		return 0
	}

	return m.choice.Add(2 * m.config.RenewEvery)
}

// fit says that the node could take over at once: it was heard in this mastership, lately.
func (m *Machine) fit(id NodeID) bool { return m.heardWell(id) && m.peers[id].standing.Up }

// coming says that the node could take over but for its init.
func (m *Machine) coming(id NodeID) bool { return m.heardWell(id) && !m.peers[id].standing.Up }

func (m *Machine) heardWell(id NodeID) bool {
	p := m.peers[id]

	return p != nil && p.heard >= m.since && m.alive(id, 3*m.config.Lease) &&
		!p.unproven && p.hash == m.config.Hash && p.standing.Qualified
}

// together says that this node's own init is under way or has just ended, so that others are
// about to end theirs: a vice among them is not replaced by one that is a moment faster.
func (m *Machine) together() bool {
	return m.progress.Started && !m.progress.Complete || m.completed != 0 && m.now < m.completed.Add(viceStay*m.config.Lease)
}

// progressed takes note of how far this node's init is.
func (m *Machine) progressed(progress Progress) {
	if progress == m.progress {
		return
	}
	switch {
	case !progress.Complete:
		m.completed = 0
	case !m.progress.Complete:
		m.completed = m.now
	}
	m.progress = progress
	m.tellSoon()
}

// unheard says that nothing is known of the node, because this agent has just started.
func (m *Machine) unheard(id NodeID) bool {
	p := m.peers[id]

	return p != nil && p.heard == 0
}

// viceStays says that who is named would be named again at this instant.
func (m *Machine) viceStays() bool { return !m.leads() || m.acted || m.pickVice() == m.vice }
