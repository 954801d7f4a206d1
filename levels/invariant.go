package levels

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Check tells every invariant that does not hold, by name; nil when all do.
//
//	role-qualified     (I7) a node that is not qualified leads nothing
//	level-in-ladder    the level of the run exists
//	level-order        (I4) levels are reached upwards, one after the other
//	reached-in-run     what init has reached is the level below the one it is at
//	answer-once        (I5) an open tag belongs to one callback that is asked or failed
//	void-after-cancel  (I5) a run that is cancelled has no open invocation
//	tag-fresh          no open tag was handed out twice or never
//	busy-awaits        whoever is waited for has a tag, a work or a time limit
//	work-known         whoever is at work is part of an open work
//	work-fresh         no open work was numbered twice or never
//	held-failed        a held level has a failure and nothing at work
//	cancel-ends        a cancelled run knows its outcome
//	phase-known        a run is in a phase
//	waits-order        waits follow each other, and the last is open only in a phase that waits
//	run-state          a run is allowed in the state of the node
//	run-fresh          the run's number was handed out
//	release-alone      a role is released while nothing runs
//	operation-state    shutting down is what a shutdown does, and nothing else
//	operation-fresh    the operation's number was handed out
//	await-ends         an operation waits for another node only after its role was given back,
//	                   and knows until when
//	bar-ends           a bar has a failure, and an end only while it lasts
//	leave-state        a node that left knows with which ending, and nobody else does
//	ready-state        init is complete in no state before up
//	registration-order registrations stand in order and once each
//	registration-whole a registration names component, client and position
//	subscribed-order   subscribers stand in order and once each
//	up-lasting         only lasting targets count as up
//	lost-up            only a target that counts as up is started, and only such a one is lost
//	index-true         what is derived agrees with what it is derived from
func (m *Machine) Check() error {
	var broken []error
	test := func(name string, holds bool) {
		if !holds {
			broken = append(broken, fmt.Errorf("invariant %s does not hold", name))
		}
	}
	m.checkNode(test)
	m.checkLists(test)
	m.checkOperation(test)
	if m.s.Run != nil {
		m.checkRun(test)
		m.checkParts(test)
	}
	m.checkIndex(test)

	return errors.Join(broken...)
}

func (m *Machine) checkNode(test func(string, bool)) {
	state, role := m.s.State, m.s.Role
	test("role-qualified", m.s.Qualified || !role.Leads())
	test("leave-state", (m.s.Leave != nil) == (state == StateLeaving || state == StateDown))
	test("ready-state", !m.s.Ready || state == StateUp || state == StateShuttingDown)
	test("release-alone", m.s.Release == nil || m.s.Run == nil)
}

func (m *Machine) checkOperation(test func(string, bool)) {
	op := m.s.Operation
	shutting := op != nil && op.Kind == OperationShutdown
	test("operation-state", shutting == (m.s.State == StateShuttingDown))
	test("operation-fresh", op == nil || op.ID < m.s.NextOperation)
	test("await-ends", op == nil || op.Await == nil || op.Released && m.s.Release == nil && op.Await.Until != 0 && op.Await.Role.Leads())
	bar := m.s.Bar
	test("bar-ends", bar == nil || bar.Failures > 0 && (bar.Active || bar.Until == 0))
}

func (m *Machine) checkLists(test func(string, bool)) {
	test("registration-order", ascending(m.s.Registrations, func(r Registration) RegistrationID { return r.ID }) &&
		(len(m.s.Registrations) == 0 || m.s.Registrations[len(m.s.Registrations)-1].ID < m.s.NextRegistration) &&
		len(m.held) == len(m.s.Registrations))
	whole := true
	for _, registration := range m.s.Registrations {
		whole = whole && registration.Component != "" && registration.Client != "" &&
			slices.Contains(Sequences(), registration.Position.Sequence)
	}
	test("registration-whole", whole)
	test("subscribed-order", ascending(m.s.Subscribed, func(c ClientID) ClientID { return c }))
	lasting, up := true, true
	for target := range m.up {
		lasting = lasting && !target.Momentary()
	}
	for target := range m.started {
		up = up && m.up[target]
	}
	for target := range m.lost {
		up = up && m.started[target]
	}
	test("up-lasting", lasting)
	test("lost-up", up)
}

func ascending[T any, K cmp.Ordered](list []T, key func(T) K) bool {
	for i := 1; i < len(list); i++ {
		if key(list[i-1]) >= key(list[i]) {
			return false
		}
	}

	return true
}

func (m *Machine) checkRun(test func(string, bool)) {
	run := m.s.Run
	inside := run.Index >= 0 && run.Index < run.Ladder.Len()
	test("level-in-ladder", inside)
	test("run-fresh", run.Number < m.s.NextRun)
	test("run-state", runAllowed(run.Sequence, m.s.State))
	test("phase-known", run.Phase >= PhaseWaiting && run.Phase <= PhaseCancelling)
	test("waits-order", waitsInOrder(run))
	test("cancel-ends", (run.Phase == PhaseCancelling) == (run.Ending == outcomeCanceled || run.Ending == outcomeFailed) &&
		(run.Phase == PhaseCancelling || run.Ending == ""))
	ordered, previous := true, -1
	for _, record := range run.Levels {
		index, ok := run.Ladder.Index(record.Level)
		ordered = ordered && ok && index > previous && index < run.Index && record.Reached != 0
		previous = index
	}
	test("level-order", ordered)
	if inside && run.Sequence == Init {
		reached := m.s.ReachedAny == (run.Index > 0) &&
			(run.Index == 0 || m.s.Reached == run.Ladder.At(run.Index-1))
		test("reached-in-run", reached)
	}
}

// runAllowed says in which states a sequence may run.
func runAllowed(sequence Sequence, state NodeState) bool {
	switch sequence {
	case Init: // and while it is cancelled by a shutdown
		return state == StateInitializing || state == StateShuttingDown
	case Demote:
		return state == StateInitializing || state == StateUp || state == StateShuttingDown
	case Promote, Qualify, Disqualify:
		return state == StateUp || state == StateShuttingDown
	case Shut:
		return state == StateShuttingDown
	case SequenceUnknown:
		return false
	default:
		return false
	}
}

func (m *Machine) checkParts(test func(string, bool)) {
	run := m.s.Run
	works := m.checkWorks(test)
	tags := map[Tag]bool{}
	once, fresh, awaits, known, failed := true, true, true, true, false
	for i := range run.Parts {
		part := &run.Parts[i]
		if part.Tag != 0 {
			once = once && part.Kind == KindCallback && (part.Outcome == OutcomeRunning || part.Outcome == OutcomeFailed)
			fresh = fresh && !tags[part.Tag] && part.Tag >= m.s.FirstTag && part.Tag < m.s.NextTag
			tags[part.Tag] = true
		}
		awaits = awaits && (!part.Busy || part.Tag != 0 || part.Work != 0 || part.Deadline != 0) &&
			part.Busy == (part.Outcome == OutcomeRunning || part.Busy && part.Ending > 0 || part.Busy && run.Phase == PhaseCancelling)
		known = known && (part.Work == 0 || works[part.Work])
		failed = failed || part.Outcome == OutcomeFailed
	}
	test("answer-once", once)
	test("tag-fresh", fresh)
	test("void-after-cancel", run.Phase != PhaseCancelling || len(tags) == 0)
	test("busy-awaits", awaits)
	test("work-known", known)
	test("held-failed", run.Phase != PhaseHeld || failed && m.busy == 0 && len(run.Works) == 0)
}

func (m *Machine) checkWorks(test func(string, bool)) map[WorkID]bool {
	works, fresh := map[WorkID]bool{}, true
	for _, work := range m.s.Run.Works {
		fresh = fresh && !works[work.ID] && work.ID != 0 && work.ID < m.s.NextWork
		works[work.ID] = true
	}
	test("work-fresh", fresh)

	return works
}

// checkIndex rebuilds what is derived and compares.
func (m *Machine) checkIndex(test func(string, bool)) {
	fresh := &Machine{s: m.Save()}
	fresh.index()
	test("index-true", fresh.busy == m.busy && len(fresh.byTag) == len(m.byTag) && len(fresh.held) == len(m.held) &&
		len(fresh.perClient) == len(m.perClient) && len(fresh.byComponent) == len(m.byComponent) &&
		maps.Equal(fresh.byTag, m.byTag) && maps.Equal(fresh.byWork, m.byWork) && maps.Equal(fresh.held, m.held))
}
