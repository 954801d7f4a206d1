package election

import (
	"fmt"
	"slices"
	"strings"
)

// Describe is the machine in a stable text for a person: golden files and the journal. Times
// are relative to the last step.
func (m *Machine) Describe() string {
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	line("%s %v term=%d vote=%s master=%s@%d", m.config.Self, m.phase, m.state.Term, orNobody(m.state.Vote), orNobody(m.state.Master), m.state.MasterTerm)
	if m.promise.to != "" {
		line("  promise to %s@%d until %s", m.promise.to, m.promise.term, m.relative(m.promise.until))
	}
	if m.quietUntil > m.now {
		line("  quiet until %s", m.relative(m.quietUntil))
	}
	if m.leads() {
		line("  lease from %s until %s", m.relative(m.lease.From), m.relative(m.lease.Until))
	}
	if m.known {
		line("  knows %s, vice %s", m.masterID, orNobody(m.vice))
	}
	if b := m.ballot; b != nil {
		line("  ballot pre=%t term=%d answers=%s", b.pre, b.term, b.describe())
	}
	flags := m.flags()
	if len(flags) > 0 {
		line("  %s", strings.Join(flags, " "))
	}

	return text.String()
}

func (m *Machine) flags() []string {
	var flags []string
	flag := func(name string, set bool) {
		if set {
			flags = append(flags, name)
		}
	}
	flag("unproven", !m.proven)
	flag("serving", m.serving)
	flag("acted", m.acted)
	flag("killed", m.killed)
	flag("handed", m.handed)
	flag("unsaved", m.dirty)
	flag("unqualified", !m.standing.Qualified)

	return flags
}

func (b *ballot) describe() string {
	var words []string
	for id, answer := range b.answers {
		words = append(words, string(id)+":"+answer.refusal.String())
	}
	slices.Sort(words)

	return "[" + strings.Join(words, " ") + "]"
}

func (m *Machine) relative(at Instant) string {
	if at == Forever {
		return "forever"
	}

	return fmt.Sprintf("%+v", at.Sub(m.now))
}

func orNobody(id NodeID) string {
	if id == "" {
		return "-"
	}

	return string(id)
}
