package levels

import (
	"fmt"
	"slices"
	"strings"
)

// register takes a registration and, when its level is running and its callback
// not done, invokes it.
func (m *Machine) register(registration Registration) error {
	if err := m.admit(registration); err != nil {
		return fmt.Errorf("register %q at %v: %w", registration.Component, registration.Position, err)
	}
	registration.ID = m.s.NextRegistration
	m.s.NextRegistration++
	m.s.Registrations = append(m.s.Registrations, registration)
	m.indexRegistration(registration)
	m.out.ID = uint64(registration.ID)
	m.joinLevel(registration)

	return nil
}

// admit says why a registration cannot be taken.
func (m *Machine) admit(registration Registration) error {
	position := registration.Position
	switch {
	case registration.Component == "":
		return fmt.Errorf("%w: no component name; give one", ErrInvalid)
	case registration.Client == "":
		return fmt.Errorf("%w: no client", ErrInvalid)
	case registration.Timeout < 0:
		return fmt.Errorf("%w: time limit %v is negative; give 0 for the configured one", ErrInvalid, registration.Timeout)
	case registration.OnFailure > PolicyFence:
		return fmt.Errorf("%w: policy number %d", ErrInvalid, registration.OnFailure)
	case !slices.Contains(Sequences(), position.Sequence):
		return fmt.Errorf("%w: unknown sequence, want one of %q", ErrInvalid, sequenceWords()[1:])
	}
	ladder := m.s.Config.Sequences[position.Sequence].Ladder
	if _, ok := ladder.Index(position.Level); !ok {
		return fmt.Errorf("%w: level %d, %v has 0…%v and last", ErrInvalid, int(position.Level), position.Sequence, ladder.Top)
	}
	if id, taken := m.held[holding{registration.Component, position}]; taken {
		return fmt.Errorf("%w: as number %d; unregister that first or choose another name", ErrAlreadyRegistered, id)
	}
	if limit := m.s.Config.MaxRegistrations; len(m.s.Registrations) >= limit {
		return fmt.Errorf("%w: the node has its limit of %d registrations; unregister some or raise the limit", ErrBusy, limit)
	}
	if limit := m.s.Config.MaxRegistrationsPerClient; m.perClient[registration.Client] >= limit {
		return fmt.Errorf("%w: this client has its limit of %d registrations; unregister some", ErrBusy, limit)
	}

	return nil
}

// joinLevel lets a new registration take part in the level that is running. A
// level that was passed already does not come back for it.
func (m *Machine) joinLevel(registration Registration) {
	run := m.s.Run
	if run == nil || !run.Acted || run.Phase == PhaseCancelling || run.position() != registration.Position {
		return
	}
	i, found := m.byComponent[registration.Component]
	switch {
	case !found:
		m.addPart(Part{Participant: m.callback(registration.Component), Registration: registration})
		m.invoke(len(run.Parts)-1, registration)
	case run.Parts[i].Outcome != OutcomeDone:
		m.invoke(i, registration)
	default:
		return
	}
	m.working()
}

func (m *Machine) unregister(ev Unregistered) error {
	registration, found := m.registration(ev.ID)
	switch {
	case !found:
		return fmt.Errorf("unregister %d: %w: it never was or went with its client", ev.ID, ErrNoSuchRegistration)
	case registration.Client != ev.Client:
		return fmt.Errorf("unregister %d: %w: only the client that registered may take it back", ev.ID, ErrNotYours)
	}
	m.removeRegistrations(func(r Registration) bool { return r.ID == ev.ID })

	return nil
}

func (m *Machine) removeRegistrations(gone func(Registration) bool) {
	kept := m.s.Registrations[:0:0]
	for _, registration := range m.s.Registrations {
		if !gone(registration) {
			kept = append(kept, registration)

			continue
		}
		delete(m.held, holding{registration.Component, registration.Position})
		m.perClient[registration.Client]--
		if m.perClient[registration.Client] == 0 {
			delete(m.perClient, registration.Client)
		}
		ids := m.at[registration.Position]
		i, _ := slices.BinarySearch(ids, registration.ID)
		m.at[registration.Position] = slices.Delete(ids, i, i+1)
	}
	m.s.Registrations = kept
}

func (m *Machine) subscribe(client ClientID) error {
	if client == "" {
		return fmt.Errorf("subscribe to cancellation: %w: no client", ErrInvalid)
	}
	i, found := slices.BinarySearch(m.s.Subscribed, client)
	if !found {
		m.s.Subscribed = slices.Insert(m.s.Subscribed, i, client)
	}

	return nil
}

// callbackDone takes an answer. One that comes after the time limit still
// counts as long as the run holds for it.
func (m *Machine) callbackDone(ev CallbackDone) error {
	i, open := m.byTag[ev.Tag]
	if !open {
		return fmt.Errorf("answer invocation %d: %w: answered before, void by cancellation, or never made; nothing is to be done", ev.Tag, ErrNoSuchInvocation)
	}
	part := &m.s.Run.Parts[i]
	if part.Registration.Client != ev.Client {
		return fmt.Errorf("answer invocation %d: %w: only the client that was invoked may answer", ev.Tag, ErrNotYours)
	}
	m.closeTag(i)
	if ev.OK {
		m.settle(i, OutcomeDone, "")

		return nil
	}
	reason := strings.TrimSpace(ev.Message)
	if reason == "" {
		reason = "reported failure without a reason"
	}
	if part.Outcome == OutcomeFailed {
		part.Reason = reason // reported before, as timed out

		return nil
	}
	m.fail(i, reason)

	return nil
}

// clientVanished fails what the client has open and forgets its registrations.
func (m *Machine) clientVanished(client ClientID) {
	m.removeRegistrations(func(r Registration) bool { return r.Client == client })
	m.s.Subscribed = slices.DeleteFunc(m.s.Subscribed, func(c ClientID) bool { return c == client })
	if m.s.Run == nil {
		return
	}
	var failed []int
	for i := range m.s.Run.Parts {
		part := &m.s.Run.Parts[i]
		if part.Tag == 0 || part.Registration.Client != client {
			continue
		}
		m.closeTag(i)
		if part.Outcome == OutcomeRunning {
			m.report(i, "client vanished")
			failed = append(failed, i)
		}
	}
	for _, i := range failed {
		m.applyPolicy(i)
	}
}

// busLost forgets every client; whoever was invoked is expected back in time.
func (m *Machine) busLost() {
	m.removeRegistrations(func(Registration) bool { return true })
	m.s.Subscribed = nil
	if m.s.Run == nil {
		return
	}
	for i := range m.s.Run.Parts {
		part := &m.s.Run.Parts[i]
		if part.Tag == 0 {
			continue
		}
		m.closeTag(i)
		if part.Outcome == OutcomeRunning {
			part.Reason = "bus lost, waiting for the component to register again"
			if part.Deadline == 0 {
				m.limit(i, max(m.s.Config.RegistrationTimeout, grace))
			}
		}
	}
}

// invoke opens a new invocation for a participant; an open one becomes void.
func (m *Machine) invoke(i int, registration Registration) {
	run := m.s.Run
	m.closeTag(i)
	part := &run.Parts[i]
	part.Registration = registration
	part.Tag = m.s.NextTag
	m.s.NextTag++
	m.byTag[part.Tag] = i
	m.start(i, m.limitOf(part))
	run.LastLevel, run.Invoked = run.level(), true
	m.emit(Invoke{Tag: part.Tag, Registration: registration, Position: part.Position, Noboot: run.Noboot, Info: run.Info})
}

func (m *Machine) closeTag(i int) {
	part := &m.s.Run.Parts[i]
	if part.Tag != 0 {
		delete(m.byTag, part.Tag)
		part.Tag = 0
	}
}

// callback is a participant that waits to be invoked at the present level.
func (m *Machine) callback(component string) Participant {
	return Participant{Kind: KindCallback, Name: component, Position: m.s.Run.position()}
}
