package levels

import "slices"

// cancel makes the run come to rest: open invocations become void, members being
// started are stopped, what is being stopped goes on. The run will have the
// outcome ending.
func (m *Machine) cancel(ending, reason string) {
	run := m.s.Run
	if run.Phase == PhaseCancelling {
		return
	}
	m.enterPhase(PhaseCancelling, reason)
	run.Ending = ending
	run.Todo, run.WaitUntil = nil, 0
	var starting []int
	for i := range run.Parts {
		part := &run.Parts[i]
		switch {
		case part.Kind == KindCallback:
			m.closeTag(i)
			if part.Outcome == OutcomeRunning {
				m.settle(i, OutcomePassed, reasonCanceled)
			}
		case part.Busy && !part.Stop && part.Ending == 0:
			starting = append(starting, i)
		}
	}
	m.stopStarting(starting)
	if len(m.s.Subscribed) > 0 {
		last := run.level()
		if run.Invoked {
			last = run.LastLevel
		}
		m.emit(NotifyCanceled{Clients: slices.Clone(m.s.Subscribed), Sequence: run.Sequence, LastLevel: last})
	}
}

// stopStarting takes back the members that are being started, in one work. What
// their own works say from here on is forgotten.
func (m *Machine) stopStarting(starting []int) {
	run := m.s.Run
	if len(starting) == 0 {
		m.dropUnawaited()

		return
	}
	var units []string
	work := m.openWork(Work{Stop: true, Since: m.now})
	for _, i := range starting {
		part := &run.Parts[i]
		if part.Outcome == OutcomeRunning {
			part.Outcome, part.Reason, part.Ended = OutcomePassed, reasonCanceled, m.now
		}
		if slices.Contains(units, part.Name) { // of two targets: one of them waits
			m.rest(i)
			m.reassign(i, 0)

			continue
		}
		units = append(units, part.Name)
		part.Ending = 1
		m.limit(i, m.graceOf(part))
		m.reassign(i, work)
	}
	slices.Sort(units)
	for i := range run.Works {
		if run.Works[i].ID == work {
			run.Works[i].Units = units
		}
	}
	m.workDeadline(work, 3*grace)
	m.dropUnawaited()
	m.emit(StopUnits{Work: work, Units: units})
}

// dropUnawaited forgets the works that no participant waits for.
func (m *Machine) dropUnawaited() {
	for _, work := range slices.Clone(m.s.Run.Works) {
		if !m.awaited(work.ID) {
			m.closeWork(work.ID)
		}
	}
}

// awaited says whether a participant still waits for the work.
func (m *Machine) awaited(id WorkID) bool {
	return slices.ContainsFunc(m.s.Run.Parts, func(p Part) bool { return p.Work == id && p.Busy })
}
