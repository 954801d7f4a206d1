package fleet

import (
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// later brings something to a node after a moment, or tells that nobody was there.
func (n *simNode) later(to levels.NodeID, deliver func(*simNode), lost func()) {
	w, life := n.w, n.life
	w.after(time.Duration(1+w.choose(50, "delay"))*time.Millisecond, func() {
		other := w.node(to)
		if other != nil && other.voting() {
			deliver(other)

			return
		}
		w.after(2*time.Second, func() {
			if n.life == life && n.machine != nil && lost != nil {
				lost()
			}
		})
	})
}

func (n *simNode) carryOut(action Action) {
	w := n.w
	switch a := action.(type) {
	case Proceed:
		waiting := n.asked[a.Ticket]
		delete(n.asked, a.Ticket)
		n.begin(a.Ticket, waiting, a.Why == "")
	case Refuse:
		w.refused++
		waiting := n.asked[a.Ticket]
		delete(n.asked, a.Ticket)
		w.note("%s: %v", n.id, a.Err)
		if waiting.order != nil {
			waiting.order(OrderRefused, 0, a.Err.Error())
		}
	case AskTurn:
		life := n.life
		n.later(a.To, func(master *simNode) {
			w.ticket++
			question := Question(w.ticket)
			w.questions[question] = func(answer TurnAnswer) {
				master.later(n.id, func(*simNode) {
					if n.life == life {
						n.step(TurnAnswered{Ticket: a.Ticket, From: a.To, Answer: answer})
					}
				}, nil)
			}
			master.step(TurnAsked{Question: question, From: n.id, Kind: a.Kind, By: a.By})
		}, func() { n.step(TurnAnswered{Ticket: a.Ticket, From: a.To}) })
	case AnswerTurn:
		if answer := w.questions[a.Question]; answer != nil {
			delete(w.questions, a.Question)
			answer(a.Answer)
		}
	case TellOver:
		n.later(a.To, func(master *simNode) {
			master.step(TurnOver{From: n.id, Turn: a.Turn, Number: a.Number})
		}, nil)
	case AskIdle:
		life := n.life
		n.later(a.To, func(other *simNode) {
			idle, number := other.machine.Idle(n.id, a.Term)
			other.later(n.id, func(*simNode) {
				if n.life == life {
					n.step(IdleAnswered{From: a.To, Roll: a.Roll, Idle: idle, Number: number})
				}
			}, nil)
		}, func() { n.step(IdleAnswered{From: a.To, Roll: a.Roll}) })
	case Order:
		w.note("%s orders %v of %s, linger %t", n.id, a.Request.Kind, a.Node, a.Request.Linger)
		n.order(a)
	case Persist:
		n.plan = a.Plan
	case TellStarted:
		w.note("%s: %v begins", n.id, a.Operation.Kind)
	case TellFinished:
		w.note("%s: %v %v: %s", n.id, a.Operation.Kind, a.Operation.Result, a.Operation.Error)
		if a.Operation.Result == levels.ResultDone {
			w.done++
		} else {
			w.failed++
		}
	case Note:
		w.note("%s: %s", n.id, a.Text)
	}
}

// order begins an operation on a node, as the agent does by a question.
func (n *simNode) order(a Order) {
	life := n.life
	answer := func(answer OrderAnswer, number levels.OperationID, text string) {
		if n.life == life && n.machine != nil {
			n.step(OrderAnswered{Order: a.Order, Answer: answer, Number: number, Error: text})
		}
	}
	n.later(a.Node, func(other *simNode) {
		other.request(a.Request, n.id, func(got OrderAnswer, number levels.OperationID, text string) {
			if other == n {
				n.w.after(0, func() { answer(got, number, text) })

				return
			}
			other.later(n.id, func(*simNode) { answer(got, number, text) }, nil)
		})
	}, func() { answer(OrderUnknown, 0, "nobody is there") })
	n.w.after(5*time.Second, func() { answer(OrderUnknown, 0, "no answer") }) // ignored when there was one
}

func (n *simNode) request(r levels.OperationRequested, orderer levels.NodeID, order func(OrderAnswer, levels.OperationID, string)) {
	n.w.ticket++
	n.w.asked++
	ticket := n.w.ticket
	n.asked[ticket] = simRequest{request: r, order: order}
	n.step(OperationAsked{Ticket: ticket, Request: r, Orderer: orderer})
}

// begin is the machine of levels: a shutdown supersedes, all else waits its turn.
func (n *simNode) begin(ticket Ticket, waiting simRequest, turn bool) {
	r := waiting.request
	tell := func(answer OrderAnswer, number levels.OperationID, text string) {
		if waiting.order != nil {
			waiting.order(answer, number, text)
		}
	}
	refused := ""
	switch {
	case n.running != nil && (r.Kind != levels.OperationShutdown || n.running.request.Kind == levels.OperationShutdown):
		refused = "in progress"
	case n.state != levels.StateUp && r.Kind != levels.OperationShutdown, n.state == levels.StateLeaving, n.state == levels.StateDown:
		refused = "not up"
	case r.Kind == levels.OperationSwitchover && n.w.master != n.id:
		refused = "not the master"
	}
	if refused != "" {
		n.step(OperationDropped{Ticket: ticket})
		if stopping(n.truth()) {
			tell(OrderTaken, 0, "") // it is on its way
		} else {
			tell(OrderRefused, 0, refused)
		}

		return
	}
	if old := n.running; old != nil {
		n.running = nil
		n.step(OperationEnded{Number: old.number, Result: levels.ResultCanceled})
	}
	n.numbers++
	op := &simOperation{number: n.numbers, request: r, turn: turn && waiting.order == nil}
	n.running = op
	n.w.note("%s: %v begins, turn %t", n.id, r.Kind, turn)
	if r.Kind == levels.OperationShutdown {
		n.state, n.linger = levels.StateShuttingDown, r.Linger
	}
	n.step(OperationBegun{Ticket: ticket, Number: op.number})
	tell(OrderTaken, op.number, "")
	n.continueWith(op)
}

// continueWith goes through the phases of an operation: demote, the rest.
func (n *simNode) continueWith(op *simOperation) {
	w, life := n.w, n.boot
	w.after(time.Duration(1+w.choose(4, "phase"))*500*time.Millisecond, func() {
		if n.running != op || n.boot != life || !n.on {
			return
		}
		if n.machine == nil { // the agent is away; the machine of levels goes on when it is back
			n.continueWith(op)

			return
		}
		if op.phase == 0 {
			op.phase = 1
			if w.master == n.id && op.request.Kind != levels.OperationQualify {
				w.release(cmpOr(op.request.To, w.vice()))
			}
			n.continueWith(op)

			return
		}
		n.end(op)
	})
}

func cmpOr(a, b levels.NodeID) levels.NodeID {
	if a != "" {
		return a
	}

	return b
}

func (n *simNode) end(op *simOperation) {
	n.running = nil
	switch op.request.Kind {
	case levels.OperationDisqualify:
		n.qualified = false
	case levels.OperationQualify:
		n.qualified = true
	case levels.OperationShutdown:
		n.state = levels.StateLeaving
	default:
	}
	n.w.note("%s: %v ends", n.id, op.request.Kind)
	n.step(OperationEnded{Number: op.number, Result: levels.ResultDone})
	if op.request.Kind == levels.OperationShutdown {
		n.leave(op.request.Mode)
	}
}

// leave waits, when it lingers, until the master serves no more.
func (n *simNode) leave(mode levels.Mode) {
	w, boot := n.w, n.boot
	if n.linger && w.master != "" && w.master != n.id {
		w.after(100*time.Millisecond, func() {
			if n.boot == boot && n.on {
				n.leave(mode)
			}
		})

		return
	}
	w.note("%s leaves", n.id)
	n.left, n.machine = true, nil
	n.life++
	if mode == levels.ModeReboot {
		n.reboot(time.Duration(1+w.choose(5, "boot")) * time.Second)
	}
}

// reboot is the next boot; init takes a while.
func (n *simNode) reboot(after time.Duration) {
	w := n.w
	n.on, n.running, n.machine = false, nil, nil
	n.life++
	life := n.life
	w.after(after, func() {
		if n.life != life {
			return
		}
		n.boot++
		boot := n.boot
		w.note("%s boots", n.id)
		n.on, n.left, n.linger, n.state, n.numbers = true, false, false, levels.StateInitializing, 1
		n.start()
		w.after(time.Second, func() {
			if n.boot == boot && n.on && n.state == levels.StateInitializing {
				n.state = levels.StateUp
				n.see()
			}
		})
	})
}

// die is a power cut, after which the node comes back after a while.
func (n *simNode) die() {
	n.w.note("%s: power cut", n.id)
	n.w.faulty = true
	n.state = levels.StateUp // as its card shows it
	n.reboot(time.Duration(3+n.w.choose(20, "outage")) * time.Second)
}

// restart is kill -9 of the agent, which is back within the lease.
func (n *simNode) restart() {
	if n.machine == nil {
		return
	}
	n.w.note("%s: agent restarts", n.id)
	n.w.faulty = true
	n.life++
	n.asked = map[Ticket]simRequest{}
	boot := n.boot
	saved := n.plan.clone()
	n.plan = saved
	n.machine = nil
	n.w.after(300*time.Millisecond, func() {
		if n.boot == boot && n.on && !n.left {
			n.start()
		}
	})
}

func (w *world) busy() []levels.NodeID {
	var busy []levels.NodeID
	for _, n := range w.nodes {
		if n.running != nil && n.running.turn {
			busy = append(busy, n.id)
		}
	}

	return slices.Clone(busy)
}
