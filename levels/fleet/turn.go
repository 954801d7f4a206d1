package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// turn is the one transition that the master has allowed.
type turn struct {
	term levels.Term
	// serials are the grants that are not over: a node may have several, for operations of
	// which its machine of levels begins one.
	serials []uint64
	owner   levels.NodeID
	kind    levels.OperationKind
	by      string
	since   levels.Instant
	// number is the operation as its owner's card shows it; 0 while it does not.
	number levels.OperationID
	// base is what the card showed when the turn was given: an earlier operation.
	base levels.OperationID
	// boot is the owner's when it was seen with the turn first.
	boot string
	// unseen: gossip has not heard yet of an owner that asks, for it has just come.
	unseen bool
	// plan: it is that of an operation on the whole cluster, which ends it.
	plan bool
}

// ends is when the turn ends at the latest.
func (t *turn) ends(limits Limits) levels.Instant {
	if t.number == 0 {
		return t.since.Add(limits.Claim)
	}

	return t.since.Add(limits.Turn)
}

// turnAsked takes another node's question.
func (m *Machine) turnAsked(ev TurnAsked) {
	switch {
	case !m.cluster.Leading, len(m.questions) >= maxQuestions:
		m.emit(AnswerTurn{Question: ev.Question, Answer: TurnAnswer{Outcome: TurnNotMaster}})
	case !m.settled(ev.From):
		m.questions = append(m.questions, ev)
	default:
		m.emit(AnswerTurn{Question: ev.Question, Answer: m.grant(ev.From, ev.Kind, ev.By)})
	}
}

// grant gives the turn to the node, unless something is in progress elsewhere. What the
// same node has in progress is left to its machine of levels, which knows what may
// supersede what.
func (m *Machine) grant(owner levels.NodeID, kind levels.OperationKind, by string) TurnAnswer {
	if text := m.inProgress(owner); text != "" {
		return TurnAnswer{Outcome: TurnInProgress, Text: text}
	}
	var before []uint64
	if m.turn != nil {
		before = m.turn.serials
	}
	m.serial++
	m.turn = &turn{term: m.cluster.Term, serials: append(before, m.serial), owner: owner, kind: kind, by: by, since: m.now}
	node := m.cluster.node(owner)
	m.turn.unseen = !node.told()
	if node.told() && node.Operation != levels.OperationUnknown {
		m.turn.base = node.Number
	}

	return TurnAnswer{Outcome: TurnGranted, Turn: TurnID{Term: m.cluster.Term, Serial: m.serial}}
}

// inProgress says what stands in the way of an operation on the node: owner, age and step.
func (m *Machine) inProgress(owner levels.NodeID) string {
	if m.plan != nil {
		return m.planWords()
	}
	if t := m.turn; t != nil && t.owner != owner {
		return inProgressWords(t.kind, t.owner, t.by, m.now.Sub(t.since), m.stepOf(t.owner, t.number))
	}
	for i := range m.cluster.Nodes {
		node := &m.cluster.Nodes[i]
		if node.Node == owner || !m.showing(*node) || m.now >= m.shown[node.Node].since.Add(m.config.Limits.Turn) {
			continue
		}

		return inProgressWords(node.Operation, node.Node, "", m.now.Sub(m.shown[node.Node].since), node.Step)
	}

	return ""
}

// showing says that a node that is there shows an operation that is not known to have ended. In
// a boot numbers rise, and a node carries out one operation at a time: what is older than
// one that is over is over too, and only its card is late. What a node showed before it was lost
// counts again when it shows it again.
func (m *Machine) showing(node Node) bool {
	if !node.told() || node.Operation == levels.OperationUnknown {
		return false
	}
	over := m.over[node.Node]

	return over.incarnation != node.Incarnation || over.number < node.Number
}

func (m *Machine) stepOf(id levels.NodeID, number levels.OperationID) string {
	node := m.cluster.node(id)
	if number == 0 || node.Number != number {
		return ""
	}

	return node.Step
}

func inProgressWords(kind levels.OperationKind, node levels.NodeID, by string, age time.Duration, step string) string {
	text := fmt.Sprintf("%v of %s", kind, node)
	if by != "" {
		text += " by " + by
	}
	text += fmt.Sprintf(", for %v", age.Round(time.Second))
	if step != "" {
		text += ", at " + step
	}

	return text
}

// turnOver takes the word of a turn's owner.
func (m *Machine) turnOver(ev TurnOver) {
	if ev.Number != 0 {
		m.passed(ev.From, ev.Number)
	}
	t := m.turn
	if t == nil || t.plan || t.owner != ev.From || ev.Turn.Term != t.term {
		return
	}
	t.serials = slices.DeleteFunc(t.serials, func(serial uint64) bool { return serial == ev.Turn.Serial })
	if len(t.serials) == 0 {
		m.turn = nil
	}
}

// passed remembers the latest operation of a node that has ended, because its card is late.
func (m *Machine) passed(node levels.NodeID, number levels.OperationID) {
	incarnation := m.cluster.node(node).Incarnation
	if over := m.over[node]; over.incarnation == incarnation && over.number > number {
		return
	}
	m.over[node] = sighting{incarnation: incarnation, number: number}
}

// reviewTurn ends a turn that its owner's card, its owner's end or the time ends, and then
// answers who has waited for the new master to settle.
func (m *Machine) reviewTurn() {
	m.endTurn()
	if !m.cluster.Leading {
		return
	}
	waiting := m.questions
	m.questions = nil
	for _, question := range waiting {
		m.turnAsked(question)
	}
}

func (m *Machine) endTurn() {
	t := m.turn
	if t == nil || t.plan {
		return
	}
	node := m.cluster.node(t.owner)
	why := ""
	t.unseen = t.unseen && !node.told()
	if t.boot == "" && node.told() {
		t.boot = node.Incarnation
	}
	switch {
	case t.unseen:
	case node.gone():
		why = string(t.owner) + " has left"
	case !node.Alive:
		why = string(t.owner) + " is lost"
	case t.boot != node.Incarnation:
		why = string(t.owner) + " has booted since"
	case m.showing(node) && node.Number != t.base:
		t.number = node.Number
	case t.number != 0 && !node.Former:
		why = string(t.owner) + " shows it no more"
	}
	if why == "" && m.now >= t.ends(m.config.Limits) {
		why = fmt.Sprintf("it was given %v ago", m.now.Sub(t.since).Round(time.Second))
	}
	if why == "" {
		return
	}
	m.note("the turn of %s for %v is over: %s", t.owner, t.kind, why)
	m.turn = nil
}
