package fleet

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/levels"
)

// world plays a cluster of machines: a simple election, operations that take a while, cards
// that are late, messages that get lost with the node they go to.
type world struct {
	t     *rapid.T
	now   levels.Instant
	queue []happening
	count int
	nodes []*simNode
	// master and term are the election's; vacant since when there is none.
	master levels.NodeID
	term   levels.Term
	vacant levels.Instant
	ticket Ticket
	// trace tells the story to who reads a failure.
	trace []string
	// asked and refused count requests, done and failed the operations on the whole cluster.
	asked, refused, done, failed int
	// faulty: something died.
	faulty bool
	// questions in flight.
	questions map[Question]func(TurnAnswer)
}

type happening struct {
	at  levels.Instant
	seq int
	do  func()
}

// simNode is one node with what outlives its agent.
type simNode struct {
	w    *world
	id   levels.NodeID
	on   bool // powered
	left bool
	// life counts lives of the agent, so that what is late does not reach the next one.
	life    int
	boot    int
	state   levels.NodeState
	machine *Machine
	plan    *Plan
	numbers levels.OperationID
	running *simOperation
	// qualified is the attribute.
	qualified bool
	linger    bool
	// card is what the others see.
	card Node
	// asked are requests that wait for Proceed or Refuse.
	asked map[Ticket]simRequest
	wakes int
	late  int
}

type simRequest struct {
	request levels.OperationRequested
	order   func(OrderAnswer, levels.OperationID, string)
}

type simOperation struct {
	number  levels.OperationID
	request levels.OperationRequested
	turn    bool
	phase   int
}

func newSim(t *rapid.T, size int) *world {
	w := &world{t: t, now: levels.Instant(time.Minute), questions: map[Question]func(TurnAnswer){}}
	for i := range size {
		n := &simNode{
			w: w, id: levels.NodeID(fmt.Sprintf("n%d", i+1)), on: true, state: levels.StateUp, qualified: true, boot: 1, numbers: 1,
			asked: map[Ticket]simRequest{},
		}
		w.nodes = append(w.nodes, n)
	}
	w.master, w.term = "n1", 1
	for _, n := range w.nodes {
		n.card = n.truth()
	}
	for _, n := range w.nodes {
		n.start()
	}
	w.every(100*time.Millisecond, w.elect)
	w.every(200*time.Millisecond, w.gossip)
	w.run(2 * time.Second)

	return w
}

func (w *world) choose(n int, what string) int { return rapid.IntRange(0, n-1).Draw(w.t, what) }

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8.3f ", time.Duration(w.now).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) after(d time.Duration, do func()) {
	w.count++
	w.queue = append(w.queue, happening{w.now.Add(d), w.count, do})
}

func (w *world) every(d time.Duration, do func()) {
	w.after(d, func() {
		do()
		w.every(d, do)
	})
}

func (w *world) run(span time.Duration) {
	end := w.now.Add(span)
	for {
		best := -1
		for i := range w.queue {
			if best < 0 || w.queue[i].at < w.queue[best].at || w.queue[i].at == w.queue[best].at && w.queue[i].seq < w.queue[best].seq {
				best = i
			}
		}
		if best < 0 || w.queue[best].at > end {
			w.now = end

			return
		}
		next := w.queue[best]
		w.queue = slices.Delete(w.queue, best, best+1)
		w.now = max(w.now, next.at)
		next.do()
		w.watch()
	}
}

func (w *world) node(id levels.NodeID) *simNode {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}

	return nil
}

func (w *world) fatal(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, line := range w.trace {
		text += "\n" + line
	}
	w.t.Fatal(text)
}

// voting says that the node's vote counts now.
func (n *simNode) voting() bool { return n.on && !n.left && n.life > 0 && n.machine != nil }

func (w *world) majority() bool {
	count := 0
	for _, n := range w.nodes {
		if n.voting() {
			count++
		}
	}

	return count > len(w.nodes)/2
}

// fit says that the node may have a role.
func (n *simNode) fit() bool {
	busy := n.running != nil && (n.running.request.Kind == levels.OperationShutdown || n.running.request.Kind == levels.OperationDisqualify)

	return n.voting() && n.state == levels.StateUp && n.qualified && !busy
}

func (w *world) vice() levels.NodeID {
	for _, n := range w.nodes {
		if n.fit() && n.id != w.master && w.master != "" {
			return n.id
		}
	}

	return ""
}

// elect takes the mastership from who cannot have it, and gives it after a lease.
func (w *world) elect() {
	if m := w.node(w.master); m != nil && (!m.voting() || !w.majority()) {
		w.release("")
	}
	if w.master == "" && w.now >= w.vacant.Add(2*time.Second) && w.majority() {
		for _, n := range w.nodes {
			if n.fit() {
				w.crown(n.id)

				return
			}
		}
	}
}

func (w *world) release(to levels.NodeID) {
	w.note("%s is master no more", w.master)
	w.master, w.vacant = "", w.now
	if n := w.node(to); n != nil && n.fit() {
		w.crown(to)

		return
	}
	w.tellAll()
}

func (w *world) crown(id levels.NodeID) {
	w.term++
	w.master = id
	w.note("%s is master of term %d", id, w.term)
	w.tellAll()
}

// gossip lets cards catch up.
func (w *world) gossip() {
	for _, n := range w.nodes {
		if n.late++; n.late > 2 || w.choose(3, "lag") > 0 { // 600 ms at the most
			n.card, n.late = n.truth(), 0
		}
	}
	w.tellAll()
}

func (w *world) tellAll() {
	for _, n := range w.nodes {
		n.see()
	}
}

// truth is the card as it would be now.
func (n *simNode) truth() Node {
	node := Node{
		Node: n.id, Vote: true, Eligible: true, Alive: n.voting(), Left: n.left, State: n.state, Qualified: n.qualified, InStep: true,
		Incarnation: fmt.Sprintf("%s-%d", n.id, n.boot), Role: levels.RoleSpare,
	}
	if !n.qualified {
		node.Role = levels.RoleOffline
	}
	if n.running != nil {
		node.Operation, node.Number = n.running.request.Kind, n.running.number
	}
	if n.machine != nil && n.machine.plan != nil && n.machine.judged {
		node.Operation, node.Number = n.machine.plan.Kind, n.machine.plan.ID
	}

	return node
}

func (n *simNode) see() {
	if n.machine == nil {
		return
	}
	w := n.w
	cluster := Cluster{Master: w.master, Term: w.term, Leading: w.master == n.id, Ready: true}
	vice := w.vice()
	for _, other := range w.nodes {
		node := other.card
		if other == n {
			node = n.truth()
			node.Operation, node.Number = 0, 0
			if n.running != nil {
				node.Operation, node.Number = n.running.request.Kind, n.running.number
			}
		}
		switch other.id {
		case w.master:
			node.Role = levels.RoleMaster
		case vice:
			node.Role = levels.RoleVice
		}
		cluster.Nodes = append(cluster.Nodes, node)
	}
	n.step(Seen{cluster})
}

func (n *simNode) start() {
	n.life++
	n.asked = map[Ticket]simRequest{}
	n.machine = New(Start{
		Config:      Config{Self: n.id, Limits: DefaultLimits(10 * time.Minute)},
		Incarnation: fmt.Sprintf("%s-%d", n.id, n.boot), Plan: n.plan.clone(),
	})
	n.see()
}

func (n *simNode) step(event Event) {
	result := n.machine.Step(n.w.now, event)
	if err := n.machine.Check(); err != nil {
		n.w.fatal("%s: %v after %T", n.id, err, event)
	}
	if result.Wake != 0 {
		n.wakes++
		mine, life := n.wakes, n.life
		n.w.after(max(0, result.Wake.Sub(n.w.now)), func() {
			if n.life == life && n.wakes == mine && n.machine != nil {
				n.step(Ticked{})
			}
		})
	}
	for _, action := range result.Actions {
		n.carryOut(action)
	}
}
