package agent

import (
	"testing"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// Goal: no node takes what a vice has reached in its own init for the new master's, in the
// moment between its election and the new beginning of its init. Method: what the election
// is told, which goes out with the first renewal.
func TestProgressIsThatOfAMaster(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		view levels.View
		want election.Progress
	}{
		"a vice in its init":     {levels.View{State: levels.StateInitializing, Role: levels.RoleVice, Reached: 3, ReachedAny: true}, election.Progress{}},
		"a spare in its init":    {levels.View{State: levels.StateInitializing, Role: levels.RoleSpare, Reached: 3, ReachedAny: true}, election.Progress{}},
		"it has begun again":     {levels.View{State: levels.StateInitializing, Role: levels.RoleMaster}, election.Progress{}},
		"a master in its init":   {levels.View{State: levels.StateInitializing, Role: levels.RoleMaster, Reached: 1, ReachedAny: true}, election.Progress{Reached: 1, Started: true}},
		"a vice that is up":      {levels.View{State: levels.StateUp, Role: levels.RoleVice, Reached: levels.Last, ReachedAny: true, MasterReady: true}, election.Progress{Reached: int16(levels.Last), Started: true, Complete: true}},
		"a master that promotes": {levels.View{State: levels.StateUp, Role: levels.RoleMaster, Reached: levels.Last, ReachedAny: true}, election.Progress{Reached: int16(levels.Last), Started: true, Complete: true}},
		"a master that is ready": {levels.View{State: levels.StateUp, Role: levels.RoleMaster, Reached: levels.Last, ReachedAny: true, MasterReady: true}, election.Progress{Reached: int16(levels.Last), Started: true, Complete: true, Ready: true}},
	} {
		if got := progressOf(&one.view); got != one.want {
			t.Errorf("%s: got %+v, want %+v", name, got, one.want)
		}
	}
}
