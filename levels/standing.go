package levels

// startTarget brings up a target. A plain one is wanted even without members, for
// who asks systemd what the node is; nobody waits for it.
func (m *Machine) startTarget(target Target) {
	m.lasting(target)
	units := m.members[target]
	switch {
	case m.handsOff():
	case len(units) > 0:
		m.working()
		m.startWork(target, units, nil)
	case target.Plain:
		m.s.Run.Plain = append(m.s.Run.Plain, target)
	}
}

// stopTarget takes a target down, if it is up.
func (m *Machine) stopTarget(stage Stage) {
	run, target := m.s.Run, stage.Target
	maybe, started := m.maybeUp(target), m.started[target]
	m.forgetTarget(target)
	switch {
	case m.handsOff() || !maybe:
	case len(m.members[target]) > 0:
		m.enterPhase(PhaseStopping, "")
		if run.Sequence == Demote && stage.Keep != run.To {
			m.keep(target, stage.Keep)
		}
		m.stopWork(target, Work{Target: target, Keep: m.roleTargets(stage.Keep), Kill: run.Fenced})
	case started && target.Plain:
		m.emit(StopUnits{Work: m.nextWork(), Target: target})
	}
}

func (m *Machine) forgetTarget(target Target) {
	delete(m.up, target)
	delete(m.started, target)
	delete(m.lost, target)
}

// startPlain starts a target without members; its answer is not waited for.
func (m *Machine) startPlain(target Target) {
	delete(m.lost, target)
	m.started[target] = true
	m.emit(StartUnits{Work: m.nextWork(), Target: target, Since: m.now})
}

// handsOff says that units are systemd's to stop.
func (m *Machine) handsOff() bool {
	op := m.s.Operation

	return op != nil && op.CallbacksOnly
}

// maybeUp says whether a target has to be stopped. Those of init may be up without
// our knowledge, from a life whose state was lost.
func (m *Machine) maybeUp(target Target) bool {
	return m.up[target] || target.Group == Init.String() || target == ReadyTarget()
}
