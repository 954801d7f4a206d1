package election

import "time"

// Kind says what a message is. The zero value is unknown.
type Kind uint8

// The kinds, each question followed by its answer.
const (
	KindUnknown      Kind = iota
	KindPreVote           // would you vote for me?
	KindPreVoteReply      //
	KindVote              // vote for me
	KindVoteReply         //
	KindRenew             // I am the master; promise again
	KindPromise           //
	KindRelease           // my term is over: every promise for it is void
	KindProbe             // this is who I am and what I know; and you?
	KindReport            //
)

func kindWords() []string {
	return []string{"unknown", "pre-vote", "pre-vote-reply", "vote", "vote-reply", "renew", "promise", "release", "probe", "report"}
}

// String returns the word.
func (k Kind) String() string { return word(k, kindWords()) }

// Refusal says why an answer is no. The zero value means that it is yes.
type Refusal uint8

// The refusals.
const (
	RefusalNone      Refusal = iota
	RefusalPromised          // another node has this voter's promise; Remaining says how long
	RefusalTerm              // the term is not above what this voter has seen
	RefusalVoted             // this voter has voted for another node in this term
	RefusalHash              // another configuration
	RefusalCandidate         // not listed, not eligible, not qualified
	RefusalUnproven          // this voter has no trustworthy state file
	RefusalServing           // this voter's own mastership has not come to rest
	RefusalStandsBy          // this voter is not part of the cluster now
	RefusalUnsaved           // this voter cannot write its state file
)

func refusalWords() []string {
	return []string{"none", "promised", "term", "voted", "hash", "candidate", "unproven", "serving", "stands-by", "unsaved"}
}

// String returns the word.
func (r Refusal) String() string { return word(r, refusalWords()) }

// Progress is how far the master's init is; part of every renewal.
type Progress struct {
	// Reached is the highest init level reached; counts when Started.
	Reached int16
	Started bool
	// Complete: init is behind the master. Ready: it is ready for service.
	Complete, Ready bool
}

// Standing is what a node says of itself.
type Standing struct {
	// Qualified: it may be given a role. Up: init is complete.
	Qualified, Up bool
}

// Message is what nodes say to each other. Which fields count depends on the kind; the
// others are zero. It is plain data and safe to copy, but for Changes, which nobody alters.
//
// A message is not believed for what it claims but for what it cannot do: it names term and
// round, everything in it is idempotent, and one that comes late, twice or again after years
// changes nothing that matters.
type Message struct {
	Kind     Kind
	From, To NodeID
	// Term of the question; an answer repeats it. In a probe or report it is the highest
	// that the sender has voted in.
	Term Term
	// Round of the question; an answer repeats it.
	Round Round
	// Serial numbers the messages of one sender upwards, over its restarts too. The network
	// may deliver them in any order; what a sender says of itself counts by it.
	Serial uint64
	// Hash is the sender's configuration.
	Hash string
	// Standing is the sender's.
	Standing Standing

	// Refusal of an answer; Remaining is when to ask again (Endless: never by time).
	Refusal   Refusal
	Remaining time.Duration
	// MasterTerm is the highest elected term that the sender has seen, of Master; in the
	// answer to a vote or pre-vote it is the highest term that the sender has voted in.
	MasterTerm Term
	Master     NodeID
	// Fresh: the sender is not proven, so its vote does not count. Answers and probes only.
	Fresh bool

	// Lease is the L that a vote or renewal asks a promise for.
	Lease time.Duration
	// Released, in a vote, is the term that its master has released to the candidate. In a
	// renewal it is the renewal's own term, or 0: the master does not rely on a longer promise
	// that it got in this term, for a planned restart, and gives the rest of it back.
	Released Term
	// Target, in a release, is who should take over; may be empty.
	Target NodeID
	// Vice is the master's choice. Renew only.
	Vice     NodeID
	Progress Progress
	// Changes are the ages of the unplanned changes of master, the newest first. Renew only.
	Changes []time.Duration
}

// MaxChanges bounds Message.Changes.
const MaxChanges = 16
