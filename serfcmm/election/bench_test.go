package election_test

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// roundTable are the voters of the benchmarks.
func roundTable(voters int) []election.Node {
	var nodes []election.Node
	for i := range voters {
		nodes = append(nodes, election.Node{ID: election.NodeID(fmt.Sprintf("n%d", i+1)), Vote: true, Eligible: true})
	}

	return nodes
}

// round is a cluster without a network: what one machine sends the others get at once.
type round struct {
	now      election.Instant
	machines map[election.NodeID]*election.Machine
	queue    []election.Message
	// messages counts all that were delivered, persists the writes that were asked for.
	messages, persists int
}

// newRound makes a cluster whose master is elected.
func newRound(tb testing.TB, voters int) *round {
	tb.Helper()
	r := &round{now: 1, machines: map[election.NodeID]*election.Machine{}}
	table := roundTable(voters)
	for _, node := range table {
		config := election.Config{
			Self: node.ID, Nodes: table, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
		}.DefaultTimes()
		r.machines[node.ID] = election.New(election.Start{
			Config: config, Standing: election.Standing{Qualified: true, Up: true}, Now: r.now, FirstRound: 1,
		})
	}
	for range 1000 {
		for _, node := range table {
			r.step(node.ID, election.Ticked{})
		}
		r.deliver()
		r.now = r.now.Add(10 * time.Millisecond)
	}
	if !r.machines["n1"].MayAct(r.now) {
		tb.Fatalf("n1 does not lead after ten seconds: %+v", r.machines["n1"].View())
	}

	return r
}

func (r *round) step(node election.NodeID, event election.Event) {
	result := r.machines[node].Step(r.now, event)
	if result.Persist != nil {
		r.persists++
	}
	for _, action := range result.Actions {
		if send, ok := action.(election.Send); ok {
			r.queue = append(r.queue, send.Message)
		}
	}
}

func (r *round) deliver() {
	for len(r.queue) > 0 {
		batch := r.queue
		r.queue = nil
		for _, message := range batch {
			r.messages++
			r.step(message.To, election.Received{Message: message})
		}
	}
}

// renew is one round of the steady state: the master asks, all others promise, it counts.
func (r *round) renew() {
	r.now = r.now.Add(250 * time.Millisecond)
	r.step("n1", election.Ticked{})
	r.deliver()
}

// BenchmarkRenewRound measures what all machines of a cluster together decide for one
// renewal: 2·(voters−1) messages. BenchmarkSealRound is what the same messages cost on the
// wire at the least: compare the two of one run.
func BenchmarkRenewRound(b *testing.B) {
	for _, voters := range []int{3, 5, 7} {
		b.Run(fmt.Sprintf("%d-voters", voters), func(b *testing.B) {
			r := newRound(b, voters)
			r.messages, r.persists = 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				r.renew()
			}
			b.StopTimer()
			if want := b.N * 2 * (voters - 1); r.messages != want || r.persists != 0 {
				b.Fatalf("%d messages and %d writes in %d rounds, want %d and 0", r.messages, r.persists, b.N, want)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(r.messages+b.N), "ns/step")
		})
	}
}

// BenchmarkSealRound is the reference: AES-256-GCM seals and opens as many messages of 200
// bytes, which gossip's encryption has to do for them anyway.
func BenchmarkSealRound(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	for _, voters := range []int{3, 5, 7} {
		b.Run(fmt.Sprintf("%d-voters", voters), func(b *testing.B) {
			nonce, text := make([]byte, seal.NonceSize()), make([]byte, 200)
			b.ReportAllocs()
			for range b.N {
				for range 2 * (voters - 1) {
					nonce[0]++
					if _, err := seal.Open(nil, nonce, seal.Seal(nil, nonce, text, nil), nil); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
