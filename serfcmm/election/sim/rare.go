package sim

import (
	"fmt"
	"strings"
)

// Rare is a row of the table of states that seldom come about, and in which a protocol of
// this kind breaks. A run of CI that does not reach each of them proves too little and fails.
type Rare uint8

// The rows.
const (
	RareVoteAfterLease   Rare = iota // a vote for another once a promise to a master has run out
	RareTwoCandidates                // two candidates at once
	RareSplitVote                    // a term with votes for two, and no master
	RareLateVote                     // a vote arrives for a campaign that was given up
	RareOldTermRenewed               // a renewal of a lower term is answered after a vote in vain in a higher one
	RarePromisedRenewed              // a restarted voter answers the master it has promised, while others must wait
	RareRestartWaits                 // a restarted voter refuses a candidate for a promise that it only reads on disk
	RareReleasedByWord               // a vote that rests on the candidate's word that the old term is over
	RareTakenBack                    // a ceasing mastership that is taken back
	RareTooLate                      // an answer of a majority after the demote has acted
	RareStalled                      // an agent that wakes up after the end of its lease, its members still there
	RareOneWay                       // a master that is heard by a majority and hears none of it
	RareFenced                       // an operator's word for a node that is off
	RareHeldOn                       // two nodes: the incumbent alone for longer than a lease
	RareGrace                        // a promise for longer than a lease before a planned restart
	RareGraceKept                    // a role kept although the agent was away for longer than a lease
	RareTightBound                   // a mastership that begins within 1 % of a lease after the end of the one before
	RareRoleKept                     // an agent back within its lease
	RareRecordOver                   // an agent back after its lease, its record still there
	RareGoodbye                      // a restarted node without a lease releases its old term
	RareRefusedUnproven              // a voter without a proof refuses
	RareProven                       // a voter is proven as all nodes are present
	RareFormation                    // a voter is proven by the first formation
	RareReset                        // a voter is trusted by an operator's word
	RareRefusedHash                  // a drifted candidate is refused
	RareRefusedPromised              // a candidate is refused for a promise to another
	RareRefusedVoted                 // a candidate is refused for a vote in the same term
	RareRefusedTerm                  // a question of an old term is refused
	RareRefusedServing               // a voter whose mastership comes to rest refuses
	RareUnsaved                      // a state file that cannot be written
	RareHandedOver                   // a handover reaches its target
	RareReleasedToNobody             // a release without a target
	RareLeft                         // a node that leaves
	RareKilled                       // members killed before the end of the lease
	RareGuard                        // members killed by the guard
	RareViceElected                  // the vice is elected after its master is gone
	RareOtherElected                 // another node is elected, with the vice away
	RareFlapHeld                     // a candidate held for too many changes
	RareRolledBack                   // a disk with an older state
	RareReplay                       // an old message comes again
	RareReplayOtherLife              // a message of an earlier life of its sender arrives
	RareMidway                       // a process stopped or ended between the actions of a step
	RareNonVoterElected              // a master without a vote
	RareDriftMaster                  // a master whose configuration is not everybody's
	RareQuick                        // a mastership of less than a lease
	RareLongGone                     // a voter answers after it stood still for longer than a promise
	rares
)

func rareWords() [rares]string {
	return [rares]string{
		"vote after the end of a lease", "two candidates at once", "split vote", "late vote for a campaign given up",
		"renewal of a lower term answered", "restart renews its promised master", "restart makes a candidate wait",
		"released by the candidate's word only", "ceasing taken back", "answer too late to take back", "stall past the lease",
		"master isolated one way", "fenced", "incumbent holds on alone", "promise for a restart", "role kept by that promise",
		"within 1 % of the bound", "role kept over a restart", "record over at the restart", "old term released at the restart",
		"unproven voter refuses", "proven by the presence of all", "proven by formation", "trusted by an operator",
		"drifted candidate refused", "candidate refused for a promise", "candidate refused for a vote",
		"old term refused", "refused while coming to rest", "state file not written", "handed over", "released to nobody", "left",
		"killed in time", "killed by the guard", "vice elected", "another than the vice elected", "change of master held",
		"disk rolled back", "old message replayed", "message of an earlier life", "stopped within a step", "master without a vote",
		"master with another configuration", "mastership shorter than a lease", "answer of a voter long gone",
	}
}

// String returns the row's text.
func (r Rare) String() string {
	if r < rares {
		return rareWords()[r]
	}

	return word(int(r), nil)
}

// Tally counts how often each row was met.
type Tally [rares]uint64

func (t *Tally) met(r Rare) { t[r]++ }

// Add adds another tally.
func (t *Tally) Add(other *Tally) {
	for i := range t {
		t[i] += other[i]
	}
}

// Missing lists the rows that were never met.
func (t *Tally) Missing() []Rare {
	var missing []Rare
	for i, count := range t {
		if count == 0 {
			missing = append(missing, Rare(i))
		}
	}

	return missing
}

// String is the table, one row a line.
func (t *Tally) String() string {
	var text strings.Builder
	for i, count := range t {
		fmt.Fprintf(&text, "%12d × %s\n", count, Rare(i))
	}

	return text.String()
}
