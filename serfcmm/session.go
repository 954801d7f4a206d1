package serfcmm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

const (
	streamTimeout   = 3 * time.Second
	announceTimeout = time.Second
	farewell        = 500 * time.Millisecond
	queryTimeout    = 2 * time.Second
	eventQueue      = 1024
	keyQueue        = 16
)

// pace is how busy the gossip is.
type pace struct {
	gossip, probe, probeTimeout time.Duration
	// retransmit is how often a piece of news is sent on by each node, by the logarithm of
	// their number.
	retransmit int
	// cards is the shortest time between two cards of this node, but for a second one after a
	// while without any; settle is how long one waits for others that follow at once.
	cards, settle time.Duration
	// exchange is what memberlist multiplies by 2 from 33 nodes on, 3 from 65, … 6 from 513, and is
	// then the time between two exchanges of everything with another node: what finds news that
	// did not come.
	exchange time.Duration
}

// paceOf slows gossip down as the table grows. A node's share of it does not depend on their
// number, but what all nodes learn of each other at once does, by its square: with hundreds,
// every node passes hundreds of entries on, each so many times; and a network that stands
// still for longer than a probe may take makes all of them suspect each other and object.
// Nothing that matters waits for gossip, and those who look at it can wait a second.
func paceOf(nodes int) pace {
	const (
		small, few, many = 9, 50, 99
		// For each node of a large table news of one, and the question whether it is alive, may
		// take this much longer.
		share = 5 * time.Millisecond
	)
	p := pace{
		gossip: 100 * time.Millisecond, probe: 500 * time.Millisecond, probeTimeout: 250 * time.Millisecond, exchange: 15 * time.Second,
	}
	if nodes > few {
		p.gossip = 2 * p.gossip
		p.cards = time.Duration(nodes) * share
		p.settle = p.cards / 10
		p.exchange = 6 * time.Second
		p.probe += p.cards
		p.probeTimeout = p.probe / 2
	}
	// memberlist multiplies by the digits of the number of nodes: 8 up to 9 nodes, 12 up to 99,
	// 9 from there on. Its own number, 4 at 7 nodes and 8 at 15, left a few per cent of the
	// changes to the next exchange of everything.
	switch {
	case nodes <= small:
		p.retransmit = 8
	case nodes <= many:
		p.retransmit = 6
	default:
		p.retransmit = 3
	}

	return p
}

// session is one life of Serf, which cannot be revived after it has left. It is owned by
// Node.Run; serf itself may be used from any goroutine.
type session struct {
	address netip.AddrPort
	serf    *serf.Serf
	// way is the network, past Serf.
	way *gate
	// seals is what the election's messages are encrypted with; nil without encryption.
	seals atomic.Pointer[sealer]
	// ring is what memberlist encrypts with; file is what is on disk, owned by keep.
	ring *memberlist.Keyring
	file keyring.Ring
	// events is Serf's; never closed.
	events chan serf.Event
	// keyQueries are carried out by keep, because they write a file. The oldest make room.
	keyQueries chan keyQuery
	// look has capacity 1: somebody came or went, so look who is missing.
	look chan struct{}
	// told is the card that Serf was given last; owned by announce while it runs.
	told levels.Card
}

func (s *session) poke() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// open brings Serf up at this node's address of the table.
func (n *Node) open(ctx context.Context) (*session, error) {
	table := n.table.Load()
	address, known := table.known[n.options.Self]
	if !known {
		return nil, fmt.Errorf("the address %s of this node cannot be looked up", table.addressOf(n.options.Self))
	}
	s := &session{
		address: address, events: make(chan serf.Event, eventQueue),
		keyQueries: make(chan keyQuery, keyQueue), look: make(chan struct{}, 1),
	}
	if err := n.unlock(s); err != nil {
		return nil, err
	}
	transport, err := n.options.Listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; is this machine %s?", address, err, n.options.Self)
	}
	s.way = newGate(transport, func(packet []byte, from net.Addr) { n.arrived(s, packet, from) }, &n.counters.gossipLost)
	if s.serf, err = serf.Create(n.serfConfig(s)); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start gossip: %w", err), s.way.Shutdown())
	}
	s.way.Start()

	return s, nil
}

// unlock reads the keyring file.
func (n *Node) unlock(s *session) error {
	if n.options.KeyringFile == "" {
		return nil // New has refused it where it must not be
	}
	file, err := keyring.Load(n.options.KeyringFile)
	if err != nil {
		return err
	}
	keys := make([][]byte, 0, len(file))
	for _, key := range file {
		keys = append(keys, key)
	}
	s.file = file
	if s.ring, err = memberlist.NewKeyring(keys, file[0]); err != nil {
		return err
	}

	return s.reseal()
}

// reseal makes the election use the keys of the file.
func (s *session) reseal() error {
	next, err := newSealer(s.file)
	if err == nil {
		s.seals.Store(next)
	}

	return err
}

func (n *Node) serfConfig(s *session) *serf.Config {
	list := memberlist.DefaultLANConfig()
	list.BindAddr, list.BindPort = s.address.Addr().String(), int(s.address.Port())
	list.AdvertiseAddr, list.AdvertisePort = list.BindAddr, list.BindPort
	list.Keyring = s.ring
	list.EnableCompression = false // a tenth of a millisecond per message for nothing
	pace := paceOf(len(n.table.Load().peers))
	list.GossipInterval, list.ProbeInterval, list.ProbeTimeout = pace.gossip, pace.probe, pace.probeTimeout
	list.TCPTimeout, list.PushPullInterval, list.RetransmitMult = streamTimeout, pace.exchange, pace.retransmit
	list.DeadNodeReclaimTime = time.Second // the table says which address is right
	list.LogOutput, list.Logger = nil, n.log.logger()
	s.way.wrap = func() {
		list.Delegate = &filter{Delegate: list.Delegate, notes: func(text []byte) { n.hear(s, text) }}
	}
	list.Transport = s.way
	list.Alive, list.Merge = (*admission)(n), (*admission)(n)

	config := serf.DefaultConfig()
	config.NodeName = string(n.options.Self)
	config.MemberlistConfig = list
	config.Logger, config.LogOutput = list.Logger, nil
	config.EventCh = s.events
	config.EnableNameConflictResolution = false
	config.DisableCoordinates = true
	config.BroadcastTimeout, config.LeavePropagateDelay = announceTimeout, farewell
	config.UserEventSizeLimit, config.QuerySizeLimit, config.QueryResponseSizeLimit = gossipLimit, gossipLimit, gossipLimit
	card := *n.card.Load()
	if tags, err := tagsOf(card, n.options.Origin); err == nil {
		config.Tags, s.told = tags, card
	}

	return config
}

// admission keeps out of the member list whoever is not in the node table. It is asked for each
// member that anybody tells of, and for all of a joining node's view together. It stands in
// the place of Serf's own, which decodes the tags of each member each time before it
// would ask us.
type admission Node

// NotifyAlive refuses a member that the table does not admit.
func (a *admission) NotifyAlive(member *memberlist.Node) error {
	n := (*Node)(a)
	err := n.table.Load().admits(levels.NodeID(member.Name), member.Addr, member.Port)
	if err == nil && len(member.Meta) > memberlist.MetaMaxSize {
		err = fmt.Errorf("node %s is kept out: its card has %d bytes", member.Name, len(member.Meta))
	}
	if err != nil && member.State != memberlist.StateLeft {
		n.counters.refused.Add(1)
		n.problems.pass("refused "+printable(member.Name), err.Error())
	}

	return err
}

// NotifyMerge refuses a view that has nobody of ours. One with a stranger among others is
// taken: each member is asked for again before it gets in, and one that was just taken out of
// the table must not keep the others from joining.
func (a *admission) NotifyMerge(members []*memberlist.Node) error {
	var first error
	for _, member := range members {
		err := a.NotifyAlive(member)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}

	return first
}

// attend runs what a session consists of until ctx ends. The caller shuts Serf down.
func (n *Node) attend(ctx context.Context, s *session) {
	var work sync.WaitGroup
	work.Go(func() { n.pump(ctx, s) })
	work.Go(func() { n.deliver(ctx, s) })
	work.Go(func() { n.join(ctx, s) })
	work.Go(func() { n.keep(ctx, s) })
	work.Wait()
}

// deliver sends what Send has queued.
func (n *Node) deliver(ctx context.Context, s *session) {
	box := outbox{datagram: make([]byte, 0, wire.MaxSize), packet: make([]byte, 0, wire.MaxSize+sealedMore)}
	for {
		select {
		case message := <-n.outgoing:
			n.send(s, &box, &message)
		case <-ctx.Done():
			return
		}
	}
}

// shut ends Serf. Whatever its goroutines still want to say must find somebody who listens.
func (n *Node) shut(s *session) {
	done := make(chan struct{})
	var drain sync.WaitGroup
	drain.Go(func() {
		for {
			select {
			case <-s.events:
			case <-done:
				return
			}
		}
	})
	if err := s.serf.Shutdown(); err != nil {
		n.log.to.Warn("serf did not shut down well", "cause", err)
	}
	close(done)
	drain.Wait()
}

// push puts a value into a bounded channel; the oldest makes room and is counted.
func push[T any](queue chan T, value T, dropped *atomic.Uint64) {
	for {
		select {
		case queue <- value:
			return
		default:
		}
		select {
		case <-queue:
			dropped.Add(1)
		default:
		}
	}
}
