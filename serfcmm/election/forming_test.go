package election_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: the first node that may vote in a new cluster waits for the others, so that the
// first mastership leaves nobody behind, but not for longer than a lease. Method: reports of
// two nodes without a state, then the word of both that they vote too, or time.
func TestFirstElectionWaitsForWhoeverIsAlmostThere(t *testing.T) {
	t.Parallel()
	for name, theyVote := range map[string]bool{"all vote": true, "one never does": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := election.Config{
				Self: "n1", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
				Nodes: []election.Node{{ID: "n1", Vote: true, Eligible: true}, {ID: "n2", Vote: true, Eligible: true}, {ID: "n3", Vote: true, Eligible: true}},
			}.DefaultTimes()
			now := election.Instant(1000 * time.Second)
			machine := election.New(election.Start{Config: config, Standing: election.Standing{Qualified: true, Up: true}, Now: now})
			var wake election.Instant
			step := func(event election.Event) []election.Message {
				result := machine.Step(now, event)
				wake = result.Wake
				var sent []election.Message
				for _, action := range result.Actions {
					if send, ok := action.(election.Send); ok {
						sent = append(sent, send.Message)
					}
				}

				return sent
			}
			asks := func(sent []election.Message) bool {
				return slices.ContainsFunc(sent, func(m election.Message) bool { return m.Kind == election.KindPreVote })
			}
			say := func(kind election.Kind, from election.NodeID, round election.Round, fresh bool) []election.Message {
				return step(election.Received{Message: election.Message{
					Kind: kind, From: from, To: "n1", Round: round, Fresh: fresh, Standing: election.Standing{Qualified: true, Up: true},
				}})
			}
			round := step(election.Ticked{})[0].Round
			say(election.KindReport, "n2", round, true)
			sent := say(election.KindReport, "n3", round, true)
			if asks(sent) || !machine.View().Proven || !slices.ContainsFunc(sent, func(m election.Message) bool { return m.Kind == election.KindProbe && !m.Fresh }) {
				t.Fatalf("proven %v, sent %v; want it proven, and told to the others, before it stands", machine.View().Proven, sent)
			}
			sent = say(election.KindProbe, "n2", 7, false)
			if asks(sent) {
				t.Fatalf("it stands before n3 votes: %v", sent)
			}
			if theyVote {
				if sent = say(election.KindProbe, "n3", 7, false); !asks(sent) {
					t.Errorf("it does not stand although all vote: %v", sent)
				}

				return
			}
			begin := now
			for range 20 {
				now = max(now+1, wake)
				if sent = step(election.Ticked{}); asks(sent) {
					break
				}
			}
			if took := now.Sub(begin); !asks(sent) || took > config.Lease+time.Millisecond {
				t.Errorf("it stands after %v (%s), want it after a lease", took, strings.TrimSpace(machine.View().Why))
			}
		})
	}
}
