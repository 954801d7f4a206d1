package levels

// finishRun closes the run and lets its end have its effect.
func (m *Machine) finishRun(outcome, reason string) {
	run := m.s.Run
	if outcome != outcomeCompleted {
		m.record(0)
	}
	m.s.Run = nil
	m.indexParts()
	m.emit(TellSequenceFinished{Record: m.runRecord(run, outcome, reason)})
	switch outcome {
	case outcomeCompleted:
		for _, target := range run.Plain {
			m.startPlain(target)
		}
		m.completed(run)
	case outcomeFailed:
		m.failed(run, reason)
	default:
		// What comes instead follows from the situation. A role that is wanted again by now has
		// to be taken up anew.
		m.s.Redo = m.s.Redo || run.Sequence == Promote && m.s.Role.Leads()
	}
}

// completed is what the end of a run means for the node.
func (m *Machine) completed(run *RunState) {
	op := m.operationOf(run)
	switch run.Sequence {
	case Init:
		m.s.Ready = true
		m.become(StateUp, m.s.Role)
		m.proven()
		m.tellReady()
		if started := m.s.Operation; started != nil && started.Kind == OperationStart {
			m.finishOperation(ResultDone, "")
		}
	case Promote:
		m.proven()
		m.tellReady()
	case Demote:
		m.s.Redo = false // there is nothing to take up again
		m.become(m.s.State, run.To)
	case Disqualify:
		m.become(m.s.State, RoleOffline)
		if op != nil {
			op.Disqualified = true
		}
		if op == nil || op.Kind == OperationDisqualify {
			m.emit(TellQualified{Node: m.s.Config.Node, Qualified: false})
		}
	case Qualify:
		m.become(m.s.State, RoleSpare)
		m.emit(TellQualified{Node: m.s.Config.Node, Qualified: true})
	case Shut:
		m.s.ReachedAny, m.s.Reached = false, 0
		if op != nil {
			op.Shut = true
		}
	case SequenceUnknown:
	}
}

func (m *Machine) tellReady() {
	if m.s.Role == RoleMaster {
		m.emit(TellMasterReady{Node: m.s.Config.Node, Term: m.s.Term})
	}
}

// failed is what a run means that was aborted.
func (m *Machine) failed(run *RunState, reason string) {
	m.s.Failed = &Failure{
		Run: run.Number, Sequence: run.Sequence, Reason: reason, Cause: run.Cause,
		Role: run.Info.Role, Started: run.Started, Index: run.Index,
	}
	op := m.operationOf(run)
	switch run.Sequence {
	case Init:
		if started := m.s.Operation; started != nil && started.Kind == OperationStart {
			m.finishOperation(ResultFailed, reason)
		}
	case Promote:
		m.s.Undo, m.s.Redo = true, false
		m.bar(run.To, reason)
	case Demote:
		m.s.Failed = nil // the operation says why, and the role is taken up again
		m.s.Redo = m.s.Role.Leads()
	case Disqualify, Qualify:
		if op != nil {
			m.s.Failed = nil
			m.persist(run.Sequence == Disqualify)
		}
	case Shut, SequenceUnknown:
	}
	if op != nil {
		m.finishOperation(ResultFailed, reason+adviceFor(op))
	}
}

func (m *Machine) operationOf(run *RunState) *OperationState {
	if op := m.s.Operation; op != nil && run.Op == op.ID {
		return op
	}

	return nil
}

// persist changes the attribute.
func (m *Machine) persist(qualified bool) {
	if m.s.Qualified == qualified {
		return
	}
	m.s.Qualified, m.s.Persisted = qualified, true
	m.emit(PersistQualified{Qualified: qualified})
}

// adviceFor tells an operator what to do about an operation that failed.
func adviceFor(op *OperationState) string {
	if op.Kind == OperationShutdown {
		return "; put it right and ask again, or force the shutdown"
	}

	return "; put it right and ask again"
}
