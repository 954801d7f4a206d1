package agent

import (
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// observation is what the cluster is now, as this node sees it.
func (l *loop) observation(view *levels.View) levels.Observation {
	seen, c := l.election.View(), l.config.Load()
	ahead := l.ports.Clock().Sub(levels.Instant(l.ports.LeaseClock()))
	cards := l.way.Seen()
	l.rememberGoodbyes(cards)
	known := acquaintance{
		config: c, self: view, seen: &seen, cards: cards, trouble: l.trouble(view), ahead: ahead, goodbyes: l.goodbyes,
	}
	observed := levels.Observation{
		Known: seen.Master != "", Quorate: seen.Quorate, Role: l.word, Gate: l.gate, Nodes: known.nodes(),
		Election: seen.Phase.String(), Why: known.why(),
	}
	if len(c.Nodes) == 0 { // a cluster of one without a node table
		own := levels.NodeView{Node: view.Node, Eligible: c.Levels.Eligible, Vote: true, Self: true}
		known.describeSelf(&own)
		observed.Nodes = []levels.NodeView{own}
	}
	observed.Voters, observed.VotersHeard = voters(observed.Nodes)
	if seen.Lease.Term != 0 && seen.Lease.Until != election.Forever {
		observed.LeaseRemaining = max(0, seen.Lease.Until.Sub(l.ports.LeaseClock()))
	}
	l.peerProblems()

	return observed
}

// rememberGoodbyes keeps when gossip has told first that a node has left.
func (l *loop) rememberGoodbyes(cards []levels.Card) {
	for i := range cards {
		node := cards[i].Node
		if _, known := l.goodbyes[node]; !cards[i].Left {
			delete(l.goodbyes, node)
		} else if !known {
			l.goodbyes[node] = l.ports.LeaseClock()
		}
	}
}

// peerProblems shows those of the way to the other nodes.
func (l *loop) peerProblems() {
	for topic := range l.problems {
		if len(topic) > len(peerTopic) && topic[:len(peerTopic)] == peerTopic {
			l.problems.clear(topic)
		}
	}
	for _, problem := range l.way.Problems() {
		l.problems.set(peerTopic+problem, problem)
	}
}

const peerTopic = "peers: "
