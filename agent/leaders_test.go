package agent

import (
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: a text that travels in a card fits, and stays text. Method: texts at the limit.
func TestShorten(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"short":                      "short",
		strings.Repeat("a", 10):      strings.Repeat("a", 10),
		strings.Repeat("a", 11):      strings.Repeat("a", 7) + "...",
		"aaaaaa" + "é" + "aaaa":      "aaaaaa...",
		"bad \xff bytes":             "bad ? b...",
		strings.Repeat("é", 5):       strings.Repeat("é", 5),
		strings.Repeat("é", 5) + "a": strings.Repeat("é", 3) + "...",
	} {
		if got := shorten(text, 10); got != want || len(got) > 10 {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for reason, want := range map[string]string{
		"callback naming failed at init:3: no disk: full":  "naming failed: no disk: full",
		"member a.service failed at promote:last: exit 1":  "a.service failed: exit 1",
		"aborted by an operator":                           "aborted by an operator",
		"the network failed at noon":                       "the network failed at noon",
		"member a failed at init:0: exit 1 (and 2 more)":   "a failed: exit 1 (and 2 more)",
		"callback two words failed at init:0: no such one": "two words failed: no such one",
	} {
		if got := plainly(reason); got != want {
			t.Errorf("%q becomes %q, want %q", reason, got, want)
		}
	}
}

// Goal: the master believes what it hears directly before a card, another node takes who was
// about to be up for up. Method: nodes that are fit, and what makes them unfit.
func TestObstaclesAreThoseOfNow(t *testing.T) {
	fit := levels.NodeView{Node: "n2", State: levels.StateUp, Eligible: true, Qualified: true, Alive: true, InStep: true}
	with := func(change func(*levels.NodeView)) *levels.NodeView {
		node := fit
		change(&node)

		return &node
	}
	peer := func(role election.Role, standing election.Standing, alive bool) *election.View {
		return &election.View{Role: role, Peers: []election.PeerView{{Node: "n1"}, {Node: "n2", Standing: standing, Alive: alive}}}
	}
	up, idle := election.Standing{Qualified: true, Up: true}, election.Standing{}
	early := with(func(n *levels.NodeView) { n.State = levels.StateInitializing })
	locked := with(func(n *levels.NodeView) { n.Qualified = false })
	barred := with(func(n *levels.NodeView) { n.Barred, n.Trouble = true, "promote failed, no role until 14:03:22: x" })
	for name, c := range map[string]struct {
		node *levels.NodeView
		seen *election.View
		want string // a part of the only obstacle; empty: none
	}{
		"fit":                                  {&fit, peer(election.RoleMaster, up, true), ""},
		"its card is late":                     {early, peer(election.RoleMaster, up, true), ""},
		"its card says nothing yet":            {with(func(n *levels.NodeView) { n.State = levels.StateDown }), peer(election.RoleMaster, up, true), ""},
		"it is initializing":                   {early, peer(election.RoleMaster, election.Standing{Qualified: true}, true), "wait until it is up"},
		"its unlock is not in its card":        {locked, peer(election.RoleMaster, up, true), ""},
		"its lock is not in its card":          {&fit, peer(election.RoleMaster, idle, true), "cssc unlock n2"},
		"locked":                               {locked, peer(election.RoleMaster, idle, true), "unlock it"},
		"barred":                               {barred, peer(election.RoleMaster, idle, true), "no role until 14:03:22"},
		"barred no more":                       {barred, peer(election.RoleMaster, up, true), ""},
		"its direct word is old":               {early, peer(election.RoleMaster, up, false), "wait until it is up"},
		"the vice does not hear it directly":   {early, peer(election.RoleVice, idle, false), ""},
		"the vice believes a card of its lock": {locked, peer(election.RoleVice, up, true), "unlock it"},
		"not in the view":                      {early, &election.View{Role: election.RoleMaster}, "wait until it is up"},
	} {
		got := obstacles(c.node, c.seen)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: obstacles %q, want %q", name, got, c.want)
		}
	}
}
