package serfcmm

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/serf/serf"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

const (
	// MaxEvent bounds what Broadcast carries, in bytes. Serf keeps an
	// event over its limits for ever and never delivers it, so they are checked before.
	MaxEvent = 700

	eventName   = "cssc-event"
	keysName    = "cssc-keys"
	gossipLimit = 1024
)

// Event is news that another node has told everybody.
type Event struct {
	From levels.NodeID
	Data []byte
}

// seal puts the sender before the data; Serf does not tell who sent an event.
func (n *Node) seal(data []byte) []byte {
	sealed := append([]byte(nil), n.options.Origin[:]...)
	sealed = append(sealed, byte(len(n.options.Self)))
	sealed = append(sealed, n.options.Self...)

	return append(sealed, data...)
}

// letter is what seal has written.
type letter struct {
	from   levels.NodeID
	origin wire.Origin
	data   []byte
}

// unseal takes it apart; false for what seal cannot have written.
func unseal(sealed []byte) (letter, bool) {
	head := len(wire.Origin{}) + 1
	if len(sealed) < head {
		return letter{}, false
	}
	length := int(sealed[head-1])
	if length == 0 || length > election.MaxName || len(sealed) < head+length || len(sealed) > gossipLimit {
		return letter{}, false
	}

	return letter{
		from: levels.NodeID(sealed[head : head+length]), origin: wire.Origin(sealed[:head-1]), data: sealed[head+length:],
	}, true
}

// Broadcast tells every node; it arrives within a second or so, at most once, or not at
// all. It returns ErrTooLarge over MaxEvent bytes, ErrAway without a network.
func (n *Node) Broadcast(data []byte) error {
	s := n.session.Load()
	switch {
	case len(data) > MaxEvent:
		return fmt.Errorf("event of %d bytes, limit %d: %w", len(data), MaxEvent, ErrTooLarge)
	case s == nil:
		return ErrAway
	}

	return s.serf.UserEvent(eventName, n.seal(data), false)
}

// Events yields what other nodes told everybody. Bounded: the oldest make room.
func (n *Node) Events() <-chan Event { return n.events }

// pump takes Serf's events away from it at once: a slow reader would lose them without a
// word. It ends with the session.
func (n *Node) pump(ctx context.Context, s *session) {
	for {
		select {
		case event := <-s.events:
			n.take(s, event)
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) take(s *session, event serf.Event) {
	switch event := event.(type) {
	case serf.MemberEvent:
		n.meet(event.Members)
		s.poke()
		n.tell()
	case serf.UserEvent:
		from, data, ok := n.opened(event.Name == eventName, event.Payload)
		if ok && from != n.options.Self {
			push(n.events, Event{From: from, Data: append([]byte(nil), data...)}, &n.counters.eventsDropped)
		}
	case *serf.Query:
		from, data, ok := n.opened(event.Name == keysName, event.Payload)
		if ok && string(from) == event.SourceNode() {
			push(s.keyQueries, keyQuery{query: event, data: data}, &n.counters.eventsDropped)
		}
	}
}

// meet notes which machines are at the addresses of the table.
func (n *Node) meet(members []serf.Member) {
	table := n.table.Load()
	for i := range members {
		member, name := &members[i], levels.NodeID(members[i].Name)
		origin := originOf(member)
		if member.Status == serf.StatusAlive && origin != (wire.Origin{}) && table.admits(name, member.Addr, member.Port) == nil {
			n.owners.announce(name, origin, time.Now())
		}
	}
}

// opened checks who sent an event or a query: unlisted holders of the key reach us too.
func (n *Node) opened(ours bool, payload []byte) (levels.NodeID, []byte, bool) {
	if !ours {
		return "", nil, false
	}
	sealed, ok := unseal(payload)
	if !ok {
		n.counters.malformed.Add(1)

		return "", nil, false
	}
	own := sealed.from == n.options.Self && sealed.origin == n.options.Origin

	return sealed.from, sealed.data, own || n.believes(sealed.from, sealed.origin)
}
