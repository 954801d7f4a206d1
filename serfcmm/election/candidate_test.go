package election_test

import (
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: of three nodes the vice is first when the master is dead, although its promise runs
// out a moment before the other one's: it asks again as soon as that one may answer, and does
// not wait for the master's answer, which never comes. Method: a vice whose question is
// refused with a remaining time far below its patience.
func TestViceAsksAgainWhenTheOtherOneIsFree(t *testing.T) {
	t.Parallel()
	config := election.Config{
		Self: "n2", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
		Nodes: []election.Node{{ID: "n1", Vote: true, Eligible: true}, {ID: "n2", Vote: true, Eligible: true}, {ID: "n3", Vote: true, Eligible: true}},
	}.DefaultTimes()
	now := election.Instant(1000 * time.Second)
	machine := election.New(election.Start{
		Config: config, State: &election.State{Voters: []election.NodeID{"n1", "n2", "n3"}}, Standing: election.Standing{Qualified: true, Up: true}, Now: now,
	})
	step := func(event election.Event) (asked election.Message, wake election.Instant) {
		result := machine.Step(now, event)
		for _, action := range result.Actions {
			if send, ok := action.(election.Send); ok && send.Message.Kind == election.KindPreVote && send.Message.To == "n3" {
				asked = send.Message
			}
		}

		return asked, result.Wake
	}
	now = now.Add(10 * time.Second)
	step(election.Received{Message: election.Message{
		Kind: election.KindRenew, From: "n1", To: "n2", Term: 1, Round: 1, Lease: config.Lease, Vice: "n2",
		Standing: election.Standing{Qualified: true, Up: true},
	}})
	now = now.Add(2020 * time.Millisecond) // the promise has run out
	first, _ := step(election.Ticked{})
	if first.Round == 0 {
		t.Fatalf("the vice does not ask: %s", machine.View().Why)
	}
	const left = 17 * time.Millisecond
	_, wake := step(election.Received{Message: election.Message{
		Kind: election.KindPreVoteReply, From: "n3", To: "n2", Term: first.Term, Round: first.Round,
		Refusal: election.RefusalPromised, Remaining: left,
	}})
	if wait := wake.Sub(now); wait != left {
		t.Fatalf("it waits %v, want %v", wait, left)
	}
	now = wake
	step(election.Ticked{}) // ends the question
	now = now.Add(time.Millisecond)
	again, _ := step(election.Ticked{})
	if again.Round <= first.Round {
		t.Errorf("it does not ask again at that moment: %+v", machine.View())
	}
}
