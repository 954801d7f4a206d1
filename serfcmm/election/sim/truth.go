package sim

import (
	"math"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// truth is what an observer of everything knows, kept apart from what machines believe.
type truth struct {
	// promises: what each voter has promised to each node, in true time.
	promises [MaxNodes][MaxNodes]promised
	// votes: the last vote of each voter that it may remember; ever is its highest term with
	// one, whether it remembers or not.
	votes [MaxNodes]vote
	ever  [MaxNodes]election.Term
	// stood is the newest term for which each node has stood: it does not act in older ones.
	stood [MaxNodes]election.Term
	// lost counts the disks that were lost or rolled back.
	lost int
	// terms by number.
	terms       []termTruth
	masterships int
	newest      election.Term
	// acting is who was last seen to be the master, since began; ender was it before. -1 =
	// nobody.
	acting, ender int
	began         int64
}

// promised says until when, in true time, a promise holds at the least: L after it was
// given, whatever the voter's clock does.
type promised struct {
	until int64
	term  election.Term
	// made is the round of the question on which until rests; nobody knows it after a restart.
	made election.Round
}

type vote struct {
	term election.Term
	to   int
}

// termTruth is one term.
type termTruth struct {
	holder     int8  // -1 = nobody
	released   uint8 // the nodes that have said that they will not act in it
	candidates uint8
	granted    [MaxNodes]uint8 // who has voted for whom
}

// maxTerms bounds the terms of one history: more of them are a fault by themselves.
const maxTerms = 4096

func (t *truth) reset() {
	*t = truth{terms: t.terms[:0], acting: -1, ender: -1}
}

// of returns the entry of a term; nil when there are too many.
func (t *truth) of(term election.Term) *termTruth {
	if term >= maxTerms {
		return nil
	}
	for int(term) >= len(t.terms) {
		t.terms = append(t.terms, termTruth{holder: -1})
	}

	return &t.terms[term]
}

// void says that a promise binds nobody any more: its asker cannot act in that term.
func (t *truth) void(p *promised, to int) bool {
	term := t.of(p.term)

	return term == nil || term.released>>to&1 == 1 || term.holder >= 0 && int(term.holder) != to || t.stood[to] > p.term
}

// outdate voids a voter's promises to others for terms up to the one that was elected.
func (t *truth) outdate(voter, to int, term election.Term) {
	for other := range t.promises[voter] {
		if p := &t.promises[voter][other]; other != to && p.term <= term {
			*p = promised{}
		}
	}
}

// fenced voids every promise to a node that stays off.
func (t *truth) fenced(node int) {
	for voter := range t.promises {
		t.promises[voter][node] = promised{}
	}
}

// end is when a promise of so long a lease ends at the least.
func end(at, lease int64) int64 {
	if lease == int64(election.Endless) || at > math.MaxInt64-lease {
		return math.MaxInt64
	}

	return at + lease
}
