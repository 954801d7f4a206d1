package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: every node of the table is described from the freshest source, with one reason.
// Method: a table of twelve nodes, each in another state, as n1 sees them.
func TestNodesAreDescribedFromAllThatIsKnown(t *testing.T) {
	c := &config.Config{Mastership: config.Mastership{RenewEvery: 60}, Hash: "own", Fingerprint: strings.Repeat("AA", 24)}
	for _, name := range []levels.NodeID{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11", "n12"} {
		c.Nodes = append(c.Nodes, config.Node{Name: name, Address: string(name) + ":7946", Eligible: name != "n4", Vote: name != "n7"})
	}
	knowledge := acquaintance{
		ahead: -50, goodbyes: map[levels.NodeID]election.Instant{"n9": 750, "n10": 800, "n11": 700, "n12": 700},
		config: c,
		self:   &levels.View{Node: "n1", State: levels.StateUp, Role: levels.RoleSpare, Qualified: true, Term: 5, Reached: 3, ReachedAny: true},
		seen: &election.View{
			Term: 6, Master: "n2", Vice: "n3", Why: "held: too many changes",
			Peers: []election.PeerView{
				{Node: "n2", Heard: 900, Alive: true, Hash: "own"},
				{Node: "n6", Heard: 100},
				{Node: "n7", Heard: 0},
				{Node: "n9", Heard: 800, Alive: true, Hash: "own", Standing: election.Standing{Up: true}},
				{Node: "n10", Heard: 900, Alive: true, Hash: "own", Standing: election.Standing{Up: true, Qualified: true}},
				{Node: "n11", Heard: 900, Alive: true, Hash: "own", Standing: election.Standing{Qualified: true}},
				{Node: "n12", Heard: 900, Alive: true, Hash: "own"},
			},
		},
		cards: []levels.Card{
			{Node: "n2", State: levels.StateUp, Role: levels.RoleSpare, Term: 5, Qualified: true, Hash: "own", Version: "1.0"},
			{Node: "n3", State: levels.StateUp, Role: levels.RoleMaster, Term: 5, Qualified: true, Alive: true, Hash: "own", Reached: levels.Last, Started: true},
			{Node: "n4", State: levels.StateUp, Role: levels.RoleNone, Qualified: true, Alive: true, Hash: "own"},
			{Node: "n5", State: levels.StateUp, Role: levels.RoleMaster, Term: 4, Qualified: true, Alive: true, Hash: "other", Fingerprint: strings.Repeat("AA", 6) + "AB" + strings.Repeat("AA", 17)},
			{Node: "n6", State: levels.StateUp, Role: levels.RoleSpare, Qualified: true, Hash: "own"},
			{Node: "n8", State: levels.StateUp, Alive: true, Hash: "other"},
			{Node: "n9", State: levels.StateUp, Role: levels.RoleSpare, Qualified: true, Left: true, Hash: "own"},
			{Node: "n10", State: levels.StateDown, Role: levels.RoleSpare, Left: true, Hash: "own"},
			{Node: "n11", State: levels.StateUp, Role: levels.RoleSpare, Left: true, Hash: "own"},
			{Node: "n12", State: levels.StateDown, Role: levels.RoleSpare, Left: true, Hash: "own"},
		},
	}
	nodes := knowledge.nodes()
	var got []string
	for _, n := range nodes {
		got = append(got, fmt.Sprintf("%s %s %s term=%d alive=%v in-step=%v heard=%d why=%q", n.Node, n.State, n.Role, n.Term, n.Alive, n.InStep, n.Heard, n.Why))
	}
	want := []string{
		`n1 up spare term=5 alive=true in-step=true heard=0 why="held: too many changes"`,
		`n2 up master term=6 alive=true in-step=true heard=850 why=""`,
		`n3 up vice term=6 alive=true in-step=true heard=0 why=""`,
		`n4 up none term=0 alive=true in-step=true heard=0 why="witness: votes, takes no role"`,
		`n5 up spare term=4 alive=true in-step=false heard=0 why="another configuration: mastership.lease"`,
		`n6 up unknown term=0 alive=false in-step=true heard=50 why="silent"`,
		`n7 down unknown term=0 alive=false in-step=true heard=0 why="not seen since this agent started"`,
		`n8 up unknown term=0 alive=true in-step=false heard=0 why="another configuration: the version of cssc"`,
		`n9 leaving unknown term=0 alive=false in-step=true heard=750 why="has left the cluster"`,
		`n10 initializing spare term=0 alive=true in-step=true heard=850 why=""`,
		`n11 initializing spare term=0 alive=true in-step=true heard=850 why=""`,
		`n12 down unknown term=0 alive=false in-step=true heard=850 why="has left the cluster"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all, heard := voters(nodes); all != 11 || heard != 8 {
		t.Errorf("%d of %d voters are heard, want 8 of 11", heard, all)
	}
}
