package sim

import (
	"math"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// The invariants. Names with an I are those of the design; the others follow from its
// lease rule and show a broken one even when no second master is near:
//
//	I1     at any instant at most one node is the master: by its lease check, by the record
//	       that its next agent takes up, or by members that run
//	I2     a term has one holder, terms of masterships rise, no voter votes twice in a term,
//	       and no term on disk falls
//	I3     nobody is elected, or takes a term back, while its old mastership comes to rest
//	I6     a lease never reaches beyond what a majority of voters has promised, true time
//	I7     a node that is disqualified, not eligible or drifted gets no vote and no role
//	I8     promise, vote and term are on disk before the message that tells them
//	P1     a voter answers nobody while a promise to another holds, true time
//	P2     a voter that serves, has no vote, or has no proof of its state answers nobody
//	fence  a node that was heard just now is not taken for off
//	grace  a planned restart is granted for as long as was asked
//	guard  an agent that is awake kills its members itself, in time
//	vice   a master names nobody vice that could not take over, or not as well as another
//	sits   and replaces nobody whom it has just named
//	busy   no machine wants to be woken again and again without doing anything
//	L1     after healing there is a master within three leases
//	L3     and all agree on it, its term and its vice

// checkOneMaster is I1, asked after a step of the node: only its own step can make it the
// master.
func (w *world) checkOneMaster(n *node) {
	if w.broken != nil {
		return
	}
	if !w.holds(n) {
		if w.truth.acting == n.index {
			w.truth.acting, w.truth.ender = -1, n.index
			if w.t-w.truth.began < int64(w.plan.Lease) {
				w.rare.met(RareQuick)
			}
		}

		return
	}
	if w.truth.acting == n.index {
		return
	}
	for i := range w.nodes {
		other := &w.nodes[i]
		if other != n && w.holds(other) {
			w.fail("I1", "%s (%s) and %s (%s) are masters at once", n.id, w.mastership(n), other.id, w.mastership(other))

			return
		}
	}
	w.begins(n)
	w.truth.acting, w.truth.began = n.index, w.t
}

// mastership says by what a node is a master, for people.
func (w *world) mastership(n *node) string {
	now := n.clock.read(w.t)
	switch {
	case n.machine == nil && n.record.Term != 0 && now < n.record.Until:
		return "a record of its lease until " + time.Duration(n.record.Until).String()
	case n.machine != nil && n.machine.MayAct(now):
		lease := n.machine.Lease()

		return "term " + text(lease.Term) + " until its " + time.Duration(lease.Until).String() + ", now " + time.Duration(now).String()
	}

	return "members that run"
}

// checkLease is I6, asked whenever a lease changes.
func (w *world) checkLease(n *node, before, after election.Lease) {
	if after.Term != 0 && before != after {
		w.checkCovered(n)
	}
}

// checkCovered is I6: at the end of the node's lease, by true time, the promises of a
// majority must still hold.
func (w *world) checkCovered(n *node) {
	lease := n.record
	if n.machine != nil {
		lease = n.machine.Lease()
	}
	over := n.clock.when(lease.Until)
	if lease.Term == 0 || over <= w.t {
		return
	}
	if lease.Until == election.Forever {
		over = math.MaxInt64
	}
	count := 0
	for voter := range w.nodes {
		p := &w.truth.promises[voter][n.index]
		switch {
		case w.plan.Voters>>voter&1 == 0:
		case voter == n.index, n.fenced>>voter&1 == 1, n.worded >= over, p.until >= over && p.term == lease.Term:
			count++
		}
	}
	if count < w.plan.majority() {
		w.fail("I6", "%s holds term %d until true time %v, of the voters only %d have promised that, want %d",
			n.id, lease.Term, time.Duration(over), count, w.plan.majority())
	}
}

// checkElected is what must hold when a node says that it is the master of a term.
func (w *world) checkElected(n *node, term election.Term) {
	t := w.truth.of(term)
	switch {
	case t == nil || term == 0:
		w.fail("I2", "%s is elected in term %d", n.id, term)

		return
	case int(t.holder) == n.index && w.faulty == n.index:
		return // its state file was replaced by an older one: it has forgotten that it held the term
	case t.holder >= 0:
		w.fail("I2", "%s is elected in term %d, which %s has held", n.id, term, name(int(t.holder)))
	case term <= w.truth.newest:
		w.fail("I2", "%s is elected in term %d after a mastership of term %d", n.id, term, w.truth.newest)
	case !n.table.Eligible || !n.standing.Qualified:
		w.fail("I7", "%s is elected: eligible %v, qualified %v", n.id, n.table.Eligible, n.standing.Qualified)
	case n.told:
		w.fail("I3", "%s is elected in term %d before its old mastership has come to rest", n.id, term)
	}
	w.noteElected(n, term)
	t.holder = int8(n.index)
	w.truth.newest = term
	w.truth.masterships++
}

// checkState is I2 for the disk.
func (w *world) checkState(n *node, state *election.State) {
	if n.disk != nil && (state.Term < n.disk.Term || state.MasterTerm < n.disk.MasterTerm) {
		w.fail("I2", "%s: the state file falls from %+v to %+v", n.id, *n.disk, *state)
	}
}

// checkSend looks at what leaves a node, sent by a step at the time at.
func (w *world) checkSend(n *node, to int, message *election.Message, at int64) {
	switch message.Kind {
	case election.KindVoteReply, election.KindPromise:
		if message.Refusal == election.RefusalNone {
			w.checkAnswer(n, to, message, at)
		}
	case election.KindVote:
		w.checkAsk(n, message)
	case election.KindRenew:
		w.checkVice(n, message)
	case election.KindRelease:
		w.checkRelease(n, message)
	case election.KindUnknown, election.KindPreVote, election.KindPreVoteReply, election.KindProbe, election.KindReport:
	}
	w.noteSent(n, message)
}

// checkAnswer is P1, P2, I2, I7 and I8 for a vote that is granted and a renewal that is
// answered. A node that is only told the news answers too, as a non-voter.
func (w *world) checkAnswer(n *node, to int, message *election.Message, at int64) {
	voting := message.Kind == election.KindVoteReply
	switch {
	case !n.table.Vote && !voting:
		return
	case !n.table.Vote:
		w.fail("P2", "%s votes for %s and has no vote", n.id, message.To)
	case n.forgot:
		w.fail("P2", "%s answers %s without a proof of its state", n.id, message.To)
	case voting && n.machine.MayAct(n.clock.read(at)):
		w.fail("P2", "%s votes for %s while it is the master itself", n.id, message.To)
	case n.told && voting:
		w.fail("P2", "%s votes for %s while its own mastership has not come to rest", n.id, message.To)
	}
	lease := w.plan.Lease
	if q := n.question; q != nil && q.message.Lease > 0 {
		lease = q.message.Lease
	}
	w.checkBound(n, to, message, at)
	w.checkSaved(n, message, lease)
	if voting {
		w.checkVote(n, to, message)
	}
	if w.plan.Hold {
		lease = election.Endless
	}
	if !voting { // that this term was elected proves that every one before it is over
		w.truth.outdate(n.index, to, message.Term)
	}
	p := &w.truth.promises[n.index][to]
	if p.term != message.Term && w.truth.void(p, to) {
		*p = promised{}
	}
	next, before := end(at, int64(lease)), p.until
	if q := n.question; q == nil || q.message.Kind != election.KindRenew || q.message.Released != q.message.Term || q.message.Round <= p.made {
		next = max(next, before) // else the master gives the rest of a longer promise back
	}
	if next != before {
		p.made = message.Round
	}
	p.until, p.term = next, max(p.term, message.Term)
	if next < before {
		w.checkCovered(&w.nodes[to])
	}
}

// checkBound is P1.
func (w *world) checkBound(n *node, to int, message *election.Message, at int64) {
	for other := range w.nodes {
		p := &w.truth.promises[n.index][other]
		if other == to || other == n.index || p.until <= at {
			continue
		}
		if message.Kind == election.KindPromise && p.term <= message.Term {
			continue // that term was elected, so that every one before it is over
		}
		if w.truth.void(p, other) {
			continue
		}
		// Where two hold on, a forgotten endless promise does no harm: it takes both to elect.
		if forgivable := w.plan.Hold && n.blank > 0; w.faulty != n.index && !forgivable {
			w.fail("P1", "%s answers %s in term %d, and has promised %s in term %d until true time %v",
				n.id, name(to), message.Term, name(other), p.term, time.Duration(p.until))
		}
	}
}

// checkSaved is I8 for an answer.
func (w *world) checkSaved(n *node, message *election.Message, lease time.Duration) {
	d := n.disk
	switch {
	case d == nil:
		w.fail("I8", "%s answers %s without a state file", n.id, message.To)
	case d.Promised != message.To || d.PromisedTerm < message.Term || d.Hold < lease:
		w.fail("I8", "%s answers %s in term %d for %v, on disk is a promise to %q in term %d for %v",
			n.id, message.To, message.Term, lease, d.Promised, d.PromisedTerm, d.Hold)
	case message.Kind == election.KindVoteReply && (d.Term != message.Term || d.Vote != message.To):
		w.fail("I8", "%s votes for %s in term %d, on disk is a vote for %q in term %d", n.id, message.To, message.Term, d.Vote, d.Term)
	case message.Kind == election.KindPromise && d.MasterTerm != message.Term:
		w.fail("I8", "%s promises %s in term %d, on disk the newest mastership is of term %d", n.id, message.To, message.Term, d.MasterTerm)
	}
}

// checkVote is I2 and I7 for a vote.
func (w *world) checkVote(n *node, to int, message *election.Message) {
	last := &w.truth.votes[n.index]
	if w.faulty != n.index && (message.Term < last.term || message.Term == last.term && last.to != to) {
		w.fail("I2", "%s votes for %s in term %d after a vote for %s in term %d", n.id, message.To, message.Term, name(last.to), last.term)
	}
	last.term, last.to = message.Term, to
	w.truth.ever[n.index] = max(w.truth.ever[n.index], message.Term)
	if t := w.truth.of(message.Term); t != nil {
		t.granted[to] |= 1 << n.index
	}
	q := n.question
	if q == nil {
		return
	}
	if w.plan.Eligible>>to&1 == 0 || !q.message.Standing.Qualified {
		w.fail("I7", "%s votes for %s: eligible %v, qualified %v", n.id, message.To, w.plan.Eligible>>to&1 == 1, q.message.Standing.Qualified)
	}
	if q.message.Hash != n.config.Hash {
		w.fail("I7", "%s with configuration %q votes for %s with %q", n.id, n.config.Hash, message.To, q.message.Hash)
	}
}

// checkAsk is I8 and P1 for a candidate, which votes for itself.
func (w *world) checkAsk(n *node, message *election.Message) {
	w.truth.stood[n.index] = max(w.truth.stood[n.index], message.Term)
	if n.disk == nil || n.disk.Term != message.Term || n.disk.Vote != n.id {
		w.fail("I8", "%s stands for term %d, on disk is %+v", n.id, message.Term, n.disk)
	}
	if n.told {
		w.fail("P2", "%s stands while its old mastership has not come to rest", n.id)
	}
	if n.table.Vote {
		if n.forgot {
			w.fail("P2", "%s stands without a proof of its state", n.id)
		}
		w.checkBound(n, n.index, message, w.t)
		last := &w.truth.votes[n.index]
		if w.faulty != n.index && message.Term == last.term && last.to != n.index || message.Term < last.term {
			w.fail("I2", "%s votes for itself in term %d after a vote for %s in term %d", n.id, message.Term, name(last.to), last.term)
		}
		last.term, last.to = message.Term, n.index
	}
}

// checkVice looks at the vice that a master names: by what it has last heard, that node
// could take over.
func (w *world) checkVice(n *node, message *election.Message) {
	if message.Vice == "" {
		return
	}
	i := w.index(message.Vice)
	if i < 0 || i == n.index || !w.nodes[i].table.Eligible {
		w.fail("vice", "%s names %s", n.id, message.Vice)

		return
	}
	h := &n.heard[i]
	if h.serial == 0 {
		return // named by an earlier life of this agent, which has not heard it yet
	}
	if !h.standing.Qualified || !h.standing.Up && w.knowsBetter(n, i) || h.hash != message.Hash {
		w.fail("vice", "%s names %s, from which it has last heard: %+v, configuration %q", n.id, message.Vice, h.standing, h.hash)
	}
}

// checkSits looks at a vice that is replaced: it was named three leases ago, by a clock that errs,
// or was not heard for as long, or could not take over by what it has last said.
func (w *world) checkSits(n *node, next election.NodeID) {
	i := w.index(n.named)
	if i < 0 || next == "" || w.truth.acting != n.index || max(w.truth.began, n.lives, n.drifted) > n.namedAt {
		return
	}
	named, heard := w.t-n.namedAt, w.t-n.heard[i].true
	if max(named, heard) < int64(w.plan.Lease)*26/10 && w.couldBeVice(n, i) {
		w.fail("sits", "%s replaces %s by %s after %v", n.id, n.named, next, time.Duration(named))
	}
}

// couldBeVice says that the node may have a role by what it has last said.
func (w *world) couldBeVice(n *node, i int) bool {
	h := &n.heard[i]

	return h.standing.Qualified && h.hash == n.config.Hash && !h.fresh
}

// knowsBetter says that the master has long heard another node that is up and could be its vice,
// and did not name this one just now.
func (w *world) knowsBetter(n *node, named int) bool {
	if w.truth.acting != n.index || w.t-max(w.truth.began, n.namedAt) < 4*int64(w.plan.Lease) {
		return false
	}
	for i := range w.nodes {
		h := &n.heard[i]
		if i != n.index && i != named && w.nodes[i].table.Eligible && h.standing == (election.Standing{Qualified: true, Up: true}) &&
			h.hash == n.config.Hash && !h.fresh && w.t-h.true < int64(w.plan.Lease)/2 && w.t-n.lives > 4*int64(w.plan.Lease) {
			return true
		}
	}

	return false
}

// checkGrace: what a planned restart is granted lasts for as long as was asked, but for the
// time of the asking.
func (w *world) checkGrace(n *node, granted election.RestartGranted) {
	if granted.Until == 0 || granted.Until == election.Forever || w.plan.Grace == 0 || n.acted {
		return
	}
	least := w.plan.Grace - w.plan.Grace/8 - w.plan.Lease
	if got := granted.Until.Sub(n.clock.read(w.t)); got < least && n.held == nil && w.t-n.woken > int64(w.plan.Lease) {
		w.fail("grace", "%s is granted a restart of %v, and asked for %v", n.id, got, w.plan.Grace)
	}
}

func (w *world) checkRelease(n *node, message *election.Message) {
	if n.serving && n.term == message.Term {
		w.fail("I3", "%s releases term %d while its members run", n.id, message.Term)
	}
	if t := w.truth.of(message.Term); t != nil {
		t.released |= 1 << n.index
	}
	if n.machine.Lease().Term == message.Term {
		w.fail("I3", "%s releases term %d and keeps it", n.id, message.Term)
	}
}
