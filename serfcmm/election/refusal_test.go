package election_test

import (
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// asked is one question to a voter, n2 of n1 to n4: n1 to n3 vote, n1, n2 and n4 may hold a
// role. Each field begins as what is granted.
type asked struct {
	state    election.State
	self     election.NodeID
	message  election.Message
	standing election.Standing
}

// TestRefusals: goal: a voter refuses for the reason that counts, and grants otherwise.
// Method: a question that is granted, and then changed in one thing at a time, also in what
// no honest node would send.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*asked)
		want   election.Refusal
		// silent: no answer at all.
		silent bool
	}{
		"granted":                {change: func(*asked) {}},
		"not qualified":          {change: func(a *asked) { a.message.Standing.Qualified = false }, want: election.RefusalCandidate},
		"not eligible":           {change: func(a *asked) { a.message.From = "n3" }, want: election.RefusalCandidate},
		"another configuration":  {change: func(a *asked) { a.message.Hash = "b" }, want: election.RefusalHash},
		"an older term":          {change: func(a *asked) { a.message.Term = 4 }, want: election.RefusalTerm},
		"a term that was held":   {change: func(a *asked) { a.message.Term, a.state.MasterTerm, a.state.Master = 5, 5, "n1" }, want: election.RefusalTerm},
		"a vote for another":     {change: func(a *asked) { a.message.Term = 5 }, want: election.RefusalVoted},
		"a vote for the same":    {change: func(a *asked) { a.message.Term, a.state.Vote = 5, "n1" }},
		"a promise to another":   {change: func(a *asked) { a.state.Promised, a.state.PromisedTerm, a.state.Hold = "n4", 5, time.Minute }, want: election.RefusalPromised},
		"a promise to the same":  {change: func(a *asked) { a.state.Promised, a.state.PromisedTerm, a.state.Hold = "n1", 5, time.Minute }},
		"the word of a release":  {change: func(a *asked) { a.promised("n4", 5); a.message.Released = 5 }},
		"of another term":        {change: func(a *asked) { a.promised("n4", 5); a.message.Released = 4 }, want: election.RefusalPromised},
		"of a later term":        {change: func(a *asked) { a.promised("n4", 5); a.message.Released = 6 }, want: election.RefusalPromised},
		"without a proof":        {change: func(a *asked) { a.state.Voters = nil }, want: election.RefusalUnproven},
		"another table":          {change: func(a *asked) { a.state.Voters = []election.NodeID{"n2", "x", "y"} }, want: election.RefusalUnproven},
		"a node without a vote":  {change: func(a *asked) { a.self = "n4" }, silent: true},
		"a lease without an end": {change: func(a *asked) { a.message.Lease = election.Endless }, silent: true},
		"a stranger":             {change: func(a *asked) { a.message.From = "n9" }, silent: true},
		"for somebody else":      {change: func(a *asked) { a.message.To = "n3" }, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := asked{
				self: "n2", standing: election.Standing{Qualified: true, Up: true},
				state: election.State{Term: 5, Vote: "n4", Voters: []election.NodeID{"n1", "n2", "n3"}, Hash: "a"},
				message: election.Message{
					Kind: election.KindVote, From: "n1", Term: 6, Round: 7, Serial: 1, Hash: "a", Lease: time.Second,
					Standing: election.Standing{Qualified: true, Up: true},
				},
			}
			test.change(&a)
			answers := a.ask()
			if test.silent {
				if len(answers) != 0 {
					t.Fatalf("got %+v, want no answer", answers)
				}

				return
			}
			if len(answers) != 1 || answers[0].Refusal != test.want || answers[0].Round != 7 {
				t.Errorf("got %+v, want one answer: %v", answers, test.want)
			}
		})
	}
}

func (a *asked) promised(to election.NodeID, term election.Term) {
	a.state.Promised, a.state.PromisedTerm, a.state.Hold = to, term, time.Minute
}

// ask hands the question to a new machine, long after its start, and returns its answers.
func (a *asked) ask() []election.Message {
	if a.message.To == "" {
		a.message.To = a.self
	}
	config := election.Config{
		Self: a.self, Hash: "a", Lease: time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
		Nodes: []election.Node{
			{ID: "n1", Vote: true, Eligible: true}, {ID: "n2", Vote: true, Eligible: true}, {ID: "n3", Vote: true}, {ID: "n4", Eligible: true},
		},
	}.DefaultTimes()
	state := a.state
	machine := election.New(election.Start{Config: config, State: &state, Standing: a.standing, Now: 1, FirstRound: 1, FirstSerial: 1})
	var answers []election.Message
	for _, action := range machine.Step(2, election.Received{Message: a.message}).Actions {
		if send, ok := action.(election.Send); ok && send.Message.Kind == election.KindVoteReply {
			answers = append(answers, send.Message)
		}
	}

	return answers
}

// TestPreVoteChangesNothing: a pre-vote is granted without a trace on disk, and the same
// voter still grants the vote of another candidate in an older term.
func TestPreVoteChangesNothing(t *testing.T) {
	t.Parallel()
	r := newVoter(t)
	result := r.Step(2*second, election.Received{Message: question(election.KindPreVote, "n3", 9)})
	if result.Persist != nil {
		t.Errorf("a pre-vote changes the state: %+v", *result.Persist)
	}
	if got := replies(result); len(got) != 1 || got[0].Refusal != election.RefusalNone {
		t.Fatalf("pre-vote: got %+v, want one granted", got)
	}
	result = r.Step(3*second, election.Received{Message: question(election.KindVote, "n1", 6)})
	if got := replies(result); len(got) != 1 || got[0].Refusal != election.RefusalNone {
		t.Errorf("vote in a lower term than that of the pre-vote: got %+v, want one granted", got)
	}
}

// TestLockedNodeAsksNobody: a node that is not qualified does not stand, however long no
// master is heard; once it is, it does.
func TestLockedNodeAsksNobody(t *testing.T) {
	t.Parallel()
	r := newVoter(t)
	r.Step(second, election.StandingChanged{Standing: election.Standing{Up: true}})
	asks := func(result election.Result) (n int) {
		for _, message := range sent(result) {
			if message.Kind == election.KindPreVote || message.Kind == election.KindVote {
				n++
			}
		}

		return n
	}
	for at := election.Instant(1); at < 60; at++ {
		if n := asks(r.Step(at*second, election.Ticked{})); n != 0 {
			t.Fatalf("after %d s a locked node asks %d others for their votes", at, n)
		}
	}
	r.Step(60*second, election.StandingChanged{Standing: election.Standing{Qualified: true, Up: true}})
	if n := asks(r.Step(61*second, election.Ticked{})); n == 0 {
		if n = asks(r.Step(62*second, election.Ticked{})); n == 0 {
			t.Error("an unlocked node asks nobody")
		}
	}
}

// TestLateRenewalOfAnOlderTerm: a voter that has restarted, and so forgotten that a term was
// released, votes for the same node in the next term; then a renewal and the release of the
// older one arrive. The promise for the newer term holds.
func TestLateRenewalOfAnOlderTerm(t *testing.T) {
	t.Parallel()
	machine := newVoter(t)
	vote := question(election.KindVote, "n1", 7)
	if got := replies(machine.Step(2*second, election.Received{Message: vote})); len(got) != 1 || got[0].Refusal != election.RefusalNone {
		t.Fatalf("got %+v, want a vote", got)
	}
	machine.Step(2*second+1, election.Received{Message: question(election.KindRenew, "n1", 6)})
	machine.Step(2*second+2, election.Received{Message: question(election.KindRelease, "n1", 6)})
	result := machine.Step(2*second+3, election.Received{Message: question(election.KindVote, "n3", 8)})
	if got := replies(result); len(got) != 1 || got[0].Refusal != election.RefusalPromised {
		t.Errorf("got %+v, want one refusal for the promise in term 7", got)
	}
}

// TestMasterMayNotActAtTheEnd: the lease is over in the very instant of its end, for the
// check before a side effect as for the stall rule.
func TestMasterMayNotActAtTheEnd(t *testing.T) {
	t.Parallel()
	config := voterConfig()
	lease := election.Lease{Term: 5, From: second, Until: 2 * second}
	machine := election.New(election.Start{
		Config: config, State: &election.State{Term: 5, Vote: "n2", MasterTerm: 5, Master: "n2", Voters: []election.NodeID{"n1", "n2", "n3"}, Hash: "a"},
		Lease: lease, Serving: true, Standing: election.Standing{Qualified: true, Up: true}, Now: second,
	})
	if !machine.MayAct(2*second - 1) {
		t.Error("just before the end of its lease the master may not act")
	}
	if machine.MayAct(2 * second) {
		t.Error("at the end of its lease the master may act")
	}
	result := machine.Step(2*second, election.Ticked{})
	killed := false
	for _, action := range result.Actions {
		_, kill := action.(election.KillMembers)
		killed = killed || kill
	}
	if machine.Lease().Term != 0 || !killed {
		t.Errorf("a step at the end of the lease: still lease %+v, members killed %v", machine.Lease(), killed)
	}
}

const second = election.Instant(time.Second)

func voterConfig() election.Config {
	return election.Config{
		Self: "n2", Hash: "a", Lease: time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
		Nodes: []election.Node{{ID: "n1", Vote: true, Eligible: true}, {ID: "n2", Vote: true, Eligible: true}, {ID: "n3", Vote: true, Eligible: true}},
	}.DefaultTimes()
}

// newVoter is a voter that has voted in term 5 long ago.
func newVoter(t *testing.T) *election.Machine {
	t.Helper()

	return election.New(election.Start{
		Config: voterConfig(), State: &election.State{Term: 5, Vote: "n1", Voters: []election.NodeID{"n1", "n2", "n3"}, Hash: "a"},
		Standing: election.Standing{Qualified: true, Up: true}, Now: 1, FirstRound: 1, FirstSerial: 1,
	})
}

func question(kind election.Kind, from election.NodeID, term election.Term) election.Message {
	return election.Message{
		Kind: kind, From: from, To: "n2", Term: term, Round: 1, Serial: 1, Hash: "a", Lease: time.Second,
		Standing: election.Standing{Qualified: true, Up: true},
	}
}

func sent(result election.Result) []election.Message {
	var messages []election.Message
	for _, action := range result.Actions {
		if send, ok := action.(election.Send); ok {
			messages = append(messages, send.Message)
		}
	}

	return messages
}

func replies(result election.Result) []election.Message {
	var messages []election.Message
	for _, message := range sent(result) {
		if message.Kind == election.KindPreVoteReply || message.Kind == election.KindVoteReply {
			messages = append(messages, message)
		}
	}

	return messages
}
