package sim

import (
	"strconv"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// MaxNodes bounds the size of a simulated cluster; sets of nodes are bit masks.
const MaxNodes = 7

// Plan is a cluster and everything that happens to it. It is data: what a run of it draws
// by chance comes from Seed. Durations are true time unless they are settings.
type Plan struct {
	Seed uint64
	// Nodes is how many there are, n1 and so on. Voters and Eligible are bit masks, n1 is 1.
	Nodes            int
	Voters, Eligible uint8
	// Fresh: nobody has a state file at the beginning.
	Fresh bool

	Lease  time.Duration
	Drift  int // ρ in thousandths
	Renew  time.Duration
	Grace  time.Duration
	Hold   bool
	Flaps  int
	Window time.Duration

	// Wrong is the error of each node's clock at first, in millionths.
	Wrong []int64
	// Boot is when each node's agent is first started.
	Boot []time.Duration
	// Air is the network when no fault makes it worse.
	Air Air

	Faults []Fault
	// Heal is when all faults are over. Settle is how long the run goes on after all agree.
	Heal, Settle time.Duration
}

// Air is how bad the network is.
type Air struct {
	// Loss, Twice and Late are chances in thousandths: that a message is lost, that it comes
	// twice, that it comes later than any other would.
	Loss, Twice, Late int
	// Least and Most bound the delay; a late one takes up to Latest more.
	Least, Most, Latest time.Duration
}

// Kind says what a fault does. The zero value is unknown.
type Kind uint8

// The kinds.
const (
	KindUnknown  Kind = iota
	KindCut           // messages From → To are lost; of Node in the directions of Way when both are empty
	KindAir           // the network gets as bad as Air
	KindReplay        // Count old messages come again
	KindStall         // the agent stands still; its guard does not
	KindFreeze        // the node stands still with all its processes
	KindKill          // the agent dies and starts again after For; Record says whether its lease record is left
	KindCrash         // the power fails; Disk says what is left
	KindClock         // the clock's error becomes Wrong
	KindDrift         // another configuration
	KindLock          // not qualified
	KindDown          // init not complete
	KindHandover      // demote, then release to Other
	KindRestart       // a planned restart of the agent
	KindLeave         // leaves, and joins after For
	KindUnsaved       // the state file cannot be written
	KindReset         // an operator trusts a voter without a state
	KindFence         // an operator says that Other, which is off, stays off
)

func kindWords() []string {
	return []string{
		"unknown", "cut", "air", "replay", "stall", "freeze", "kill", "crash", "clock", "drift", "lock", "down",
		"handover", "restart", "leave", "unsaved", "reset", "fence",
	}
}

// String returns the word.
func (k Kind) String() string { return word(int(k), kindWords()) }

// Disk says what a crash leaves on the disk. The zero value is all that was synced.
type Disk uint8

// The disks.
const (
	DiskKept Disk = iota
	DiskLost      // no state file
	DiskOld       // an older state file
)

func diskWords() []string { return []string{"kept", "lost", "old"} }

// String returns the word.
func (d Disk) String() string { return word(int(d), diskWords()) }

// Ways of a cut around one node.
const (
	WayOut = 1 << iota
	WayIn
)

// Nodes that are chosen when the fault begins; others are counted from 0.
const (
	NodeMaster = -1 // whoever leads, or n1
	NodeVice   = -2 // whom the master named, or n2
	NodeNone   = -3
)

// Fault is one thing that happens, from At for For. Which fields count depends on Kind.
type Fault struct {
	Kind    Kind
	At, For time.Duration
	Node    int
	Other   int
	// From and To are bit masks of nodes; Way counts when both are 0.
	From, To uint8
	Way      int
	// Every: a cut that comes and goes, open for as long as it is shut; 0 = always shut.
	Every time.Duration
	Air   Air
	Count int
	Wrong int64
	Disk  Disk
	// Record: the lease record outlives the agent.
	Record bool
	// Mid: it strikes between the actions of the next step, not between two steps.
	Mid bool
}

// name is how the transcripts call a node.
func name(index int) election.NodeID {
	switch index {
	case NodeMaster:
		return "master"
	case NodeVice:
		return "vice"
	case NodeNone:
		return "none"
	}

	return election.NodeID("n" + strconv.Itoa(index+1))
}

// config is the configuration of one node of the plan.
func (p *Plan) config(self int) election.Config {
	config := election.Config{
		Self: name(self), Hash: "a", Lease: p.Lease, DriftPermille: p.Drift, RestartGrace: p.Grace,
		TwoNodeHold: p.Hold, FlapLimit: p.Flaps, FlapWindow: p.Window,
	}.DefaultTimes()
	config.RenewEvery = p.Renew
	longest := max(p.Lease, p.Grace)
	config.FormationTimeout = longest + longest/4
	for i := range p.Nodes {
		config.Nodes = append(config.Nodes, election.Node{ID: name(i), Vote: p.Voters>>i&1 == 1, Eligible: p.Eligible>>i&1 == 1})
	}

	return config
}

// majority is how many voters it takes, counted here once more on purpose.
func (p *Plan) majority() int { return ones(p.Voters)/2 + 1 }

func ones(mask uint8) int {
	count := 0
	for ; mask != 0; mask &= mask - 1 {
		count++
	}

	return count
}

// word is the text of an enumeration's value.
func word(value int, words []string) string {
	if value < len(words) {
		return words[value]
	}

	return "number " + strconv.Itoa(value)
}
