package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// Plan is an operation on the whole cluster: what is to be done on which node, in which
// order, and how far it has come. It is plain data, and durable from its first order on.
type Plan struct {
	ID     levels.OperationID   `json:"id"`
	Kind   levels.OperationKind `json:"kind"`
	Mode   levels.Mode          `json:"mode"`
	Force  bool                 `json:"force"`
	By     string               `json:"by"`
	Reason string               `json:"reason"`
	// Incarnation is the coordinator's boot in which it began, Started when in that boot.
	Incarnation string         `json:"incarnation"`
	Started     levels.Instant `json:"started"`
	// Items in their order; those of one group go in parallel.
	Items []Item `json:"items"`
	// Away were not there when it began.
	Away []levels.NodeID `json:"away"`
}

// Item is one thing to be done on one node.
type Item struct {
	Node  levels.NodeID `json:"node"`
	Do    Do            `json:"do"`
	Group int           `json:"group"`
	// Role is what the node was when the plan was made.
	Role levels.Role `json:"role"`
	// Linger: the node stays a voter until the master serves no more.
	Linger bool  `json:"linger"`
	State  State `json:"state"`
	// Incarnation is the node's boot as of the order, and Shown what its card said then, which
	// may be the boot before.
	Incarnation string `json:"incarnation"`
	Shown       string `json:"shown,omitempty"`
	// Ordered: an order was given, in an earlier life perhaps.
	Ordered bool   `json:"ordered"`
	Reason  string `json:"reason"`

	// What follows counts in this life only. Since is when the state began, RetryAt when the
	// order is given again, LostAt since when the node is unheard without a goodbye, AwayAt
	// since when it is down, Stopping that it was seen to stop.
	Since, RetryAt, LostAt, AwayAt levels.Instant     `json:"-"`
	Stopping                       bool               `json:"-"`
	Attempts                       int                `json:"-"`
	Order                          OrderID            `json:"-"`
	Number                         levels.OperationID `json:"-"`
	// Trouble is what was heard of the end of the order, Over that it ended well.
	Trouble string `json:"-"`
	Over    bool   `json:"-"`
}

// Do is what is to be done on a node. The zero value is to shut it down.
type Do uint8

// What can be done.
const (
	DoShutdown Do = iota
	DoReboot
	DoSwitchover
)

// State is how far an item is. The zero value is waiting.
type State uint8

// The states.
const (
	StateWaiting State = iota // for its turn, or for what must hold first
	StateOrdered              // the order was given and is not answered
	StateTaken                // the node is at it
	StateDone
	StateSkipped // there was nothing to do
	StateFailed
)

func (p *Plan) clone() *Plan {
	if p == nil {
		return nil
	}
	copied := *p
	copied.Items, copied.Away = slices.Clone(p.Items), slices.Clone(p.Away)

	return &copied
}

// settled says that nothing more comes of the item.
func (i *Item) settled() bool { return i.State >= StateDone }

// group returns the bounds of the first group that is not settled; from == to when all are.
func (p *Plan) group() (from, to int) {
	from = slices.IndexFunc(p.Items, func(i Item) bool { return !i.settled() })
	if from < 0 {
		return 0, 0
	}
	number := p.Items[from].Group
	for from > 0 && p.Items[from-1].Group == number {
		from--
	}
	to = from
	for to < len(p.Items) && p.Items[to].Group == number {
		to++
	}

	return from, to
}

// clusterAsked takes an operation on the whole cluster, or says by name why not.
func (m *Machine) clusterAsked(r levels.OperationRequested, number levels.OperationID) {
	plan, err := m.draft(r)
	m.hurried = errors.Is(err, levels.ErrTryAgain)
	if err != nil {
		m.out.Err = fmt.Errorf("%v: %w", r.Kind, err)

		return
	}
	if r.DryRun {
		m.out.Plan = m.outline(plan)

		return
	}
	plan.ID, plan.Incarnation, plan.Started = number, m.incarnation, m.now
	m.plan, m.judged, m.dirty = plan, true, true
	m.turn = &turn{
		term: m.cluster.Term, owner: m.config.Self, kind: r.Kind, by: r.By, since: m.now, plan: true,
	}
	m.emit(TellStarted{Operation: m.planView()})
}

// draft makes the plan and checks what must hold before anything is begun.
func (m *Machine) draft(r levels.OperationRequested) (*Plan, error) {
	switch {
	case !r.Kind.OfCluster():
		return nil, fmt.Errorf("%w: it is no operation on a whole cluster", levels.ErrInvalid)
	case r.Mode > levels.ModeStandalone, r.Mode != levels.ModeNone && r.Kind == levels.OperationRollingReboot:
		return nil, fmt.Errorf("%w: mode %v", levels.ErrInvalid, r.Mode)
	case m.plan != nil:
		return nil, fmt.Errorf("%w: %s; wait for its end", levels.ErrOperationInProgress, m.planWords())
	case !m.cluster.Leading:
		return nil, fmt.Errorf("%w: only the master does it, and that is %s", levels.ErrRefused, dash(m.cluster.Master))
	case !m.settled(""):
		return nil, fmt.Errorf("%w: %s has just become the master", levels.ErrTryAgain, m.config.Self)
	}
	if others := m.inProgress(""); others != "" && !r.Force {
		return nil, fmt.Errorf("%w: %s; wait for its end", levels.ErrOperationInProgress, others)
	}
	plan := &Plan{Kind: r.Kind, Mode: r.Mode, Force: r.Force, By: r.By, Reason: r.Reason}
	if r.Kind == levels.OperationClusterShutdown {
		if plan.Mode == levels.ModeNone {
			plan.Mode = levels.ModeReboot
		}
		m.draftShutdown(plan)

		return plan, nil
	}
	if why := m.mayRoll(); len(why) > 0 {
		return nil, fmt.Errorf("%w: %s", levels.ErrRefused, strings.Join(why, "; "))
	}
	m.draftRolling(plan)

	return plan, nil
}

// others are the nodes that are there, in their order, but the vice and this one.
func (m *Machine) others(plan *Plan) (others []Node, vice *Node) {
	for _, node := range m.cluster.Nodes {
		switch {
		case node.Node == m.config.Self:
		case !node.Alive:
			plan.Away = append(plan.Away, node.Node)
		case node.Role == levels.RoleVice:
			vice = &node
		default:
			others = append(others, node)
		}
	}

	return others, vice
}

// draftShutdown: members and spares at once, the vice, the master. As many voters as the
// master needs stay until it serves no more; where the nodes come back by themselves all
// stay, so that none is back and takes a role before the last has gone.
func (m *Machine) draftShutdown(plan *Plan) {
	others, vice := m.others(plan)
	returns := plan.Mode == levels.ModeReboot || plan.Mode == levels.ModeStandalone
	var leaving []levels.NodeID
	add := func(node Node, group int) {
		linger := returns
		if node.Vote && !linger {
			linger = m.cluster.without(m.config.Hold, append(leaving, node.Node)...) != ""
		}
		if !linger {
			leaving = append(leaving, node.Node)
		}
		plan.Items = append(plan.Items, Item{Node: node.Node, Group: group, Role: node.Role, Linger: linger})
	}
	for _, node := range others {
		add(node, 1)
	}
	if vice != nil {
		add(*vice, 2)
	}
	plan.Items = append(plan.Items, Item{Node: m.config.Self, Group: 3, Role: m.cluster.node(m.config.Self).Role})
}

// draftRolling: members and spares one by one, the vice, then the master after a switchover.
func (m *Machine) draftRolling(plan *Plan) {
	others, vice := m.others(plan)
	if vice != nil {
		others = append(others, *vice)
	}
	for _, node := range others {
		plan.Items = append(plan.Items, Item{Node: node.Node, Do: DoReboot, Group: len(plan.Items), Role: node.Role})
	}
	own := m.cluster.node(m.config.Self).Role
	for _, do := range []Do{DoSwitchover, DoReboot} {
		plan.Items = append(plan.Items, Item{Node: m.config.Self, Do: do, Group: len(plan.Items), Role: own})
	}
}

// mayRoll names everything that forbids a rolling reboot.
func (m *Machine) mayRoll() []string {
	var why []string
	critical := ""
	for i := range m.cluster.Nodes {
		node := &m.cluster.Nodes[i]
		if !node.Alive {
			continue
		}
		if node.State != levels.StateUp {
			why = append(why, fmt.Sprintf("%s is %v; wait until it is up", node.Node, node.State))
		}
		if critical == "" {
			critical = m.cluster.without(m.config.Hold, node.Node)
		}
	}
	if critical != "" {
		why = append(why, critical+"; bring the missing voters back first")
	}
	if m.cluster.vice() == "" {
		why = append(why, "no vice is ready to take over from the master; unlock a node or bring one back")
	}

	return why
}

// outline is the plan for a person, a line a step.
func (m *Machine) outline(plan *Plan) []string {
	var lines []string
	for from := 0; from < len(plan.Items); {
		to := from
		for to < len(plan.Items) && plan.Items[to].Group == plan.Items[from].Group {
			to++
		}
		lines = append(lines, m.outlineGroup(plan, plan.Items[from:to]))
		from = to
	}
	if len(plan.Away) > 0 {
		lines = append(lines, "away, left out: "+join(plan.Away))
	}

	return lines
}

func (m *Machine) outlineGroup(plan *Plan, items []Item) string {
	var words, staying []string
	for i := range items {
		words = append(words, fmt.Sprintf("%s (%v)", items[i].Node, items[i].Role))
		if items[i].Linger {
			staying = append(staying, string(items[i].Node))
		}
	}
	line := strings.Join(words, ", ")
	switch items[0].Do {
	case DoSwitchover:
		return fmt.Sprintf("%s: switchover to the vice, which is %s now", line, m.cluster.vice())
	case DoReboot:
		return line + ": reboot, and wait until it is up"
	case DoShutdown:
		line += ": shutdown (" + plan.Mode.String() + ")"
		if len(items) > 1 {
			line += ", at once"
		}
		if len(staying) > 0 {
			line += fmt.Sprintf("; voting until %s has stopped: %s", m.config.Self, strings.Join(staying, ", "))
		}
	}

	return line
}
