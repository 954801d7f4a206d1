package levels

import (
	"fmt"
	"time"
)

// Await is what an operation waits for after its role was given back: that another node
// has taken it up. It is bounded twice, until somebody is named and until that node is ready.
type Await struct {
	// Role is master or vice.
	Role Role `json:"role"`
	// Term is that of the mastership which was given back; only a later one is a new one.
	Term  Term    `json:"term"`
	Until Instant `json:"until"`
	// Seen has the role since SeenTerm and has not taken it up yet; empty: nobody has it.
	Seen     NodeID `json:"seen"`
	SeenTerm Term   `json:"seen_term"`
	// GoneUntil bounds the wait for another one after Seen has lost the role again.
	GoneUntil Instant `json:"gone_until"`
}

const (
	// The takeOver bounds how long nobody may have the mastership; a longer lease needs
	// more, see Config.TakeOver.
	takeOver = 30 * time.Second
	// A vice is named with the next renewals of the master, or nobody can be.
	namingTime = 10 * time.Second
	// The viceTime bounds how long a shutdown waits for a new vice that was named.
	viceTime = time.Minute
)

// Longest is how long a sequence takes when one participant of every level runs into its
// time limit. A component that is only required at some levels can be late at those alone;
// any other at every level.
func (c *Config) Longest(sequence Sequence) time.Duration {
	var total time.Duration
	settings := c.Sequences[sequence]
	for level := range settings.Ladder.All() {
		limit := settings.Timeout
		if own := settings.Levels[level].Timeout; own > 0 {
			limit = own
		}
		position := Position{Sequence: sequence, Level: level}
		for _, component := range c.Components {
			for _, required := range component.Required {
				if required == position {
					limit = max(limit, component.Timeout)
				}
			}
		}
		total += limit
	}

	return total
}

// takeOverLimit bounds the wait for a new master to be known.
func (m *Machine) takeOverLimit() time.Duration { return max(m.s.Config.TakeOver, takeOver) }

// readyLimit bounds the wait for the role to be taken up by who has it.
func (m *Machine) readyLimit(role Role) time.Duration {
	limit := m.s.Config.Longest(Promote) + grace
	if role == RoleVice {
		limit = min(limit, viceTime)
	}

	return limit
}

// namingLimit bounds the wait for somebody to have the role at all.
func (m *Machine) namingLimit(role Role) time.Duration {
	if role == RoleVice {
		return max(namingTime, m.s.Config.TakeOver/3)
	}

	return m.takeOverLimit()
}

// awaits says which role somebody else must have taken up before the operation goes on;
// unknown: it does not wait. Whoever cannot or must not wait does not, nor a node that lingers:
// all others go down as well.
func (m *Machine) awaits(op *OperationState) Role {
	switch {
	case op.Kind == OperationSwitchover:
		return RoleMaster
	case op.Forced || op.Shut || op.Linger || !op.Heirs:
		return RoleUnknown
	case op.Gives == RoleMaster || m.s.Wanted == RoleMaster:
		return RoleMaster
	default:
		return op.Gives
	}
}

// await begins the wait; the role was given back just now.
func (m *Machine) await(op *OperationState, role Role) {
	if !role.Leads() {
		return
	}
	term := op.Term
	if m.s.Word.Role == RoleMaster { // elected once more in the middle of it
		term = m.s.Word.Term
	}
	op.Await = &Await{Role: role, Term: term, Until: m.now.Add(m.namingLimit(role))}
}

// standsBack says that the operation only waits for another node, so that this one may
// take up the role that it has now.
func (op *OperationState) standsBack() bool {
	return op != nil && op.Await != nil && op.Kind == OperationSwitchover
}

// succession looks whether the wait of the operation in progress has an end.
func (m *Machine) succession() bool {
	op := m.s.Operation
	switch {
	case op == nil || op.Await == nil:
		return false
	case op.Forced && op.Kind != OperationSwitchover:
		op.Await = nil

		return true
	case op.Kind == OperationSwitchover && m.takenElsewhere(op):
		return true
	}
	m.follow(op.Await)
	switch {
	case m.taken(op.Await):
		m.endAwait(op)
	case m.now >= op.Await.due() && op.Kind == OperationSwitchover:
		m.finishOperation(ResultFailed, m.awaitedInVain(op))
	case m.now >= op.Await.due():
		m.emit(TellNoSuccessor{Operation: m.operationView(op), Reason: m.awaitedInVain(op)})
		op.Await = nil
	default:
		return false
	}

	return true
}

func (m *Machine) endAwait(op *OperationState) {
	if op.Kind == OperationSwitchover {
		m.finishOperation(ResultDone, "")

		return
	}
	op.Await = nil
}

// successor is who has the awaited role now, and in which term; empty while nobody does.
func (m *Machine) successor(a *Await) (NodeID, Term) {
	switch {
	case !m.s.Known:
		return "", 0
	case a.Role == RoleMaster && m.s.Word.Term > a.Term:
		return m.s.Master, m.s.Word.Term
	case a.Role == RoleVice && m.s.Vice != m.s.Config.Node:
		return m.s.Vice, m.s.Word.Term
	default:
		return "", 0
	}
}

// follow notes who has got the role; each gets the time that taking it up may need.
func (m *Machine) follow(a *Await) {
	node, term := m.successor(a)
	switch {
	case node == "" && a.Seen != "" && a.GoneUntil == 0:
		a.GoneUntil = m.now.Add(m.namingLimit(a.Role))
	case node == "":
	case node != a.Seen || term != a.SeenTerm:
		a.Seen, a.SeenTerm, a.Until, a.GoneUntil = node, term, m.now.Add(m.readyLimit(a.Role)), 0
	default:
		a.GoneUntil = 0
	}
}

// due is when the wait is over for want of success.
func (a *Await) due() Instant {
	if a.GoneUntil != 0 {
		return min(a.Until, a.GoneUntil)
	}

	return a.Until
}

// taken says that the role is taken up by who has it.
func (m *Machine) taken(a *Await) bool {
	node, term := m.successor(a)
	switch {
	case node == "":
		return false
	case a.Role == RoleMaster:
		return m.s.Gate.Master == node && m.s.Gate.Term == term && m.s.Gate.Ready
	default:
		vice := m.s.Leaders.Vice

		return vice.Node == node && vice.Role == RoleVice && vice.State == StateUp && vice.Doing.Sequence == SequenceUnknown
	}
}

// takenElsewhere ends a switchover that has gone to another node than it was asked for.
func (m *Machine) takenElsewhere(op *OperationState) bool {
	a := op.Await
	node, term := m.successor(a)
	if node == "" || node == op.To {
		return false
	}
	reason := fmt.Sprintf("%s became master instead of %s", node, op.To)
	switch {
	case node == m.s.Config.Node && a.Seen == "":
		reason = fmt.Sprintf("%s did not take over and the mastership came back here", op.To)
	case a.Seen == op.To && node == m.s.Config.Node:
		reason = fmt.Sprintf("%s took over in term %d and gave it up before it was ready; the mastership came back here", op.To, a.SeenTerm)
	case a.Seen == op.To:
		reason = fmt.Sprintf("%s took over in term %d and gave it up before it was ready; %s became master instead", op.To, a.SeenTerm, node)
	}
	m.finishOperation(ResultFailed, fmt.Sprintf("%s, term %d; ask \"cssc explain %s\" for why", reason, term, op.To))

	return true
}

// awaitedInVain is the reason when the time is over.
func (m *Machine) awaitedInVain(op *OperationState) string {
	a := op.Await
	node, term := m.successor(a)
	switch {
	case node != "" && a.Role == RoleVice:
		return fmt.Sprintf("%s is vice and was not ready within %v%s; ask \"cssc status %s\"", node, m.readyLimit(a.Role), m.busyWith(node), node)
	case node != "":
		return fmt.Sprintf("%s is master of term %d and was not ready within %v%s; it may still become so: ask \"cssc status %s\"",
			node, term, m.readyLimit(a.Role), m.busyWith(node), node)
	case a.Role == RoleVice:
		return fmt.Sprintf("no node was named vice within %v", m.namingLimit(a.Role))
	case a.Seen != "":
		return fmt.Sprintf("%s took over in term %d and gave it up before it was ready; nobody is master since; ask \"cssc explain\" for why", a.Seen, a.SeenTerm)
	default:
		return fmt.Sprintf("nobody became master within %v; ask \"cssc explain\" for why", m.takeOverLimit())
	}
}

// awaitText is the step of the operation while it waits.
func (m *Machine) awaitText(op *OperationState) string {
	node, _ := m.successor(op.Await)
	switch {
	case node == "" && op.Kind == OperationSwitchover:
		return fmt.Sprintf("waiting for %s to take over", op.To)
	case node == "" && op.Await.Role == RoleVice:
		return "waiting for another node to be named vice"
	case node == "":
		return "waiting for another node to take over"
	default:
		return fmt.Sprintf("waiting for %s to finish promote", node) + m.busyWith(node)
	}
}

// busyWith is what is known of the progress of the new master or vice.
func (m *Machine) busyWith(node NodeID) string {
	for _, leader := range []Leader{m.s.Leaders.Master, m.s.Leaders.Vice} {
		if leader.Node != node {
			continue
		}
		text := ""
		if leader.Doing.Sequence == Promote {
			text = fmt.Sprintf(", now at level %v", leader.Doing.Level)
		}
		if leader.Trouble != "" {
			text += ", " + leader.Trouble
		}

		return text
	}

	return ""
}
