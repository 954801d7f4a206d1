package levels

import "fmt"

// roleChanged takes the election's word. Repeating it changes nothing.
func (m *Machine) roleChanged(ev RoleChanged) {
	if m.s.Heard && m.s.Word == ev || !m.believable(ev) {
		return
	}
	before := m.wanted()
	m.s.Heard, m.s.Word = true, ev
	m.s.Known = ev.known()
	m.s.Master, m.s.Vice = ev.Master, ev.Vice
	m.s.Term = max(m.s.Term, ev.Term)
	switch {
	case ev.known():
		m.s.Wanted = ev.Role
	case ev.Lost:
		m.s.Wanted = RoleSpare
	default:
		// Headless: what runs keeps running in the role it has.
	}
	if m.wanted() != before {
		m.s.Failed = nil
	}
	run := m.s.Run
	if ev.Lost && run != nil && run.Sequence == Demote && !run.LostLease && !m.wanted().Leads() {
		run.LostLease = true
		m.reapply()
	}
}

// known says that there is a master and that this node has a place under it.
func (ev RoleChanged) known() bool {
	return ev.Role == RoleMaster || ev.Role != RoleUnknown && ev.Master != ""
}

// believable refuses what an election cannot say.
func (m *Machine) believable(ev RoleChanged) bool {
	switch {
	case m.s.State == StateDown || m.s.State == StateLeaving:
		return false // the cluster is behind us
	case ev.Role > RoleNone:
		m.emit(TellDropped{Reason: fmt.Sprintf("the election named a role of number %d; ignored", ev.Role)})
	case ev.known() && ev.Term < m.s.Term:
		m.emit(TellDropped{Reason: fmt.Sprintf("the election went back from term %d to %d; ignored", m.s.Term, ev.Term)})
	default:
		return true
	}

	return false
}

// roleReleased takes the answer to ReleaseRole. A refusal does not stop a
// shutdown, nor the end of a role that could not be taken up.
func (m *Machine) roleReleased(trouble string) {
	if m.s.Release == nil {
		return
	}
	m.s.Release = nil
	if m.s.Undo {
		m.barFromNow()
	}
	m.s.Undo = false
	op := m.s.Operation
	if trouble == "" || op == nil || op.Kind == OperationShutdown {
		if trouble != "" {
			m.emit(TellDropped{Reason: "release of the role: " + trouble})
		}
		if op != nil {
			op.Released = true
			m.await(op, m.awaits(op))
		}
		m.s.Wanted = RoleSpare

		return
	}
	m.s.Redo = m.wanted().Leads()
	m.finishOperation(ResultFailed, "release of the role: "+trouble)
}
