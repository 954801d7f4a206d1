package sim

import (
	"math/rand/v2"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// kept is how many old messages are there for replays.
const kept = 512

// network carries messages. Each link draws from a generator of its own.
type network struct {
	air  Air
	cut  [MaxNodes][MaxNodes]int8 // how many faults cut the link
	link [MaxNodes][MaxNodes]rand.PCG
	slab []letter
	free []int32
	old  [kept]letter
	sent int
}

// letter is a message under way.
type letter struct {
	message  election.Message
	from, to int8
	sent     int64
}

func (n *network) reset(plan *Plan) {
	n.air, n.sent = plan.Air, 0
	n.slab, n.free = n.slab[:0], n.free[:0]
	for from := range plan.Nodes {
		for to := range plan.Nodes {
			n.cut[from][to] = 0
			n.link[from][to] = generatorOf(plan.Seed, uint64(1+from*MaxNodes+to))
		}
	}
}

func (n *network) put(l letter) int32 {
	if last := len(n.free) - 1; last >= 0 {
		i := n.free[last]
		n.free = n.free[:last]
		n.slab[i] = l

		return i
	}
	n.slab = append(n.slab, l)

	return int32(len(n.slab) - 1)
}

func (n *network) take(i int32) letter {
	n.free = append(n.free, i)

	return n.slab[i]
}

// post hands a message to the network: it gets lost, or arrives once or twice.
func (w *world) post(from, to int, message election.Message) {
	n := &w.net
	l := letter{message: message, from: int8(from), to: int8(to), sent: w.t}
	n.old[n.sent%kept] = l
	n.sent++
	draw, air := &n.link[from][to], &n.air
	chance, delay := draw.Uint64(), draw.Uint64()
	if n.cut[from][to] > 0 || int(chance%1000) < air.Loss {
		return
	}
	took := air.Least + time.Duration(delay>>16%uint64(air.Most-air.Least+1))
	if int(chance>>10%1000) < air.Late {
		took += fraction(draw, air.Latest)
	}
	w.carry(l, took)
	if int(chance>>20%1000) < air.Twice {
		w.carry(l, took+fraction(draw, air.Most+air.Latest))
	}
}

func (w *world) carry(l letter, took time.Duration) {
	w.push(moment{at: w.t + int64(max(took, 1)), what: whatDeliver, arg: w.net.put(l)})
}

// replay sends old messages again, whoever lives at their addresses now.
func (w *world) replay(count int) {
	draw := &w.net.link[0][0]
	for range count {
		if have := min(w.net.sent, kept); have > 0 {
			w.rare.met(RareReplay)
			w.carry(w.net.old[draw.Uint64()%uint64(have)], fraction(draw, w.plan.Lease))
		}
	}
}

// deliver brings a message to its node, if somebody is there.
func (w *world) deliver(i int32) {
	l := w.net.take(i)
	n := &w.nodes[l.to]
	switch {
	case n.machine == nil:
	case n.paused:
		if len(n.inbox) < maxInbox {
			n.inbox = append(n.inbox, l)
		}
	default:
		w.receive(n, l)
	}
}

// worsen makes the network as bad as the worst fault in force.
func (w *world) worsen() {
	air := w.plan.Air
	for _, i := range w.airs {
		bad := w.plan.Faults[i].Air
		air.Loss, air.Twice, air.Late = max(air.Loss, bad.Loss), max(air.Twice, bad.Twice), max(air.Late, bad.Late)
		air.Most, air.Latest = max(air.Most, bad.Most), max(air.Latest, bad.Latest)
	}
	w.net.air = air
}
