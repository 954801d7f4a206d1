package election

import "time"

// State is what must be on disk before the messages of the same Result leave: the term, the
// vote, and to whom this node has made a promise of which length. The zero value is that of
// a node that has never voted; without Voters it is not proven.
type State struct {
	// Term is the highest that this node has voted in or asked votes for; Vote is its vote in it.
	Term Term   `json:"term"`
	Vote NodeID `json:"vote"`
	// MasterTerm is the highest elected term that it has seen, of Master.
	MasterTerm Term   `json:"master_term"`
	Master     NodeID `json:"master"`
	// Promised has this node's newest promise, of a length of at most Hold, made in
	// PromisedTerm. Empty: nobody.
	Promised     NodeID        `json:"promised"`
	PromisedTerm Term          `json:"promised_term"`
	Hold         time.Duration `json:"hold"`
	// Voters is the set of voters that this node has voted under. A table that differs in
	// more than one voter needs a new proof: majorities of the two might not meet.
	Voters []NodeID `json:"voters"`
	// Hash is the configuration under which this was written.
	Hash string `json:"hash"`
}

// Lease is a mastership as the owner and its guard must know it.
type Lease struct {
	Term Term
	// From is when the renewal was sent that a majority has answered; Until is when acting
	// ends, Forever without an end.
	From, Until Instant
}
