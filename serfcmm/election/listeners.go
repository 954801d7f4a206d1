package election

import "time"

const (
	// A node that only listens hears a renewal in every third of a lease, so that two may get lost.
	listenerShare = 3
	// So many of them may hear it at once at any time.
	listenersAtOnce = 32
	// After news all of them were told, there is this much time for each before the next news is:
	// some four times what a message and its answer cost a master.
	listenerPause = 100 * time.Microsecond
)

// listeners is what a master keeps of those that neither vote nor may stand. They hear a
// share of the renewals, and news at once.
type listeners struct {
	// listened counts those that have heard a renewal in the cycle that ends at slowAt.
	slowAt   Instant
	listened int
	// untold: there is news that not all of them were told; tellAt is when they may be.
	untold bool
	tellAt Instant
	// toldAt is when all of them were told, in this cycle; 0 = they were not.
	toldAt Instant
}

// tellSoon sends the next renewal with this step, to the listeners too: there is news.
func (m *Machine) tellSoon() {
	if m.leads() {
		m.untold = true
		m.renewSoon()
	}
}

func (m *Machine) isListener(node Node) bool { return !matters(node) && node.ID != m.config.Self }

// turn says which of the listeners hear this renewal. News goes to all of them at once, and
// in what is left of the cycle again to those that have not answered. Otherwise it is those
// whose turn it is, in the order of the table: hundreds of messages at once, and as many
// answers, would stand in the way of those that count. News that follows faster than they can
// be told is told together.
func (m *Machine) turn() func(Node) bool {
	all := 0
	for _, node := range m.config.Nodes {
		if m.isListener(node) {
			all++
		}
	}
	cycle := m.config.Lease / listenerShare
	tells := m.untold && m.now >= m.tellAt
	if tells || m.now >= m.slowAt {
		m.slowAt, m.listened, m.toldAt = m.now.Add(cycle), 0, 0
	}
	passed := min(m.now.Sub(m.slowAt-Instant(cycle))+m.config.RenewEvery, cycle)
	upTo := min(all, max(m.listened+listenersAtOnce, int(int64(all)*int64(passed)/int64(cycle))))
	if tells {
		upTo, m.untold = all, false
	}
	if tells && all > 0 {
		m.toldAt, m.tellAt = m.now, m.now.Add(min(time.Duration(all)*listenerPause, m.config.RenewEvery))
	}
	from, at := m.listened, -1
	m.listened = upTo

	return func(node Node) bool {
		if !m.isListener(node) {
			return false
		}
		at++

		return at >= from && at < upTo || m.missed(node.ID)
	}
}

// missed says that a listener that is there has not answered since all were told.
func (m *Machine) missed(id NodeID) bool {
	return m.toldAt != 0 && m.now > m.toldAt && m.peers[id].heard < m.toldAt && m.alive(id, 3*m.config.Lease)
}
