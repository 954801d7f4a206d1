package levels

import (
	"fmt"
	"slices"
	"strings"
)

// stepKind is one kind of thing that a plan consists of.
type stepKind uint8

const (
	stepNone    stepKind = iota
	stepRun              // a sequence
	stepRelease          // give the role back to the election
	stepPersist          // change the qualified attribute
	stepSettle           // take on a role that has no sequence
	stepLeave            // leave the cluster, and the ending
	stepAwait            // until another node has taken the role up
)

// step is one line of a plan.
type step struct {
	kind      stepKind
	sequence  Sequence
	from, to  Role
	lost      bool
	qualified bool
	mode      Mode
	node      NodeID
	cause     string
	op        *OperationState
}

// wanted is the role that the node should have: what the cluster said, as far as
// this node's own attributes allow.
func (m *Machine) wanted() Role {
	switch {
	case m.s.Wanted == RoleUnknown:
		return RoleUnknown
	case !m.s.Config.Eligible:
		return RoleNone
	case !m.s.Qualified:
		return RoleOffline
	case m.s.Wanted == RoleOffline || m.s.Wanted == RoleNone:
		return RoleSpare
	default:
		return m.s.Wanted
	}
}

// rolePlan compares the role that is with the role that should be and returns
// what comes next. It is a pure function of the machine's state, so that a run
// that was cancelled is followed by what the situation asks for.
func (m *Machine) rolePlan() step {
	from, to := m.s.Role, m.wanted()
	run := func(sequence Sequence, to Role, cause string) step {
		return step{kind: stepRun, sequence: sequence, from: from, to: to, cause: cause, lost: m.lostLease(sequence)}
	}
	switch {
	case to == RoleUnknown, m.s.State != StateJoining && m.s.State != StateInitializing && m.s.State != StateUp:
		return step{}
	case m.s.State == StateJoining:
		if !m.s.Known {
			return step{}
		}

		return run(Init, to, fmt.Sprintf("joined as %v", to))
	case m.s.Undo && from.Leads():
		return run(Demote, RoleSpare, "promote failed")
	case m.s.Undo, m.s.Wanted == RoleMaster && !to.Leads() && !from.Leads():
		return step{kind: stepRelease} // what was not taken up, or cannot be
	case from.Leads() && !to.Leads(), from == RoleMaster && to == RoleVice:
		if !to.Leads() || m.s.State == StateInitializing {
			to = RoleSpare
		}

		return run(Demote, to, m.lossCause(to))
	case m.s.State == StateInitializing:
		return m.initPlan(run)
	case from == to && (!m.s.Redo || !to.Leads()):
		return step{}
	case to.Leads():
		return run(Promote, to, m.electionCause(to))
	case from == RoleNone || to == RoleNone || from == RoleUnknown:
		return step{kind: stepSettle, to: to}
	case to == RoleOffline:
		return run(Disqualify, to, "not qualified")
	default:
		return run(Qualify, to, "qualified")
	}
}

// lostLease says that a demote is for a lease that ran out.
func (m *Machine) lostLease(sequence Sequence) bool {
	return sequence == Demote && m.s.Word.Lost && !m.wanted().Leads()
}

// initPlan begins init again after it was cancelled; after it failed only when an
// operator asks or the role changed.
func (m *Machine) initPlan(run func(Sequence, Role, string) step) step {
	to := m.wanted()
	if m.s.Failed != nil && m.s.Failed.Sequence == Init && to == m.s.Role {
		return step{}
	}
	if to != m.s.Role {
		return run(Init, to, fmt.Sprintf("initializing as %v, was %v", to, m.s.Role))
	}

	return run(Init, to, "begun again")
}

func (m *Machine) lossCause(to Role) string {
	if m.s.Word.Lost {
		return "lease lost"
	}

	return fmt.Sprintf("%v now, by term %d", to, m.s.Term)
}

func (m *Machine) electionCause(to Role) string {
	if m.s.Redo && (to == m.s.Role || !m.s.Role.Leads()) {
		return fmt.Sprintf("%v again in place: what was under way was taken back", to)
	}

	return fmt.Sprintf("elected %v, term %d", to, m.s.Term)
}

// operationPlan lists all that remains to be done of an operation, in order, if
// nothing interferes. The first entry is what comes next.
func (m *Machine) operationPlan(op *OperationState) []step {
	cause := fmt.Sprintf("operation %d, %v by %s", op.ID, op.Kind, op.By)
	role := m.s.Role
	if run := m.s.Run; run != nil && run.Sequence == Demote && run.Op != op.ID && op.Kind != OperationShutdown {
		role = run.To // it is not canceled, and does what the operation would
	}
	var steps []step
	run := func(sequence Sequence, to Role) {
		steps = append(steps, step{
			kind: stepRun, sequence: sequence, from: role, to: to, cause: cause, op: op, lost: m.lostLease(sequence),
		})
		role = to
	}
	if op.Kind != OperationQualify && op.Kind != OperationStart && role.Leads() {
		run(Demote, RoleSpare)
	}
	steps = append(steps, m.handOver(op)...)
	switch op.Kind {
	case OperationDisqualify:
		if !op.Disqualified {
			steps = append(steps, step{kind: stepPersist})
		}
		if role != RoleOffline {
			run(Disqualify, RoleOffline)
		}
	case OperationQualify:
		steps = append(steps, step{kind: stepPersist, qualified: true})
		if role == RoleOffline {
			run(Qualify, RoleSpare)
		}
	case OperationShutdown:
		if role == RoleSpare && m.s.Config.Eligible && !op.Disqualified {
			run(Disqualify, RoleOffline)
		}
		if !op.Shut {
			run(Shut, role)
		}
		steps = append(steps, step{kind: stepLeave, mode: op.Mode})
	case OperationSwitchover, OperationStart, OperationUnknown, OperationClusterShutdown, OperationRollingReboot:
	}

	return slices.DeleteFunc(steps, func(st step) bool {
		return st.kind == stepPersist && st.qualified == m.s.Qualified
	})
}

// handOver gives the role back and waits for another node. Elected once more in the middle
// of an operation that takes it out, the node gives that back, too.
func (m *Machine) handOver(op *OperationState) []step {
	switch {
	case op.Holds && !op.Released, op.Kind.takesOut() && m.s.Wanted == RoleMaster:
		steps := []step{{kind: stepRelease, node: op.To}}
		if awaited := m.awaits(op); awaited.Leads() {
			steps = append(steps, step{kind: stepAwait, to: awaited})
		}

		return steps
	case op.Await != nil:
		return []step{{kind: stepAwait, to: op.Await.Role}}
	default:
		return nil
	}
}

// nextStep is what would be begun if nothing ran.
func (m *Machine) nextStep() step {
	op := m.s.Operation
	if op == nil || op.Kind == OperationStart || op.standsBack() {
		return m.rolePlan()
	}
	if steps := m.operationPlan(op); len(steps) > 0 {
		return steps[0]
	}

	return step{}
}

// next begins what comes next. It is called while nothing runs.
func (m *Machine) next() bool {
	st := m.nextStep()
	switch st.kind {
	case stepRun:
		if failed := m.s.Failed; st.op == nil && failed != nil && failed.Sequence == st.sequence && st.sequence != Init {
			return false
		}
		m.begin(st)
	case stepRelease:
		if op := m.s.Operation; op != nil {
			op.Await = nil // elected once more while it waited
		}
		m.s.Release = &Release{To: st.node, Deadline: m.now.Add(releaseTimeout)}
		m.emit(ReleaseRole{To: st.node})
	case stepPersist:
		m.persist(st.qualified)
	case stepSettle:
		m.become(m.s.State, st.to)
	case stepLeave:
		m.leave(st.mode)
	case stepAwait:
		return false
	case stepNone:
		op := m.s.Operation
		if op == nil || op.Kind == OperationStart || op.standsBack() {
			return m.dropKept()
		}
		m.finishOperation(ResultDone, "")
	}

	return true
}

// pointless says why the run in progress should be cancelled, "" if it should not.
func (m *Machine) pointless() string {
	run, op := m.s.Run, m.s.Operation
	if run.Sequence == Shut || op != nil && run.Op == op.ID {
		return ""
	}
	if op != nil && op.Kind != OperationStart && !op.standsBack() {
		next := m.nextStep()
		if op.Kind == OperationShutdown || next.kind == stepRun && next.sequence.Outranks(run.Sequence) {
			return fmt.Sprintf("operation %d, %v by %s", op.ID, op.Kind, op.By)
		}

		return ""
	}
	wanted := m.wanted()
	switch run.Sequence {
	case Init:
		if wanted != run.To && (wanted.Leads() || run.To.Leads()) {
			return fmt.Sprintf("%v now, was %v", wanted, run.To)
		}
	case Promote:
		switch {
		case !wanted.Leads(), run.To == RoleMaster && wanted == RoleVice:
			return m.lossCause(wanted)
		case wanted != run.To: // the master is gone, and nobody serves until this ends
			return m.electionCause(wanted)
		}
	case SequenceUnknown, Shut, Demote, Disqualify, Qualify:
	}

	return ""
}

// outline is the plan of an operation for a person: one line a step, and below a
// run one line for each level that has something to do.
func (m *Machine) outline(op *OperationState, ev OperationRequested) []string {
	var lines []string
	steps := m.operationPlan(op)
	if run := m.s.Run; run != nil {
		first := "wait for the end of"
		if op.Kind == OperationShutdown || len(steps) > 0 && steps[0].sequence.Outranks(run.Sequence) {
			first = "cancel"
		}
		lines = append(lines, fmt.Sprintf("%s %v at level %v", first, run.Sequence, run.level()))
	}
	stopped := map[Target]bool{}
	for _, st := range steps {
		switch st.kind {
		case stepRun:
			lines = append(lines, fmt.Sprintf("%v (%v → %v)", st.sequence, st.from, st.to))
			lines = append(lines, m.outlineRun(m.draft(st), stopped)...)
		case stepRelease:
			lines = append(lines, m.outlineRelease(op, ev, st.node))
		case stepPersist:
			lines = append(lines, fmt.Sprintf("set qualified = %t", st.qualified))
		case stepLeave:
			lines = append(lines, "leave the cluster", endingLine(st.mode))
		case stepAwait:
			lines = append(lines, m.outlineAwait(op, st.to))
		case stepNone, stepSettle:
		}
	}
	if op.Kind == OperationStart {
		lines = append(lines, "join the cluster", "init with the role that the election gives")
	}

	return lines
}

// outlineRelease says to whom the role goes, or that it goes to nobody.
func (m *Machine) outlineRelease(op *OperationState, ev OperationRequested, to NodeID) string {
	line := strings.TrimSpace("release the role " + string(to))
	if why := m.whyNobody(ev); why != "" && op.Gives == RoleMaster && !op.Heirs {
		line += "; no other node can take it over now" + why
	}

	return line
}

// outlineAwait is the wait for another node in a plan.
func (m *Machine) outlineAwait(op *OperationState, role Role) string {
	limit := m.namingLimit(role) + m.readyLimit(role)
	who := "another node"
	if op.To != "" {
		who = string(op.To)
	}

	return fmt.Sprintf("wait until %s is %v and ready (%v at most)", who, role, limit)
}

func endingLine(mode Mode) string {
	switch mode {
	case ModeNoboot:
		return "stay up without the cluster"
	case ModeStandalone:
		return "reboot, next boot without the cluster"
	case ModeNone, ModeReboot, ModePoweroff, ModeHalt:
		return mode.String()
	default:
		return mode.String()
	}
}

func (m *Machine) outlineRun(run *RunState, stopped map[Target]bool) []string {
	var lines []string
	for index := range run.Ladder.Len() {
		level := run.Ladder.At(index)
		var does []string
		for _, stage := range m.stages(run, index) {
			if stage.Do == StageStop {
				if stopped[stage.Target] || !m.maybeUp(stage.Target) {
					continue
				}
				stopped[stage.Target] = true
			}
			does = append(does, m.outlineStage(Position{run.Sequence, level}, stage)...)
		}
		if len(does) > 0 {
			lines = append(lines, fmt.Sprintf("  level %v: %s", level, strings.Join(does, "; ")))
		}
	}

	return lines
}

func (m *Machine) outlineStage(position Position, stage Stage) []string {
	units := func(verb string, target Target) []string {
		members := slices.DeleteFunc(slices.Clone(m.members[target]), func(unit string) bool { return m.wantedBy(stage.Keep, unit) })
		if len(members) == 0 {
			return nil
		}

		return []string{fmt.Sprintf("%s %v (%s)", verb, target, strings.Join(members, ", "))}
	}
	switch stage.Do {
	case StageAct:
		var does []string
		for _, id := range m.at[position] {
			registration, _ := m.registration(id)
			does = append(does, "call "+registration.Component)
		}

		return append(does, units("start", SequenceTarget(position))...)
	case StageStart:
		return units("start", stage.Target)
	case StageStop:
		return units("stop", stage.Target)
	case StageUnits:
		return []string{"stop " + strings.Join(stage.Units, ", ")}
	case StageWait:
		return nil
	default:
		return nil
	}
}
