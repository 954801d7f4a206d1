package levels

import "fmt"

// heldRun returns the run that an operator's decision is about.
func (m *Machine) heldRun(verb string, sequence Sequence) (*RunState, error) {
	if sequence == SequenceUnknown || sequence > Qualify {
		return nil, fmt.Errorf("%s: %w: unknown sequence, want one of %q", verb, ErrInvalid, sequenceWords()[1:])
	}
	run := m.s.Run
	switch {
	case run == nil:
		return nil, fmt.Errorf("%s %v: %w: nothing runs", verb, sequence, ErrNotHeld)
	case run.Sequence != sequence:
		return nil, fmt.Errorf("%s %v: %w: %v is what runs", verb, sequence, ErrNotHeld, run.Sequence)
	case run.Phase != PhaseHeld:
		return nil, fmt.Errorf("%s %v: %w: level %v is %v; wait for it", verb, sequence, ErrNotHeld, run.level(), run.Phase)
	}

	return run, nil
}

// retry asks the failed participants of a held run again, or begins a sequence
// again that ended failed.
func (m *Machine) retry(sequence Sequence) error {
	failed := m.s.Failed
	again := m.s.Run == nil && failed != nil && failed.Sequence == sequence
	if barred := m.s.Bar != nil && m.s.Bar.Active && sequence == Promote && m.s.Run == nil; again || barred {
		m.s.Failed = nil
		if sequence == Promote {
			m.s.Bar = nil // the cluster may give this node a role again
		}

		return nil
	}
	run, err := m.heldRun("retry", sequence)
	if err != nil {
		return err
	}
	m.working()
	type group struct {
		target Target
		stop   bool
	}
	var order []group
	units := map[group][]string{}
	for i := range run.Parts {
		part := &run.Parts[i]
		switch {
		case part.Outcome != OutcomeFailed:
		case part.Kind == KindCallback:
			m.retryCallback(i)
		default:
			key := group{part.Target, part.Stop}
			if units[key] == nil {
				order = append(order, key)
			}
			units[key] = append(units[key], part.Name)
		}
	}
	for _, key := range order {
		if key.stop {
			m.stopWork(key.target, Work{Target: key.target, Units: units[key], Kill: run.Fenced})
		} else {
			m.startWork(key.target, units[key], units[key])
		}
	}

	return nil
}

// retryCallback invokes a component again, or waits for it to register.
func (m *Machine) retryCallback(i int) {
	part := &m.s.Run.Parts[i]
	if id, there := m.held[holding{part.Name, part.Position}]; there {
		registration, _ := m.registration(id)
		m.invoke(i, registration)

		return
	}
	m.closeTag(i)
	part.Registration = Registration{}
	m.start(i, max(m.waitLimit(), grace))
	part.Reason = "waiting for the component to register"
}

// skip goes on without the failed participants of a held run.
func (m *Machine) skip(sequence Sequence) error {
	run, err := m.heldRun("skip", sequence)
	if err != nil {
		return err
	}
	for i := range run.Parts {
		m.passIfAtRest(i)
	}
	m.working()

	return nil
}

// abort ends a held run as failed, where there is a way back.
func (m *Machine) abort(sequence Sequence) error {
	run, err := m.heldRun("abort", sequence)
	if err != nil {
		return err
	}
	switch {
	case sequence == Shut:
		return fmt.Errorf("abort shut: %w: a shutdown has no way back; retry or skip", ErrRefused)
	case sequence == Demote && (run.Op == 0 || run.LostLease):
		return fmt.Errorf("abort demote: %w: the role is gone already; retry or skip", ErrRefused)
	}
	m.cancel(outcomeFailed, "aborted by an operator: "+run.Reason)

	return nil
}
