package sim

import (
	"math"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Here the rare states are noticed. Nothing in this file decides anything, but for what a
// node has heard (heard, reported) and whether it may have forgotten a vote (forgot), which
// the invariants need.

// heard is what the newest message of another node said; the last one came at the reading at.
type heard struct {
	standing election.Standing
	fresh    bool
	hash     string
	serial   uint64
	at       election.Instant
	true     int64 // the true time of at
}

func (w *world) noteStart(n *node, start election.Start) {
	n.reported, n.releaseHeard, n.born = 0, 0, start.Now
	n.heard = [MaxNodes]heard{}
	for i := range w.nodes {
		w.truth.promises[n.index][i].made = math.MaxUint64
	}
	if n.disk == nil {
		n.forgot, n.blank = true, w.t
		w.truth.votes[n.index] = vote{}
	}
	if w.faulty == n.index {
		w.truth.votes[n.index] = vote{}
	}
	switch {
	case start.Lease.Term != 0 && start.Now >= start.Lease.Until:
		w.rare.met(RareRecordOver)
	case start.Lease.Term != 0:
		w.rare.met(RareRoleKept)
	}
	if start.Lease.Term != 0 && start.Now < start.Lease.Until && n.stopped != 0 && w.t-n.stopped > int64(w.plan.Lease) {
		w.rare.met(RareGraceKept)
	}
	n.goodbyes = start.Lease.Term == 0
}

// noteReceived looks at a message before the machine does.
func (w *world) noteReceived(n *node, l *letter) {
	m := &l.message
	if n.left {
		return
	}
	now := n.clock.read(w.t)
	if h := &n.heard[l.from]; m.Serial > h.serial || now.Sub(h.at) > w.plan.Lease {
		h.standing, h.hash, h.serial = m.Standing, m.Hash, m.Serial
	}
	n.heard[l.from].fresh = m.Fresh
	n.heard[l.from].at, n.heard[l.from].true = now, w.t
	if n.named == m.From && !w.couldBeVice(n, int(l.from)) {
		n.namedAt = 0 // whatever it says next, it may be replaced
	}
	if n.fenced>>l.from&1 == 1 { // what it has got by the operator's word lasts to its end
		n.fenced &^= 1 << l.from
		n.worded = n.clock.when(n.machine.Lease().Until)
	}
	if l.sent < w.nodes[l.from].lives {
		w.rare.met(RareReplayOtherLife)
	}
	switch m.Kind {
	case election.KindReport, election.KindProbe:
		n.reported |= 1 << l.from
	case election.KindVoteReply:
		if m.Refusal == election.RefusalNone && n.campaign != m.Term && n.wanted > m.Term {
			w.rare.met(RareLateVote)
		}
	case election.KindPromise:
		if n.acted && n.told && m.Refusal == election.RefusalNone && m.Term == n.term {
			w.rare.met(RareTooLate)
		}
	case election.KindRelease:
		n.releaseHeard = m.Term
	case election.KindUnknown, election.KindPreVote, election.KindPreVoteReply, election.KindVote, election.KindRenew:
	}
}

// noteSent looks at a message that leaves a node.
func (w *world) noteSent(n *node, m *election.Message) {
	switch m.Kind {
	case election.KindVoteReply, election.KindPreVoteReply, election.KindPromise:
		w.noteAnswer(n, m)
	case election.KindVote:
		w.noteCampaign(n, m)
	case election.KindRelease:
		w.noteRelease(n, m)
	case election.KindRenew:
		if n.config.Hash != "a" {
			w.rare.met(RareDriftMaster)
		}
		n.campaign = 0
	case election.KindUnknown, election.KindPreVote, election.KindProbe, election.KindReport:
	}
}

func (w *world) noteAnswer(n *node, m *election.Message) {
	if row, known := refusalRow(m.Refusal); known {
		w.rare.met(row)
		if m.Refusal == election.RefusalPromised && w.t-n.woken < int64(w.plan.Lease) && n.promisedAt < n.woken && n.disk != nil && n.disk.Promised != n.id {
			w.rare.met(RareRestartWaits)
		}

		return
	}
	if m.Refusal != election.RefusalNone || m.Kind == election.KindPreVoteReply {
		return
	}
	if m.Kind == election.KindPromise {
		w.notePromise(n, m)
	} else {
		w.noteVote(n, m)
	}
	n.promisedAt = w.t
}

func (w *world) notePromise(n *node, m *election.Message) {
	if !n.table.Vote {
		return
	}
	if n.disk != nil && n.disk.Term > m.Term {
		w.rare.met(RareOldTermRenewed)
	}
	if n.promisedAt < n.woken && n.woken > int64(w.plan.Lease) {
		w.rare.met(RarePromisedRenewed)
	}
	if n.promisedAt != 0 && w.t-n.promisedAt > 2*int64(w.plan.Lease) {
		w.rare.met(RareLongGone)
	}
}

func (w *world) noteVote(n *node, m *election.Message) {
	for other := range w.nodes {
		p := &w.truth.promises[n.index][other]
		t := w.truth.of(p.term)
		if w.nodes[other].id == m.To || p.term == 0 || t == nil || int(t.holder) != other {
			continue
		}
		if t.released>>other&1 == 0 && p.until <= w.t {
			w.rare.met(RareVoteAfterLease)
		}
		if n.question != nil && n.question.message.Released == p.term && n.releaseHeard != p.term && p.until > w.t {
			w.rare.met(RareReleasedByWord)
		}
	}
}

func refusalRow(refusal election.Refusal) (Rare, bool) {
	switch refusal {
	case election.RefusalPromised:
		return RareRefusedPromised, true
	case election.RefusalTerm:
		return RareRefusedTerm, true
	case election.RefusalVoted:
		return RareRefusedVoted, true
	case election.RefusalHash:
		return RareRefusedHash, true
	case election.RefusalUnproven:
		return RareRefusedUnproven, true
	case election.RefusalServing:
		return RareRefusedServing, true
	case election.RefusalNone, election.RefusalCandidate, election.RefusalStandsBy, election.RefusalUnsaved:
	}

	return 0, false
}

// noteCampaign: n asks for votes.
func (w *world) noteCampaign(n *node, m *election.Message) {
	n.campaign, n.wanted = m.Term, m.Term
	if t := w.truth.of(m.Term); t != nil {
		t.candidates |= 1 << n.index
		if ones(t.candidates) > 1 && t.holder < 0 {
			w.rare.met(RareSplitVote)
		}
	}
	for i := range w.nodes {
		if other := &w.nodes[i]; other != n && other.machine != nil && other.campaign != 0 {
			w.rare.met(RareTwoCandidates)
		}
	}
}

func (w *world) noteRelease(n *node, m *election.Message) {
	if n.goodbyes && m.Term <= n.term {
		n.goodbyes = false
		w.rare.met(RareGoodbye)
	}
	if n.campaign == m.Term {
		n.campaign = 0
	} else if m.Target == "" && n.term == m.Term {
		w.rare.met(RareReleasedToNobody)
	}
}

// noteElected looks at a mastership that begins, in a term that has no holder yet.
func (w *world) noteElected(n *node, term election.Term) {
	n.campaign = 0
	if !n.table.Vote {
		w.rare.met(RareNonVoterElected)
	}
	last := w.truth.of(w.truth.newest)
	if last == nil || last.holder < 0 || int(last.holder) == n.index {
		return
	}
	switch old := &w.nodes[last.holder]; {
	case last.released>>last.holder&1 == 1 && old.target == n.id && term == w.truth.newest+1:
		w.rare.met(RareHandedOver)
	case last.released>>last.holder&1 == 0 && w.vice == n.index:
		w.rare.met(RareViceElected)
	case last.released>>last.holder&1 == 0:
		w.rare.met(RareOtherElected)
	}
}

// begins: n acts as the master from now on.
func (w *world) begins(n *node) {
	if w.truth.ender < 0 || w.truth.ender == n.index {
		return
	}
	old := &w.nodes[w.truth.ender]
	last := w.truth.of(old.term)
	if last == nil || last.released>>old.index&1 == 1 {
		return
	}
	if gap := w.t - old.leaseEnd; gap >= 0 && gap*100 < int64(w.plan.Lease) {
		w.rare.met(RareTightBound)
	}
}

// viceNamed keeps whom the newest master wants, and looks at how it fares.
func (w *world) viceNamed(n *node, vice election.NodeID) {
	if vice != n.named {
		w.checkSits(n, vice)
		n.namedAt = w.t
	}
	w.vice, n.named = w.index(vice), vice
	if w.plan.Hold && len(w.nodes) == 2 && w.nodes[1-n.index].machine == nil {
		w.rare.met(RareHeldOn)
	}
}

// noted takes the machine's own news.
func (w *world) noted(note election.Note) {
	if note.Topic == election.TopicHeld {
		w.rare.met(RareFlapHeld)
	}
}

// proven checks the reason for which a voter without a memory may vote.
func (w *world) proven(n *node, state *election.State) {
	n.forgot = false
	others := (w.plan.Voters | w.plan.Eligible) &^ (1 << n.index)
	waited := n.clock.read(w.t) - n.born
	switch {
	case w.faulty == n.index && n.trusted:
	case n.reported&others == others:
		w.rare.met(RareProven)
		if ever := w.truth.ever[n.index]; state.Term < ever && w.truth.lost == 1 {
			w.fail("P2", "%s is proven at term %d, and has voted in term %d before its disk was lost", n.id, state.Term, ever)
		}
	case waited >= election.Instant(n.config.FormationTimeout) && ones((n.reported|1<<n.index)&w.plan.Voters) >= w.plan.majority():
		w.rare.met(RareFormation)
	default:
		w.fail("P2", "%s takes itself for proven, of the others only %b have told their terms", n.id, n.reported)
	}
}

// noteLost: n ceases, or has lost its lease.
func (w *world) noteLost(n *node) {
	deaf, mute := 0, false
	for i := range w.nodes {
		if i != n.index && w.plan.Voters>>i&1 == 1 && w.net.cut[i][n.index] > 0 {
			deaf++
		}
		mute = mute || w.net.cut[n.index][i] > 0
	}
	if !mute && ones(w.plan.Voters)-deaf < w.plan.majority() {
		w.rare.met(RareOneWay)
	}
}
