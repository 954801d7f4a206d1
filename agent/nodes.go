package agent

import (
	"strings"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// acquaintance is all that this node knows of the others: what the configuration says,
// what the election has heard in direct messages, and what gossip tells.
type acquaintance struct {
	config *config.Config
	self   *levels.View
	seen   *election.View
	cards  []levels.Card
	// trouble is what is the matter with this node itself.
	trouble string
	// ahead is by how much the clock of the levels is ahead of the lease clock.
	ahead time.Duration
	// goodbyes are when gossip has told that a node has left.
	goodbyes map[levels.NodeID]election.Instant

	nextCard, nextPeer int
}

// nodes describes every node of the table, in its order. Role and term of the master and
// the vice are the election's word, which is newer than any card. A follower hears little
// of other followers directly, so a node is alive when either source holds it for alive.
func (k *acquaintance) nodes() []levels.NodeView {
	list := make([]levels.NodeView, 0, len(k.config.Nodes))
	for _, entry := range k.config.Nodes {
		node := levels.NodeView{
			Node: entry.Name, Address: entry.Address, Eligible: entry.Eligible, Vote: entry.Vote, Self: entry.Name == k.self.Node,
		}
		if node.Self {
			k.describeSelf(&node)
		} else {
			k.describe(&node)
		}
		list = append(list, node)
	}

	return list
}

// describeSelf leaves role and level to the machine's view, which knows them best.
func (k *acquaintance) describeSelf(node *levels.NodeView) {
	node.State, node.Role, node.Term, node.Qualified = k.self.State, k.self.Role, k.self.Term, k.self.Qualified
	node.Reached, node.ReachedAny = k.self.Reached, k.self.ReachedAny
	node.Alive, node.InStep, node.ConfigHash = true, true, k.config.Hash
	node.Why, node.Barred, node.Trouble = k.why(), k.self.Barred != nil, k.trouble
	if node.Why == "" {
		node.Why = k.trouble
	}
}

// why says what keeps this node from a role: what the election knows, and in place of what
// it cannot know, what is the matter here.
func (k *acquaintance) why() string {
	if k.trouble == "" {
		return k.seen.Why
	}
	if front, found := strings.CutSuffix(k.seen.Why, "it is not qualified"); found {
		return front + k.trouble
	}
	if k.self.Barred != nil && k.seen.Why == "" {
		return k.trouble
	}

	return k.seen.Why
}

// card is what gossip knows of the node; both lists are in the order of the table, so that
// the search begins where the last one ended.
func (k *acquaintance) card(id levels.NodeID) levels.Card {
	for range k.cards {
		k.nextCard = (k.nextCard + 1) % len(k.cards)
		if k.cards[k.nextCard].Node == id {
			return k.cards[k.nextCard]
		}
	}

	return levels.Card{}
}

// peer is card for what the election has heard.
func (k *acquaintance) peer(id levels.NodeID) election.PeerView {
	for range k.seen.Peers {
		k.nextPeer = (k.nextPeer + 1) % len(k.seen.Peers)
		if levels.NodeID(k.seen.Peers[k.nextPeer].Node) == id {
			return k.seen.Peers[k.nextPeer]
		}
	}

	return election.PeerView{}
}

func (k *acquaintance) describe(node *levels.NodeView) {
	card := k.card(node.Node)
	node.State, node.Role, node.Term, node.Qualified = card.State, card.Role, card.Term, card.Qualified
	node.Reached, node.ReachedAny = card.Reached, card.Started
	node.Alive, node.Version, node.ConfigHash = card.Alive, card.Version, card.Hash
	node.Trouble, node.Barred = card.Trouble, card.Barred
	peer := k.peer(node.Node)
	if peer.Heard != 0 {
		node.Heard = max(1, levels.Instant(peer.Heard).Add(k.ahead))
	}
	switch {
	case card.Left && k.isBack(node.Node, peer): // how far it is, only its next card tells
		node.State, node.Qualified = levels.StateInitializing, peer.Standing.Qualified
	case card.Left: // it has said goodbye since, and will be heard of when it is back
		peer.Alive = false
		node.State = goodbyeState(card.State)
	}
	node.Alive = node.Alive || peer.Alive
	// Beside a card a message says less: a standing is none during a shutdown, and a
	// follower's last one may be old.
	if peer.Alive && card.Node == "" {
		node.Qualified, node.ConfigHash = peer.Standing.Qualified, peer.Hash
	}
	k.place(node)
	node.InStep = node.ConfigHash == "" || node.ConfigHash == k.config.Hash
	if !node.InStep {
		node.Differs = config.Differences(k.config.Fingerprint, card.Fingerprint)
	}
	node.Why = whyNot(node, card.Node == "")
}

// isBack says that a node that has left takes part again, which it tells in its messages
// before gossip knows. One that only stays a voter for a while says that it is nothing; and
// messages that it sent before it left may come a moment later.
func (k *acquaintance) isBack(id levels.NodeID, peer election.PeerView) bool {
	left, known := k.goodbyes[id]

	return known && peer.Alive && (peer.Standing.Up || peer.Standing.Qualified) && peer.Heard.Sub(left) > k.config.Mastership.RenewEvery
}

// goodbyeState is the state of a node that has left in order: its last card may not have come.
func goodbyeState(told levels.NodeState) levels.NodeState {
	if told == levels.StateDown {
		return told
	}

	return levels.StateLeaving
}

// place gives a node the role that the election knows, and takes away one that it does not.
func (k *acquaintance) place(node *levels.NodeView) {
	switch election.NodeID(node.Node) {
	case k.seen.Master:
		node.Role, node.Term = levels.RoleMaster, levels.Term(k.seen.Term)

		return
	case k.seen.Vice:
		node.Role, node.Term = levels.RoleVice, levels.Term(k.seen.Term)

		return
	}
	switch {
	case !node.Alive:
		node.Role = levels.RoleUnknown
	case !node.Eligible:
		node.Role = levels.RoleNone
	case node.Role.Leads() && k.seen.Master != "":
		node.Role = levels.RoleSpare // its card is late
	}
}

// whyNot says what keeps a node from a role. The text holds no times: they are in Heard,
// and a text that changes every second would be told to the whole bus every second.
func whyNot(node *levels.NodeView, unseen bool) string {
	switch {
	case !node.Alive && unseen && node.Heard == 0:
		return "not seen since this agent started"
	case !node.Alive && (node.State == levels.StateDown || node.State == levels.StateLeaving):
		return "has left the cluster"
	case !node.Alive:
		return "silent"
	case !node.InStep && len(node.Differs) == 0:
		return "another configuration"
	case !node.InStep:
		return "another configuration: " + strings.Join(node.Differs, ", ")
	case !node.Eligible && node.Vote:
		return "witness: votes, takes no role"
	case !node.Eligible:
		return "takes no role and has no vote"
	case !node.Qualified:
		return "locked"
	default:
		return node.Trouble
	}
}

// voters counts those whose vote counts, and those of them that are alive.
func voters(nodes []levels.NodeView) (all, heard int) {
	for i := range nodes {
		if nodes[i].Vote {
			all++
			if nodes[i].Alive {
				heard++
			}
		}
	}

	return all, heard
}
