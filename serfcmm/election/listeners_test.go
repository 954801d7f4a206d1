package election

import (
	"fmt"
	"testing"
	"time"
)

// Goal: hundreds of nodes without a vote cost the voters nothing: they hear of an election at
// once and then in shares, often enough to lose one, and the voters are asked first. Method: a
// master with 3 voters at the end of the table, its promises kept alive for 20 leases, and
// 1, 32, 33, 295 and 1,000 listeners; who is asked in each renewal is written down.
func TestRenewalsToListenersAreSpread(t *testing.T) {
	t.Parallel()
	for _, listeners := range []int{1, 32, 33, 295, 1000} {
		var nodes []Node
		for i := range listeners {
			nodes = append(nodes, Node{NodeID(fmt.Sprintf("m%d", i+1)), false, false})
		}
		nodes = append(nodes, Node{"n1", true, true}, Node{"n2", true, true}, Node{"n3", true, true})
		config := Config{Self: "n1", Nodes: nodes, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute}.DefaultTimes()
		now := Instant(time.Second)
		m := New(Start{
			Config: config, State: &State{Term: 5, Vote: "n1", MasterTerm: 5, Master: "n1", Voters: config.voters(), Hash: "h"},
			Lease: Lease{Term: 5, From: now, Until: now.Add(config.ownLease(config.Lease))}, Now: now,
		})
		heard, most, first := map[NodeID]Instant{}, 0, true
		end := now.Add(20 * config.Lease)
		for now < end {
			asked := 0
			result := m.Step(now, Ticked{})
			for _, action := range result.Actions {
				send, is := action.(Send)
				switch {
				case !is || send.Message.Kind != KindRenew:
				case send.Message.To == "n2" || send.Message.To == "n3":
					if asked > 0 {
						t.Fatalf("%d listeners: %s is asked after %d of them, want voters first", listeners, send.Message.To, asked)
					}
					m.Step(now, Received{Message: Message{
						Kind: KindPromise, From: send.Message.To, To: "n1", Term: 5, Round: send.Message.Round, Hash: "h",
					}})
				default:
					asked++
					if silent := now.Sub(heard[send.Message.To]); !first && silent > config.Lease*2/3 {
						t.Errorf("%d listeners: %s hears nothing for %v", listeners, send.Message.To, silent)
					}
					heard[send.Message.To] = now
				}
			}
			if first && asked != listeners {
				t.Errorf("%d of %d listeners hear of the mastership at once", asked, listeners)
			}
			if !first {
				most = max(most, asked)
			}
			first, now = false, result.Wake
		}
		if !m.MayAct(now) || len(heard) != listeners {
			t.Fatalf("%d listeners: %d heard, %+v", listeners, len(heard), m.View().Phase)
		}
		for id, at := range heard {
			if now.Sub(at) > config.Lease*2/3 {
				t.Errorf("%d listeners: %s was left out for %v", listeners, id, now.Sub(at))
			}
		}
		if limit := max(listenersAtOnce, listeners*2/5); most > limit {
			t.Errorf("%d listeners: %d at once, want at most %d", listeners, most, limit)
		}
	}
}
