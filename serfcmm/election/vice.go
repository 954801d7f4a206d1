package election

import "cmp"

// pickVice is the first node of the table that could take over at once; while there is none,
// the first that could once its init is over, so that the nodes of a cluster that come up
// together have a vice among them. After all nodes have come up, or this agent has, it waits
// for a lease for those before in the table, and after any election for two renewals: they
// are about to be heard, and would replace at once whoever is named now.
func (m *Machine) pickVice() NodeID {
	if m.together() && m.coming(m.vice) {
		return m.vice
	}
	settling := m.first && m.now < m.since.Add(m.config.Lease)
	early := m.now < m.since.Add(2*m.config.RenewEvery)
	first := NodeID("") // of those whose init is not over
	for _, node := range m.config.Nodes {
		if !node.Eligible {
			continue
		}
		p := m.peers[node.ID]
		if p == nil {
			continue
		}
		if m.fit(node.ID) {
			return node.ID
		}
		if m.coming(node.ID) {
			first = cmp.Or(first, node.ID)

			continue
		}
		alive := m.alive(node.ID, 3*m.config.Lease)
		if settling && (alive || m.unheard(node.ID) && m.vice != "") || early && alive && p.heard < m.since && node.ID != m.before {
			return cmp.Or(m.kept(), first)
		}
	}
	if m.coming(m.vice) {
		return m.vice
	}

	return first
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
	return m.progress.Started && !m.progress.Complete || m.completed != 0 && m.now < m.completed.Add(3*m.config.Lease)
}

// progressed takes note of how far this node's init is.
func (m *Machine) progressed(progress Progress) {
	if progress == m.progress {
		return
	}
	switch {
	case !progress.Complete:
		m.completed = 0
	case !m.progress.Complete && m.progress.Started:
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

// kept is the vice of before, unless it is known that it cannot be.
func (m *Machine) kept() NodeID {
	if m.vice != "" && (m.heardWell(m.vice) || m.unheard(m.vice)) {
		return m.vice
	}

	return ""
}
