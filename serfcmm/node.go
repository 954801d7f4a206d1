package serfcmm

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

const (
	// Of messages there is room for messageQueue and for one of each node: after an election
	// all nodes answer at once, and what is pushed out first would be the voters' promises.
	messageQueue = 256
	eventsKept   = 64
	// Problems that are over are forgotten every upkeepEvery, and host names looked up again
	// every resolveEvery.
	upkeepEvery  = 5 * time.Second
	resolveEvery = time.Minute

	firstRetry   = 500 * time.Millisecond
	longestRetry = 15 * time.Second
)

// Node is this node's way to the others: Serf for who is there, and the election's messages
// over Serf's port. Run owns it; the other methods are safe for concurrent use.
type Node struct {
	options  Options
	log      *serfLog
	counters counters
	problems *problems
	owners   owners
	talk     *talk
	table    atomic.Pointer[table]
	session  atomic.Pointer[session] // nil while there is no network
	card     atomic.Pointer[levels.Card]
	// attempts counts how often the network could not be opened; owned by Run.
	attempts int
	// last is what is in the state file; owned by the session's join.
	last map[levels.NodeID]netip.AddrPort

	// Queues of what came, never closed: bounded; the oldest make room, and count, but a
	// question is refused.
	received chan election.Message
	events   chan Event
	asked    chan *Question
	// refusals has an entry for each refusal of a question that is being sent.
	refusals chan struct{}
	// outgoing is bounded too; when it is full the newest do not leave.
	outgoing chan election.Message
	// changed, cardChanged and tableChanged have capacity 1: look again.
	changed      chan struct{}
	cardChanged  chan struct{}
	tableChanged chan struct{}
	// commands is unbuffered: a command is either carried out or given up by its sender.
	commands chan nodeCommand
}

type nodeVerb uint8

const (
	nodeJoin nodeVerb = iota
	nodeLeave
)

type nodeCommand struct {
	verb nodeVerb
	done chan struct{} // closed by Run when the command is carried out
}

// OriginOf is the identity of a machine for its messages: a digest of its machine-id.
func OriginOf(machineID string) wire.Origin {
	sum := sha256.Sum256([]byte("cssc origin " + strings.TrimSpace(machineID)))

	return wire.Origin(sum[:8])
}

// New checks the options and returns a node that does nothing before Run. It returns
// ErrNoKey, ErrNodeTable with the entry, or says which option is missing.
func New(options Options) (*Node, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if options.Listen == nil {
		options.Listen = listen
	}
	if options.Resolve == nil {
		options.Resolve = systemResolver
	}
	room := messageQueue + len(options.Peers)
	n := &Node{
		options:  options,
		received: make(chan election.Message, room), outgoing: make(chan election.Message, room),
		events: make(chan Event, eventsKept), asked: make(chan *Question, maxAsked), refusals: make(chan struct{}, maxRefusals),
		changed: make(chan struct{}, 1), cardChanged: make(chan struct{}, 1), tableChanged: make(chan struct{}, 1),
		commands: make(chan nodeCommand),
	}
	n.problems = newProblems(n.tell)
	n.talk = newTalk(newSession)
	n.log = &serfLog{to: options.Log, undecryptable: n.strangeKey}
	n.card.Store(&levels.Card{Node: options.Self})
	n.table.Store(quickTable(slices.Clone(options.Peers), nil))

	return n, nil
}

// Run keeps this node on the network until ctx ends, whatever stands in the way: an address
// that is not there yet, a keyring that cannot be read, or a name service that does not
// answer are told by Problems and tried again. Ending is not leaving: the others see this
// node fail, as with a crash. It always returns nil.
func (n *Node) Run(ctx context.Context) error {
	n.last = n.recall()
	n.table.CompareAndSwap(n.table.Load(), quickTable(n.table.Load().peers, n.last))
	n.look(ctx)
	home := true
	for ctx.Err() == nil {
		if home && len(n.table.Load().peers) > 1 {
			home = n.live(ctx)

			continue
		}
		home = n.wait(ctx, home)
	}

	return nil
}

// wait is life without a network: alone, or after having left. It returns whether this node
// wants to be a member.
func (n *Node) wait(ctx context.Context, home bool) bool {
	select {
	case command := <-n.commands:
		home = command.verb == nodeJoin
		close(command.done)
	case <-n.tableChanged:
		n.look(ctx)
	case <-ctx.Done():
	}

	return home
}

// live opens the network and attends to it until ctx ends, this node leaves, or its own
// address or solitude asks for a new start. It returns whether it wants to be a member.
func (n *Node) live(ctx context.Context) bool {
	s, err := n.open(ctx)
	if err != nil {
		n.problems.stand("network", err.Error())
		n.log.to.WarnContext(ctx, "no network for the cluster; it is tried again", "cause", err)

		return n.pause(ctx)
	}
	n.problems.stand("network", "")
	n.attempts = 0
	n.session.Store(s)
	n.tell()
	inner, cancel := context.WithCancel(ctx)
	telling, hush := context.WithCancel(inner)
	var work, announcing sync.WaitGroup
	work.Go(func() { n.attend(inner, s) })
	announcing.Go(func() { n.announce(telling, s) })
	home, left := n.serve(ctx, s)
	hush()
	if left != nil {
		announcing.Wait() // announceTimeout at most
		n.depart(ctx, s)
	}
	n.session.Store(nil)
	cancel()
	work.Wait()
	announcing.Wait()
	n.shut(s)
	n.tell()
	if left != nil {
		close(left)
	}

	return home
}

// pause waits until the network is to be tried again.
func (n *Node) pause(ctx context.Context) bool {
	timer := time.NewTimer(min(firstRetry<<min(n.attempts, 10), longestRetry))
	n.attempts++
	defer timer.Stop()
	select {
	case <-timer.C:
		n.look(ctx)

		return true
	case <-n.tableChanged:
		n.look(ctx)

		return true
	case command := <-n.commands:
		close(command.done)

		return command.verb == nodeJoin
	case <-ctx.Done():
		return true
	}
}

// serve obeys commands while there is a network. When left is not nil, it is to be closed
// after this node has left.
func (n *Node) serve(ctx context.Context, s *session) (home bool, left chan struct{}) {
	upkeep := time.NewTicker(upkeepEvery)
	defer upkeep.Stop()
	looked := time.Now()
	for {
		select {
		case <-upkeep.C:
			n.problems.prune()
			if time.Since(looked) >= resolveEvery {
				n.look(ctx)
				looked = time.Now()
			}
		case command := <-n.commands:
			if command.verb == nodeLeave {
				return false, command.done
			}
			close(command.done)
		case <-n.tableChanged:
			n.look(ctx)
			s.poke()
		case <-ctx.Done():
			return true, nil
		}
		table := n.table.Load()
		if len(table.peers) == 1 || table.known[n.options.Self] != s.address {
			return true, nil
		}
	}
}

// look publishes the table with the addresses that can be found; those known so far hold
// where nothing better is known.
func (n *Node) look(ctx context.Context) {
	for {
		before := n.table.Load()
		next, problems := newTable(ctx, before.peers, n.options.Resolve, before.known)
		if !n.table.CompareAndSwap(before, next) {
			continue // Reconfigure was faster
		}
		n.problems.stand("addresses", strings.Join(problems, "; "))

		return
	}
}

// tell says that there is something new to see.
func (n *Node) tell() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *Node) command(ctx context.Context, command nodeCommand) error {
	command.done = make(chan struct{})
	select {
	case n.commands <- command:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-command.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Join brings this node back after Leave; without one it changes nothing. It returns when
// Run has taken note, or with the cause of ctx.
func (n *Node) Join(ctx context.Context) error { return n.command(ctx, nodeCommand{verb: nodeJoin}) }

// Leave tells the others that this node goes, and closes the network: nothing is sent or
// received until Join. It takes a second or two. After the cause of ctx it may go on.
func (n *Node) Leave(ctx context.Context) error { return n.command(ctx, nodeCommand{verb: nodeLeave}) }

// Reconfigure replaces the node table, at once and without waiting for anything: a node that
// is taken out is not believed from now on, and host names that are new are looked up in the
// background. It returns ErrNodeTable or ErrNoKey, and has changed nothing then.
func (n *Node) Reconfigure(peers []Peer) error {
	if err := n.options.validateTable(peers); err != nil {
		return err
	}
	n.table.Store(quickTable(slices.Clone(peers), n.table.Load().known))
	select {
	case n.tableChanged <- struct{}{}:
	default:
	}
	n.tell()

	return nil
}

// Received yields messages for this node from listed ones, checked for everything that can
// be checked without knowing the election. Bounded: the oldest make room.
func (n *Node) Received() <-chan election.Message { return n.received }

// Changed has capacity 1 and receives when Seen or Problems may tell something new.
func (n *Node) Changed() <-chan struct{} { return n.changed }

// Advertise replaces what gossip tells about this node. It never blocks; the newest card is
// told within a second or two, and those before it perhaps never.
func (n *Node) Advertise(card levels.Card) {
	card.Node = n.options.Self
	n.card.Store(&card)
	select {
	case n.cardChanged <- struct{}{}:
	default:
	}
}

// Seen is what gossip knows now, one card for each node of the table and in its order, this
// node's own included. A node of which nothing is known has an empty card that is not alive.
func (n *Node) Seen() []levels.Card {
	cards := map[levels.NodeID]levels.Card{}
	table, s := n.table.Load(), n.session.Load()
	if s != nil {
		members := s.serf.Members()
		for i := range members {
			name := levels.NodeID(members[i].Name)
			if table.admits(name, members[i].Addr, members[i].Port) == nil {
				cards[name] = cardOf(&members[i])
			}
		}
	}
	own := *n.card.Load()
	own.Alive = s != nil || len(table.peers) == 1
	cards[n.options.Self] = own
	seen := make([]levels.Card, 0, len(table.peers))
	for _, peer := range table.peers {
		card := cards[peer.Name]
		card.Node = peer.Name
		seen = append(seen, card)
	}

	return seen
}

// Problems says in an operator's words what is wrong now, sorted; what has happened once is
// told for a minute.
func (n *Node) Problems() []string { return n.problems.list() }

// Stats counts what became of messages.
func (n *Node) Stats() Stats { return n.counters.read() }
