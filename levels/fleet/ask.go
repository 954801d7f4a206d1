package fleet

import (
	"fmt"
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// asking is an operation of this node that waits for the turn.
type asking struct {
	ticket  Ticket
	request levels.OperationRequested
	until   levels.Instant
	// asked is the master whose answer is awaited; empty while nobody is asked.
	asked   levels.NodeID
	retryAt levels.Instant
}

// holding is an operation of this node that has the turn.
type holding struct {
	ticket Ticket
	turn   TurnID
	number levels.OperationID // 0 while levels has not taken it
}

// operationAsked lets an operation go on at once when nothing may delay it, and else asks
// for the turn.
func (m *Machine) operationAsked(ev OperationAsked) {
	r := ev.Request
	free := atOnce(r)
	switch {
	case free != "":
		if others := m.elsewhere(); others != "" {
			free += "; in progress: " + others
		}
		m.emit(Proceed{Ticket: ev.Ticket, Why: free})
	case r.Kind == levels.OperationStart:
		m.emit(Proceed{Ticket: ev.Ticket})
	case ev.Orderer != "" && ev.Orderer != m.config.Self && ev.Orderer != m.cluster.Master:
		m.refuse(ev.Ticket, fmt.Errorf("%v: %w: %s is not the master, %s is; only the master orders it",
			r.Kind, levels.ErrRefused, ev.Orderer, dash(m.cluster.Master)))
	case ev.Orderer != "" && (ev.Orderer != m.config.Self || m.cluster.Leading):
		m.emit(Proceed{Ticket: ev.Ticket})
	case ev.Orderer == "" && m.plan != nil:
		m.refuse(ev.Ticket, errInProgress(r.Kind, m.planWords()))
	case len(m.asks) >= maxAsks:
		m.refuse(ev.Ticket, fmt.Errorf("%v: %w: %d operations wait for a turn already", r.Kind, levels.ErrBusy, maxAsks))
	default:
		m.asks = append(m.asks, asking{ticket: ev.Ticket, request: r, until: m.now.Add(m.config.Limits.Try)})
	}
}

// atOnce says why an operation waits for no turn, "" when it does.
func atOnce(r levels.OperationRequested) string {
	switch {
	case r.Kind != levels.OperationShutdown:
		return ""
	case r.CallbacksOnly:
		return "systemd is stopping everything"
	case r.By == "logind" || r.By == "signal":
		return r.By + " asks and does not wait"
	case r.Force:
		return "it is forced"
	default:
		return ""
	}
}

// elsewhere is what other nodes have in progress, as far as this one knows.
func (m *Machine) elsewhere() string {
	if m.plan != nil || m.turn != nil || m.known {
		return m.inProgress(m.config.Self)
	}

	return ""
}

func errInProgress(kind levels.OperationKind, what string) error {
	return fmt.Errorf("%v: %w: %s; wait for its end", kind, levels.ErrOperationInProgress, what)
}

func dash(node levels.NodeID) string {
	if node == "" {
		return "nobody"
	}

	return string(node)
}

func (m *Machine) refuse(ticket Ticket, err error) { m.emit(Refuse{Ticket: ticket, Err: err}) }

// pursueAll goes on with every operation that waits for the turn.
func (m *Machine) pursueAll() {
	for i := 0; i < len(m.asks); {
		if m.pursue(&m.asks[i]) {
			m.asks = slices.Delete(m.asks, i, i+1)
		} else {
			i++
		}
	}
}

// pursue returns true when the operation waits no longer.
func (m *Machine) pursue(a *asking) bool {
	master := m.cluster.Master
	if a.asked != "" && a.asked != master {
		a.asked, a.retryAt = "", 0 // whoever it was does not give turns any more
	}
	switch {
	case m.cluster.Leading && m.settled(m.config.Self):
		return m.answered(a, m.grant(m.config.Self, a.request.Kind, a.request.By))
	case m.now >= a.until:
		m.withoutTurn(a)

		return true
	case a.asked == "" && master != "" && master != m.config.Self && m.now >= a.retryAt:
		a.asked = master
		m.emit(AskTurn{Ticket: a.ticket, To: master, Kind: a.request.Kind, By: a.request.By})
	}

	return false
}

// turnAnswered takes the master's answer. A turn that came too late is given back.
func (m *Machine) turnAnswered(ev TurnAnswered) {
	index := slices.IndexFunc(m.asks, func(a asking) bool { return a.ticket == ev.Ticket && a.asked == ev.From })
	if index < 0 {
		if ev.Answer.Outcome == TurnGranted {
			m.emit(TellOver{To: ev.From, Turn: ev.Answer.Turn})
		}

		return
	}
	if m.answered(&m.asks[index], ev.Answer) {
		m.asks = slices.Delete(m.asks, index, index+1)
	}
}

// answered returns true when the operation waits no longer.
func (m *Machine) answered(a *asking, answer TurnAnswer) bool {
	switch answer.Outcome {
	case TurnGranted:
		m.held = append(m.held, holding{ticket: a.ticket, turn: answer.Turn})
		m.emit(Proceed{Ticket: a.ticket})
	case TurnInProgress:
		m.refuse(a.ticket, errInProgress(a.request.Kind, answer.Text))
	case TurnUnreachable, TurnNotMaster:
		a.asked, a.retryAt = "", m.now.Add(m.config.Limits.Retry)

		return false
	}

	return true
}

// withoutTurn decides when nobody could be found who gives turns. To stop a node and to
// unlock one is possible in every case: without a master the first may be needed to repair
// the cluster, and the second to get a master at all.
func (m *Machine) withoutTurn(a *asking) {
	why := fmt.Sprintf("no master gave the turn within %v", m.config.Limits.Try)
	switch a.request.Kind {
	case levels.OperationShutdown, levels.OperationQualify:
		m.emit(Proceed{Ticket: a.ticket, Why: why})
	case levels.OperationDisqualify, levels.OperationSwitchover, levels.OperationUnknown, levels.OperationStart,
		levels.OperationClusterShutdown, levels.OperationRollingReboot:
		m.refuse(a.ticket, fmt.Errorf("%v: %w: %s; try again when \"cssc status\" shows a master", a.request.Kind, levels.ErrRefused, why))
	}
}

func (m *Machine) operationBegun(ev OperationBegun) {
	for i := range m.held {
		if m.held[i].ticket == ev.Ticket {
			m.held[i].number = ev.Number
		}
	}
}

func (m *Machine) operationDropped(ev OperationDropped) {
	m.release(func(h holding) bool { return h.ticket == ev.Ticket }, 0)
}

// operationEnded tells the master, also of operations that had no turn: their cards are late.
func (m *Machine) operationEnded(ev OperationEnded) {
	m.ownOrderEnded(ev)
	m.newest = max(m.newest, ev.Number)
	if !m.release(func(h holding) bool { return h.number == ev.Number }, ev.Number) {
		m.tellOver(TurnID{}, ev.Number)
	}
}

// release gives turns back.
func (m *Machine) release(which func(holding) bool, number levels.OperationID) bool {
	found := false
	m.held = slices.DeleteFunc(m.held, func(h holding) bool {
		if !which(h) {
			return false
		}
		found = true
		m.tellOver(h.turn, number)

		return true
	})

	return found
}

func (m *Machine) tellOver(id TurnID, number levels.OperationID) {
	switch m.cluster.Master {
	case "":
	case m.config.Self:
		m.turnOver(TurnOver{From: m.config.Self, Turn: id, Number: number})
	default:
		m.emit(TellOver{To: m.cluster.Master, Turn: id, Number: number})
	}
}
