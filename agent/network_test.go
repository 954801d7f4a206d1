package agent

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// network carries the messages of the nodes of one test.
type network struct {
	mu    sync.Mutex
	boxes map[election.NodeID]chan election.Message
	cut   map[[2]election.NodeID]bool
	// late is how much later a card is heard than it was told.
	late time.Duration
	// cards are what the nodes tell by gossip; news tells each that one has changed.
	cards map[levels.NodeID]levels.Card
	// told counts the cards, newest is the last of each node that was heard.
	told   int
	newest map[levels.NodeID]int
	news   map[election.NodeID]chan struct{} // of capacity 1, never closed
	// stuck is what gossip tells of nodes in place of what they are now.
	stuck map[levels.NodeID]levels.Card

	questions
}

func newNetwork() *network {
	return &network{
		boxes: map[election.NodeID]chan election.Message{}, cut: map[[2]election.NodeID]bool{},
		cards: map[levels.NodeID]levels.Card{}, newest: map[levels.NodeID]int{}, news: map[election.NodeID]chan struct{}{},
	}
}

// fakePeers is one node's way into the network.
type fakePeers struct {
	*network

	self election.NodeID
	box  chan election.Message
}

func (w *world) newPeers(c config.Config) (Peers, error) {
	self := election.NodeID(c.Levels.Node)
	w.network.mu.Lock()
	defer w.network.mu.Unlock()
	if w.network.boxes[self] == nil {
		w.network.boxes[self] = make(chan election.Message, 1024)
	}
	if w.network.news[self] == nil {
		w.network.news[self] = make(chan struct{}, 1)
	}
	w.network.listen(self)

	return &fakePeers{network: w.network, self: self, box: w.network.boxes[self]}, nil
}

func (p *fakePeers) Run(ctx context.Context) error {
	<-ctx.Done()

	return nil
}

func (p *fakePeers) Send(message election.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut[[2]election.NodeID{p.self, message.To}] || p.boxes[message.To] == nil {
		return
	}
	select {
	case p.boxes[message.To] <- message:
	default:
	}
}

func (p *fakePeers) Received() <-chan election.Message { return p.box }

func (p *fakePeers) Advertise(card levels.Card) {
	p.mu.Lock()
	p.told++
	number := p.told
	p.mu.Unlock()
	if p.late == 0 {
		p.spread(card, number)

		return
	}
	time.AfterFunc(p.late, func() { p.spread(card, number) })
}

// spread lets everybody hear a card, unless a newer one of the node was heard.
func (p *fakePeers) spread(card levels.Card, number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if number < p.newest[card.Node] {
		return
	}
	p.cards[card.Node], p.newest[card.Node] = card, number
	for _, news := range p.news {
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

func (p *fakePeers) Seen() []levels.Card {
	p.mu.Lock()
	defer p.mu.Unlock()
	var seen []levels.Card
	for _, id := range []levels.NodeID{"n1", "n2", "n3"} {
		card, known := p.cards[id]
		name := election.NodeID(id)
		card.Node, card.Left = id, p.left[name]
		card.Alive = known && p.boxes[name] != nil && !card.Left && !p.cut[[2]election.NodeID{name, p.self}]
		if old, late := p.stuck[id]; late && name != p.self {
			card = old
		}
		seen = append(seen, card)
	}

	return seen
}

func (p *fakePeers) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.news[p.self]
}

func (p *fakePeers) Problems() []string              { return nil }
func (p *fakePeers) Reconfigure(config.Config) error { return nil }
func (p *fakePeers) Keys(context.Context, levels.KeyRequest) ([]levels.KeyView, error) {
	return nil, nil
}

// isolate cuts every way of the node, heal opens all ways again.
func (n *network) isolate(id levels.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.boxes {
		n.cut[[2]election.NodeID{election.NodeID(id), other}] = true
		n.cut[[2]election.NodeID{other, election.NodeID(id)}] = true
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

// questions are those of the nodes of one test; the network's lock guards them.
type questions struct {
	asked map[election.NodeID]chan Question
	left  map[election.NodeID]bool
	// lose swallows so many answers to requests for an operation.
	lose int
	// count counts the questions that arrived, by word.
	seen []string
}

// listen begins a life of a node's agent. The caller holds the lock.
func (n *network) listen(self election.NodeID) {
	if n.asked == nil {
		n.asked, n.left = map[election.NodeID]chan Question{}, map[election.NodeID]bool{}
	}
	n.asked[self] = make(chan Question, 64)
	delete(n.left, self)
}

// Ask hands the question over at once; a node that is cut off costs all the patience.
func (p *fakePeers) Ask(ctx context.Context, node levels.NodeID, data []byte) ([]byte, error) {
	target := election.NodeID(node)
	p.mu.Lock()
	box := p.asked[target]
	away := p.boxes[target] == nil || box == nil || p.left[target] || p.left[p.self]
	cut := p.cut[[2]election.NodeID{p.self, target}] || p.cut[[2]election.NodeID{target, p.self}]
	if !away && !cut {
		p.seen = append(p.seen, string(data))
	}
	p.mu.Unlock()
	switch {
	case cut:
		<-ctx.Done()

		return nil, fmt.Errorf("ask %s: %w: i/o timeout", node, levels.ErrUnreachable)
	case away:
		return nil, fmt.Errorf("ask %s: %w: connection refused", node, levels.ErrUnreachable)
	}
	answers := make(chan []byte, 1)
	question := Question{From: levels.NodeID(p.self), Data: data, Answer: func(answer []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.lose > 0 && strings.Contains(string(data), `"ask":"operation"`) {
			p.lose--

			return nil
		}
		answers <- answer

		return nil
	}}
	select {
	case box <- question:
	case <-ctx.Done():
	}
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s: no answer: %w", node, context.Cause(ctx))
	}
}

func (p *fakePeers) Asked(ctx context.Context) (Question, error) {
	p.mu.Lock()
	box := p.asked[p.self]
	p.mu.Unlock()
	select {
	case question := <-box:
		return question, nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.asked[p.self] == box {
			p.asked[p.self] = nil
		}

		return Question{}, context.Cause(ctx)
	}
}

func (p *fakePeers) Leave(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[p.self] = true

	return nil
}

func (p *fakePeers) Join(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.left, p.self)

	return nil
}
