package election

import (
	"fmt"
	"testing"
	"time"
)

// listenedTo is a master of 3 voters that stand behind the listeners in the table, and its time.
func listenedTo(listeners int) (*Machine, Instant) {
	var nodes []Node
	for i := range listeners {
		nodes = append(nodes, Node{NodeID(fmt.Sprintf("m%d", i+1)), false, false})
	}
	nodes = append(nodes, Node{"n1", true, true}, Node{"n2", true, true}, Node{"n3", true, true})
	config := Config{Self: "n1", Nodes: nodes, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute}.DefaultTimes()
	now := Instant(time.Second)

	return New(Start{
		Config: config, State: &State{Term: 5, Vote: "n1", MasterTerm: 5, Master: "n1", Voters: config.voters(), Hash: "h"},
		Lease: Lease{Term: 5, From: now, Until: now.Add(config.ownLease(config.Lease))}, Now: now,
	}), now
}

// Goal: hundreds of nodes without a vote cost the voters nothing: they hear of an election at
// once and then in shares, often enough to lose one, and the voters are asked first. Method: a
// master with 3 voters at the end of the table, its promises kept alive for 20 leases, and
// 1, 32, 33, 295 and 1,000 listeners; who is asked in each renewal is written down.
func TestRenewalsToListenersAreSpread(t *testing.T) {
	t.Parallel()
	for _, listeners := range []int{1, 32, 33, 295, 1000} {
		m, now := listenedTo(listeners)
		config := m.config
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

// audience answers a master's renewals for all nodes but the deaf ones, and writes down who
// was told what.
type audience struct {
	m    *Machine
	deaf map[NodeID]bool
	// told is what each was told last; asked counts the listeners of the last step.
	told  map[NodeID]Progress
	asked int
}

func (a *audience) step(now Instant, event Event) (wake Instant) {
	a.asked = 0
	result := a.m.Step(now, event)
	for _, action := range result.Actions {
		send, is := action.(Send)
		if !is || send.Message.Kind != KindRenew {
			continue
		}
		to := send.Message.To
		if node, _ := a.m.config.node(to); !matters(node) {
			a.asked++
		}
		if a.deaf[to] {
			continue
		}
		a.told[to] = send.Message.Progress
		a.m.Step(now, Received{Message: Message{Kind: KindPromise, From: to, To: "n1", Term: 5, Round: send.Message.Round, Hash: "h"}})
	}

	return a.m.wake()
}

// ignorant counts those that have not been told it.
func (a *audience) ignorant(news Progress) (count int) {
	for _, node := range a.m.config.Nodes {
		if node.ID != "n1" && a.told[node.ID] != news {
			count++
		}
	}

	return count
}

// Goal: a level that the master has reached opens the gate of all nodes at once, whenever it
// comes; levels that come in numbers are not hundreds of messages each, and the last of them is
// known within a renewal; one that did not answer is told again with the next renewal, and nobody else is.
// Method: 300 listeners, a level at moments all over the cycles of renewals; ten levels within
// a millisecond; two listeners that do not answer for a while.
func TestNewsGoesToAllListenersAtOnce(t *testing.T) {
	t.Parallel()
	const listeners = 300
	m, now := listenedTo(listeners)
	a := &audience{m: m, deaf: map[NodeID]bool{}, told: map[NodeID]Progress{}}
	news := Progress{Started: true}
	rest := func(until Instant) {
		for wake := a.step(now, Ticked{}); wake < until; wake = a.step(now, Ticked{}) {
			now = wake
		}
		now = until
	}
	for _, pause := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 1234 * time.Millisecond, 5 * time.Second} {
		rest(now.Add(pause))
		news.Reached++
		a.step(now, ProgressChanged{Progress: news})
		if left := a.ignorant(news); left > 0 && pause > 0 {
			t.Errorf("after a pause of %v: %d nodes were not told at once", pause, left)
		}
	}
	rest(now.Add(3 * time.Second))
	sent := 0
	for range 10 {
		news.Reached++
		a.step(now, ProgressChanged{Progress: news})
		sent += a.asked
		if a.told["n2"] != news || a.told["n3"] != news {
			t.Errorf("the voters were not told of level %d at once", news.Reached)
		}
		now = now.Add(100 * time.Microsecond)
	}
	rest(now.Add(m.config.RenewEvery))
	if left := a.ignorant(news); sent != listeners || left > 0 {
		t.Errorf("ten levels at a time: %d messages, want %d; then %d nodes do not know the last one", sent, listeners, left)
	}
	rest(now.Add(3 * time.Second))
	a.deaf["m7"], a.deaf["m300"] = true, true
	news.Reached++
	a.step(now, ProgressChanged{Progress: news})
	delete(a.deaf, "m7")
	now = now.Add(m.config.RenewEvery)
	a.step(now, Ticked{})
	if left := a.ignorant(news); a.asked != 2 || left != 1 {
		t.Errorf("the next renewal: %d listeners, want the 2 that have not answered; then %d nodes do not know, want m300", a.asked, left)
	}
	now = now.Add(m.config.RenewEvery)
	delete(a.deaf, "m300")
	a.step(now, Ticked{})
	if left := a.ignorant(news); a.asked != 1 || left > 0 {
		t.Errorf("the one after: %d listeners, want m300; then %d nodes do not know", a.asked, left)
	}
}
