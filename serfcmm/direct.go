package serfcmm

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// ownerQuiet is how long a machine must have been silent before another one may go by its
// name: longer than any promise that it may have given.
const ownerQuiet = 30 * time.Second

// gossipBacklog is how many packets may wait for memberlist. Those beyond are lost, as they
// would be in the kernel, and counted.
const gossipBacklog = 1024

// gate is the transport as memberlist sees it, without the packets of the election. Those
// must not wait behind gossip: memberlist takes one packet after the other, decrypts it, and
// puts messages that are not its own behind hundreds of others when many nodes join at a
// time, to hand the newest on first. So they are sorted out before, and sent past it.
type gate struct {
	Transport

	// ours gets each packet of the election; it must not block.
	ours func(packet []byte, from net.Addr)
	// packets are memberlist's; bounded, never closed. The newest are lost.
	packets chan *memberlist.Packet
	lost    *atomic.Uint64
	stop    chan struct{} // closed by Shutdown
	once    sync.Once
	sorter  sync.WaitGroup
	usher   *usher
	// wrap puts our delegate before Serf's.
	wrap    func()
	wrapped sync.Once
}

func newGate(transport Transport, ours func([]byte, net.Addr), lost *atomic.Uint64) *gate {
	stop := make(chan struct{})

	return &gate{
		Transport: transport, ours: ours, lost: lost, wrap: func() {},
		packets: make(chan *memberlist.Packet, gossipBacklog), stop: stop, usher: newUsher(stop),
	}
}

// Start lets packets and streams in.
func (g *gate) Start() {
	g.sorter.Go(g.sort)
	g.sorter.Go(func() { g.usher.run(g.Transport.StreamCh()) })
	g.Transport.Start()
}

func (g *gate) sort() {
	for {
		select {
		case packet := <-g.Transport.PacketCh():
			if len(packet.Buf) > 0 && (packet.Buf[0] == sealedMark || packet.Buf[0] == wire.Mark) {
				g.ours(packet.Buf, packet.From)

				continue
			}
			select {
			case g.packets <- packet:
			default:
				g.lost.Add(1)
			}
		case <-g.stop:
			return
		}
	}
}

// PacketCh yields what is memberlist's.
func (g *gate) PacketCh() <-chan *memberlist.Packet { return g.packets }

// StreamCh yields the streams whose turn it is.
func (g *gate) StreamCh() <-chan net.Conn { return g.usher.streams }

// Shutdown ends the transport and the sorting.
func (g *gate) Shutdown() error {
	g.once.Do(func() { close(g.stop) })
	err := g.Transport.Shutdown()
	g.sorter.Wait()

	return err
}

// FinalAdvertiseAddr is called once before any goroutine of memberlist runs, and again later:
// Serf has put its delegate into the configuration, and this is the moment to put ours before
// it.
func (g *gate) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	g.wrapped.Do(g.wrap)

	return g.Transport.FinalAdvertiseAddr(ip, port)
}

// DialAddressTimeout opens a stream that does not stand open for ever: memberlist sets no
// time limit for a message that it sends.
func (g *gate) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	conn, err := g.Transport.DialAddressTimeout(to, timeout)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(timeout))
	}

	return conn, err
}

// filter is memberlist's delegate: messages with the mark of questions and answers are ours,
// everything else is Serf's. It is called from several goroutines of memberlist.
type filter struct {
	memberlist.Delegate

	notes func(message []byte)
}

// NotifyMsg must not block.
func (f *filter) NotifyMsg(message []byte) {
	if len(message) > 0 && message[0] == wire.NoteMark {
		f.notes(message)

		return
	}
	f.Delegate.NotifyMsg(message)
}

// owners remembers which machine goes by which name. Safe for concurrent use.
type owners struct {
	mutex sync.Mutex
	all   map[levels.NodeID]owner
}

type owner struct {
	origin wire.Origin
	heard  time.Time
	// announced: gossip, which knows the address, says so too.
	announced bool
}

// claim says whether the machine may use the name: nobody else has it, or has been silent
// for ownerQuiet.
func (o *owners) claim(name levels.NodeID, origin wire.Origin, now time.Time) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	before, known := o.all[name]
	if known && before.origin != origin && now.Sub(before.heard) < ownerQuiet {
		return false
	}
	o.set(name, owner{origin: origin, heard: now, announced: before.announced && before.origin == origin})

	return true
}

// announce notes which machine is at the address of the name. A machine that only sent
// messages so far, from who knows where, must give the name up to it; one that was announced
// itself must fall silent first.
func (o *owners) announce(name levels.NodeID, origin wire.Origin, now time.Time) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	before, known := o.all[name]
	if known && before.announced && before.origin != origin && now.Sub(before.heard) < ownerQuiet {
		return
	}
	o.set(name, owner{origin: origin, heard: now, announced: true})
}

func (o *owners) set(name levels.NodeID, next owner) {
	if o.all == nil {
		o.all = map[levels.NodeID]owner{}
	}
	o.all[name] = next
}

// arrived takes one packet of the election from the network.
func (n *Node) arrived(s *session, packet []byte, from net.Addr) {
	datagram, opened := s.seals.Load().open(packet)
	if !opened {
		n.strangeKey(from.String())

		return
	}
	n.accept(datagram)
}

// accept checks one datagram against the table and hands it to the owner of the node. It
// never blocks: when nobody reads, the oldest message makes room.
func (n *Node) accept(datagram []byte) {
	envelope, err := wire.Decode(datagram)
	if err != nil {
		n.counters.malformed.Add(1)
		n.problems.pass("malformed", fmt.Sprintf("a message of the election could not be read: %v", err))

		return
	}
	message := envelope.Message
	if !n.believes(levels.NodeID(message.From), envelope.Origin) {
		return
	}
	if message.To != election.NodeID(n.options.Self) {
		n.counters.misdirected.Add(1)

		return
	}
	n.counters.received.Add(1)
	push(n.received, message, &n.counters.dropped)
}

// believes says whether a listed node, and no second machine under its name, sent something.
func (n *Node) believes(from levels.NodeID, origin wire.Origin) bool {
	switch {
	case !n.table.Load().lists(from):
		n.counters.unlisted.Add(1)
		name := printable(string(from))
		n.problems.pass("unlisted "+name, fmt.Sprintf("a node that calls itself %s has the key but is not in the node table", name))

		return false
	case from == n.options.Self && origin != n.options.Origin,
		from != n.options.Self && !n.owners.claim(from, origin, time.Now()):
		n.counters.impostor.Add(1)
		n.problems.pass("impostor "+string(from), fmt.Sprintf("two machines call themselves %s; the second one is not listened to", from))

		return false
	case from == n.options.Self:
		n.counters.misdirected.Add(1) // our own, played back

		return false
	}

	return true
}

// Send hands a message to the network. It never blocks and may lose it; Stats counts what
// did not even leave.
func (n *Node) Send(message election.Message) {
	select {
	case n.outgoing <- message:
	default:
		n.counters.unsent.Add(1)
	}
}

// outbox is where messages are written before they leave; owned by deliver.
type outbox struct{ datagram, packet []byte }

func (n *Node) send(s *session, box *outbox, message *election.Message) {
	to := levels.NodeID(message.To)
	address, known := n.table.Load().texts[to]
	if !known {
		n.counters.unsent.Add(1)

		return
	}
	datagram, err := wire.Append(box.datagram[:0], &wire.Envelope{Origin: n.options.Origin, Message: *message})
	if err != nil {
		n.counters.unsent.Add(1)
		n.problems.pass("unsent", fmt.Sprintf("a message of the election could not be written: %v", err))

		return
	}
	box.packet = s.seals.Load().seal(box.packet[:0], datagram)
	if _, err := s.way.WriteToAddress(box.packet, memberlist.Address{Addr: address, Name: string(to)}); err != nil {
		n.counters.unsent.Add(1)

		return
	}
	n.counters.sent.Add(1)
}
