package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Config is what a machine goes by.
type Config struct {
	Self levels.NodeID
	// Hold: with two voters, one of them goes on alone.
	Hold   bool
	Limits Limits
}

// Limits bound every wait.
type Limits struct {
	// Try bounds the search for a master that gives the turn; Retry is the pause in it.
	Try, Retry time.Duration
	// Settle is how long a new master gives no turn, so that it sees what is in progress, unless
	// all others say before that they have nothing; Roll is the pause in asking them.
	Settle, Roll time.Duration
	// Claim is how long a turn lasts whose operation nobody sees, Turn how long any does.
	Claim, Turn time.Duration
	// Leave bounds the shutdown of one node, Return what follows until it is up again.
	Leave, Return time.Duration
	// Ready bounds the wait until a node may be taken down at all.
	Ready time.Duration
	// Grace is how long a node may be unheard before it counts as lost.
	Grace time.Duration
}

// DefaultLimits are those of a cluster whose shutdowns of one node are over after leave.
func DefaultLimits(leave time.Duration) Limits {
	return Limits{
		Try: 5 * time.Second, Retry: 500 * time.Millisecond, Settle: time.Second, Roll: 100 * time.Millisecond,
		Claim: 10 * time.Second, Turn: leave + 5*time.Minute,
		Leave: leave, Return: 20 * time.Minute, Ready: 2 * time.Minute, Grace: 5 * time.Second,
	}
}

const (
	// As many questions as maxQuestions wait while a new master settles; one more is told to ask again.
	maxQuestions = 64
	// As many own operations as maxAsks wait for a turn.
	maxAsks = 64
	// An order that is not answered is given maxAttempts times.
	maxAttempts = 5
	// As many ended operations as keptOperations are shown.
	keptOperations = 8
	// A step ends within maxRounds.
	maxRounds = 1000
)

// Start is what a machine begins with.
type Start struct {
	Config Config
	// Incarnation names this boot.
	Incarnation string
	// Plan is what an earlier life has made durable; nil when there was none.
	Plan *Plan
}

// Result is what one step decided.
type Result struct {
	Actions []Action
	// Wake is when Ticked is wanted next; 0 = not needed. It may be early.
	Wake levels.Instant
	// Err answers a ClusterAsked that was not taken; then nothing changed.
	Err error
	// Plan answers a ClusterAsked with DryRun: a line a step, for a person.
	Plan []string
}

// Machine decides for one node. It is owned by one goroutine; see New.
type Machine struct {
	config      Config
	incarnation string

	// The cluster, once it was seen; for how long each operation of another node shows.
	known   bool
	cluster Cluster
	shown   map[levels.NodeID]sighting
	over    map[levels.NodeID]sighting

	// As the master: since when, the turn that is given, and who waits.
	reign     levels.Instant
	serial    uint64
	turn      *turn
	questions []TurnAsked
	settling

	// Of this node's own operations: those that wait for a turn, and those that have one.
	asks []asking
	held []holding
	// newest is the newest of them that is over.
	newest levels.OperationID

	plan *Plan
	// Of a plan of an earlier life: judged says that it was compared with this boot, and
	// patience until when nobody wonders why this node does not lead yet.
	judged   bool
	patience levels.Instant
	dirty    bool

	nextOrder OrderID
	ended     []levels.OperationView

	// Of the step in progress.
	now levels.Instant
	out Result
}

// sighting is one operation as a card shows it.
type sighting struct {
	incarnation string
	number      levels.OperationID
	since       levels.Instant
}

// New returns a machine that has seen nothing yet.
func New(start Start) *Machine {
	m := &Machine{
		config: start.Config, incarnation: start.Incarnation,
		shown: map[levels.NodeID]sighting{}, over: map[levels.NodeID]sighting{},
		nextOrder: 1, judged: true,
	}
	if start.Plan != nil && len(start.Plan.Items) > 0 {
		m.plan = start.Plan.clone()
		m.judged = false
	}

	return m
}

// Step takes note of one event at an instant that is not before the last one.
func (m *Machine) Step(now levels.Instant, event Event) Result {
	m.now, m.out = now, Result{}
	m.take(event)
	m.resume()
	m.reviewTurn()
	m.pursueAll()
	m.advance()
	m.callRoll()
	if m.dirty {
		m.dirty = false
		m.out.Actions = slices.Insert(m.out.Actions, 0, Action(Persist{Plan: m.plan.clone()}))
	}
	m.out.Wake = m.wake()

	return m.out
}

func (m *Machine) take(event Event) {
	switch event := event.(type) {
	case Seen:
		m.see(event.Cluster)
	case Configured:
		m.config = event.Config
	case Ticked:
	case OperationAsked:
		m.operationAsked(event)
	case OperationBegun:
		m.operationBegun(event)
	case OperationDropped:
		m.operationDropped(event)
	case OperationEnded:
		m.operationEnded(event)
	case TurnAsked:
		m.turnAsked(event)
	case TurnAnswered:
		m.turnAnswered(event)
	case TurnOver:
		m.turnOver(event)
	case IdleAnswered:
		m.idleAnswered(event)
	case ClusterAsked:
		m.clusterAsked(event.Request, event.Number)
	case OrderAnswered:
		m.orderAnswered(event)
	case OrderEnded:
		m.orderEnded(event)
	}
}

func (m *Machine) emit(action Action) { m.out.Actions = append(m.out.Actions, action) }

func (m *Machine) note(format string, args ...any) { m.emit(Note{Text: fmt.Sprintf(format, args...)}) }

// see takes the newest knowledge of the cluster.
func (m *Machine) see(next Cluster) {
	before, was := m.cluster, m.known
	m.cluster, m.known = next.clone(), true
	m.observe()
	switch {
	case next.Leading && (!was || !before.Leading || before.Term != next.Term):
		m.enthrone()
		if m.turn != nil && !m.turn.plan {
			m.turn = nil
		}
	case !next.Leading:
		m.turn = nil
		for _, question := range m.questions {
			m.emit(AnswerTurn{Question: question.Question, Answer: TurnAnswer{Outcome: TurnNotMaster}})
		}
		m.questions = nil
	}
}

// observe keeps since when each operation shows.
func (m *Machine) observe() {
	for i := range m.cluster.Nodes {
		node := &m.cluster.Nodes[i]
		last := m.shown[node.Node]
		switch {
		case node.Operation == levels.OperationUnknown:
			delete(m.shown, node.Node)
		case last.number != node.Number || last.incarnation != node.Incarnation:
			m.shown[node.Node] = sighting{incarnation: node.Incarnation, number: node.Number, since: m.now}
		}
	}
}

// wake is the earliest moment at which time alone changes something.
func (m *Machine) wake() levels.Instant {
	var earliest levels.Instant
	consider := func(at levels.Instant) {
		if at != 0 && (earliest == 0 || at < earliest) {
			earliest = at
		}
	}
	if m.hurry() {
		consider(m.settleBy())
		if len(m.unasked()) > 0 {
			consider(m.rollAt)
		}
	}
	for i := range m.asks {
		consider(m.asks[i].until)
		if m.asks[i].retryAt > m.now {
			consider(m.asks[i].retryAt)
		}
	}
	if m.turn != nil && !m.turn.plan {
		consider(m.turn.ends(m.config.Limits))
	}
	if m.plan != nil {
		consider(m.planWake())
	}

	return earliest
}
