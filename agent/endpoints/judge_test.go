package endpoints

import (
	"testing"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: the rule of each endpoint, and the words for each way of not holding. Method: one
// snapshot for each.
func TestJudge(t *testing.T) {
	running := func(sequence levels.Sequence, phase levels.Phase, reason string) *levels.RunView {
		return &levels.RunView{Sequence: sequence, Level: 3, Phase: phase, Reason: reason}
	}
	master := levels.View{Node: "n1", State: levels.StateUp, Role: levels.RoleMaster, Term: 5, Master: "n1", Vice: "n2", Ready: true, MasterReady: true}
	vice := levels.View{Node: "n2", State: levels.StateUp, Role: levels.RoleVice, Term: 5, Master: "n1", Vice: "n2", Ready: true, MasterReady: true}
	with := func(view levels.View, change func(*levels.View)) levels.View {
		change(&view)

		return view
	}
	cases := []struct {
		name, path string
		view       levels.View
		leased     bool
		good       bool
		why        string
	}{
		{"master", pathMaster, master, true, true, "n1 is master of term 5"},
		{"master without a lease", pathMaster, master, false, false, "n1 was master of term 5, and its lease has run out"},
		{
			"master that demotes", pathMaster, with(master, func(v *levels.View) {
				v.MasterReady, v.Run = false, running(levels.Demote, levels.PhaseRunning, "")
			}), true, false, "n1 is master of term 5 and not ready for service: demote level 3 running",
		},
		{
			"master that is held", pathMaster, with(master, func(v *levels.View) {
				v.MasterReady, v.Run = false, running(levels.Promote, levels.PhaseHeld, "db failed")
			}), true, false, "n1 is master of term 5 and not ready for service: promote level 3 held: db failed",
		},
		{"vice is no master", pathMaster, vice, true, false, "n2 is vice: the master is n1, term 5"},
		{
			"headless", pathMaster, with(vice, func(v *levels.View) { v.Role, v.Master = levels.RoleSpare, "" }), false, false,
			"n2 is spare: no master is known, 2 of 3 voters are missing",
		},
		{"vice", pathVice, vice, false, true, "n2 is vice: the master is n1, term 5"},
		{"master is no vice", pathVice, master, true, false, "n1 is master: the master is n1, term 5"},
		{
			"vice of nobody", pathVice, with(vice, func(v *levels.View) { v.Master = "" }), false, false,
			"n2 is vice: no master is known, 2 of 3 voters are missing",
		},
		{
			"vice that promotes", pathVice, with(vice, func(v *levels.View) { v.Run = running(levels.Promote, levels.PhaseRunning, "") }), false, false,
			"n2 is vice and not ready for service: promote level 3 running",
		},
		{"ready", pathReady, vice, false, true, "n2 is up, vice: the master is n1, term 5"},
		{
			"ready and headless", pathReady, with(vice, func(v *levels.View) { v.Role, v.Master = levels.RoleSpare, "" }), false, true,
			"n2 is up, spare: no master is known, 2 of 3 voters are missing",
		},
		{
			"initializing", pathReady, with(vice, func(v *levels.View) {
				v.State, v.Ready, v.Run = levels.StateInitializing, false, running(levels.Init, levels.PhaseWaiting, "the master is at level 2")
			}), false, false, "n2 is initializing: init level 3 waiting: the master is at level 2",
		},
		{
			"shutting down", pathReady, with(vice, func(v *levels.View) { v.State, v.Run = levels.StateShuttingDown, nil }), false, false,
			"n2 is shutting-down: 2 of 3 voters are missing",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := &Snapshot{View: c.view, Why: "2 of 3 voters are missing"}
			if got := judge(c.path, s, c.leased); got != (verdict{c.good, c.why}) {
				t.Errorf("%s says %v, %q; want %v, %q", c.path, got.good, got.why, c.good, c.why)
			}
		})
	}
	for _, path := range []string{pathMaster, pathVice, pathReady} {
		if got := judge(path, nil, true); got.good || got.why == "" {
			t.Errorf("%s of an agent that has published nothing: %+v", path, got)
		}
	}
}
