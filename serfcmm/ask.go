package serfcmm

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

const (
	// MaxQuestion bounds a question and an answer, in bytes.
	MaxQuestion = wire.MaxNote

	// The wait for an answer ends after askTimeout; so long a question may stay unanswered.
	askTimeout = 10 * time.Second
	// So many questions of this node may wait for their answers, and so many of others be open
	// here; each holds MaxQuestion bytes at most.
	maxAsking = 64
	maxAsked  = 64
	// A session is asked for at most twice: when the other has none, and when this node's
	// clock went back in between.
	askTries = 4
	// So many refusals are sent at a time; more are not worth it.
	maxRefusals = 32
)

// Ask asks one node and waits for its answer until ctx ends, ten seconds at most. It returns
//
//   - ErrUnknownNode for a node that is not in the table, and for this one;
//   - ErrTooLarge for more than MaxQuestion bytes; ErrFull when too many questions are open,
//     here or there; ErrAway without a network; ErrUnreached when no stream to the node could
//     be opened or written: the question was not handed on;
//   - otherwise the cause of ctx, or context.DeadlineExceeded: the node may have got the
//     question, and may do what it asks.
func (n *Node) Ask(ctx context.Context, node levels.NodeID, data []byte) ([]byte, error) {
	answer, err := n.ask(ctx, node, data)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", printable(string(node)), err)
	}

	return answer, nil
}

func (n *Node) ask(ctx context.Context, node levels.NodeID, data []byte) ([]byte, error) {
	s := n.session.Load()
	switch {
	case node == n.options.Self || !n.table.Load().lists(node):
		return nil, ErrUnknownNode
	case len(data) > MaxQuestion:
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(data), MaxQuestion)
	case s == nil:
		return nil, ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	note := wire.Note{Kind: wire.NoteQuestion, To: election.NodeID(node), Data: data}
	replies, err := n.talk.begin(node, &note)
	if err != nil {
		return nil, err
	}
	defer n.talk.end(note.ID)
	sent := n.sending(s, note)
	for try := 1; ; {
		select {
		case err := <-sent:
			if err != nil {
				return nil, err
			}
			sent = nil
		case reply := <-replies:
			switch {
			case reply.Kind == wire.NoteAnswer:
				return reply.Data, nil
			case reply.Kind == wire.NoteFull || try == askTries:
				return nil, fmt.Errorf("%w there", ErrFull)
			}
			try++
			note.Session = reply.Session
			sent = n.sending(s, note)
		case <-ctx.Done():
			return nil, fmt.Errorf("no answer: %w", context.Cause(ctx))
		}
	}
}

// sending sends a note in the background, because memberlist waits up to two times
// streamTimeout for a node that does not take it.
func (n *Node) sending(s *session, note wire.Note) <-chan error {
	sent := make(chan error, 1)
	go func() { sent <- n.post(s, note) }()

	return sent
}

// post sends one note to the address that the table has for its receiver. It blocks for two
// times streamTimeout at most.
func (n *Node) post(s *session, note wire.Note) error {
	note.Origin, note.From = n.options.Origin, election.NodeID(n.options.Self)
	address, known := n.table.Load().known[levels.NodeID(note.To)]
	if !known {
		return fmt.Errorf("%w: its address is not known", ErrUnreached)
	}
	text, err := wire.AppendNote(make([]byte, 0, len(note.Data)+512), &note)
	if err != nil {
		return err
	}
	if err := s.serf.Memberlist().SendReliable(memberOf(note.To, address), text); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}

	return nil
}

func memberOf(name election.NodeID, address netip.AddrPort) *memberlist.Node {
	return &memberlist.Node{Name: string(name), Addr: address.Addr().AsSlice(), Port: address.Port()}
}

// Question is what another node asks of this one. Safe for concurrent use.
type Question struct {
	From levels.NodeID
	Data []byte

	node    *Node
	session *session
	id      uint64
}

// Answer replies. It waits until the answer has left, for two times streamTimeout at most. It
// returns ErrTooLarge, and the question stays open; ErrAnswered when the question was answered
// or its asker has stopped waiting; ErrUnreached when the asker is not there any more.
func (q *Question) Answer(data []byte) error {
	if len(data) > MaxQuestion {
		return fmt.Errorf("answer %s: %w: %d bytes, limit %d", q.From, ErrTooLarge, len(data), MaxQuestion)
	}
	if !q.node.talk.close(q) {
		return fmt.Errorf("answer %s: %w", q.From, ErrAnswered)
	}
	note := wire.Note{Kind: wire.NoteAnswer, To: election.NodeID(q.From), ID: q.id, Data: data}
	if err := q.node.post(q.session, note); err != nil {
		return fmt.Errorf("answer %s: %w", q.From, err)
	}

	return nil
}

// Asked yields what other nodes ask. Bounded: when too many are open, their askers are told.
// A question that is not answered for ten seconds is closed; nobody waits for it any more.
func (n *Node) Asked() <-chan *Question { return n.asked }

// hear takes one note that came over a stream. It must not block.
func (n *Node) hear(s *session, text []byte) {
	note, err := wire.DecodeNote(text)
	if err != nil {
		n.counters.malformed.Add(1)
		n.problems.pass("malformed", fmt.Sprintf("a question or an answer could not be read: %v", err))

		return
	}
	from := levels.NodeID(note.From)
	if !n.believes(from, note.Origin) {
		return
	}
	if note.To != election.NodeID(n.options.Self) {
		n.counters.misdirected.Add(1)

		return
	}
	note.Data = bytes.Clone(note.Data)
	if note.Kind != wire.NoteQuestion {
		n.talk.reply(from, &note)

		return
	}
	question := &Question{From: from, Data: note.Data, node: n, session: s, id: note.ID}
	refusal, taken := n.talk.take(question, note.Session)
	switch {
	case taken:
		select {
		case n.asked <- question:
			return
		default: // nobody looks: what waits there is closed already
			n.talk.close(question)
			refusal = wire.Note{Kind: wire.NoteFull, To: note.From, ID: note.ID}
		}
	case refusal.Kind == 0: // came before
		return
	}
	if refusal.Kind == wire.NoteFull {
		n.counters.questionsRefused.Add(1)
	}
	n.refuse(s, refusal)
}

// refuse sends a refusal in the background, unless too many are under way.
func (n *Node) refuse(s *session, refusal wire.Note) {
	select {
	case n.refusals <- struct{}{}:
		go func() {
			_ = n.post(s, refusal) // its asker will be told by its own time limit
			<-n.refusals
		}()
	default:
	}
}
