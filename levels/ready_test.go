package levels

import "testing"

// Goal: a follower takes the master for ready when its promote is behind it, not when its
// init is. Method: the progress of a master that takes its role up while it is up already.
func TestAMasterIsReadyAfterItsPromote(t *testing.T) {
	m := New(Start{Config: DefaultConfig("n1"), Qualified: true, FirstTag: 1})
	m.Step(1, RoleChanged{Role: RoleSpare, Term: 2, Master: "n2"})
	progress := MasterProgress{Master: "n2", Term: 2, Started: true, Reached: Last, Complete: true}
	m.Step(2, progress)
	if m.View().MasterReady {
		t.Error("the master is ready while it promotes")
	}
	progress.Ready = true
	m.Step(3, progress)
	if !m.View().MasterReady {
		t.Error("the master is not ready after its promote")
	}
}
