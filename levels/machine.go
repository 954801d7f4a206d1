package levels

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Result is what one step decided.
type Result struct {
	// Actions in the order in which they must be started.
	Actions []Action
	// Wake is when Ticked is wanted next; 0 = not needed. It may be early.
	Wake Instant
	// Err answers a request that was not taken; then nothing changed.
	Err error
	// ID answers Registered and OperationRequested.
	ID uint64
	// Plan answers a dry run: one line a step, for a person.
	Plan []string
}

// Start is what a new machine begins with.
type Start struct {
	Config Config
	// FirstTag and FirstRun continue the counts of earlier lives; tags begin at a
	// random number, so that nobody guesses them.
	FirstTag Tag
	FirstRun RunNumber
	// Qualified is the persistent attribute.
	Qualified bool
}

// Machine decides for one node what to do about its sequences. It is owned by
// one goroutine; the zero value is not usable, see New and Restore.
type Machine struct {
	s Saved

	// Derived from s, rebuilt by Restore.
	members      map[Target][]string
	outcomes     map[memberKey]MemberView
	up, lost     map[Target]bool
	started      map[Target]bool
	required     map[Position][]string
	held         map[holding]RegistrationID
	at           map[Position][]RegistrationID
	perClient    map[ClientID]int
	byTag        map[Tag]int
	byComponent  map[string]int
	byWork       map[workUnit]int
	byMember     map[memberPart]int
	busy         int
	targetByUnit map[string]int

	// Of the step in progress.
	now Instant
	out Result
}

type holding struct {
	component string
	position  Position
}

type workUnit struct {
	work WorkID
	unit string
}

type memberPart struct {
	target Target
	unit   string
	stop   bool
}

const (
	// A grace bounds a second attempt: asking a hung member to stop, killing it, and a
	// resumed invocation whose time ran out while nobody looked.
	grace = 10 * time.Second
	// The releaseTimeout bounds the wait for RoleReleased.
	releaseTimeout = 30 * time.Second
	// As many ended operations as keptOperations are shown in the view.
	keptOperations = 32
	// A step ends within maxRounds: 6 sequences of 101 levels with 210 stages at the most.
	maxRounds = 200_000
)

// New returns a machine of a node that knows nothing yet: state joining, no role.
// The configuration must be complete and is not changed afterwards by anybody.
func New(start Start) *Machine {
	first := max(start.FirstTag, 1)
	machine := &Machine{s: Saved{
		Config:           start.Config,
		State:            StateJoining,
		Qualified:        start.Qualified,
		FirstTag:         first,
		NextTag:          first,
		NextRun:          max(start.FirstRun, 1),
		NextRegistration: 1,
		NextOperation:    1,
		NextWork:         1,
	}}
	machine.index()

	return machine
}

// Restore returns the machine that Save was called on: every later step gives
// what it would have given there. It goes on with the configuration that was
// saved, so that the events since can be replayed; when the present one differs,
// the owner sends Configured after the replay. The argument counts only when saved
// has no configuration. Damage that breaks an invariant is refused, naming it.
func Restore(config Config, saved Saved) (*Machine, error) {
	if saved.Config.Node == "" {
		saved.Config = config
	}
	machine := &Machine{s: saved}
	machine.s = machine.Save() // a copy of the lists
	machine.s.Run = cloneRun(saved.Run)
	machine.s.Members, machine.s.Outcomes = saved.Members, saved.Outcomes
	machine.s.Up, machine.s.Started, machine.s.Lost = saved.Up, saved.Started, saved.Lost
	machine.index()
	if err := machine.Check(); err != nil {
		return nil, fmt.Errorf("restore machine: %w", err)
	}

	return machine, nil
}

// index builds everything that is derived and moves lists into their maps.
func (m *Machine) index() {
	m.members, m.outcomes = map[Target][]string{}, map[memberKey]MemberView{}
	m.up, m.started, m.lost = map[Target]bool{}, map[Target]bool{}, map[Target]bool{}
	for _, entry := range m.s.Members {
		m.members[entry.Target] = slices.Clone(entry.Units)
	}
	for _, outcome := range m.s.Outcomes {
		m.outcomes[memberKey{outcome.Target, outcome.Unit}] = outcome
	}
	for _, target := range m.s.Up {
		m.up[target] = true
	}
	for _, target := range m.s.Started {
		m.started[target] = true
	}
	for _, target := range m.s.Lost {
		m.lost[target] = true
	}
	m.s.Members, m.s.Outcomes, m.s.Up, m.s.Started, m.s.Lost = nil, nil, nil, nil, nil
	m.countUnits()
	m.indexConfig()
	m.held, m.at, m.perClient = map[holding]RegistrationID{}, map[Position][]RegistrationID{}, map[ClientID]int{}
	for _, registration := range m.s.Registrations {
		m.indexRegistration(registration)
	}
	m.indexParts()
}

func (m *Machine) indexConfig() {
	m.required = map[Position][]string{}
	for name, component := range m.s.Config.Components {
		for _, position := range component.Required {
			m.required[position] = append(m.required[position], name)
		}
	}
	for _, names := range m.required {
		slices.Sort(names)
	}
}

func (m *Machine) indexRegistration(registration Registration) {
	m.held[holding{registration.Component, registration.Position}] = registration.ID
	m.at[registration.Position] = append(m.at[registration.Position], registration.ID)
	m.perClient[registration.Client]++
}

// indexParts follows a change of level.
func (m *Machine) indexParts() {
	m.byTag, m.byComponent, m.busy = map[Tag]int{}, map[string]int{}, 0
	m.byWork, m.byMember = map[workUnit]int{}, map[memberPart]int{}
	if m.s.Run == nil {
		return
	}
	for i := range m.s.Run.Parts {
		m.indexPart(i)
		if m.s.Run.Parts[i].Busy {
			m.busy++
		}
	}
}

func (m *Machine) indexPart(i int) {
	part := &m.s.Run.Parts[i]
	if part.Kind == KindCallback {
		m.byComponent[part.Name] = i
	} else {
		m.byMember[memberPart{part.Target, part.Name, part.Stop}] = i
	}
	if part.Tag != 0 {
		m.byTag[part.Tag] = i
	}
	if part.Work != 0 {
		m.byWork[workUnit{part.Work, part.Name}] = i
	}
}

// registration finds by number; the list is sorted by it.
func (m *Machine) registration(id RegistrationID) (Registration, bool) {
	i, found := slices.BinarySearchFunc(m.s.Registrations, id, func(r Registration, id RegistrationID) int {
		return cmp.Compare(r.ID, id)
	})
	if !found {
		return Registration{}, false
	}

	return m.s.Registrations[i], true
}

// Step takes one event at the time now and returns what it decided. A request
// that is refused changes nothing. Equal machines given equal steps stay equal
// and return equal results.
func (m *Machine) Step(now Instant, ev Event) Result {
	m.now, m.out = now, Result{}
	changed, err := m.take(ev)
	m.out.Err = err
	if err == nil && changed {
		m.advance()
	}
	m.out.Wake = m.wake()
	result := m.out
	m.out = Result{}

	return result
}

func (m *Machine) emit(action Action) { m.out.Actions = append(m.out.Actions, action) }

// take applies the event alone; what follows from it is advance's.
func (m *Machine) take(ev Event) (changed bool, err error) {
	switch ev := ev.(type) {
	case Registered:
		return true, m.register(ev.Registration)
	case Unregistered:
		return true, m.unregister(ev)
	case CallbackDone:
		return true, m.callbackDone(ev)
	case CancellationSubscribed:
		return true, m.subscribe(ev.Client)
	case OperationRequested:
		return !ev.DryRun, m.request(ev)
	case RetryRequested:
		return true, m.retry(ev.Sequence)
	case SkipRequested:
		return true, m.skip(ev.Sequence)
	case AbortRequested:
		return true, m.abort(ev.Sequence)
	case SyncRequested:
		return true, m.sync()
	default:
		m.observe(ev)

		return true, nil
	}
}

// observe applies what cannot be refused.
func (m *Machine) observe(ev Event) {
	switch ev := ev.(type) {
	case RoleChanged:
		m.roleChanged(ev)
	case MasterProgress:
		m.s.Gate = ev
	case LeadersSeen:
		m.s.Leaders = ev
	case ClientVanished:
		m.clientVanished(ev.Client)
	case BusLost:
		m.busLost()
	case MembersObserved:
		m.observeMembers(ev)
	case MemberSettled:
		m.memberSettled(ev.Work, ev.Member)
	case WorkFinished:
		m.workFinished(ev)
	case TargetLost:
		m.targetLost(ev.Target)
	case Configured:
		m.s.Config = ev.Config
		m.indexConfig()
	case RoleReleased:
		m.roleReleased(ev.Err)
	case Ticked:
		m.tick()
	case Resumed:
		m.resume()
	default:
		// Requests; take has them.
	}
}

// wake is the earliest time at which something is over.
func (m *Machine) wake() Instant {
	var earliest Instant
	consider := func(at Instant) {
		if at != 0 && (earliest == 0 || at < earliest) {
			earliest = at
		}
	}
	if m.s.Run != nil {
		consider(m.s.Run.Wake)
		consider(m.s.Run.WaitUntil)
	}
	if m.s.Release != nil {
		consider(m.s.Release.Deadline)
	}
	if op := m.s.Operation; op != nil && op.Await != nil {
		consider(op.Await.due())
	}
	if m.s.Bar != nil {
		consider(m.s.Bar.Until)
	}
	if m.s.Sync != nil {
		consider(m.s.Sync.Work.Deadline)
	}

	return earliest
}
