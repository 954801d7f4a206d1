package levels

import (
	"fmt"
	"slices"
)

// The words of RunRecord.Outcome.
const (
	outcomeCompleted = "completed"
	outcomeFailed    = "failed"
	outcomeCanceled  = "canceled"
)

func (r *RunState) level() Level { return r.Ladder.At(r.Index) }

func (r *RunState) position() Position { return Position{r.Sequence, r.level()} }

func (r *RunState) atLast() bool { return r.Index == r.Ladder.Len()-1 }

// advance goes on until nothing can be decided any more.
func (m *Machine) advance() {
	for range maxRounds {
		if !m.advanceOnce() {
			return
		}
	}
	panic("levels: a step does not come to an end: " + m.Describe())
}

func (m *Machine) advanceOnce() bool {
	if m.succession() {
		return true
	}
	run := m.s.Run
	switch {
	case run == nil && m.s.Release != nil:
		return false
	case run == nil:
		return m.next()
	case run.Phase == PhaseCancelling:
		if m.busy > 0 || len(run.Works) > 0 {
			return false
		}
		m.finishRun(run.Ending, run.Reason)

		return true
	}
	if reason := m.pointless(); reason != "" {
		m.cancel(outcomeCanceled, reason)

		return true
	}
	if m.busy > 0 || len(run.Works) > 0 {
		return false
	}

	return m.nextStage()
}

// nextStage is called when the present stage is at rest.
func (m *Machine) nextStage() bool {
	run := m.s.Run
	if m.holding() {
		return false
	}
	if len(run.Todo) == 0 {
		m.levelReached()

		return true
	}
	stage := run.Todo[0]
	if stage.Do == StageWait && m.waiting() {
		return false
	}
	run.Todo = run.Todo[1:]
	m.act(stage)

	return true
}

// act begins a stage; a target without members is no action at all.
func (m *Machine) act(stage Stage) {
	run := m.s.Run
	switch stage.Do {
	case StageWait:
	case StageAct:
		m.working()
		m.invokeAll()
	case StageStart:
		m.startTarget(stage.Target)
	case StageStop:
		m.stopTarget(stage)
	case StageUnits:
		if !m.handsOff() {
			m.enterPhase(PhaseStopping, "")
			m.stopWork(Target{}, Work{Units: stage.Units, Kill: run.Fenced})
		}
	}
}

func (m *Machine) nextWork() WorkID {
	m.s.NextWork++

	return m.s.NextWork - 1
}

// invokeAll asks every callback at the position and starts the sequence's target.
func (m *Machine) invokeAll() {
	run := m.s.Run
	run.Acted = true
	position := run.position()
	for _, id := range m.at[position] {
		registration, _ := m.registration(id)
		i := m.addPart(Part{Participant: m.callback(registration.Component), Registration: registration})
		m.invoke(i, registration)
	}
	target := SequenceTarget(position)
	m.lasting(target)
	if units := m.members[target]; len(units) > 0 && !m.handsOff() {
		m.startWork(target, units, nil)
	}
	missing := run.Missing
	run.Missing = nil
	for _, name := range missing {
		i := m.addPart(Part{Participant: m.callback(name)})
		m.start(i, 0)
		m.report(i, m.neverRegistered())
	}
	for i := range run.Parts {
		if run.Phase != PhaseCancelling && slices.Contains(missing, run.Parts[i].Name) && run.Parts[i].Outcome == OutcomeFailed {
			m.applyPolicy(i)
		}
	}
}

// working ends a held or waiting phase.
func (m *Machine) working() {
	if run := m.s.Run; run != nil && run.Phase != PhaseCancelling {
		m.enterPhase(PhaseRunning, "")
	}
}

// holding says whether the level cannot go on because of a failure.
func (m *Machine) holding() bool {
	run := m.s.Run
	first, count := -1, 0
	for i := range run.Parts {
		if run.Parts[i].Outcome == OutcomeFailed {
			if count == 0 {
				first = i
			}
			count++
		}
	}
	if count == 0 {
		return false
	}
	reason := complaint(&run.Parts[first])
	if count > 1 {
		reason += fmt.Sprintf(" (and %d more)", count-1)
	}
	if run.Phase != PhaseHeld {
		m.emit(TellHeld{Run: run.Number, Position: run.position(), Reason: reason})
	}
	m.enterPhase(PhaseHeld, reason)

	return true
}

// levelReached closes the level and enters the one above, or ends the run. Only
// levels that had something to do are told.
func (m *Machine) levelReached() {
	run := m.s.Run
	if len(run.Parts) > 0 {
		m.emit(TellLevelReached{Run: run.Number, Position: run.position()})
	}
	m.record(m.now)
	if run.Sequence == Init {
		m.s.Reached, m.s.ReachedAny = run.level(), true
	}
	if run.atLast() {
		m.finishRun(outcomeCompleted, "")

		return
	}
	m.enter(run.Index + 1)
}

func (m *Machine) enter(index int) {
	run := m.s.Run
	run.Index, run.Entered, run.WaitUntil, run.Wake = index, m.now, 0, 0
	run.Acted, run.Missing, run.Parts, run.Works, run.Waits = false, nil, nil, nil, nil
	run.Phase, run.Reason = PhaseRunning, ""
	run.Todo = m.stages(run, index)
	m.indexParts()
}

// begin starts the run of a step of the plan.
func (m *Machine) begin(st step) {
	run := m.draft(st)
	run.Number = m.s.NextRun
	m.s.NextRun++
	run.Started = m.now
	m.s.Sync = nil
	m.s.Failed = nil
	state := m.s.State
	switch st.sequence {
	case Init:
		state = StateInitializing
		m.s.Ready, m.s.ReachedAny, m.s.Reached = false, false, 0
		m.become(state, st.to)
	case Promote:
		m.s.Redo = false
		m.become(state, st.to)
	case Shut:
		m.s.Ready = false
	case Demote, Disqualify, Qualify, SequenceUnknown:
	}
	run.Info = Info{
		Node: m.s.Config.Node, Cluster: m.s.Config.Cluster, State: m.s.State, Role: m.s.Role,
		Term: m.s.Term, Master: m.s.Master, Vice: m.s.Vice,
	}
	m.s.Run = run
	m.emit(TellSequenceStarted{Run: run.Number, Sequence: run.Sequence, Term: m.s.Term, Cause: run.Cause})
	m.enter(0)
	if run.Sequence != Demote {
		m.s.Kept = nil // the role to come has them, or its first level stops them
	}
}

// draft is the run that a step would begin, for the step itself and for a dry run.
func (m *Machine) draft(st step) *RunState {
	config := &m.s.Config
	run := &RunState{
		Sequence: st.sequence, From: st.from, To: st.to, Cause: st.cause,
		Ladder:     config.Sequences[st.sequence].Ladder,
		InitLadder: config.Sequences[Init].Ladder,
		RoleLadder: Ladder{Top: max(config.Sequences[Init].Ladder.Top, config.Sequences[Promote].Ladder.Top)},
		LostLease:  st.lost,
	}
	if op := st.op; op != nil {
		run.Op = op.ID
		run.Leaving = op.Kind == OperationShutdown
		run.Noboot = op.Kind == OperationShutdown && op.Mode == ModeNoboot
	}
	if op := st.op; op != nil && op.Kind == OperationSwitchover && st.sequence == Demote && st.from == RoleMaster {
		run.Keep = RoleVice
	}
	if st.sequence == Demote && m.s.State == StateInitializing {
		run.Leaving = true // init takes up the role to come
	}
	if st.sequence == Shut {
		run.UnitStops = m.unitStops(run.Ladder)
	}

	return run
}

// become changes state and role, and tells it when that is news.
func (m *Machine) become(state NodeState, role Role) {
	if state == m.s.State && role == m.s.Role {
		return
	}
	m.emit(TellStateChanged{State: state, Role: role, OldState: m.s.State, OldRole: m.s.Role})
	m.s.State, m.s.Role = state, role
}
