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
	status.Nodes = scenarioCluster().Nodes
	status.Nodes[0].Role, status.Nodes[0].Self, status.Nodes[0].Heard = levels.RoleSpare, true, 0
	status.Nodes[1].Role, status.Nodes[1].Self, status.Nodes[1].Alive, status.Nodes[1].Heard = levels.RoleUnknown, false, false, ago(12*time.Second)
	status.Nodes[2].Role, status.Nodes[2].Qualified = levels.RoleOffline, false
	status.Election, status.Voters, status.VotersHeard = "following", 4, 3

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

// scenarioCluster is a cluster of four in good order, as its vice n2 sees it: n1 leads, n3
// is on its way up, and w is a witness.
func scenarioCluster() *report {
	status := scenarioUp()
	const hash = "0123456789abcdef"
	status.Node, status.Role, status.Vice, status.Term = "n2", levels.RoleVice, "n2", 12
	status.Election, status.Voters, status.VotersHeard = "following", 4, 4
	status.Nodes = []levels.NodeView{
		{Node: "n1", State: levels.StateUp, Role: levels.RoleMaster, Eligible: true, Reached: levels.Last},
		{Node: "n2", State: levels.StateUp, Role: levels.RoleVice, Eligible: true, Reached: levels.Last, Self: true},
		{Node: "n3", State: levels.StateInitializing, Role: levels.RoleSpare, Eligible: true, Reached: 4},
		{Node: "w", State: levels.StateUp, Role: levels.RoleNone, Reached: levels.Last},
	}
	for i := range status.Nodes {
		node := &status.Nodes[i]
		node.Term, node.Qualified, node.Vote, node.Alive, node.InStep = 12, true, true, true, true
		node.ReachedAny, node.Version, node.ConfigHash = true, "1.2.3", hash
		node.Address = "192.0.2." + string(rune('1'+i)) + ":7946"
		if !node.Self {
			node.Heard = ago(100 * time.Millisecond)
		}
	}

	return status
}

// scenarioCutOff is the same cluster as n2 sees it when it is cut off: n1 and n3 were heard
// a while ago, w never.
func scenarioCutOff() *report {
	status := scenarioCluster()
	status.Role, status.Master, status.Vice, status.MasterReady = levels.RoleSpare, "", "", false
	status.Quorate, status.Headless, status.VotersHeard = false, true, 1
	status.Why = "no master: no majority: 1 of 4 voters"
	for i := range status.Nodes {
		if node := &status.Nodes[i]; node.Self {
			node.Role = levels.RoleSpare
		} else {
			node.Role, node.Alive, node.Heard = levels.RoleUnknown, false, ago(12*time.Second)
		}
	}
	status.Nodes[3].Heard = 0

	return status
}

// scenarioDrift is the cluster with two nodes whose configuration is another.
func scenarioDrift() *report {
	status := scenarioCluster()
	status.Nodes[2].InStep, status.Nodes[2].Differs = false, []string{"mastership.lease", "node.vote"}
	status.Nodes[2].State, status.Nodes[2].Reached = levels.StateUp, levels.Last
	status.Nodes[3].InStep = false

	return status
}

// scenarioUnproven is a node that has lost its state file and does not vote.
func scenarioUnproven() *report {
	status := scenarioCutOff()
	status.State, status.Nodes[1].State, status.Headless = levels.StateJoining, levels.StateJoining, false
	status.Election, status.Why = "forming", "this voter has lost its record of votes and waits for n1, n3, w"

	return status
}

// fakeKeys are those of a cluster in which a rotation was interrupted: n3 was away.
func fakeKeys() []levels.KeyView {
	return []levels.KeyView{
		{Key: "3f9c0a77be12", Primary: true, Nodes: []levels.NodeID{"n1", "n2", "n3"}},
		{Key: "77be123f9c0a", Nodes: []levels.NodeID{"n1", "n2"}, Missing: []levels.NodeID{"n3"}},
	}
}

// scenarioTwo is the second of two nodes, which has lost the first.
func scenarioTwo() *report {
	status := scenarioCutOff()
	status.Nodes, status.Voters = status.Nodes[:2], 2
	status.Why = "no majority of voters can be reached"

	return status
}

// scenarioBarred is a spare whose promote failed a moment ago.
func scenarioBarred() *report {
	status := scenarioCluster()
	node := &status.Nodes[2]
	node.State, node.Reached = levels.StateUp, levels.Last
	node.Why = "promote failed, no role until 14:03:22: db failed: no disk"

	return status
}

// scenarioOdd is the cluster as n2 sees it when its own configuration is another.
func scenarioOdd() *report {
	status := scenarioCluster()
	for i := range status.Nodes {
		if node := &status.Nodes[i]; !node.Self {
			node.InStep, node.Differs, node.Why = false, []string{"node.vote"}, "another configuration: node.vote"
		}
	}

	return status
}
