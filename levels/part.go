package levels

import (
	"fmt"
	"slices"
	"time"
)

// addPart appends a participant of the present level.
func (m *Machine) addPart(part Part) int {
	m.s.Run.Parts = append(m.s.Run.Parts, part)
	i := len(m.s.Run.Parts) - 1
	m.indexPart(i)
	if part.Busy {
		m.busy++
	}

	return i
}

// start marks a participant as at work, with a time limit when there is one.
func (m *Machine) start(i int, limit time.Duration) {
	part := &m.s.Run.Parts[i]
	part.Outcome, part.Reason, part.Policy = OutcomeRunning, "", PolicyInherit
	part.Started, part.Ended, part.Deadline, part.Ending = m.now, 0, 0, 0
	m.limit(i, limit)
	m.setBusy(i, true)
}

// limit sets when patience with a participant ends.
func (m *Machine) limit(i int, limit time.Duration) {
	if limit <= 0 {
		return
	}
	run := m.s.Run
	deadline := m.now.Add(limit)
	run.Parts[i].Deadline = deadline
	if run.Wake == 0 || deadline < run.Wake {
		run.Wake = deadline
	}
}

func (m *Machine) setBusy(i int, busy bool) {
	part := &m.s.Run.Parts[i]
	if part.Busy == busy {
		return
	}
	part.Busy = busy
	if busy {
		m.busy++
	} else {
		m.busy--
	}
}

// settle ends a participant well.
func (m *Machine) settle(i int, outcome Outcome, reason string) {
	part := &m.s.Run.Parts[i]
	part.Outcome, part.Reason, part.Ended, part.Policy = outcome, reason, m.now, PolicyInherit
	m.setBusy(i, false)
}

// fail reports a failure and does what its policy says.
func (m *Machine) fail(i int, reason string) {
	m.report(i, reason)
	m.applyPolicy(i)
}

// report tells a failure, once. The participant may be busy still: a hung member
// on its way down.
func (m *Machine) report(i int, reason string) {
	part := &m.s.Run.Parts[i]
	part.Outcome, part.Reason, part.Ended = OutcomeFailed, reason, m.now
	part.Policy = m.policyOf(part)
	if part.Kind == KindCallback {
		if part.Policy != PolicyHold {
			m.closeTag(i)
		}
		m.setBusy(i, false)
	}
	m.emit(TellFailed{Run: m.s.Run.Number, Participant: part.Participant, Policy: part.Policy})
}

// applyPolicy lets a failed participant have its effect on the run.
func (m *Machine) applyPolicy(i int) {
	part := &m.s.Run.Parts[i]
	if m.s.Run.Phase == PhaseCancelling {
		return
	}
	switch part.Policy {
	case PolicyAbort:
		m.cancel(outcomeFailed, complaint(part))
	case PolicyFence:
		m.fence()
		m.passIfAtRest(i)
	case PolicyContinue:
		m.passIfAtRest(i)
	case PolicyHold, PolicyInherit:
	}
}

// complaint names a failed participant for an operator.
func complaint(part *Part) string {
	return fmt.Sprintf("%v %s failed at %v: %s", part.Kind, part.Name, part.Position, part.Reason)
}

func (m *Machine) passIfAtRest(i int) {
	part := &m.s.Run.Parts[i]
	if !part.Busy && part.Outcome == OutcomeFailed {
		m.closeTag(i)
		part.Outcome = OutcomePassed
	}
}

// rest says that nothing is under way any more for a participant that failed or
// was cancelled before.
func (m *Machine) rest(i int) {
	part := &m.s.Run.Parts[i]
	part.Deadline = 0
	m.setBusy(i, false)
	if part.Policy == PolicyContinue || part.Policy == PolicyFence {
		m.passIfAtRest(i)
	}
}

// reapply judges failures anew after the policy of the run became stricter.
func (m *Machine) reapply() {
	run := m.s.Run
	if run == nil || run.Phase == PhaseCancelling {
		return
	}
	for i := range run.Parts {
		part := &run.Parts[i]
		if part.Outcome != OutcomeFailed {
			continue
		}
		part.Policy = m.policyOf(part)
		m.applyPolicy(i)
	}
	m.working()
}

// fence kills every unit of the role that is given up, at once.
func (m *Machine) fence() {
	run := m.s.Run
	if run.Fenced {
		return
	}
	run.Fenced = true
	if run.Sequence != Demote || m.handsOff() {
		return
	}
	keep := m.roleTargets(run.To)
	for _, target := range m.upOf(run.From) {
		units := slices.DeleteFunc(slices.Clone(m.members[target]), func(unit string) bool {
			return slices.ContainsFunc(run.Parts, func(p Part) bool { return p.Busy && p.Name == unit && p.Ending == 2 })
		})
		m.forgetTarget(target)
		if len(units) > 0 {
			m.stopWork(target, Work{Target: target, Units: units, Keep: keep, Stop: true, Kill: true})
		}
	}
}

// policyOf is what a failure of this participant does to this run.
func (m *Machine) policyOf(part *Part) Policy {
	run := m.s.Run
	policy, own := m.configuredPolicy(part)
	switch {
	case run.Sequence == Demote && run.LostLease && (!own || policy == PolicyAbort):
		return PolicyFence
	case m.forced(run) && (policy == PolicyHold || policy == PolicyAbort):
		return PolicyContinue
	case run.Sequence == Demote && run.Op == 0 && policy == PolicyAbort,
		run.Sequence == Shut && policy == PolicyAbort:
		return PolicyContinue // there is no way back
	default:
		return policy
	}
}

// configuredPolicy looks at component, level, registration and sequence, in this
// order, and says whether it is its own, not the sequence's default.
func (m *Machine) configuredPolicy(part *Part) (policy Policy, own bool) {
	sequence := m.s.Config.Sequences[m.s.Run.Sequence]
	for _, policy := range []Policy{
		m.s.Config.Components[part.Name].OnFailure,
		sequence.Levels[m.s.Run.level()].OnFailure,
		part.Registration.OnFailure,
	} {
		if policy != PolicyInherit {
			return policy, true
		}
	}
	if sequence.OnFailure == PolicyInherit {
		return defaultPolicy(m.s.Run.Sequence), false
	}

	return sequence.OnFailure, false
}

// limitOf is the participant's time limit, by the same precedence.
func (m *Machine) limitOf(part *Part) time.Duration {
	sequence := m.s.Config.Sequences[m.s.Run.Sequence]
	for _, limit := range []time.Duration{
		m.s.Config.Components[part.Name].Timeout,
		sequence.Levels[m.s.Run.level()].Timeout,
		part.Registration.Timeout,
	} {
		if limit > 0 {
			return limit
		}
	}

	return sequence.Timeout
}

// forced says that the run belongs to a shutdown that nothing may delay.
func (m *Machine) forced(run *RunState) bool {
	op := m.s.Operation

	return op != nil && op.Forced && op.Kind == OperationShutdown && run.Op == op.ID
}
