package fleet

import (
	"fmt"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// actionText is one action as a line.
func actionText(action Action) string {
	switch a := action.(type) {
	case Proceed:
		return strings.TrimSuffix(fmt.Sprintf("proceed %d, without a turn: %s", a.Ticket, a.Why), ", without a turn: ")
	case Refuse:
		return fmt.Sprintf("refuse %d: %v", a.Ticket, a.Err)
	case AskTurn:
		return fmt.Sprintf("ask %s for the turn: ticket %d, %v by %s", a.To, a.Ticket, a.Kind, a.By)
	case AnswerTurn:
		text := fmt.Sprintf("answer %d: %v", a.Question, a.Answer.Outcome)
		if a.Answer.Turn != (TurnID{}) {
			text += fmt.Sprintf(" %d.%d", a.Answer.Turn.Term, a.Answer.Turn.Serial)
		}
		if a.Answer.Text != "" {
			text += ": " + a.Answer.Text
		}

		return text
	case TellOver:
		return fmt.Sprintf("tell %s: turn %d.%d is over, operation %d", a.To, a.Turn.Term, a.Turn.Serial, a.Number)
	case AskIdle:
		return fmt.Sprintf("ask %s whether it is idle: term %d, roll %d", a.To, a.Term, a.Roll)
	case Order:
		text := fmt.Sprintf("order %d to %s: %v", a.Order, a.Node, a.Request.Kind)
		if a.Request.Mode != levels.ModeNone {
			text += fmt.Sprintf(" (%v)", a.Request.Mode)
		}
		if a.Request.To != "" {
			text += " to " + string(a.Request.To)
		}
		if a.Request.Linger {
			text += ", linger"
		}
		if a.Request.Force {
			text += ", force"
		}

		return text + ", " + a.Request.Reason
	case Persist:
		if a.Plan == nil {
			return "persist nothing"
		}
		var states []string
		for _, item := range a.Plan.Items {
			states = append(states, fmt.Sprintf("%s %v", item.Node, item.State))
		}

		return "persist " + strings.Join(states, ", ")
	case TellStarted:
		return fmt.Sprintf("tell operation %d: %v by %s, %s", a.Operation.ID, a.Operation.Kind, a.Operation.By, a.Operation.Step)
	case TellFinished:
		text := fmt.Sprintf("tell operation %d: %v %v", a.Operation.ID, a.Operation.Kind, a.Operation.Result)
		if a.Operation.Error != "" {
			text += ": " + a.Operation.Error
		}

		return text
	case Note:
		return "note: " + a.Text
	default:
		return fmt.Sprintf("%T %+v", action, action)
	}
}
