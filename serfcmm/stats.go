package serfcmm

import "sync/atomic"

// Stats counts since the start of the process what became of messages.
type Stats struct {
	// Sent and Received count election messages; Unsent had no address, no network or no
	// room in the queue, or were out of range.
	Sent, Received, Unsent uint64
	// Dropped had no room: the owner did not look in time. The oldest go first.
	Dropped uint64
	// Malformed could not be read, Unlisted came from a name that is not in the table,
	// Misdirected was for another node, Impostor came from a second machine under a name.
	Malformed, Unlisted, Misdirected, Impostor uint64
	// Refused counts members that gossip wanted to let in and the node table did not.
	Refused uint64
	// Undecryptable counts packets and streams under a key that this node does not have.
	Undecryptable uint64
	// GossipLost counts packets of the gossip that had no room: memberlist was too slow.
	GossipLost uint64
	// EventsDropped counts events and orders about keys that had no room.
	EventsDropped uint64
	// QuestionsRefused counts questions of others that had no room; their askers were told.
	QuestionsRefused uint64
}

// counters is what Stats is read from. Safe for concurrent use.
type counters struct {
	sent, received, unsent, dropped            atomic.Uint64
	malformed, unlisted, misdirected, impostor atomic.Uint64
	refused, undecryptable, eventsDropped      atomic.Uint64
	questionsRefused, gossipLost               atomic.Uint64
}

func (c *counters) read() Stats {
	return Stats{
		Sent: c.sent.Load(), Received: c.received.Load(), Unsent: c.unsent.Load(), Dropped: c.dropped.Load(),
		Malformed: c.malformed.Load(), Unlisted: c.unlisted.Load(), Misdirected: c.misdirected.Load(),
		Impostor: c.impostor.Load(), Refused: c.refused.Load(), Undecryptable: c.undecryptable.Load(),
		GossipLost:    c.gossipLost.Load(),
		EventsDropped: c.eventsDropped.Load(), QuestionsRefused: c.questionsRefused.Load(),
	}
}
