package election_test

import (
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// TestForgottenPromiseIsWaitedFor: a voter that lost its state is proven as soon as all
// others have told their terms, but votes only when whatever it may have promised is over,
// the longer promise for a planned restart too.
func TestForgottenPromiseIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"a lease": 0, "a planned restart": 10 * time.Second} {
		config := voterConfig()
		config.RestartGrace = grace
		longest := max(config.Lease, grace) * 101 / 100
		machine := election.New(election.Start{
			Config: config, Standing: election.Standing{Qualified: true, Up: true}, Now: second, FirstRound: 1, FirstSerial: 1,
		})
		asked := election.Round(0)
		for _, message := range sent(machine.Step(second, election.Ticked{})) {
			if message.Kind == election.KindProbe {
				asked = message.Round
			}
		}
		for _, from := range []election.NodeID{"n1", "n3"} {
			report := question(election.KindReport, from, 5)
			report.Round = asked
			machine.Step(second, election.Received{Message: report})
		}
		if !machine.View().Proven {
			t.Fatalf("%s: not proven although all have told their terms", name)
		}
		early := machine.Step(second.Add(longest)-1, election.Received{Message: question(election.KindVote, "n1", 9)})
		if got := replies(early); len(got) != 1 || got[0].Refusal != election.RefusalPromised || got[0].Remaining != 1 {
			t.Errorf("%s: just before the end: got %+v, want a refusal for another nanosecond", name, got)
		}
		late := machine.Step(second.Add(longest), election.Received{Message: question(election.KindVote, "n1", 9)})
		if got := replies(late); len(got) != 1 || got[0].Refusal != election.RefusalNone {
			t.Errorf("%s: at the end: got %+v, want a vote", name, got)
		}
	}
}

// TestCampaignGivenUpIsReleased: a candidate that gets no majority in time sets those free
// that have voted for it.
func TestCampaignGivenUpIsReleased(t *testing.T) {
	t.Parallel()
	machine := newVoter(t)
	now, kinds := election.Instant(1), map[election.Kind]int{}
	for kinds[election.KindRelease] == 0 && now < 20*second {
		result := machine.Step(now, election.Ticked{})
		for _, message := range sent(result) {
			kinds[message.Kind]++
			if message.Kind == election.KindPreVote && message.To == "n1" {
				answer := question(election.KindPreVoteReply, "n1", message.Term)
				answer.Round = message.Round
				for _, next := range sent(machine.Step(now, election.Received{Message: answer})) {
					kinds[next.Kind]++
				}
			}
		}
		now = now.Add(10 * time.Millisecond)
	}
	if kinds[election.KindVote] != 2 || kinds[election.KindRelease] != 2 {
		t.Errorf("sent %v, want votes asked of two, and the same two released", kinds)
	}
}

// TestElectionWaitsForTheDisk: the only voter of a larger cluster needs no answer to win, but
// it is the master of a term only when that is on disk.
func TestElectionWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	config := voterConfig()
	config.Nodes = []election.Node{{ID: "n1", Eligible: true}, {ID: "n2", Vote: true, Eligible: true}}
	machine := election.New(election.Start{
		Config: config, State: &election.State{Term: 5, Voters: []election.NodeID{"n2"}, Hash: "a"},
		Standing: election.Standing{Qualified: true, Up: true}, Now: 1, FirstRound: 1, FirstSerial: 1,
	})
	now, written := election.Instant(1), 0
	for ; written == 0 && now < 10*second; now = now.Add(10 * time.Millisecond) {
		if result := machine.Step(now, election.Ticked{}); result.Persist != nil && result.Persist.Term > 5 {
			written++
			if machine.MayAct(now) {
				t.Error("it acts in a term that is not on disk")
			}
			machine.Step(now, election.PersistFailed{})
		}
	}
	if written == 0 {
		t.Fatal("it never stands")
	}
	if machine.Step(now, election.Ticked{}); machine.MayAct(now) {
		t.Error("it acts in a term that could not be written")
	}
	for ; !machine.MayAct(now) && now < 60*second; now = now.Add(10 * time.Millisecond) {
		machine.Step(now, election.Ticked{})
	}
	if !machine.MayAct(now) {
		t.Error("it is never elected, although its state can be written again")
	}
}
