package levels

import (
	"fmt"
	"strings"
)

// actionText is one action as a line.
func actionText(action Action) string {
	flag := func(set bool, text string) string {
		if set {
			return text
		}

		return ""
	}
	list := func(label string, units []string) string {
		return flag(len(units) > 0, label+strings.Join(units, " "))
	}
	switch a := action.(type) {
	case Invoke:
		return fmt.Sprintf("invoke %s at %v, tag %d, client %s, as %v in %v term %d%s%s", a.Registration.Component, a.Position,
			a.Tag, a.Registration.Client, a.Info.Role, a.Info.State, a.Info.Term, flag(a.Noboot, ", noboot"), flag(a.Resume, ", resume"))
	case NotifyCanceled:
		return fmt.Sprintf("notify canceled %v, last level %v, to %v", a.Sequence, a.LastLevel, a.Clients)
	case StartUnits:
		return fmt.Sprintf("start %v (work %d)%s%s", a.Target, a.Work, list(" only ", a.Units), flag(a.Resume, " resume"))
	case StopUnits:
		var keep []string
		for _, target := range a.Keep {
			keep = append(keep, target.String())
		}
		target := flag(a.Target != (Target{}), " "+a.Target.String())

		return fmt.Sprintf("stop%s (work %d)%s%s%s", target, a.Work, list(" only ", a.Units), list(" keep ", keep), flag(a.Kill, " kill"))
	case PersistQualified:
		return fmt.Sprintf("persist qualified %t", a.Qualified)
	case ReleaseRole:
		return strings.TrimSpace(fmt.Sprintf("release role %s", a.To))
	case LeaveCluster:
		return strings.TrimSpace(fmt.Sprintf("leave cluster, %v %s", a.Mode, a.Reason))
	default:
		return tellText(action)
	}
}

func tellText(action Action) string {
	switch a := action.(type) {
	case TellStateChanged:
		return fmt.Sprintf("tell state %v/%v, was %v/%v", a.State, a.Role, a.OldState, a.OldRole)
	case TellSequenceStarted:
		return fmt.Sprintf("tell run %d: %v started, term %d: %s", a.Run, a.Sequence, a.Term, a.Cause)
	case TellLevelReached:
		return fmt.Sprintf("tell run %d: %v reached", a.Run, a.Position)
	case TellSequenceFinished:
		text := fmt.Sprintf("tell run %d: %v %s", a.Record.Run, a.Record.Sequence, a.Record.Outcome)
		if a.Record.Reason != "" {
			text += ": " + a.Record.Reason
		}
		for _, level := range a.Record.Levels {
			var who []string
			for _, wait := range level.Waits {
				who = append(who, fmt.Sprintf("%v for %v", wait.Phase, wait.Until.Sub(wait.Since)))
			}
			for _, p := range level.Participants {
				who = append(who, p.Name+" "+p.Outcome.String())
			}
			text += fmt.Sprintf("\n      level %v: %s", level.Level, strings.Join(who, ", "))
		}

		return text
	case TellFailed:
		return fmt.Sprintf("tell run %d: %v %s failed at %v: %s → %v", a.Run, a.Participant.Kind, a.Participant.Name,
			a.Participant.Position, a.Participant.Reason, a.Policy)
	case TellHeld:
		return fmt.Sprintf("tell run %d: held at %v: %s", a.Run, a.Position, a.Reason)
	case TellWaiting:
		return fmt.Sprintf("tell run %d: waiting at %v: %s", a.Run, a.Position, a.Reason)
	case TellMasterReady:
		return fmt.Sprintf("tell master ready %s, term %d", a.Node, a.Term)
	case TellQualified:
		return fmt.Sprintf("tell qualified %s %t", a.Node, a.Qualified)
	case TellOperationStarted:
		return fmt.Sprintf("tell operation %d: %v started by %s", a.Operation.ID, a.Operation.Kind, a.Operation.By)
	case TellOperationFinished:
		text := fmt.Sprintf("tell operation %d: %v %v", a.Operation.ID, a.Operation.Kind, a.Operation.Result)
		if a.Operation.Error != "" {
			text += ": " + a.Operation.Error
		}

		return text
	case TellNoSuccessor:
		return fmt.Sprintf("tell operation %d: %v goes on without a successor: %s", a.Operation.ID, a.Operation.Kind, a.Reason)
	case TellTargetLost:
		return fmt.Sprintf("tell target lost %v", a.Target)
	case TellDropped:
		return "tell dropped: " + a.Reason
	default:
		return fmt.Sprintf("%T %+v", action, action)
	}
}
