package election

import (
	"encoding/binary"
	"testing"
	"time"
)

// tape turns arbitrary bytes into choices; at its end every choice is 0.
type tape struct{ rest []byte }

func (t *tape) byte() byte {
	if len(t.rest) == 0 {
		return 0
	}
	b := t.rest[0]
	t.rest = t.rest[1:]

	return b
}

// number is small most of the time, and now and then absurd.
func (t *tape) number() uint64 {
	switch b := t.byte(); b % 8 {
	case 0:
		var wide [8]byte
		copy(wide[:], t.rest)
		t.rest = t.rest[min(8, len(t.rest)):]

		return binary.LittleEndian.Uint64(wide[:])
	default:
		return uint64(b / 8)
	}
}

func (t *tape) node() NodeID {
	return []NodeID{"n1", "n2", "n3", "w", "stranger", ""}[t.byte()%6]
}

func (t *tape) message(now Instant) Message {
	flags := t.byte()
	message := Message{
		Kind: Kind(t.byte() % 12), From: t.node(), To: "n1", Term: Term(t.number()), Round: Round(t.number()),
		Serial: t.number(), Hash: []string{"h", "other", ""}[t.byte()%3],
		Standing: Standing{Qualified: flags&1 == 0, Up: flags&2 == 0}, Refusal: Refusal(t.byte() % 12),
		Remaining: time.Duration(t.number()), MasterTerm: Term(t.number()), Master: t.node(), Fresh: flags&4 != 0,
		Lease: time.Duration(t.number()) * 100 * time.Millisecond, Released: Term(t.number()), Target: t.node(), Vice: t.node(),
	}
	if flags&8 != 0 {
		message.To = t.node()
	}
	for range t.byte() % 4 {
		message.Changes = append(message.Changes, time.Duration(t.number()))
	}
	if flags&16 != 0 && now > 0 { // an answer to what was asked last
		message.Round = Round(now)
	}

	return message
}

// FuzzReceived: whatever arrives, in whatever order and after whatever time, no invariant
// breaks, nothing loops, and without the granted votes of a majority this node never acts.
// Method: a machine that is told arbitrary messages; the granted votes of this run are
// counted beside it.
func FuzzReceived(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a start that waits, then a renewal, then silence"))
	f.Add([]byte{0, 5, 1, 9, 9, 9, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 3, 3, 3})
	nodes := []Node{{"n1", true, true}, {"n2", true, true}, {"n3", true, true}, {"w", true, false}, {"late", false, true}}
	config := Config{
		Self: "n1", Nodes: nodes, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10,
		RestartGrace: 10 * time.Second, FormationTimeout: time.Minute, FlapLimit: 3, FlapWindow: 10 * time.Minute,
	}.DefaultTimes()
	f.Fuzz(func(t *testing.T, data []byte) {
		choices := tape{data}
		m := New(Start{
			Config: config, State: &State{Term: 3, Vote: "n2", MasterTerm: 3, Master: "n2", Voters: config.voters(), Hash: "h"},
			Standing: Standing{Qualified: true, Up: true}, Now: 1, FirstRound: 100,
		})
		now, asked := Instant(1), map[Term]bool{}
		granted := map[Term]map[NodeID]bool{}
		for range 48 {
			if len(choices.rest) == 0 {
				break
			}
			now += Instant(choices.byte()) * Instant(20*time.Millisecond)
			message := choices.message(Instant(m.round))
			if message.Kind == KindVoteReply && message.Refusal == RefusalNone {
				if granted[message.Term] == nil {
					granted[message.Term] = map[NodeID]bool{}
				}
				granted[message.Term][message.From] = true
			}
			result := m.Step(now, Received{Message: message})
			for _, action := range result.Actions {
				if sent, ok := action.(Send); ok && sent.Message.Kind == KindVote {
					asked[sent.Message.Term] = true
				}
			}
			if err := m.Check(); err != nil {
				t.Fatalf("%v after %+v\n%s", err, message, m.Describe())
			}
			if wake := result.Wake; wake != 0 && wake < now {
				t.Fatalf("wake %d before now %d\n%s", wake, now, m.Describe())
			}
			term := m.lease.Term
			votes := 0
			for _, id := range []NodeID{"n2", "n3", "w"} {
				if granted[term][id] {
					votes++
				}
			}
			if m.MayAct(now) && (!asked[term] || votes+1 < majority(4)) {
				t.Fatalf("acts in term %d with %d votes of others, asked %v\n%s", term, votes, asked[term], m.Describe())
			}
		}
	})
}
