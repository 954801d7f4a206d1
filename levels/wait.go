package levels

import (
	"fmt"
	"time"
)

func (m *Machine) neverRegistered() string {
	if limit := m.waitLimit(); limit > 0 {
		return fmt.Sprintf("never registered within %v", limit)
	}

	return "not registered"
}

// waiting says whether the level may not begin yet: a required component is
// missing or, in init, the master is not as far. The first wait for a component
// sets the limit.
func (m *Machine) waiting() bool {
	run := m.s.Run
	missing := m.missing()
	if len(missing) == 0 {
		run.WaitUntil, run.Missing = 0, nil
	} else if limit := m.waitLimit(); run.WaitUntil == 0 && len(run.Missing) == 0 && limit > 0 {
		run.WaitUntil = m.now.Add(limit)
	}
	var reason string
	if len(missing) > 0 && run.WaitUntil != 0 && m.now < run.WaitUntil {
		reason = fmt.Sprintf("component %s has not registered", missing[0])
		if len(missing) > 1 {
			reason += fmt.Sprintf(" (and %d more)", len(missing)-1)
		}
	} else {
		run.WaitUntil, run.Missing = 0, missing
		reason = m.gated()
	}
	if reason == "" {
		return false
	}
	if run.Phase != PhaseWaiting || run.Reason != reason {
		m.emit(TellWaiting{Run: run.Number, Position: run.position(), Reason: reason})
	}
	m.enterPhase(PhaseWaiting, reason)

	return true
}

// missing lists the required components that nobody registered at the position.
func (m *Machine) missing() []string {
	position := m.s.Run.position()
	var missing []string
	for _, name := range m.required[position] {
		if _, there := m.held[holding{name, position}]; !there {
			missing = append(missing, name)
		}
	}

	return missing
}

// waitLimit is how long a level waits for its required components.
func (m *Machine) waitLimit() time.Duration {
	run := m.s.Run
	switch {
	case run.LostLease || m.forced(run):
		return 0
	case run.Sequence == Shut:
		return min(m.s.Config.RegistrationTimeout, grace)
	default:
		return m.s.Config.RegistrationTimeout
	}
}

// gated says for what the gate is closed: the init of everybody but the master
// enters a level when the master has reached the one below.
func (m *Machine) gated() string {
	run := m.s.Run
	if run.Sequence != Init || run.To == RoleMaster {
		return ""
	}
	if !m.s.Known {
		return "no master is known"
	}
	if run.To == RoleVice && !m.s.Config.GateVice || run.Index == 0 {
		return ""
	}
	gate, below := m.s.Gate, run.Ladder.At(run.Index-1)
	if gate.Master == m.s.Master && (gate.Complete || gate.Started && reachedAtLeast(run.Ladder, gate.Reached, run.Index-1)) {
		return ""
	}

	reason := fmt.Sprintf("the master %s has not reached init level %v", m.s.Master, below)
	if master := m.s.Leaders.Master; master.Node == m.s.Master && master.Trouble != "" {
		reason += ": " + master.Trouble
	}

	return reason
}

// reachedAtLeast compares a level of the master's ladder with an index of ours.
func reachedAtLeast(ladder Ladder, level Level, index int) bool {
	at, inside := ladder.Index(level)

	return !inside && level > ladder.Top || inside && at >= index
}
