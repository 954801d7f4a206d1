package election

import (
	"fmt"
	"slices"
)

// Start is what a new machine begins with.
type Start struct {
	Config Config
	// State is what was on disk; nil when there was none, or it was damaged.
	State *State
	// Lease is the mastership that this process held before it was restarted in the same
	// boot; zero when it held none. A lease that is over by Now is lost at the first step.
	Lease Lease
	// Acted: the demote of that mastership had begun already. Vice is the one that it named.
	Acted bool
	Vice  NodeID
	// Serving: something of that mastership, or of an older one, may still run.
	Serving  bool
	Standing Standing
	// Left: the node is out of the cluster until JoinAsked.
	Left bool
	Now  Instant
	// Floor is a term that this node has told already, whatever State says.
	Floor Term
	// FirstRound is above every round of earlier lives in this boot; the lease clock will do.
	// FirstSerial is above every serial of earlier lives in any boot; the time of day will do.
	FirstRound  Round
	FirstSerial uint64
}

// Machine decides for one node. It is owned by one goroutine; the zero value is not usable,
// see New.
type Machine struct {
	config Config
	now    Instant
	out    Result

	// What is on disk, or will be with the next Result.Persist.
	state State
	dirty bool

	standing Standing
	yielding bool // it stands for election no more
	progress Progress
	// serving: something of this node's mastership may run.
	serving bool
	phase   Phase
	round   Round
	serial  uint64
	// firstRound is below every round of this life.
	firstRound Round
	peers      map[NodeID]*peer
	voterIDs   []NodeID // of the table, in its order
	fenced     map[NodeID]bool

	voter
	follower
	candidate
	master
	forming

	// What was told last.
	told         RoleDecided
	toldProgress MasterProgressed
	reason       string // of the last change of role

	dropped, stale uint64
}

// peer is what this node has heard of another.
type peer struct {
	heard    Instant // 0 = never
	serial   uint64  // of the newest that it has said of itself
	standing Standing
	hash     string
	term     Term // the highest that it has told
	unproven bool
	// toldAt is when it last answered a question of this life of this node with its term;
	// 0 = never. What the network has kept from before does not count.
	toldAt Instant
}

// New returns the machine of a node. The configuration must be valid.
func New(start Start) *Machine {
	m := &Machine{
		config: start.Config, now: start.Now, standing: start.Standing, serving: start.Serving,
		round: start.FirstRound, firstRound: start.FirstRound, serial: start.FirstSerial, peers: map[NodeID]*peer{}, fenced: map[NodeID]bool{},
	}
	m.meet()
	m.remember(start)
	switch {
	case start.Left:
		m.phase = PhaseAway
	case start.Lease.Term != 0 && start.Lease.Term >= m.state.MasterTerm:
		m.resume(start)
	case start.Lease.Term != 0: // another node was elected since
		m.phase, m.serving = PhaseRestoring, true
	case start.Serving:
		m.phase = PhaseRestoring
	case !m.proven:
		m.phase = PhaseForming
	default:
		m.phase = PhaseFollowing
	}
	m.probeAt = m.now

	return m
}

// meet makes an entry for every other node of the table and forgets those that left it.
func (m *Machine) meet() {
	before := m.peers
	m.voterIDs = m.config.voters()
	m.peers = map[NodeID]*peer{}
	for _, node := range m.config.Nodes {
		if node.ID == m.config.Self {
			continue
		}
		if known := before[node.ID]; known != nil {
			m.peers[node.ID] = known
		} else {
			m.peers[node.ID] = &peer{}
		}
	}
}

// remember takes up what was on disk. Every promise is taken to have been made just now.
func (m *Machine) remember(start Start) {
	m.started = m.now
	defer func() { m.state.Term = max(m.state.Term, start.Floor) }()
	if start.State == nil {
		m.proven = m.config.alone()
		m.adoptTable()
		if !m.proven {
			m.quietUntil = m.now.Add(m.config.longestPromise())
		}

		return
	}
	m.state = *start.State
	m.state.Voters = slices.Clone(start.State.Voters)
	if m.config.alone() && len(m.state.Voters) == 0 {
		m.state.Voters = m.config.voters()
	}
	m.proven = m.config.alone() || !m.strangeVoters()
	if !m.proven {
		m.quietUntil = m.now.Add(m.config.longestPromise())
	}
	if m.state.Promised != "" {
		m.promise = promise{to: m.state.Promised, term: m.state.PromisedTerm, until: m.now.Add(m.state.Hold), made: lastRound}
	}
	m.sayGoodbye = m.state.Promised == m.config.Self || m.state.Vote == m.config.Self || m.state.Master == m.config.Self
}

// Step takes one event at the time now and returns what it decided. Time that goes back
// counts as standing still.
func (m *Machine) Step(now Instant, ev Event) Result {
	m.now = max(m.now, now)
	m.out = Result{}
	m.overdue()
	if _, failed := ev.(PersistFailed); !failed {
		m.saved()
	}
	m.take(ev)
	_, failed := ev.(PersistFailed)
	if !failed {
		m.advance() // what it sends may rest on what is not on disk
	}
	m.tell()
	if m.dirty && !failed {
		m.dirty = false
		state := m.state
		state.Voters = slices.Clone(m.state.Voters)
		m.out.Persist = &state
	}
	m.out.Wake = m.wake()
	result := m.out
	m.out = Result{}

	return result
}

func (m *Machine) take(ev Event) {
	switch ev := ev.(type) {
	case Received:
		m.receive(ev.Message)
	case StandingChanged:
		m.yielding = ev.Yielding
		m.stand(ev.Standing)
	case ProgressChanged:
		m.progressed(ev.Progress)
	case ServingChanged:
		m.serves(ev.Serving)
	case DemoteActed:
		m.acted = m.acted || m.phase == PhaseCeasing
	case ReleaseAsked:
		m.out.Err = m.release(ev.To)
	case RestartPlanned:
		m.planRestart()
	case LeaveAsked:
		m.leave()
	case JoinAsked:
		m.join()
	case Configured:
		m.configure(ev.Config)
	case PersistFailed:
		m.persistFailed()
	case ResetAsked:
		m.out.Err = m.reset()
	case FencedAsked:
		m.out.Err = m.fence(ev.Node)
	case Ticked:
	}
}

// advance does what the time asks for. Each of these is harmless when nothing is due.
func (m *Machine) advance() {
	if m.phase == PhaseAway {
		return
	}
	if m.sayGoodbye && !m.serving {
		m.goodbye()
	}
	m.lapse()
	m.prove()
	m.lead()
	m.insist()
	m.vote()
	m.probe()
}

func (m *Machine) emit(action Action) { m.out.Actions = append(m.out.Actions, action) }

func (m *Machine) note(topic Topic, format string, args ...any) {
	m.emit(Note{Topic: topic, Text: fmt.Sprintf(format, args...)})
}

// send fills in what every message carries.
func (m *Machine) send(message Message) {
	m.serial++
	message.From, message.Hash, message.Standing, message.Serial = m.config.Self, m.config.Hash, m.standing, m.serial
	m.emit(Send{Message: message})
}

// everyone calls with each other node that passes, in the order of the table.
func (m *Machine) everyone(passes func(Node) bool, with func(NodeID)) {
	for _, node := range m.config.Nodes {
		if node.ID != m.config.Self && passes(node) {
			with(node.ID)
		}
	}
}

func isVoter(node Node) bool { return node.Vote }

// matters says whether the node votes or may stand: whoever knows of terms.
func matters(node Node) bool { return node.Vote || node.Eligible }

func anybody(Node) bool { return true }

func (m *Machine) nextRound() Round {
	m.round++

	return m.round
}

// self is this node's entry of the table.
func (m *Machine) self() Node {
	node, _ := m.config.node(m.config.Self)

	return node
}

// count adds this node, if it votes, and the fenced ones to those of the others that pass.
func (m *Machine) count(passes func(NodeID) bool) int {
	n := 0
	for _, node := range m.config.Nodes {
		if node.Vote && (node.ID == m.config.Self || m.fenced[node.ID] || passes(node.ID)) {
			n++
		}
	}

	return n
}

func (m *Machine) majority() int { return majority(len(m.voterIDs)) }

// drop counts a message that makes no sense; the first, tenth, hundredth … is told.
func (m *Machine) drop(message Message, why string) {
	m.dropped++
	for n := m.dropped; n%10 == 0 || n == 1; n /= 10 {
		if n == 1 {
			m.note(TopicDropped, "%v of %q: %s (%d so far)", message.Kind, message.From, why, m.dropped)

			return
		}
	}
}

// stand takes this node's new standing and lets the master know.
func (m *Machine) stand(standing Standing) {
	if standing == m.standing {
		return
	}
	if standing.Qualified && !m.standing.Qualified {
		m.forgive()
		m.expectWord()
	}
	m.standing = standing
	if m.known && m.masterID != m.config.Self {
		m.report(m.masterID, m.nextRound())
	}
}

func (m *Machine) leave() {
	if m.leads() && !m.serving {
		m.giveUp(m.vice, "left the cluster")
	}
	if m.leads() {
		m.lose("left the cluster while serving")
	}
	m.abandon("left the cluster")
	m.phase = PhaseAway
	m.forget("left the cluster")
}

func (m *Machine) join() {
	if m.phase != PhaseAway {
		return
	}
	m.phase = PhaseFollowing
	if m.serving {
		m.phase = PhaseRestoring
	} else if !m.proven {
		m.phase = PhaseForming
	}
	m.forgive()
	m.probeAt = m.now
}

// configure replaces the configuration. Majorities of two tables that differ in more than
// one voter need not meet, so that this voter needs a new proof then.
func (m *Machine) configure(config Config) {
	m.config = config
	m.meet()
	if config.alone() {
		m.proven = true
	} else if m.proven && m.strangeVoters() {
		m.proven = false
		m.started = m.now
		m.note(TopicUnproven, "the node table differs in more than one voter from the one that this node has voted under: it does not vote until all nodes are present, or \"cssc voter reset\"")
		m.abandon("another node table")
	}
	m.adoptTable()
	m.endEndless()
	m.renewSoon()
}

// endEndless puts a bound on what was promised while the cluster was one of one or two
// nodes. The master must have the new table before the others, because it is the one that
// believes in a lease without an end.
func (m *Machine) endEndless() {
	if m.leads() && m.lease.Until == Forever && !m.endless() {
		m.lease.From, m.lease.Until = m.now, m.now.Add(m.config.ownLease(m.config.Lease))
	}
	if m.promise.until == Forever && !m.config.holds() {
		m.promise.until = m.now.Add(m.config.longestPromise())
	}
	if m.state.Hold == Endless && !m.config.holds() {
		m.state.Hold, m.dirty = m.config.longestPromise(), true
	}
}

// adoptTable notes on disk under which table this node votes.
func (m *Machine) adoptTable() {
	if voters := m.config.voters(); m.proven && (!slices.Equal(m.state.Voters, voters) || m.state.Hash != m.config.Hash) {
		m.state.Voters, m.state.Hash = voters, m.config.Hash
		m.dirty = true
	}
}

// persistFailed undoes what rests on a file that was not written. What was granted in vain
// stays granted in memory, which is the safe side.
func (m *Machine) persistFailed() {
	m.dirty = true
	if m.config.alone() {
		return // a node alone that does not start for a full disk helps nobody
	}
	if b := m.ballot; b != nil && b.fresh {
		b.pre = true // nobody was asked, and after a restart its term will be used again
	}
	m.abandon("the state file cannot be written")
	if m.promise.to == m.config.Self && !m.leads() {
		m.promise = promise{}
	}
	m.waitUntil = max(m.waitUntil, m.now.Add(m.config.Lease))
}

// refuse is the Err of a request, with its operation.
func refuse(operation string, err error, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", operation, err, fmt.Sprintf(format, args...))
}
