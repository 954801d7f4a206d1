package levels

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Describe returns the machine as stable text for a person: status, logs and
// golden files.
func (m *Machine) Describe() string {
	var text strings.Builder
	view := m.View()
	fmt.Fprintf(&text, "%s: %v, %v, term %d", view.Node, view.State, view.Role, view.Term)
	if view.Master != "" {
		fmt.Fprintf(&text, ", master %s", view.Master)
	}
	if view.Vice != "" {
		fmt.Fprintf(&text, ", vice %s", view.Vice)
	}
	for _, mark := range []struct {
		set  bool
		word string
	}{
		{!view.Qualified, "disqualified"},
		{view.Ready, "ready"},
		{view.MasterReady, "master ready"},
		{view.State == StateUp && !m.s.Known, "headless"},
	} {
		if mark.set {
			text.WriteString(", " + mark.word)
		}
	}
	if view.ReachedAny {
		fmt.Fprintf(&text, ", init reached %v", view.Reached)
	}
	text.WriteString("\n")
	m.describeRun(&text, view.Run)
	if m.s.Release != nil {
		text.WriteString("  releasing the role\n")
	}
	if bar := view.Barred; bar != nil {
		until := "an operator says so"
		if bar.Until != 0 {
			until = time.Duration(bar.Until).String()
		}
		fmt.Fprintf(&text, "  barred until %s: promote to %v, failure %d: %s\n", until, bar.Role, bar.Failures, bar.Reason)
	}
	for _, op := range view.Operations {
		if op.Result == ResultRunning {
			fmt.Fprintf(&text, "  operation %d: %v by %s, at %s\n", op.ID, op.Kind, op.By, op.Step)
		}
	}
	if view.Syncing {
		text.WriteString("  syncing\n")
	}
	if len(view.LostTargets) > 0 {
		fmt.Fprintf(&text, "  lost: %v\n", view.LostTargets)
	}

	return text.String()
}

func (m *Machine) describeRun(text *strings.Builder, run *RunView) {
	if run == nil {
		return
	}
	fmt.Fprintf(text, "  run %d: %v level %v of %v, %v", run.Run, run.Sequence, run.Level, run.Top, run.Phase)
	if run.Reason != "" {
		fmt.Fprintf(text, ": %s", run.Reason)
	}
	fmt.Fprintf(text, " (%s)\n", run.Cause)
	for i, participant := range run.Participants {
		fmt.Fprintf(text, "    %v %s", participant.Kind, participant.Name)
		if participant.Target != (Target{}) {
			fmt.Fprintf(text, " of %v", participant.Target)
		}
		fmt.Fprintf(text, ": %v", participant.Outcome)
		if participant.Reason != "" {
			fmt.Fprintf(text, " (%s)", participant.Reason)
		}
		if tag := m.s.Run.Parts[i].Tag; tag != 0 {
			fmt.Fprintf(text, ", tag %d", tag)
		}
		text.WriteString("\n")
	}
	if m.s.Run != nil {
		for _, work := range slices.SortedFunc(slices.Values(m.s.Run.Works), func(a, b Work) int { return int(a.ID) - int(b.ID) }) {
			verb := "start"
			if work.Stop {
				verb = "stop"
			}
			fmt.Fprintf(text, "    work %d: %s\n", work.ID, verb)
		}
	}
}
