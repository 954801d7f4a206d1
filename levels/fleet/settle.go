package fleet

import (
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// A table of more than maxRoll nodes is not asked one by one: its new master only waits.
const maxRoll = 16

// settling is what a new master does before it gives out a turn. It waits until the cards show
// what is in progress; when somebody waits for that, it asks the other nodes, and is done as
// soon as each has said that it has nothing in progress.
type settling struct {
	// roll counts the reigns, so that an answer to an earlier one does not count.
	roll uint64
	// idle are who has said so in this reign, rolled those whose answer is awaited.
	idle, rolled map[levels.NodeID]bool
	rollAt       levels.Instant
	// hurried: an operation on the whole cluster was put off until later.
	hurried bool
}

// enthrone begins a reign of this node.
func (m *Machine) enthrone() {
	m.reign, m.serial = m.now, 0
	m.settling = settling{roll: m.roll + 1, idle: map[levels.NodeID]bool{}, rolled: map[levels.NodeID]bool{}}
}

// settleBy is from when on a new master gives out turns, whoever is silent.
func (m *Machine) settleBy() levels.Instant { return m.reign.Add(m.config.Limits.Settle) }

// settled says that the owner may be given a turn as far as this reign's age is concerned: all
// that the others have in progress is known.
func (m *Machine) settled(owner levels.NodeID) bool {
	if m.now >= m.settleBy() {
		return true
	}
	if owner != m.config.Self && len(m.held) > 0 {
		return false
	}
	for i := range m.cluster.Nodes {
		if node := &m.cluster.Nodes[i]; node.Node != owner && m.inquired(node) && !m.idle[node.Node] {
			return false
		}
	}

	return true
}

// inquired says that it counts what the node has in progress.
func (m *Machine) inquired(node *Node) bool { return node.Node != m.config.Self && !node.gone() }

// hurry says that somebody waits until this master has settled.
func (m *Machine) hurry() bool {
	return m.cluster.Leading && m.now < m.settleBy() && (len(m.questions)+len(m.asks) > 0 || m.hurried)
}

// callRoll asks who has not said yet that it has nothing in progress.
func (m *Machine) callRoll() {
	if !m.hurry() || m.now < m.rollAt {
		return
	}
	for _, node := range m.unasked() {
		m.rolled[node] = true
		m.rollAt = m.now.Add(m.config.Limits.Roll)
		m.emit(AskIdle{To: node, Term: m.cluster.Term, Roll: m.roll})
	}
}

// unasked are those that have not said that they are idle and are not asked now.
func (m *Machine) unasked() []levels.NodeID {
	if len(m.cluster.Nodes) > maxRoll {
		return nil
	}
	var unasked []levels.NodeID
	for i := range m.cluster.Nodes {
		node := &m.cluster.Nodes[i]
		if m.inquired(node) && !m.idle[node.Node] && !m.rolled[node.Node] {
			unasked = append(unasked, node.Node)
		}
	}

	return unasked
}

// idleAnswered takes the answer. What the node's card shows besides may be late.
func (m *Machine) idleAnswered(ev IdleAnswered) {
	if ev.Roll != m.roll || !m.cluster.Leading {
		return
	}
	delete(m.rolled, ev.From)
	if !ev.Idle {
		return
	}
	m.idle[ev.From] = true
	if ev.Number != 0 {
		m.passed(ev.From, ev.Number)
	}
}

// Idle answers the master of the term that asks whether this node has something in progress,
// or may get a turn yet from another master or an earlier life of this one; number is its newest
// operation that is over.
func (m *Machine) Idle(master levels.NodeID, term levels.Term) (idle bool, number levels.OperationID) {
	known := m.cluster.Master == master && m.cluster.Term == term
	own := m.cluster.node(m.config.Self).Operation != levels.OperationUnknown || len(m.held) > 0 || m.plan != nil
	asking := slices.ContainsFunc(m.asks, func(a asking) bool { return a.asked == master })

	return known && !own && !asking, m.newest
}
