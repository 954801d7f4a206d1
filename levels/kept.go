package levels

import "slices"

// A unit that both the master and the vice want keeps running when the one becomes the other.
// In a switchover nobody knows yet whether the old master will be the vice: its demote leaves
// those units running, and they are stopped when it turns out not to be.

// keeps is the role whose members the run leaves running. Nothing is left of a lost lease.
func (r *RunState) keeps() Role {
	if r.Keep == RoleUnknown || r.LostLease {
		return r.To
	}

	return r.Keep
}

// keep notes the members of a target that goes down which the role wants, too.
func (m *Machine) keep(target Target, role Role) {
	for _, unit := range m.members[target] {
		if !slices.Contains(m.s.Kept, unit) && m.wantedBy(role, unit) {
			m.s.Kept = append(m.s.Kept, unit)
		}
	}
	slices.Sort(m.s.Kept)
	m.s.KeptIn = m.s.Term
}

// wantedBy says whether a target of the role wants the unit.
func (m *Machine) wantedBy(role Role, unit string) bool {
	return slices.ContainsFunc(m.roleTargets(role), func(target Target) bool {
		return slices.Contains(m.members[target], unit)
	})
}

// keptStops stops at the beginning of a run what was kept for a role that it does not lead to.
func (m *Machine) keptStops(run *RunState) []Stage {
	if len(m.s.Kept) == 0 || run.To.Leads() || run.Sequence == Demote {
		return nil
	}

	return []Stage{{Do: StageUnits, Units: slices.Clone(m.s.Kept)}}
}

// dropKept stops what was kept once another node is the vice of a later mastership. As long
// as there is no vice, or no master, this node may become it. Nobody waits for the answer:
// these units serve under both roles, and do no harm.
func (m *Machine) dropKept() bool {
	other := m.s.Known && m.s.Word.Term > m.s.KeptIn && m.s.Vice != "" && m.s.Vice != m.s.Config.Node
	if len(m.s.Kept) == 0 || m.s.Role.Leads() || !other {
		return false
	}
	m.emit(StopUnits{Work: m.nextWork(), Units: m.s.Kept})
	m.s.Kept = nil

	return true
}
