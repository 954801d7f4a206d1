package election

import (
	"errors"
	"fmt"
)

// Check tells every invariant that does not hold, by name; nil when all do.
//
//	term-order      the term voted in is at least every elected one seen
//	lease-led       a lease belongs to a leading phase, and to the master's own term
//	lease-order     a lease ends after it begins
//	one-ballot      a ballot belongs to its phase, and a master has none
//	vote-self       a campaign is for the term in which this node voted for itself
//	promise-disk    (I8) a running promise is on disk, or will be with the next Persist
//	hold-disk       a running promise is not longer than what a restart would wait
//	restore-serves  who restores still serves
//	unproven-silent an unproven voter does not stand
//	knows-term      a known master is that of the highest elected term
//	away-quiet      who has left leads nothing and asks nothing
//	vice-stays      the vice that was named would be named again, so that it does not flicker
func (m *Machine) Check() error {
	var broken []error
	test := func(name string, holds bool) {
		if !holds {
			broken = append(broken, fmt.Errorf("invariant %s does not hold", name))
		}
	}
	b := m.ballot
	test("term-order", m.state.Term >= m.state.MasterTerm || m.leads())
	test("lease-led", m.leads() == (m.lease.Term != 0) && (!m.leads() || m.lease.Term == m.state.MasterTerm && m.state.Master == m.config.Self))
	test("lease-order", !m.leads() || m.lease.Until > m.lease.From)
	test("one-ballot", (b != nil && b.pre) == (m.phase == PhasePreVoting) && (b != nil && !b.pre) == (m.phase == PhaseCampaigning))
	test("vote-self", b == nil || b.pre || m.state.Term == b.term && m.state.Vote == m.config.Self)
	running := m.promise.to != "" && m.promise.until > m.now
	test("promise-disk", !running || m.state.Promised == m.promise.to && m.state.PromisedTerm == m.promise.term)
	test("hold-disk", !running || m.state.Hold == Endless || m.promise.until != Forever && m.promise.until.Sub(m.now) <= m.state.Hold)
	test("restore-serves", m.phase != PhaseRestoring || m.serving)
	test("unproven-silent", m.proven || b == nil)
	test("knows-term", !m.known || m.masterID == m.state.Master)
	test("away-quiet", m.phase != PhaseAway || b == nil && m.lease.Term == 0 && !m.known)
	test("vice-stays", m.viceStays())

	return errors.Join(broken...)
}
