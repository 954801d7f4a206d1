package election_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: after too many unplanned changes of the master the next candidacy is held, says so,
// and is free again when the window is over; without a limit nothing is held. Method: a vice
// that hears its master tell of three changes, and then nothing more.
func TestFlappingIsHeldUntilTheWindowIsOver(t *testing.T) {
	const second = election.Instant(time.Second)
	for _, limit := range []int{3, 4, 0} {
		config := election.Config{
			Self: "n1", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
			Nodes:     []election.Node{{ID: "n1", Vote: true, Eligible: true}, {ID: "n2", Vote: true, Eligible: true}, {ID: "n3", Vote: true}},
			FlapLimit: limit, FlapWindow: 10 * time.Minute,
		}.DefaultTimes()
		now := 1000 * second
		machine := election.New(election.Start{
			Config: config, State: &election.State{Voters: []election.NodeID{"n1", "n2", "n3"}}, Standing: election.Standing{Qualified: true, Up: true}, Now: now,
		})
		notes := ""
		step := func(event election.Event) (kinds string) {
			for _, action := range machine.Step(now, event).Actions {
				switch action := action.(type) {
				case election.Send:
					kinds += action.Message.Kind.String() + " "
				case election.Note:
					notes += action.Topic.String() + " "
				default:
				}
			}

			return kinds
		}
		now += 10 * second
		kinds := step(election.Received{Message: election.Message{
			Kind: election.KindRenew, From: "n2", To: "n1", Term: 7, Round: 1, Lease: config.Lease, Vice: "n1",
			Standing: election.Standing{Qualified: true, Up: true},
			Changes:  []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute},
		}})
		if !strings.Contains(kinds, "promise") {
			t.Fatalf("limit %d: the renewal is answered with %q", limit, kinds)
		}
		now += 5 * second // the promise has run out
		kinds = step(election.Ticked{})
		stands, why := strings.Contains(kinds, "pre-vote"), machine.View().Why
		if held := limit == 3; stands == held || strings.Contains(notes, "held") != held || strings.Contains(why, "too often") != held {
			t.Errorf("limit %d: stands %v, notes %q, why %q; want it held: %v", limit, stands, notes, why, held)
		}
		if limit != 3 {
			continue
		}
		now += election.Instant(7*time.Minute) - 10*second // the oldest is 9 min 55 s ago
		if kinds = step(election.Ticked{}); strings.Contains(kinds, "pre-vote") {
			t.Errorf("it stands before the window is over: %q", kinds)
		}
		now += 10 * second
		if kinds = step(election.Ticked{}); !slices.Contains(strings.Fields(kinds), "pre-vote") {
			t.Errorf("it does not stand after the window: %q, %s", kinds, machine.View().Why)
		}
	}
}
