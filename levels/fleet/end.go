package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// resume compares a plan of an earlier life with this boot, once. In the same boot it goes
// on; in another one it is over, well when the reboot was its last step.
func (m *Machine) resume() {
	if m.judged || !m.known {
		return
	}
	m.judged = true
	last := &m.plan.Items[len(m.plan.Items)-1]
	if m.plan.Incarnation != m.incarnation {
		m.plan.Started = m.now
		m.returned(last)

		return
	}
	m.patience = m.now.Add(m.config.Limits.Ready)
	m.plan.Started = min(m.plan.Started, m.now)
	for i := range m.plan.Items {
		item := &m.plan.Items[i]
		item.Since = m.now
		switch {
		case item.settled():
		case item.Ordered && stopping(m.cluster.node(item.Node)):
			item.State = StateTaken
		default:
			item.State = StateWaiting // an order that was taken is given again without harm
		}
	}
	m.note("%v goes on after a restart of the agent: %s", m.plan.Kind, m.planStep())
}

// returned is the first moment after the coordinator's reboot.
func (m *Machine) returned(last *Item) {
	switch {
	case last.Node != m.config.Self || !last.Ordered:
		m.finish(levels.ResultFailed, fmt.Sprintf("%s, which coordinates it, was rebooted in the middle", m.config.Self))
	case m.plan.Kind == levels.OperationClusterShutdown:
		m.set(last, StateDone, "")
		m.finish(levels.ResultDone, "")
	default:
		m.set(last, StateTaken, "")
	}
}

// finish ends the operation on the whole cluster.
func (m *Machine) finish(result levels.OperationResult, why string) {
	if result == levels.ResultFailed {
		why += m.account()
	} else if failed := m.named(func(i Item) bool { return i.State == StateFailed }, true); failed != "" {
		why = "without " + failed
	}
	view := m.planView()
	view.Step, view.Result, view.Error, view.Ended = "ended", result, why, m.now
	m.plan, m.dirty = nil, false
	if m.turn != nil && m.turn.plan {
		m.turn = nil
	}
	m.tellOver(TurnID{}, view.ID)
	m.ended = append(m.ended, view)
	if extra := len(m.ended) - keptOperations; extra > 0 {
		m.ended = slices.Delete(m.ended, 0, extra)
	}
	m.emit(Persist{})
	m.emit(TellFinished{Operation: view})
}

// account says of every node what became of it.
func (m *Machine) account() string {
	var text strings.Builder
	for _, part := range []struct {
		label string
		is    func(Item) bool
	}{
		{"done", func(i Item) bool { return i.State == StateDone && i.Do != DoSwitchover }},
		{"under way", func(i Item) bool { return i.State == StateOrdered || i.State == StateTaken }},
		{"not begun", func(i Item) bool { return i.State == StateWaiting && i.Do != DoSwitchover }},
	} {
		if nodes := m.named(part.is, false); nodes != "" {
			text.WriteString("; " + part.label + ": " + nodes)
		}
	}

	return text.String()
}

// named lists the nodes of some items, each once, with the reasons when they are wanted.
func (m *Machine) named(which func(Item) bool, reasons bool) string {
	var words []string
	for _, item := range m.plan.Items {
		word := string(item.Node)
		if reasons && item.Reason != "" {
			word += " (" + item.Reason + ")"
		}
		if which(item) && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}

	return strings.Join(words, ", ")
}

// planWords says what is in progress, for who is refused.
func (m *Machine) planWords() string {
	return fmt.Sprintf("%v by %s on %s, for %v, at %s", m.plan.Kind, m.plan.By, m.config.Self,
		m.now.Sub(m.plan.Started).Round(time.Second), m.planStep())
}

// planStep is "n3: shutting-down, 2 of 5 done".
func (m *Machine) planStep() string {
	from, to := m.plan.group()
	var words []string
	for i := from; i < to; i++ {
		item := &m.plan.Items[i]
		if item.settled() {
			continue
		}
		words = append(words, fmt.Sprintf("%s: %s", item.Node, m.doing(item)))
	}
	done, all := 0, 0
	for i := range m.plan.Items {
		if m.plan.Items[i].Do != DoSwitchover {
			all++
			if m.plan.Items[i].settled() {
				done++
			}
		}
	}

	return strings.Join(append(words, fmt.Sprintf("%d of %d done", done, all)), ", ")
}

func (m *Machine) doing(item *Item) string {
	node := m.cluster.node(item.Node)
	switch {
	case item.State == StateWaiting && item.Reason != "":
		return "waiting, " + item.Reason
	case item.State == StateWaiting:
		return "waiting"
	case item.Do == DoSwitchover:
		return "switchover"
	case !node.Alive:
		return "away"
	case node.State == levels.StateUp:
		return "asked to stop"
	default:
		return node.State.String()
	}
}

func (m *Machine) planView() levels.OperationView {
	p := m.plan

	return levels.OperationView{
		ID: p.ID, Kind: p.Kind, Node: m.config.Self, Mode: p.Mode, By: p.By, Reason: p.Reason, Step: m.planStep(), Started: p.Started,
	}
}

// planWake is when time alone may change something about the plan.
func (m *Machine) planWake() levels.Instant {
	if !m.known {
		return 0
	}
	var earliest levels.Instant
	consider := func(at levels.Instant, counts bool) {
		if counts && (earliest == 0 || at < earliest) {
			earliest = at
		}
	}
	limits := m.config.Limits
	consider(m.patience, m.now < m.patience)
	from, to := m.plan.group()
	for i := from; i < to; i++ {
		item := &m.plan.Items[i]
		if item.settled() {
			continue
		}
		consider(item.Since.Add(limits.Ready), item.State == StateWaiting)
		consider(item.RetryAt, item.State == StateWaiting && item.RetryAt > m.now)
		consider(item.Since.Add(limits.Leave), item.Ordered && item.AwayAt == 0)
		consider(item.AwayAt.Add(limits.Return), item.AwayAt != 0)
		consider(item.LostAt.Add(limits.Grace), item.LostAt != 0 && m.now < item.LostAt.Add(limits.Grace))
	}

	return earliest
}
