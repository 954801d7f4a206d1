package levels

// resume issues again what was outstanding when the agent went down. Time limits
// that ran out while nobody looked get a moment more, so that an answer that was
// on its way still counts.
func (m *Machine) resume() {
	if m.s.Persisted {
		m.emit(PersistQualified{Qualified: m.s.Qualified})
	}
	if release := m.s.Release; release != nil {
		release.Deadline = max(release.Deadline, m.now.Add(grace))
		m.emit(ReleaseRole{To: release.To})
	}
	if op := m.s.Operation; op != nil && op.Await != nil {
		op.Await.Until = max(op.Await.Until, m.now.Add(grace))
	}
	if sync := m.s.Sync; sync != nil {
		sync.Work.Deadline = max(sync.Work.Deadline, m.now.Add(grace))
		m.emit(startAgain(sync.Work))
	}
	if m.s.Leave != nil {
		m.emit(*m.s.Leave)
	}
	if m.s.Run == nil {
		m.resumePlain()

		return
	}
	m.resumeRun()
}

// resumeRun issues again what the run in progress waits for.
func (m *Machine) resumeRun() {
	run := m.s.Run
	if run.WaitUntil != 0 {
		run.WaitUntil = max(run.WaitUntil, m.now.Add(grace))
	}
	for i := range run.Parts {
		part := &run.Parts[i]
		if part.Busy && part.Deadline != 0 {
			part.Deadline = max(part.Deadline, m.now.Add(grace))
		}
		if part.Tag != 0 && part.Busy {
			m.emit(Invoke{
				Tag: part.Tag, Registration: part.Registration, Position: part.Position,
				Noboot: run.Noboot, Info: run.Info, Resume: true,
			})
		}
	}
	for i := range run.Works {
		work := &run.Works[i]
		if work.Deadline != 0 {
			work.Deadline = max(work.Deadline, m.now.Add(grace))
		}
		if work.Stop {
			m.emit(StopUnits{Work: work.ID, Target: work.Target, Units: work.Units, Keep: work.Keep, Kill: work.Kill})
		} else {
			m.emit(startAgain(*work))
		}
	}
	m.rewake()
}

// resumePlain starts the plain targets without members once more: nobody knows
// whether the order, whose answer was not waited for, was carried out.
func (m *Machine) resumePlain() {
	if m.s.State != StateUp {
		return
	}
	for _, target := range m.Standing() {
		if target.Plain && len(m.members[target]) == 0 && !m.lost[target] {
			m.startPlain(target)
		}
	}
}

func startAgain(work Work) StartUnits {
	return StartUnits{Work: work.ID, Target: work.Target, Units: work.Units, Since: work.Since, Resume: true}
}
