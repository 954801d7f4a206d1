package election

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Node is one entry of the node table.
type Node struct {
	ID NodeID
	// Vote: it counts for the majority. Eligible: it may hold a role. A witness votes and
	// is not eligible.
	Vote, Eligible bool
}

// Config is what a machine must know beforehand. Whoever makes it has filled in every
// value; Validate checks the relations. It must not be changed once it was handed over.
type Config struct {
	Self NodeID
	// Nodes is the node table, in order of preference for roles.
	Nodes []Node
	// Hash covers the settings that all nodes must share; at most MaxHash bytes.
	Hash string

	// Lease is L: how long a master may act without hearing from a majority.
	Lease time.Duration
	// DriftPermille is ρ, the bound on the error of any node's clock rate, in thousandths.
	DriftPermille int
	// RenewEvery is the pause between two renewals, L/8.
	RenewEvery time.Duration
	// CeaseAfter without an answer of a majority the master begins to cease, L·0.6.
	CeaseAfter time.Duration
	// KillMargin before the end of the lease whatever still serves is killed.
	KillMargin time.Duration
	// Stagger is the pause between the first candidate and the next one in rank.
	Stagger time.Duration
	// RestartGrace is the longer promise asked for before a planned restart; 0 = none.
	RestartGrace time.Duration
	// FormationTimeout bounds the wait for all voters at the very first election.
	FormationTimeout time.Duration
	// TwoNodeHold: with two voters the incumbent goes on alone, and nobody promotes itself.
	TwoNodeHold bool
	// FlapLimit unplanned changes of the master within FlapWindow are allowed, the next one
	// is held; 0 = no limit.
	FlapLimit  int
	FlapWindow time.Duration
}

const (
	// MaxNodes bounds the node table.
	MaxNodes = 1024
	// MaxHash bounds the length of a configuration hash.
	MaxHash = 32
	// MaxName bounds the length of a node's name.
	MaxName = 128

	maxDriftPermille = 100
	longestLease     = time.Hour
)

// DefaultTimes fills in everything that follows from the lease: renewals every L/8,
// ceasing after 0.6 L, the margin for killing and the stagger.
func (c Config) DefaultTimes() Config {
	c.RenewEvery = c.Lease / 8
	c.CeaseAfter = c.Lease * 6 / 10
	c.KillMargin = min(max(c.Lease/10, 50*time.Millisecond), c.Lease/5)
	c.Stagger = max(c.Lease/16, 15*time.Millisecond)

	return c
}

// Validate says which relation does not hold, naming the settings.
func (c Config) Validate() error {
	var broken []error
	want := func(holds bool, format string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Errorf(format, args...))
		}
	}
	want(c.Lease > 0 && c.Lease <= longestLease, "lease: %v, want more than 0 and at most %v", c.Lease, longestLease)
	want(c.DriftPermille >= 0 && c.DriftPermille <= maxDriftPermille, "drift: %d permille, want 0 to %d", c.DriftPermille, maxDriftPermille)
	want(c.RenewEvery > 0 && 2*c.RenewEvery <= c.CeaseAfter, "renewals every %v, want at least two before ceasing after %v", c.RenewEvery, c.CeaseAfter)
	want(c.CeaseAfter < c.ownLease(c.Lease)-c.KillMargin, "ceasing after %v, want it before the kill margin of %v in the lease of %v", c.CeaseAfter, c.KillMargin, c.Lease)
	want(c.KillMargin > 0, "kill margin: %v, want more than 0", c.KillMargin)
	want(c.Stagger > 0, "stagger: %v, want more than 0", c.Stagger)
	want(c.RestartGrace == 0 || c.RestartGrace >= c.Lease && c.RestartGrace <= longestLease,
		"restart grace: %v, want 0 or between the lease of %v and %v", c.RestartGrace, c.Lease, longestLease)
	want(c.FormationTimeout > c.longestPromise(), "formation timeout: %v, want more than the longest promise of %v", c.FormationTimeout, c.longestPromise())
	want(c.FlapLimit >= 0 && (c.FlapLimit == 0 || c.FlapWindow > 0), "flap limit: %d in %v", c.FlapLimit, c.FlapWindow)
	want(len(c.Hash) <= MaxHash, "hash of %d bytes, want at most %d", len(c.Hash), MaxHash)
	want(len(c.Nodes) > 0 && len(c.Nodes) <= MaxNodes, "%d nodes, want 1 to %d", len(c.Nodes), MaxNodes)
	want(slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.ID == c.Self }), "node %q is not in the node table", c.Self)
	want(slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Vote }), "no node has a vote")
	seen := map[NodeID]bool{}
	for _, node := range c.Nodes {
		want(node.ID != "" && len(node.ID) <= MaxName && !seen[node.ID], "node %q: want a name that occurs once, of at most %d bytes", node.ID, MaxName)
		seen[node.ID] = true
	}

	return errors.Join(broken...)
}

// node finds an entry of the node table.
func (c Config) node(id NodeID) (Node, bool) {
	i := slices.IndexFunc(c.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}

	return c.Nodes[i], true
}

// voters lists the names of those that vote, in the order of the table.
func (c Config) voters() []NodeID {
	var voters []NodeID
	for _, node := range c.Nodes {
		if node.Vote {
			voters = append(voters, node.ID)
		}
	}

	return voters
}

// alone says that this node is the whole cluster: nobody else could take the role.
func (c Config) alone() bool { return len(c.Nodes) == 1 }

// holds says that the rule of two nodes is in force.
func (c Config) holds() bool { return c.TwoNodeHold && len(c.voters()) == 2 }
