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
	op := &OperationState{
		OperationView: OperationView{
			ID: m.s.NextOperation, Kind: ev.Kind, Node: m.s.Config.Node, Mode: ev.Mode, To: ev.To,
			By: ev.By, Reason: ev.Reason, Started: m.now,
		},
		Forced:        ev.Force || ev.CallbacksOnly || imperative(ev.By),
		CallbacksOnly: ev.CallbacksOnly,
		Linger:        ev.Linger,
		Holds:         ev.Kind != OperationQualify && ev.Kind != OperationStart && (m.s.Role.Leads() || m.wanted().Leads()),
		Before:        m.s.State,
	}
	if ev.Kind == OperationSwitchover && ev.To == "" {
		op.To = m.s.Vice
	}
	if ev.DryRun {
		m.out.Plan = m.outline(op)

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
	if ev.Kind == OperationQualify && m.s.State != StateUp {
		m.persist(true) // there is nothing to run yet, and nothing may ever come up without it
		m.finishOperation(ResultDone, "")
	}

	return nil
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
			m.settle(i, OutcomePassed, "left to systemd")
		}
	}
	for len(run.Works) > 0 {
		m.closeWork(run.Works[0].ID)
	}
}

// admissible checks the preconditions of an operation.
func (m *Machine) admissible(ev OperationRequested) error {
	if err := m.wellFormed(ev); err != nil {
		return err
	}
	if running := m.s.Operation; running != nil {
		forced := ev.Force || ev.CallbacksOnly || imperative(ev.By)
		supersedes := ev.Kind == OperationShutdown && (running.Kind != OperationShutdown || forced)
		if !supersedes {
			return fmt.Errorf("%w: operation %d, %v by %s, since %v, at %s; wait for its end", ErrOperationInProgress,
				running.ID, running.Kind, running.By, m.now.Sub(running.Started), m.stepText(running))
		}
	}
	switch ev.Kind {
	case OperationShutdown:
		return m.mayShutDown()
	case OperationStart:
		if m.s.State != StateDown {
			return fmt.Errorf("%w: the node is %v; only a node that is down can be started", ErrRefused, m.s.State)
		}

		return nil
	case OperationDisqualify, OperationQualify, OperationSwitchover, OperationUnknown,
		OperationClusterShutdown, OperationRollingReboot:
	}
	early := ev.Kind == OperationQualify && (m.s.State == StateJoining || m.s.State == StateInitializing)
	if m.s.State != StateUp && !early {
		return fmt.Errorf("%w: the node is %v; wait until it is up", ErrRefused, m.s.State)
	}
	if !m.s.Config.Eligible {
		return fmt.Errorf("%w: the node is not eligible by its configuration", ErrRefused)
	}
	switch ev.Kind {
	case OperationQualify:
		if m.s.Qualified {
			return fmt.Errorf("%w: the node is qualified already", ErrRefused)
		}
	case OperationDisqualify:
		return m.mayDisqualify(ev.Force)
	case OperationSwitchover:
		return m.maySwitch(ev.To)
	case OperationUnknown, OperationShutdown, OperationStart, OperationClusterShutdown, OperationRollingReboot:
	}

	return nil
}

// wellFormed checks the arguments alone.
func (m *Machine) wellFormed(ev OperationRequested) error {
	switch {
	case ev.Kind == OperationUnknown || ev.Kind > OperationStart:
		return fmt.Errorf("%w: operation of a node, want one of %q", ErrInvalid, operationWords()[1:OperationStart+1])
	case ev.Mode > ModeStandalone:
		return fmt.Errorf("%w: mode, want one of %q", ErrInvalid, modeWords()[1:])
	case ev.Mode != ModeNone && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown has a mode", ErrInvalid)
	case ev.Linger && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown can linger", ErrInvalid)
	case ev.CallbacksOnly && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown can be callbacks only", ErrInvalid)
	case ev.To != "" && ev.Kind != OperationSwitchover:
		return fmt.Errorf("%w: only a switchover has a node to go to", ErrInvalid)
	}

	return nil
}

func (m *Machine) mayShutDown() error {
	switch m.s.State {
	case StateDown:
		return fmt.Errorf("%w: the node is down already", ErrRefused)
	case StateLeaving:
		return fmt.Errorf("%w: the node is leaving already", ErrRefused)
	case StateJoining, StateInitializing, StateUp, StateShuttingDown:
		return nil
	default:
		return nil
	}
}

func (m *Machine) mayDisqualify(force bool) error {
	switch {
	case !m.s.Qualified:
		return fmt.Errorf("%w: the node is disqualified already", ErrRefused)
	case m.s.Role == RoleMaster && !m.otherVice() && !force:
		return fmt.Errorf("%w: this node is the master and no other qualified node is there to take over; "+
			"qualify one, or force it and have no master", ErrRefused)
	default:
		return nil
	}
}

func (m *Machine) maySwitch(to NodeID) error {
	switch {
	case m.s.Role != RoleMaster:
		return fmt.Errorf("%w: this node is %v; ask the master %s", ErrRefused, m.s.Role, m.s.Master)
	case to == m.s.Config.Node:
		return fmt.Errorf("%w: %s is the master already", ErrRefused, to)
	case !m.otherVice():
		return fmt.Errorf("%w: no other qualified node is there to take over; qualify one or add one to the cluster", ErrRefused)
	default:
		return nil
	}
}

// otherVice says that somebody stands by to take the mastership.
func (m *Machine) otherVice() bool { return m.s.Vice != "" && m.s.Vice != m.s.Config.Node }

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
