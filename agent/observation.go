package agent

import (
	"slices"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// observation is what the cluster is now, as this node sees it.
func (l *loop) observation(view *levels.View) levels.Observation {
	seen := l.election.View()
	observed := levels.Observation{
		Known: seen.Master != "", Quorate: seen.Quorate, Role: l.word, Gate: l.gate, Nodes: l.nodes(view, &seen),
	}
	if seen.Lease.Term != 0 && seen.Lease.Until != election.Forever {
		observed.LeaseRemaining = max(0, seen.Lease.Until.Sub(l.electionNow()))
	}

	return observed
}

// nodes joins the node table with what the election and the gossip know.
func (l *loop) nodes(view *levels.View, seen *election.View) []levels.NodeView {
	c := l.config.Load()
	own := levels.NodeView{
		Node: view.Node, State: view.State, Role: view.Role, Term: view.Term,
		Eligible: c.Levels.Eligible, Qualified: view.Qualified, Self: true,
	}
	if len(c.Nodes) == 0 {
		return []levels.NodeView{own}
	}
	cards := l.peers.Seen()
	nodes := make([]levels.NodeView, 0, len(c.Nodes))
	for _, node := range c.Nodes {
		next := own
		if node.Name != view.Node {
			next = otherNode(node.Name, cards, seen)
		}
		next.Eligible, next.Address = node.Eligible, node.Address
		nodes = append(nodes, next)
	}

	return nodes
}

// otherNode is a node as its card tells, corrected by what the election knows for certain.
func otherNode(id levels.NodeID, cards []levels.Card, seen *election.View) levels.NodeView {
	next := levels.NodeView{Node: id}
	if i := slices.IndexFunc(cards, func(c levels.Card) bool { return c.Node == id }); i >= 0 {
		card := cards[i]
		next.State, next.Role, next.Term, next.Qualified = card.State, card.Role, card.Term, card.Qualified
	}
	i := slices.IndexFunc(seen.Peers, func(p election.PeerView) bool { return p.Node == election.NodeID(id) })
	if i >= 0 && seen.Peers[i].Alive {
		next.Qualified = next.Qualified || seen.Peers[i].Standing.Qualified
	}
	switch election.NodeID(id) {
	case seen.Master:
		next.Role, next.Term = levels.RoleMaster, levels.Term(seen.Term)
	case seen.Vice:
		next.Role, next.Term = levels.RoleVice, levels.Term(seen.Term)
	default:
		if next.Role.Leads() && seen.Master != "" {
			next.Role = levels.RoleSpare // its card is older than the election's word
		}
	}

	return next
}
