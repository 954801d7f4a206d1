package main

import (
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// ago is an instant of the lease clock as it is now.
func ago(d time.Duration) levels.Instant { return bootClock().Add(-d) }

// scenarioUp is a cluster of one whose init is complete.
func scenarioUp() *report {
	return &report{
		View: levels.View{
			Node: "n1", Cluster: "plant-7", State: levels.StateUp, Role: levels.RoleMaster, Term: 4,
			Master: "n1", Qualified: true, Ready: true, MasterReady: true, Reached: levels.Last, ReachedAny: true,
			Registrations: []levels.Registration{
				{
					ID: 1, Component: "naming", Position: levels.Position{Sequence: levels.Init, Level: 0},
					Client: ":1.7", Unit: "naming.service", Cookie: 7,
				},
				{
					ID: 2, Component: "naming", Position: levels.Position{Sequence: levels.Shut, Level: levels.Last},
					Client: ":1.7", Unit: "naming.service", Timeout: 20 * time.Second, OnFailure: levels.PolicyContinue,
				},
			},
			Members: []levels.MemberView{
				{Unit: "db.service", Target: levels.RoleTarget(levels.RoleMaster, 3), Outcome: levels.OutcomeDone},
				{
					Unit: "probe.service", Target: levels.SequenceTarget(levels.Position{Sequence: levels.Init, Level: 5}),
					Outcome: levels.OutcomeSkipped, Reason: "condition not met: ConditionPathExists=/etc/probe",
				},
			},
			Operations: []levels.OperationView{},
			Pending:    []levels.InvocationView{},
		},
		Version: "1.2.3", Quorate: true, ConfigHash: "0123456789abcdef", Problems: []string{},
		Nodes: []levels.NodeView{
			{
				Node: "n1", State: levels.StateUp, Role: levels.RoleMaster, Term: 4, Eligible: true, Qualified: true, Self: true,
				Vote: true, Alive: true, InStep: true, Reached: levels.Last, ReachedAny: true, Version: "1.2.3", ConfigHash: "0123456789abcdef",
			},
		},
		Election: "leading", Voters: 1, VotersHeard: 1,
	}
}

// scenarioHeld is the same node, its init held at level 3.
func scenarioHeld() *report {
	status := scenarioUp()
	position := levels.Position{Sequence: levels.Init, Level: 3}
	status.State, status.Ready, status.MasterReady, status.Reached = levels.StateInitializing, false, false, 2
	status.Nodes[0].State = levels.StateInitializing
	status.Run = &levels.RunView{
		Run: 7, Sequence: levels.Init, Level: 3, Top: 10, Phase: levels.PhaseHeld,
		Reason: "web.service failed: exit status 1", Cause: "boot", Term: 4, Started: ago(12 * time.Second),
		Participants: []levels.Participant{
			{
				Kind: levels.KindCallback, Name: "naming", Position: position, Outcome: levels.OutcomeDone,
				Started: ago(12 * time.Second), Ended: ago(11 * time.Second),
			},
			{
				Kind: levels.KindCallback, Name: "cache", Position: position, Outcome: levels.OutcomeRunning,
				Started: ago(12 * time.Second), Deadline: ago(-78 * time.Second),
			},
			{
				Kind: levels.KindMember, Name: "web.service", Position: position,
				Target: levels.SequenceTarget(position), Outcome: levels.OutcomeFailed, Reason: "exit status 1",
				Started: ago(12 * time.Second), Ended: ago(10 * time.Second),
			},
		},
	}

	return status
}

// scenarioTrouble is a node of three, with standing problems and nobody to lead.
func scenarioTrouble() *report {
	status := scenarioUp()
	status.Master, status.Role, status.MasterReady, status.Quorate, status.Headless = "", levels.RoleSpare, false, false, true
	status.NeedReload = true
	status.Problems = []string{"logind waits 5s, a shutdown may take 5m5s; set InhibitDelayMaxSec=305"}
	status.LostTargets = []levels.Target{levels.SequenceTarget(levels.Position{Sequence: levels.Init, Level: 5})}
	status.Nodes = []levels.NodeView{
		{Node: "n1", State: levels.StateUp, Role: levels.RoleSpare, Term: 4, Eligible: true, Qualified: true, Self: true, Address: "192.0.2.1"},
		{Node: "n2", State: levels.StateDown, Role: levels.RoleUnknown, Term: 4, Eligible: true, Qualified: true, Address: "192.0.2.2"},
		{Node: "n3", State: levels.StateUp, Role: levels.RoleOffline, Term: 4, Eligible: true, Qualified: false, Address: "192.0.2.3"},
		{Node: "w", State: levels.StateUp, Role: levels.RoleNone, Term: 4, Eligible: false, Qualified: true, Address: "192.0.2.4"},
	}

	return status
}

// scenarioEmpty is a node on which nothing takes part.
func scenarioEmpty() *report {
	status := scenarioUp()
	status.Registrations, status.Members = []levels.Registration{}, []levels.MemberView{}

	return status
}

// scenarioJoining is a node that has not found its master yet.
func scenarioJoining() *report {
	status := scenarioEmpty()
	status.State, status.Role, status.Master, status.Ready, status.ReachedAny = levels.StateJoining, levels.RoleSpare, "", false, false
	status.Nodes[0].State = levels.StateJoining

	return status
}
