package levels

import (
	"cmp"
	"maps"
	"slices"
)

// View returns what an observer may know, as a copy.
func (m *Machine) View() *View {
	view := m.Glance()
	view.Registrations = append(view.Registrations, m.s.Registrations...)
	for _, target := range slices.SortedFunc(maps.Keys(m.members), compareTargets) {
		for _, unit := range m.members[target] {
			known, found := m.outcomes[memberKey{target, unit}]
			if !found {
				known = MemberView{Unit: unit, Target: target}
			}
			view.Members = append(view.Members, known)
		}
	}
	if run := m.s.Run; run != nil {
		view.Pending = pending(run)
		view.Run.Participants = make([]Participant, 0, len(run.Parts))
		for i := range run.Parts {
			view.Run.Participants = append(view.Run.Participants, run.Parts[i].Participant)
		}
	}

	return view
}

// Glance is View without what grows with the clients and the units: Registrations,
// Members, Pending and the participants of the run are empty. It costs the same for
// one client as for a thousand.
func (m *Machine) Glance() *View {
	view := &View{
		Node: m.s.Config.Node, Cluster: m.s.Config.Cluster, State: m.s.State, Role: m.s.Role, Term: m.s.Term,
		Master: m.s.Master, Vice: m.s.Vice, Qualified: m.s.Qualified, Ready: m.s.Ready, MasterReady: m.masterReady(),
		Reached: m.s.Reached, ReachedAny: m.s.ReachedAny, Run: m.runView(),
		Syncing:       m.s.Sync != nil,
		Registrations: []Registration{},
		Members:       []MemberView{},
		Operations:    append([]OperationView{}, m.s.Operations...),
		Pending:       []InvocationView{},
		LostTargets:   slices.SortedFunc(maps.Keys(m.lost), compareTargets),
	}
	if bar := m.s.Bar; bar != nil && bar.Active {
		view.Barred = clone(bar)
	}
	if op := m.s.Operation; op != nil {
		view.Operations = append(view.Operations, m.operationView(op))
	}

	return view
}

// Role is the settled role, the one in the view.
func (m *Machine) Role() Role { return m.s.Role }

// Clients lists everybody on the bus who matters to the machine: who registered,
// who has an open invocation, who asked for cancellations; sorted.
func (m *Machine) Clients() []ClientID {
	clients := slices.Clone(m.s.Subscribed)
	clients = slices.AppendSeq(clients, maps.Keys(m.perClient))
	if m.s.Run != nil {
		for _, open := range pending(m.s.Run) {
			clients = append(clients, open.Registration.Client)
		}
	}
	slices.Sort(clients)

	return slices.Compact(clients)
}

// Standing lists the lasting targets that were really started and should be up
// now, lost ones included; sorted.
func (m *Machine) Standing() []Target { return slices.SortedFunc(maps.Keys(m.started), compareTargets) }

// masterReady says that the known master is ready for service.
func (m *Machine) masterReady() bool {
	if m.s.Role == RoleMaster {
		run := m.s.Run

		return m.s.Ready && m.s.State == StateUp && (run == nil || run.Sequence != Promote && run.Sequence != Demote)
	}

	return m.s.Known && m.s.Gate.Master == m.s.Master && m.s.Gate.Ready
}

// runView shows the run in progress without its participants, or the one that ended
// failed and waits for an operator: its phase is finished.
func (m *Machine) runView() *RunView {
	run := m.s.Run
	if run == nil {
		failed := m.s.Failed
		if failed == nil {
			return nil
		}
		ladder := m.s.Config.Sequences[failed.Sequence].Ladder

		return &RunView{
			Run: failed.Run, Sequence: failed.Sequence, Level: ladder.At(min(failed.Index, ladder.Len()-1)), Top: ladder.Top,
			Phase: PhaseFinished, Reason: failed.Reason, Cause: failed.Cause, Term: m.s.Term, Started: failed.Started,
			Participants: []Participant{},
		}
	}

	return &RunView{
		Run: run.Number, Sequence: run.Sequence, Level: run.level(), Top: run.Ladder.Top, Phase: run.Phase,
		Reason: run.Reason, Cause: run.Cause, Term: run.Info.Term, Started: run.Started, Participants: []Participant{},
	}
}

// pending lists the open invocations by tag.
func pending(run *RunState) []InvocationView {
	open := []InvocationView{}
	for i := range run.Parts {
		part := &run.Parts[i]
		if part.Tag == 0 {
			continue
		}
		open = append(open, InvocationView{
			Tag: part.Tag, Registration: part.Registration, Position: part.Position, Noboot: run.Noboot,
			Info: run.Info, Started: part.Started, Deadline: part.Deadline,
		})
	}
	slices.SortFunc(open, func(a, b InvocationView) int { return cmp.Compare(a.Tag, b.Tag) })

	return open
}
