package levels

import (
	"slices"
	"strings"
)

// The plots of this file are about what one node waits for on others, and about roles that
// could not be taken up.

type registering = func(component string, sequence Sequence, level Level) Event

// ready is the news that n2 serves as the master of the term.
func ready(term Term) Event {
	return MasterProgress{Master: "n2", Term: term, Complete: true, Ready: true}
}

// acrossSwitchover takes a switchover to n2 through everything that may come of it.
func acrossSwitchover(at registering) plot {
	return plot{
		name: "switchover",
		begin: []Event{
			RoleChanged{Role: RoleMaster, Term: 1, Master: "n1", Vice: "n2"},
			at("a", Demote, 0), at("b", Promote, 0),
			OperationRequested{Kind: OperationSwitchover, By: "uid 0"},
		},
		budgets: map[string]int{
			"time": 1, "taken": 1, "ready": 1, "elsewhere": 1, "back": 1, "gone": 1,
		},
		extra: map[string]Event{
			"taken":     RoleChanged{Role: RoleVice, Term: 2, Master: "n2", Vice: "n1"},
			"ready":     ready(2),
			"elsewhere": RoleChanged{Role: RoleSpare, Term: 3, Master: "n3"},
			"back":      RoleChanged{Role: RoleMaster, Term: 4, Master: "n1"},
			"gone":      RoleChanged{},
		},
		limit: 30000,
	}
}

// acrossLock shuts the master down while others take over, or do not.
func acrossLock(at registering) plot {
	return plot{
		name: "shutdown of a master",
		begin: []Event{
			RoleChanged{Role: RoleMaster, Term: 1, Master: "n1", Vice: "n2"},
			at("a", Demote, 0), at("b", Disqualify, 0),
			OperationRequested{Kind: OperationShutdown, By: "uid 0"},
		},
		budgets: map[string]int{"time": 2, "taken": 1, "ready": 1, "again": 1, "gone": 1, "force": 1},
		extra: map[string]Event{
			"taken": RoleChanged{Role: RoleSpare, Term: 2, Master: "n2"},
			"ready": ready(2),
			"again": RoleChanged{Role: RoleMaster, Term: 3, Master: "n1"},
			"gone":  RoleChanged{},
			"force": OperationRequested{Kind: OperationShutdown, By: "logind"},
		},
		limit: 30000,
	}
}

// acrossVice locks the vice while another is named, or is not.
func acrossVice(at registering) plot {
	return plot{
		name: "lock of a vice",
		begin: []Event{
			ready(1),
			RoleChanged{Role: RoleVice, Term: 1, Master: "n2", Vice: "n1"},
			at("a", Demote, 0), at("b", Disqualify, 0),
			OperationRequested{Kind: OperationDisqualify, By: "uid 0"},
		},
		budgets: map[string]int{"time": 2, "named": 1, "promotes": 1, "up": 1, "elected": 1, "gone": 1},
		extra: map[string]Event{
			"named":    RoleChanged{Role: RoleSpare, Term: 1, Master: "n2", Vice: "n3"},
			"promotes": LeadersSeen{Vice: Leader{Node: "n3", State: StateUp, Role: RoleVice, Doing: Position{Promote, 0}}},
			"up":       LeadersSeen{Vice: Leader{Node: "n3", State: StateUp, Role: RoleVice}},
			"elected":  RoleChanged{Role: RoleMaster, Term: 2, Master: "n1"},
			"gone":     RoleChanged{},
		},
		limit: 30000,
	}
}

// acrossPromote lets promote fail again and again.
func acrossPromote(at registering) plot {
	elected := func(term Term) Event { return RoleChanged{Role: RoleMaster, Term: term, Master: "n1"} }

	return plot{
		name: "promote that fails",
		begin: []Event{
			ready(1), RoleChanged{Role: RoleSpare, Term: 1, Master: "n2"}, at("a", Promote, 0), elected(2),
		},
		budgets: map[string]int{"fail": 3, "time": 2, "third": 1, "fourth": 1, "unlock": 1, "again": 1, "gone": 1},
		extra: map[string]Event{
			"third":  elected(3),
			"fourth": elected(4),
			"unlock": OperationRequested{Kind: OperationQualify, By: "uid 0"},
			"again":  RetryRequested{Promote},
			"gone":   RoleChanged{},
		},
		limit: 30000,
	}
}

// acrossFlicker takes a role away and gives it back before the promote has come to rest.
func acrossFlicker() plot {
	return plot{
		name:    "role that flickers",
		members: map[Target][]string{{Group: "vice", Level: 0}: {"v.service"}},
		begin:   []Event{ready(1), RoleChanged{Role: RoleSpare, Term: 1, Master: "n2"}},
		budgets: map[string]int{"vice": 2, "spare": 2, "master": 1, "fail": 1, "time": 1},
		extra: map[string]Event{
			"vice":   RoleChanged{Role: RoleVice, Term: 2, Master: "n2", Vice: "n1"},
			"spare":  RoleChanged{Role: RoleSpare, Term: 2, Master: "n2", Vice: "n3"},
			"master": RoleChanged{Role: RoleMaster, Term: 3, Master: "n1"},
		},
		limit: 30000,
	}
}

func rareAcross() []string {
	return []string{
		"switchover done when the new master is ready",
		"switchover done while this node promotes to vice",
		"switchover lost to another node",
		"switchover came back here",
		"switchover whose target took over and was lost",
		"switchover that nobody took over",
		"switchover whose target was never ready",
		"shutdown goes on when the new master is ready",
		"shutdown goes on without a new master",
		"shutdown forced while it waits for a new master",
		"elected again while waiting, given back",
		"lock goes on when the new vice is ready",
		"lock goes on without a new vice",
		"vice elected in the demote of its lock",
		"barred after a failed promote",
		"bar runs out",
		"barred until an operator says otherwise",
		"bar ended by a retry",
		"bar ended by an unlock",
		"failures forgotten by a promote",
		"promote canceled and begun anew in the same role",
	}
}

// meetAcross is meet for the waits for other nodes.
func meetAcross(sometimes map[string]*int, before glance, next move, result Result, w *world) {
	note := func(name string, met bool) {
		if count := sometimes[name]; met && count != nil {
			*count++
		}
	}
	_, ticked := next.event.(Ticked)
	s := &w.machine.s
	waited, ended := before.await != nil, OperationView{}
	for _, action := range result.Actions {
		if finished, ok := action.(TellOperationFinished); ok {
			ended = finished.Operation
		}
	}
	switched := waited && ended.Kind == OperationSwitchover
	failed := func(text string) bool {
		return switched && ended.Result == ResultFailed && strings.Contains(ended.Error, text)
	}
	note("switchover done when the new master is ready", switched && ended.Result == ResultDone)
	note("switchover done while this node promotes to vice", switched && ended.Result == ResultDone && before.runs && before.run.Sequence == Promote)
	note("switchover lost to another node", failed("n3 became master instead of n2"))
	note("switchover came back here", failed("came back here"))
	note("switchover whose target took over and was lost", failed("gave it up before it was ready; nobody"))
	note("switchover that nobody took over", failed("nobody became master within"))
	note("switchover whose target was never ready", failed("was not ready within"))

	goesOn := waited && s.Operation != nil && s.Operation.Await == nil && s.Release == nil
	role := RoleUnknown
	if waited {
		role = before.await.Role
	}
	note("shutdown goes on when the new master is ready", goesOn && role == RoleMaster && !ticked && next.name != "force")
	note("shutdown goes on without a new master", goesOn && role == RoleMaster && ticked)
	note("shutdown forced while it waits for a new master", waited && role == RoleMaster && next.name == "force" && result.Err == nil)
	note("elected again while waiting, given back", waited && s.Release != nil && next.name == "again")
	note("lock goes on when the new vice is ready", goesOn && role == RoleVice && !ticked)
	note("lock goes on without a new vice", goesOn && role == RoleVice && ticked)
	note("vice elected in the demote of its lock", next.name == "elected" && before.runs && before.run.Sequence == Demote && before.op.Kind == OperationDisqualify)

	barred := func(b *Bar) bool { return b != nil && b.Active }
	note("barred after a failed promote", !barred(before.bar) && barred(s.Bar))
	note("bar runs out", barred(before.bar) && !barred(s.Bar) && ticked)
	note("barred until an operator says otherwise", barred(s.Bar) && s.Bar.Until == 0)
	note("bar ended by a retry", barred(before.bar) && s.Bar == nil && next.name == "again")
	note("bar ended by an unlock", barred(before.bar) && s.Bar == nil && next.name == "unlock")
	note("failures forgotten by a promote", before.bar != nil && s.Bar == nil && strings.HasPrefix(next.name, "done"))
	note("promote canceled and begun anew in the same role", slices.ContainsFunc(result.Actions, func(a Action) bool {
		started, ok := a.(TellSequenceStarted)

		return ok && strings.Contains(started.Cause, "taken back") && before.run.Phase == PhaseCancelling && before.run.Sequence == Promote
	}))
}
