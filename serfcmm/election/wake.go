package election

// wake is the earliest time at which something is due; 0 when nothing is.
func (m *Machine) wake() Instant {
	if m.phase == PhaseAway {
		return 0
	}
	earliest := Forever
	consider := func(at Instant, counts bool) {
		if counts {
			earliest = min(earliest, at)
		}
	}
	consider(m.knownUntil, m.known && m.masterID != m.config.Self)
	consider(m.viceBy, m.told.Provisional)
	consider(m.probeAt, !m.known || !m.proven)
	consider(m.started.Add(m.config.FormationTimeout), !m.proven && m.now < m.started.Add(m.config.FormationTimeout))
	consider(m.insistAt, m.insistLeft > 0)
	if m.ballot != nil {
		consider(m.ballot.until, true)
		consider(m.now+1, m.ballot.fresh)
	} else {
		consider(max(m.standAt(), m.now+1), !m.leads())
	}
	if m.leads() {
		consider(m.renewAt, !m.acted && !m.config.alone())
		consider(max(m.choiceEnds(), m.now+1), m.choiceEnds() > m.now)
		consider(m.graceUntil, m.graceUntil != 0)
		consider(m.lease.Until, true)
		if m.lease.Until != Forever {
			ceasing := max(m.lease.From.Add(m.config.CeaseAfter), m.lease.Until-Instant(m.ceaseBefore()))
			consider(ceasing, m.phase == PhaseLeading)
			consider(m.lease.Until-Instant(m.config.KillMargin), m.phase == PhaseCeasing && !m.killed)
		}
	}
	if earliest == Forever {
		return 0
	}

	return max(earliest, m.now)
}
