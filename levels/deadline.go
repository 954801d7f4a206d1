package levels

import (
	"fmt"
	"slices"
	"time"
)

// tick ends whatever is over.
func (m *Machine) tick() {
	m.barEnds()
	if release := m.s.Release; release != nil && m.now >= release.Deadline {
		m.roleReleased(fmt.Sprintf("no answer within %v", releaseTimeout))
	}
	if sync := m.s.Sync; sync != nil && m.now >= sync.Work.Deadline {
		m.syncFinished(WorkFinished{Work: sync.Work.ID, Err: "timed out"})
	}
	run := m.s.Run
	if run == nil || run.Wake == 0 || m.now < run.Wake {
		return
	}
	var failed []int
	for i := range run.Parts {
		if part := &run.Parts[i]; part.Busy && part.Deadline != 0 && m.now >= part.Deadline {
			failed = append(failed, m.overdue(i)...)
		}
	}
	for _, i := range failed {
		m.applyPolicy(i)
	}
	for _, i := range failed {
		m.endMember(i)
	}
	m.dropOverdueWorks()
	m.rewake()
}

// overdue handles one participant whose time is up; it returns it when it has
// failed just now.
func (m *Machine) overdue(i int) []int {
	part := &m.s.Run.Parts[i]
	if part.Ending > 0 {
		m.escalate(i)

		return nil
	}
	if part.Outcome != OutcomeRunning {
		m.rest(i) // cancelled while it was being stopped

		return nil
	}
	limit := part.Deadline.Sub(part.Started)
	switch {
	case part.Kind == KindCallback && part.Registration.ID == 0:
		m.report(i, m.neverRegistered())
	case part.Kind == KindCallback:
		m.report(i, fmt.Sprintf("timed out after %v", limit))
	case m.s.Run.Phase == PhaseCancelling:
		part.Outcome, part.Reason, part.Ended, part.Ending = OutcomePassed, reasonCanceled, m.now, 1
		m.escalate(i)

		return nil
	case part.Stop:
		m.report(i, fmt.Sprintf("stop timed out after %v", limit))
	default:
		m.report(i, fmt.Sprintf("start timed out after %v", limit))
	}

	return []int{i}
}

// endMember begins the end of a member that has just timed out: it is asked to
// stop, or killed if that is what it did not do.
func (m *Machine) endMember(i int) {
	part := &m.s.Run.Parts[i]
	if part.Kind != KindMember || !part.Busy || part.Ending > 0 {
		return
	}
	part.Ending = 1
	if part.Policy == PolicyFence || part.Stop {
		m.escalate(i)

		return
	}
	m.remember(i)
	m.stopAgain(i, false)
}

// escalate goes from asking to killing, where the run goes on without the member,
// and from killing to giving up.
func (m *Machine) escalate(i int) {
	part := &m.s.Run.Parts[i]
	goesOn := m.s.Run.Phase == PhaseCancelling || part.Policy == PolicyContinue || part.Policy == PolicyFence
	if part.Ending == 1 && goesOn {
		part.Ending = 2
		m.stopAgain(i, true)

		return
	}
	if part.Ending == 2 {
		m.emit(TellDropped{Reason: fmt.Sprintf("unit %s: not stopped by SIGKILL within %v; look at it by hand", part.Name, grace)})
	}
	m.rest(i)
	m.reassign(i, 0)
}

// stopAgain orders one unit to stop, beside the work it was part of.
func (m *Machine) stopAgain(i int, kill bool) {
	part := &m.s.Run.Parts[i]
	units := []string{part.Name}
	work := m.openWork(Work{Units: units, Stop: true, Kill: kill, Since: m.now})
	m.reassign(i, work)
	m.limit(i, m.graceOf(part))
	m.workDeadline(work, 3*grace)
	m.emit(StopUnits{Work: work, Units: units, Kill: kill})
}

// graceOf is how long a second attempt may take.
func (m *Machine) graceOf(part *Part) time.Duration {
	if limit := m.limitOf(part); limit > 0 {
		return min(limit, grace)
	}

	return grace
}

// dropOverdueWorks forgets works that nobody waits for and that were never finished.
func (m *Machine) dropOverdueWorks() {
	for _, work := range slices.Clone(m.s.Run.Works) {
		if work.Deadline != 0 && m.now >= work.Deadline && !m.awaited(work.ID) {
			m.emit(TellDropped{Reason: fmt.Sprintf("work %d on %v was never finished; it is waited for no longer", work.ID, work.Target)})
			m.closeWork(work.ID)
		}
	}
}

// rewake finds the next deadline.
func (m *Machine) rewake() {
	run := m.s.Run
	run.Wake = 0
	consider := func(at Instant) {
		if at != 0 && (run.Wake == 0 || at < run.Wake) {
			run.Wake = at
		}
	}
	for i := range run.Parts {
		if part := &run.Parts[i]; part.Busy {
			consider(part.Deadline)
		}
	}
	for _, work := range run.Works {
		consider(work.Deadline)
	}
}
