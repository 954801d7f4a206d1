package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Operations are those on the whole cluster that this node coordinates: the ones that have
// ended, oldest first, and the one in progress.
func (m *Machine) Operations() []levels.OperationView {
	views := slices.Clone(m.ended)
	if m.plan != nil && m.judged {
		views = append(views, m.planView())
	}

	return views
}

// Describe returns the machine as stable text for a person: for logs and golden files.
func (m *Machine) Describe() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: master %s", m.config.Self, dash(m.cluster.Master))
	if m.cluster.Leading {
		text.WriteString(", leading")
	}
	text.WriteString("\n")
	if t := m.turn; t != nil {
		fmt.Fprintf(&text, "  turn of term %d, grants %v: %v of %s by %s\n", t.term, t.serials, t.kind, t.owner, t.by)
	}
	for _, question := range m.questions {
		fmt.Fprintf(&text, "  %s waits for an answer: %v\n", question.From, question.Kind)
	}
	for _, a := range m.asks {
		fmt.Fprintf(&text, "  ticket %d waits for the turn: %v\n", a.ticket, a.request.Kind)
	}
	for _, h := range m.held {
		fmt.Fprintf(&text, "  ticket %d has turn %d.%d, operation %d\n", h.ticket, h.turn.Term, h.turn.Serial, h.number)
	}
	if m.plan != nil {
		fmt.Fprintf(&text, "  operation %d: %v, %s\n", m.plan.ID, m.plan.Kind, m.planStep())
		for i := range m.plan.Items {
			item := &m.plan.Items[i]
			fmt.Fprintf(&text, "    %d %v %s: %v", item.Group, item.Do, item.Node, item.State)
			if item.Reason != "" {
				text.WriteString(", " + item.Reason)
			}
			text.WriteString("\n")
		}
	}
	for _, view := range m.ended {
		fmt.Fprintf(&text, "  operation %d: %v %v after %v", view.ID, view.Kind, view.Result, view.Ended.Sub(view.Started).Round(time.Millisecond))
		if view.Error != "" {
			text.WriteString(": " + view.Error)
		}
		text.WriteString("\n")
	}

	return text.String()
}
