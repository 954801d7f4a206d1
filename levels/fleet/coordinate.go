package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// advance goes on with the operation on the whole cluster as far as it can now.
func (m *Machine) advance() {
	for range maxRounds {
		if m.plan == nil || !m.known || !m.judged {
			return
		}
		from, to := m.plan.group()
		if m.failed() {
			return
		}
		if from == to {
			m.finish(levels.ResultDone, "")

			return
		}
		group := m.plan.Items[from:to]
		if why := m.deposed(group); why != "" {
			m.finish(levels.ResultFailed, why)

			return
		}
		for i := range group {
			m.attend(&group[i])
		}
		if m.failed() || slices.ContainsFunc(group, func(i Item) bool { return !i.settled() }) {
			return
		}
	}
	panic("fleet: a plan that does not come to rest")
}

// failed ends the operation when a node has failed, unless it goes on without.
func (m *Machine) failed() bool {
	failed := slices.IndexFunc(m.plan.Items, func(i Item) bool { return i.State == StateFailed })
	if failed < 0 || m.goesOn() {
		return false
	}
	item := &m.plan.Items[failed]
	who := string(item.Node)
	if item.Do == DoSwitchover {
		who = "the switchover of " + who
	}
	m.finish(levels.ResultFailed, who+" "+item.Reason)

	return true
}

// goesOn says that a node that fails stops nothing.
func (m *Machine) goesOn() bool {
	return m.plan.Force && m.plan.Kind == levels.OperationClusterShutdown
}

// deposed says why this node may coordinate no more, "" while it may.
func (m *Machine) deposed(group []Item) string {
	self := m.cluster.node(m.config.Self)
	own := group[0].Node == m.config.Self
	switch {
	case own && group[0].Ordered:
		return "" // the role goes away by the plan itself
	case self.State == levels.StateShuttingDown, self.State == levels.StateLeaving, self.State == levels.StateDown:
		return fmt.Sprintf("%s, which coordinates it, is %v by another word", m.config.Self, self.State)
	case m.cluster.Leading && own && group[0].Do == DoReboot:
		return fmt.Sprintf("%s is the master again after its switchover", m.config.Self)
	case m.cluster.Leading, own && group[0].Do == DoReboot:
		return ""
	case m.cluster.Master != "" && m.cluster.Master != m.config.Self:
		return fmt.Sprintf("the mastership went from %s, which coordinates it, to %s", m.config.Self, m.cluster.Master)
	case m.now < m.patience, m.goesOn():
		return ""
	default:
		return fmt.Sprintf("%s, which coordinates it, has lost the mastership", m.config.Self)
	}
}

func (m *Machine) set(item *Item, state State, reason string) {
	item.State, item.Reason, item.Since = state, reason, m.now
	m.dirty = true
}

// attend goes on with one item.
func (m *Machine) attend(item *Item) {
	if item.settled() {
		return
	}
	node := m.cluster.node(item.Node)
	if item.Since == 0 {
		item.Since = m.now
	}
	m.watch(item, node)
	if done, state, why := m.reached(item, node); done {
		m.set(item, state, why)

		return
	}
	if item.Ordered { // what was not answered may have been taken all the same
		if why := m.overdue(item, node); why != "" {
			m.set(item, StateFailed, why)
		}
	}
	if item.State != StateWaiting {
		return
	}
	why := m.notYet(item, node)
	switch {
	case why == "" && m.now >= item.RetryAt:
		m.order(item, node)
	case why != "" && m.now >= item.Since.Add(m.config.Limits.Ready):
		m.set(item, StateFailed, fmt.Sprintf("was not begun within %v: %s", m.config.Limits.Ready, why))
	case why != item.Reason:
		item.Reason = why
	}
}

// watch keeps since when the node is silent and when it went down.
func (m *Machine) watch(item *Item, node Node) {
	if node.Alive || node.gone() {
		item.LostAt = 0
	} else if item.LostAt == 0 {
		item.LostAt = m.now
	}
	item.Stopping = item.Stopping || item.State == StateTaken && stopping(node)
	if item.AwayAt == 0 && item.Ordered && (!node.Alive || item.rebooted(node)) {
		item.AwayAt = m.now
	}
}

// stopping says that a shutdown of the node is under way.
func stopping(node Node) bool {
	return node.State == levels.StateShuttingDown || node.State == levels.StateLeaving
}

// rebooted says that the node runs in another boot than at the order. While the order is not
// answered nobody knows in which one it was: a card may be late.
func (i *Item) rebooted(node Node) bool {
	return i.State != StateOrdered && node.Alive && i.Incarnation != "" && node.Incarnation != "" &&
		node.Incarnation != i.Incarnation && node.Incarnation != i.Shown
}

// reached says whether the item has come to its end, and to which.
func (m *Machine) reached(item *Item, node Node) (done bool, state State, why string) {
	switch item.Do {
	case DoShutdown:
		switch {
		case item.Node == m.config.Self:
			done = item.Over || item.Ordered && stopped(node)
		case node.gone() && !item.Ordered:
			return true, StateSkipped, "has left already"
		case !node.Alive && !node.gone() && !item.Ordered && m.now >= item.LostAt.Add(m.config.Limits.Grace):
			return true, StateSkipped, "is away"
		default:
			done = item.Over || node.gone() || item.Ordered && item.rebooted(node) ||
				item.Ordered && item.Linger && item.Incarnation == node.Incarnation && stopped(node)
		}
	case DoReboot:
		done = item.Ordered && item.rebooted(node) && node.State == levels.StateUp
	case DoSwitchover:
		done = item.Ordered && m.cluster.Master != "" && m.cluster.Master != m.config.Self &&
			(item.Over || item.State == StateWaiting && node.Operation != levels.OperationSwitchover)
	}

	return done, StateDone, ""
}

// stopped says that all sequences of a shutdown are behind the node.
func stopped(node Node) bool {
	return node.State == levels.StateLeaving || node.State == levels.StateDown
}

// overdue says why an order has failed, "" while it may still succeed.
func (m *Machine) overdue(item *Item, node Node) string {
	limits := m.config.Limits
	switch {
	case item.Trouble != "":
		return item.Trouble
	case item.Do == DoShutdown && item.LostAt != 0 && m.now >= item.LostAt.Add(limits.Grace):
		return "was lost before it had left in order"
	case item.Stopping && node.Alive && node.State == levels.StateUp && !item.rebooted(node):
		return "is up again without having gone down: see \"cssc history\" there"
	case item.AwayAt == 0 && m.now >= item.Since.Add(limits.Leave):
		return fmt.Sprintf("did not end within %v, it is %v%s", limits.Leave, node.State, atStep(node))
	case item.AwayAt != 0 && m.now >= item.AwayAt.Add(limits.Return):
		return fmt.Sprintf("did not come back within %v, it is %s%s", limits.Return, presence(node), atStep(node))
	default:
		return ""
	}
}

func atStep(node Node) string {
	if node.Step == "" || !node.Alive {
		return ""
	}

	return " (" + node.Step + ")"
}

func presence(node Node) string {
	if !node.Alive {
		return "away"
	}

	return node.State.String()
}

// notYet says what must hold before the order, "" when all does.
func (m *Machine) notYet(item *Item, node Node) string {
	switch item.Do {
	case DoShutdown:
		if item.Node != m.config.Self && !node.Alive {
			return "it is not heard"
		}

		return ""
	case DoSwitchover:
		if m.cluster.vice() == "" {
			return "no vice is ready to take over"
		}

		return ""
	case DoReboot:
		switch {
		case !node.Alive:
			return "it is not heard"
		case node.State != levels.StateUp:
			return fmt.Sprintf("it is %v", node.State)
		case item.Node == m.config.Self && (m.cluster.Master == "" || !m.cluster.Ready):
			return "the new master is not ready"
		default:
			return m.cluster.without(m.config.Hold, item.Node)
		}
	}

	return ""
}

// order begins the item on its node.
func (m *Machine) order(item *Item, node Node) {
	r := levels.OperationRequested{
		Kind: levels.OperationShutdown, Mode: m.plan.Mode, Linger: item.Linger,
		By: m.plan.By, Reason: strings.TrimSpace(m.plan.Kind.String() + " " + m.plan.Reason),
	}
	switch item.Do {
	case DoShutdown:
		r.Force = m.plan.Force
	case DoReboot:
		r.Mode = levels.ModeReboot
	case DoSwitchover:
		r.Kind, r.Mode, r.To = levels.OperationSwitchover, levels.ModeNone, m.cluster.vice()
	}
	if !item.Ordered {
		item.Incarnation, item.Shown = node.Incarnation, node.Incarnation
	}
	item.Ordered, item.Order, item.Number, item.Trouble, item.Over = true, m.nextOrder, 0, "", false
	item.Attempts++
	m.nextOrder++
	m.set(item, StateOrdered, "")
	m.emit(Order{Order: item.Order, Node: item.Node, Request: r})
}

func (m *Machine) item(order OrderID) *Item {
	if m.plan == nil || order == 0 {
		return nil
	}
	for i := range m.plan.Items {
		if m.plan.Items[i].Order == order {
			return &m.plan.Items[i]
		}
	}

	return nil
}

// orderAnswered follows the word of the node. Without one the order is given again, which
// changes nothing where it was taken.
func (m *Machine) orderAnswered(ev OrderAnswered) {
	item := m.item(ev.Order)
	if item == nil || item.State != StateOrdered {
		return
	}
	switch {
	case ev.Answer == OrderTaken:
		item.Number, item.Incarnation = ev.Number, cmp.Or(ev.Incarnation, item.Incarnation)
		m.set(item, StateTaken, "")
	case ev.Answer == OrderUnknown && item.Attempts < maxAttempts:
		since := item.Since
		m.set(item, StateWaiting, "no answer: "+ev.Error)
		item.Since, item.RetryAt = since, m.now.Add(m.config.Limits.Retry)
	case ev.Answer == OrderUnknown:
		m.set(item, StateFailed, fmt.Sprintf("did not answer %d times: %s", maxAttempts, ev.Error))
	default:
		m.set(item, StateFailed, "refused: "+ev.Error)
	}
}

func (m *Machine) orderEnded(ev OrderEnded) {
	if item := m.item(ev.Order); item != nil && !item.settled() {
		m.orderOver(item, ev.Result, ev.Error)
	}
}

func (m *Machine) orderOver(item *Item, result levels.OperationResult, reason string) {
	if result == levels.ResultDone {
		item.Over = true
	} else if item.Trouble = fmt.Sprintf("%v: %s", result, reason); reason == "" {
		item.Trouble = result.String()
	}
}

// ownOrderEnded finds the item whose operation has ended on this node.
func (m *Machine) ownOrderEnded(ev OperationEnded) {
	if m.plan == nil {
		return
	}
	for i := range m.plan.Items {
		item := &m.plan.Items[i]
		if item.Node == m.config.Self && item.State == StateTaken && item.Number == ev.Number {
			m.orderOver(item, ev.Result, ev.Error)
		}
	}
}
