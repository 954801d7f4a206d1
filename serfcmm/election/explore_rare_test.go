package election

import (
	"slices"
)

// rareStates are those that an exploration must reach to be worth anything.
func rareStates() map[string]*int {
	states := map[string]*int{}
	for _, name := range []string{
		"vote after the campaign was given up",
		"vote counted when part of the lease is gone",
		"vote granted after the old lease has run out unnoticed",
		"vote granted for a released term whose release was missed",
		"vote refused because of a running promise",
		"vote asked for twice",
		"two candidates of one term",
		"two candidates, each with a vote for itself, both give up",
		"candidate yields to a master",
		"candidate is cut and releases its term",
		"renewal refused because of a vote",
		"renewal that comes twice",
		"voter of a higher term promises the living master",
		"promise after the mastership is over",
		"step after the end of the lease loses first",
		"ceasing taken back",
		"no way back after demote has acted",
		"members killed in time",
		"agent back within the lease",
		"agent back after the lease",
		"voter restarts under a promise",
		"master cut and its term released",
		"release of an older term does not void a newer promise",
		"release overtaken by the next master",
		"handover to the named node",
		"old master elected again after a handover",
		"planned restart granted",
		"planned restart not granted",
		"long promise given back",
		"late renewal leaves the long promise",
	} {
		states[name] = new(int)
	}

	return states
}

// glance is what the table wants to know of the state before a move.
type glance struct {
	phases   []Phase
	promises []promise
	leases   []Lease
	states   []State
	released []Term
	acted    []bool
	now      Instant
	holders  int
	long     []bool
}

func (w *world) look() glance {
	g := glance{now: w.now, holders: len(w.holders)}
	for _, s := range w.sites {
		m := s.machine
		g.phases = append(g.phases, m.phase)
		g.promises = append(g.promises, m.promise)
		g.leases = append(g.leases, m.lease)
		g.states = append(g.states, m.state)
		g.released = append(g.released, m.released)
		g.acted = append(g.acted, m.acted)
		g.long = append(g.long, m.promise.until != Forever && m.promise.until.Sub(w.now) > m.config.promise(m.config.Lease))
	}

	return g
}

// meet notes which rare states a move went through.
func (w *world) meet(sometimes map[string]*int, before glance, next move) {
	note := func(name string, met bool) {
		if met {
			*sometimes[name]++
		}
	}
	i := next.node
	m, phase := w.sites[i].machine, before.phases[i]
	led := phase == PhaseLeading || phase == PhaseCeasing
	lost := led && !m.leads()
	held := before.promises[i].to != "" && before.promises[i].until > before.now
	w.meetMessage(note, before, next, held)
	campaigns := 0
	for _, s := range w.sites {
		if s.machine.phase == PhaseCampaigning {
			campaigns++
		}
	}
	note("two candidates of one term", campaigns > 1)
	note("two candidates, each with a vote for itself, both give up", phase == PhaseCampaigning && m.phase != PhaseCampaigning && !m.leads() && w.rival(before, i))
	note("step after the end of the lease loses first", lost && before.now >= before.leases[i].Until)
	note("ceasing taken back", phase == PhaseCeasing && m.phase == PhaseLeading)
	note("no way back after demote has acted", before.acted[i] && m.acted && m.lease.Until > before.leases[i].Until)
	note("members killed in time", m.killed && m.leads())
	note("agent back within the lease", next.kind == "kill" && led && m.leads())
	note("agent back after the lease", next.kind == "kill" && lost)
	note("voter restarts under a promise", (next.kind == "kill" || next.kind == "power") && !led && held && before.promises[i].to != m.config.Self)
	note("master cut and its term released", next.kind == "power" && led && w.says(KindRelease, m.config.Self, before.leases[i].Term))
	note("candidate is cut and releases its term", next.kind == "power" && phase == PhaseCampaigning && w.says(KindRelease, m.config.Self, before.states[i].Term))
	note("old master elected again after a handover", len(w.holders) > before.holders && m.leads() && w.ledBefore(m))
	note("planned restart granted", led && m.leads() && before.leases[i].Until.Sub(before.now) <= m.config.Lease && m.lease.Until != Forever && m.lease.Until.Sub(w.now) > m.config.Lease)
	note("planned restart not granted", lost && m.state.Hold > m.config.promise(m.config.Lease) && before.leases[i].Until.Sub(before.now) <= m.config.Lease)
}

// meetMessage is the part about messages.
func (w *world) meetMessage(note func(string, bool), before glance, next move, held bool) {
	if next.message == nil {
		return
	}
	i, message := next.node, *next.message
	m, phase, promise := w.sites[i].machine, before.phases[i], before.promises[i]
	granted := m.state.Term == message.Term && m.state.Vote == message.From && m.promise.to == message.From && m.promise.term == message.Term
	fresh := granted && before.states[i].Term < message.Term
	led := phase == PhaseLeading || phase == PhaseCeasing
	switch message.Kind {
	case KindVote:
		note("vote granted for a released term whose release was missed", fresh && message.Released != 0 && held && promise.to != message.From && promise.term == message.Released)
		note("vote granted after the old lease has run out unnoticed", fresh && w.unnoticed())
		note("vote refused because of a running promise", !granted && held && promise.to != message.From && message.Term > before.states[i].Term)
		note("vote asked for twice", granted && !fresh && next.kind == "again")
	case KindVoteReply:
		note("vote after the campaign was given up", message.Refusal == RefusalNone && !led && (phase != PhaseCampaigning || before.states[i].Term != message.Term))
		note("vote counted when part of the lease is gone", m.leads() && !led && m.lease.From < before.now)
	case KindRenew:
		follows := m.known && m.masterID == message.From
		note("candidate yields to a master", (phase == PhaseCampaigning || phase == PhasePreVoting) && m.phase == PhaseFollowing && follows)
		note("renewal refused because of a vote", follows && held && promise.to != message.From && m.promise == promise)
		note("renewal that comes twice", next.kind == "again" && m.lastRound == message.Round)
		note("voter of a higher term promises the living master", m.promise.to == message.From && m.state.Term > message.Term && m.promise.term == message.Term)
		note("long promise given back", before.long[i] && promise.to == message.From && m.promise.until < promise.until)
		note("late renewal leaves the long promise", before.long[i] && promise.to == message.From && message.Released != 0 && m.promise.until == promise.until)
	case KindPromise:
		note("promise after the mastership is over", !led && message.Refusal == RefusalNone)
	case KindRelease:
		note("release of an older term does not void a newer promise", held && promise.to == message.From && promise.term > message.Term && m.promise == promise)
		note("release overtaken by the next master", m.state.MasterTerm > message.Term)
		note("handover to the named node", message.Target == m.config.Self && m.phase == PhaseCampaigning)
	case KindUnknown, KindPreVote, KindPreVoteReply, KindProbe, KindReport:
	}
}

// rival: another node asked for votes in the same term.
func (w *world) rival(before glance, i int) bool {
	for k, phase := range before.phases {
		if k != i && before.states[k].Term == before.states[i].Term && before.states[k].Vote == w.sites[k].machine.config.Self && phase != PhaseLeading {
			return true
		}
	}

	return false
}

// says: such a message is in the air.
func (w *world) says(kind Kind, from NodeID, term Term) bool {
	return slices.ContainsFunc(w.air, func(m Message) bool { return m.Kind == kind && m.From == from && m.Term == term })
}

// unnoticed: a node believes that it leads, and its lease is over.
func (w *world) unnoticed() bool {
	return slices.ContainsFunc(w.sites, func(s *site) bool { return s.machine.leads() && !s.machine.MayAct(w.now) })
}

// ledBefore: the master has held an older term, and another node one in between.
func (w *world) ledBefore(m *Machine) bool {
	mine, others := Term(0), Term(0)
	for term, holder := range w.holders {
		if term == m.lease.Term {
			continue
		}
		if holder == m.config.Self {
			mine = max(mine, term)
		} else {
			others = max(others, term)
		}
	}

	return mine != 0 && others > mine
}
