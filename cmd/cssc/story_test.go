package main

import (
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// storyOf is what an operation does: two levels of shut with a failure that does not
// stop it, or one level of a role change.
func (f *fakeAgent) storyOf(operation levels.OperationView) []step {
	if operation.Kind.OfCluster() {
		return f.clusterStory(operation)
	}
	if operation.Node != f.status.Node && operation.Kind != levels.OperationSwitchover {
		return f.remoteStory(operation)
	}
	switch operation.Kind {
	case levels.OperationShutdown:
		return f.shutStory(operation)
	case levels.OperationDisqualify:
		return f.heldStory()
	case levels.OperationSwitchover:
		return f.waitStory(operation)
	default:
		return []step{finish(operation, levels.ResultDone, "")}
	}
}

func (f *fakeAgent) shutStory(operation levels.OperationView) []step {
	const run = levels.RunNumber(9)
	third := levels.Position{Sequence: levels.Shut, Level: 3}
	last := levels.Position{Sequence: levels.Shut, Level: levels.Last}
	failed := levels.Participant{
		Kind: levels.KindCallback, Name: "naming", Position: third, Outcome: levels.OutcomePassed,
		Reason: "not now", Started: ago(2 * time.Second), Ended: ago(time.Second),
	}
	steps := []step{
		{change: func(status *report) {
			status.State = levels.StateShuttingDown
			status.Run = shutRun(third,
				levels.Participant{Kind: levels.KindCallback, Name: "naming", Position: third, Outcome: levels.OutcomeRunning, Started: ago(0)},
				levels.Participant{Kind: levels.KindMember, Name: "db.service", Position: third, Outcome: levels.OutcomeRunning, Started: ago(0)})
		}, notices: []levels.Action{levels.TellSequenceStarted{Run: run, Sequence: levels.Shut, Term: 4, Cause: "operation"}}},
		{change: func(status *report) {
			status.Run.Participants[0] = failed
			status.Run.Participants[1].Outcome = levels.OutcomeDone
		}, notices: []levels.Action{levels.TellFailed{Run: run, Participant: failed, Policy: levels.PolicyContinue}}},
		{change: func(status *report) {
			status.Run = shutRun(last, levels.Participant{
				Kind: levels.KindMember, Name: "naming.service", Position: last, Outcome: levels.OutcomeRunning, Started: ago(0),
			})
		}, notices: []levels.Action{levels.TellLevelReached{Run: run, Position: third}}},
		{change: func(status *report) { status.Run, status.State = nil, levels.StateLeaving }, notices: []levels.Action{
			levels.TellLevelReached{Run: run, Position: last},
			levels.TellSequenceFinished{Record: levels.RunRecord{
				Run: run, Sequence: levels.Shut, Term: 4, Cause: "operation", Outcome: "completed",
				Started: ago(3 * time.Second), Ended: ago(0),
			}},
		}},
	}
	if operation.Mode == levels.ModeNoboot {
		end := finish(operation, levels.ResultDone, "")
		change := end.change
		end.change = func(status *report) {
			change(status)
			status.State, status.Nodes[0].State, status.Ready = levels.StateDown, levels.StateDown, false
		}

		return append(steps, end)
	}

	return append(steps, step{change: func(*report) {}, end: f.vanish})
}

// remoteStory is an operation on another node, which is lost while it is unlocked.
func (f *fakeAgent) remoteStory(operation levels.OperationView) []step {
	at := func(text string) step {
		return step{change: func(status *report) { status.Operations[len(status.Operations)-1].Step = text }}
	}
	if operation.Kind == levels.OperationQualify {
		return []step{at("qualify level 0"), finish(operation, levels.ResultFailed,
			"n3 was lost while it did this: qualify level 0; what it did so far stays; ask n3: not reached")}
	}

	return []step{at("demote level 0"), at("disqualify level last"), finish(operation, levels.ResultDone, "")}
}

// clusterStory is an operation on every node, of which this one is a part in the end. A rolling
// reboot for the reason "trouble" stops at the second node.
func (f *fakeAgent) clusterStory(operation levels.OperationView) []step {
	at := func(text string) step {
		return step{change: func(status *report) { status.Operations[len(status.Operations)-1].Step = text }}
	}
	steps := []step{at("n3: shutting-down, 0 of 3 done"), at("n2: asked to stop, 1 of 3 done")}
	if operation.Reason == "trouble" {
		return append(steps, finish(operation, levels.ResultFailed,
			"n2 did not come back within 20m0s, it is away; done: n3; not begun: n1"))
	}
	if operation.Mode == levels.ModeNoboot {
		operation.Error = "without n2 (was lost before it had left in order)"

		return append(steps, finish(operation, levels.ResultDone, operation.Error))
	}
	down := at("n1: shutting-down, 2 of 3 done")
	last := down.change
	down.change = func(status *report) {
		last(status)
		status.State = levels.StateShuttingDown
	}

	return append(steps, down, step{change: func(*report) {}, end: f.vanish})
}

// waitStory is a switchover that waits for the new master, and for no level of its own.
func (f *fakeAgent) waitStory(operation levels.OperationView) []step {
	waits := func(text string) step {
		return step{change: func(status *report) { status.Operations[len(status.Operations)-1].Step = text }}
	}

	return []step{
		waits("waiting for n2 to take over"), waits("waiting for n2 to finish promote, now at level 1"),
		finish(operation, levels.ResultDone, ""),
	}
}

// heldStory is a disqualify that nobody can finish without an operator.
func (f *fakeAgent) heldStory() []step {
	position := levels.Position{Sequence: levels.Demote, Level: 0}

	return []step{{change: func(status *report) {
		status.Run = shutRun(position, levels.Participant{
			Kind: levels.KindCallback, Name: "naming", Position: position, Outcome: levels.OutcomeFailed, Reason: "busy",
			Started: ago(time.Second), Ended: ago(0),
		})
		status.Run.Phase, status.Run.Reason = levels.PhaseHeld, "naming failed: busy"
		status.Operations[len(status.Operations)-1].Step = "demote level 0"
	}}}
}

func shutRun(position levels.Position, participants ...levels.Participant) *levels.RunView {
	return &levels.RunView{
		Run: 9, Sequence: position.Sequence, Level: position.Level, Top: 10, Phase: levels.PhaseRunning,
		Cause: "operation", Term: 4, Started: ago(0), Participants: participants,
	}
}

func finish(operation levels.OperationView, result levels.OperationResult, text string) step {
	operation.Result, operation.Error, operation.Ended, operation.Step = result, text, bootClock(), "ended"

	return step{change: func(status *report) {
		for i := range status.Operations {
			if status.Operations[i].ID == operation.ID {
				status.Operations[i] = operation
			}
		}
	}, notices: []levels.Action{levels.TellOperationFinished{Operation: operation}}}
}
