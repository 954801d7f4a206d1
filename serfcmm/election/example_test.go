package election_test

import (
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// A node alone is elected at once, and its lease has no end.
func Example() {
	config := election.Config{
		Self: "n1", Nodes: []election.Node{{ID: "n1", Vote: true, Eligible: true}},
		Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute,
	}.DefaultTimes()
	machine := election.New(election.Start{Config: config, Standing: election.Standing{Qualified: true}, Now: 1})
	result := machine.Step(2, election.Ticked{})
	fmt.Println("on disk first:", result.Persist.Term, result.Persist.Vote)
	for _, action := range result.Actions {
		if decided, ok := action.(election.RoleDecided); ok {
			fmt.Println(decided.Role, "of term", decided.Term)
		}
	}
	fmt.Println("may act:", machine.MayAct(3), "for ever:", machine.Lease().Until == election.Forever)
	// Output:
	// on disk first: 1 n1
	// master of term 1
	// may act: true for ever: true
}
