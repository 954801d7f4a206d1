package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// transcribe writes one step for a person. Steps in which nothing happens are left out.
func (w *world) transcribe(n *node, now election.Instant, event election.Event, result *election.Result) {
	if _, tick := event.(election.Ticked); tick && len(result.Actions) == 0 && result.Persist == nil {
		return
	}
	w.printf("%s %v  %s", n.id, time.Duration(now), eventText(event))
	if result.Err != nil {
		w.printf("   error: %v", result.Err)
	}
	if s := result.Persist; s != nil {
		w.printf("   persist term %d vote %q, master %q@%d, promised %q@%d for %v", s.Term, s.Vote, s.Master, s.MasterTerm, s.Promised, s.PromisedTerm, s.Hold)
	}
	for _, action := range result.Actions {
		w.printf("   %s", actionText(action))
	}
}

func eventText(event election.Event) string {
	if received, ok := event.(election.Received); ok {
		return "receives " + messageText(&received.Message)
	}
	if configured, ok := event.(election.Configured); ok {
		return "is configured, hash " + configured.Config.Hash
	}

	return strings.TrimPrefix(fmt.Sprintf("%T%+v", event, event), "election.")
}

func actionText(action election.Action) string {
	if send, ok := action.(election.Send); ok {
		return "sends " + messageText(&send.Message)
	}

	return strings.TrimPrefix(fmt.Sprintf("%T%+v", action, action), "election.")
}

func messageText(m *election.Message) string {
	text := fmt.Sprintf("%v %s→%s term %d round %d", m.Kind, m.From, m.To, m.Term, m.Round)
	add := func(holds bool, format string, args ...any) {
		if holds {
			text += fmt.Sprintf(format, args...)
		}
	}
	add(m.Refusal != election.RefusalNone, " refused: %v, %v left", m.Refusal, m.Remaining)
	add(m.Lease != 0, " lease %v", m.Lease)
	add(m.Released != 0, " released %d", m.Released)
	add(m.Target != "", " target %s", m.Target)
	add(m.Vice != "", " vice %s", m.Vice)
	add(m.MasterTerm != 0, " seen %s@%d", m.Master, m.MasterTerm)
	add(m.Fresh, " unproven")

	return text
}

// text is a fault in one line; Plan.String and ParsePlan use the same words.
func (f *Fault) text() string { return strings.Join(f.words(), " ") }
