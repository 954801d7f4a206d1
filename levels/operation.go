package levels

import (
	"fmt"
	"slices"
)

// request takes an operation, or says by name why not.
func (m *Machine) request(ev OperationRequested) error {
	if ev.Kind == OperationShutdown && ev.Mode == ModeNone {
		ev.Mode = ModeReboot
	}
	if err := m.admissible(ev); err != nil {
		return fmt.Errorf("%v: %w", ev.Kind, err)
	}
	running := m.s.Operation
	gives := m.gives(ev.Kind)
	op := &OperationState{
		OperationView: OperationView{
			ID: m.s.NextOperation, Kind: ev.Kind, Node: m.s.Config.Node, Mode: ev.Mode, To: ev.To,
			By: ev.By, Reason: ev.Reason, Started: m.now,
		},
		Forced:        ev.Force || ev.CallbacksOnly || imperative(ev.By),
		CallbacksOnly: ev.CallbacksOnly,
		Linger:        ev.Linger,
		Holds:         gives.Leads(),
		Gives:         gives,
		Term:          m.s.Term,
		Heirs:         m.heirs(ev),
		Before:        m.s.State,
	}
	if ev.Kind == OperationSwitchover && ev.To == "" {
		op.To = m.heir(ev)
	}
	if ev.DryRun {
		m.out.Plan = m.outline(op, ev)

		return nil
	}
	if running != nil && running.Kind == OperationShutdown {
		m.join(running, ev)

		return nil
	}
	if running != nil {
		m.finishOperation(ResultCanceled, fmt.Sprintf("gave way to operation %d, %v by %s", op.ID, op.Kind, op.By))
	}
	m.s.NextOperation++
	m.s.Operation = op
	m.s.Undo = m.s.Undo && ev.Kind != OperationShutdown
	m.out.ID = uint64(op.ID)
	m.emit(TellOperationStarted{Operation: m.operationView(op)})
	if ev.Kind == OperationShutdown {
		m.become(StateShuttingDown, m.s.Role)
	}
	if ev.CallbacksOnly {
		m.letGo()
	}
	if ev.Kind == OperationStart {
		m.s.Leave = nil
		m.become(StateJoining, RoleUnknown)
	}
	if ev.Kind == OperationQualify {
		m.s.Bar = nil
	}
	if ev.Kind == OperationQualify && m.s.State != StateUp {
		m.persist(true) // there is nothing to run yet, and nothing may ever come up without it
		m.finishOperation(ResultDone, "")
	}

	return nil
}

// gives is the role that the operation gives back, if it is one that does.
func (m *Machine) gives(kind OperationKind) Role {
	if kind == OperationQualify || kind == OperationStart {
		return RoleUnknown
	}
	switch wanted := m.wanted(); {
	case wanted.Leads():
		return wanted
	case m.s.Role.Leads() && !m.s.Known: // nobody else has it
		return m.s.Role
	default:
		return RoleUnknown
	}
}

// imperative says that the operating system asks and will not wait.
func imperative(by string) bool { return by == "logind" || by == "signal" }

// join lets a shutdown that nothing may delay take over the one in progress.
func (m *Machine) join(running *OperationState, ev OperationRequested) {
	running.Forced = true
	if imperative(ev.By) && (running.Mode != ModeStandalone || ev.Mode != ModeReboot) {
		running.Mode = ev.Mode
	}
	m.out.ID = uint64(running.ID)
	if ev.CallbacksOnly {
		running.CallbacksOnly = true
		m.letGo()
	}
	if run := m.s.Run; run != nil && run.Op == running.ID {
		if run.WaitUntil != 0 {
			run.WaitUntil = m.now
		}
		m.reapply()
	}
}

// letGo stops waiting for units: systemd has taken them over.
func (m *Machine) letGo() {
	m.s.Sync = nil
	run := m.s.Run
	if run == nil {
		return
	}
	for i := range run.Parts {
		if part := &run.Parts[i]; part.Kind == KindMember && part.Busy {
			m.settle(i, OutcomePassed, reasonLeft)
		}
	}
	for len(run.Works) > 0 {
		m.closeWork(run.Works[0].ID)
	}
}

// leave is the last step of a shutdown.
func (m *Machine) leave(mode Mode) {
	leaving := LeaveCluster{Mode: mode, Reason: m.s.Operation.Reason, Linger: m.s.Operation.Linger}
	m.s.Leave = &leaving
	m.s.Heard, m.s.Known, m.s.Word, m.s.Wanted = false, false, RoleChanged{}, RoleUnknown
	m.s.Master, m.s.Vice, m.s.Gate = "", "", MasterProgress{}
	m.s.Redo, m.s.Undo, m.s.Failed = false, false, nil
	state := StateLeaving
	if mode == ModeNoboot {
		state = StateDown
	}
	m.become(state, RoleUnknown)
	m.finishOperation(ResultDone, "")
	m.emit(leaving)
}

// finishOperation closes the operation in progress.
func (m *Machine) finishOperation(result OperationResult, reason string) {
	op := m.s.Operation
	if op == nil {
		return
	}
	m.s.Operation = nil
	if op.Kind == OperationShutdown && result == ResultFailed {
		m.become(op.Before, m.s.Role)
	}
	view := op.OperationView
	view.Step, view.Result, view.Error, view.Ended = "ended", result, reason, m.now
	m.s.Operations = append(m.s.Operations, view)
	if extra := len(m.s.Operations) - keptOperations; extra > 0 {
		m.s.Operations = slices.Delete(m.s.Operations, 0, extra)
	}
	m.emit(TellOperationFinished{Operation: view})
}

// operationView is the operation in progress with what it does now.
func (m *Machine) operationView(op *OperationState) OperationView {
	view := op.OperationView
	view.Step = m.stepText(op)

	return view
}

func (m *Machine) stepText(op *OperationState) string {
	run := m.s.Run
	switch {
	case op.Await != nil:
		return m.awaitText(op)
	case run != nil && run.Phase == PhaseCancelling:
		return fmt.Sprintf("cancelling %v at level %v", run.Sequence, run.level())
	case run != nil:
		return fmt.Sprintf("%v level %v", run.Sequence, run.level())
	case m.s.Release != nil:
		return "release of the role"
	case op.Kind == OperationStart:
		return "waiting for a master"
	default:
		return "about to begin"
	}
}
