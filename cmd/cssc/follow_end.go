package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

// endsSystem says whether the operating system goes down at the end of it.
func endsSystem(r request) bool {
	if r.Kind != levels.OperationShutdown {
		return false
	}
	switch r.Mode {
	case levels.ModeReboot, levels.ModePoweroff, levels.ModeHalt, levels.ModeStandalone:
		return true
	case levels.ModeNone, levels.ModeNoboot:
		return false
	default:
		return false
	}
}

// goesDown says that the sequences are behind the node: what is missing now is
// missing because the node goes down.
func (f *follower) goesDown() bool {
	if f.request.Kind.OfCluster() {
		return f.partGoesDown()
	}

	return !f.remote && endsSystem(f.request) && (f.shut || (f.last != nil && f.last.State == levels.StateLeaving))
}

// down ends a shutdown whose connection went with the node.
func (f *follower) down() error {
	if f.request.Kind.OfCluster() {
		return f.partIsDown()
	}
	f.say("%s has left the cluster and %s now", f.node, endingWords(f.request.Mode))

	return f.document(levels.ResultDone, "")
}

func endingWords(mode levels.Mode) string {
	switch mode {
	case levels.ModePoweroff:
		return "powers off"
	case levels.ModeHalt:
		return "halts"
	case levels.ModeStandalone:
		return "reboots, stand-alone until the boot after,"
	case levels.ModeNone, levels.ModeReboot, levels.ModeNoboot:
		return "reboots"
	default:
		return "reboots"
	}
}

// ended reports the result that the agent gave.
func (f *follower) ended(operation levels.OperationView) error {
	switch operation.Result {
	case levels.ResultDone:
		if endsSystem(f.request) {
			return f.down()
		}
		f.say("%s", f.doneWords(operation))

		return f.document(operation.Result, "")
	case levels.ResultFailed, levels.ResultCanceled, levels.ResultRunning:
		if err := f.document(operation.Result, operation.Error); err != nil {
			return err
		}

		return failed(exitFailed, fmt.Errorf("%s: %s: %s", requestWords(f.request), operation.Result, dash(operation.Error)),
			f.whatHappened())
	default:
		return fmt.Errorf("%s: unknown result %d", requestWords(f.request), operation.Result)
	}
}

func (f *follower) doneWords(operation levels.OperationView) string {
	took := span(operation.Ended.Sub(operation.Started))
	where, node := "", ""
	if f.remote {
		where, node = "on "+f.node+": ", " "+f.node
	}
	switch f.request.Kind {
	case levels.OperationShutdown:
		return fmt.Sprintf("%s has left the cluster after %s; its cluster services are stopped, the node stays up; back with: %scssc start",
			operation.Node, took, where)
	case levels.OperationDisqualify:
		return fmt.Sprintf("%s is locked after %s; it holds no role until: cssc unlock%s", operation.Node, took, node)
	case levels.OperationQualify:
		return fmt.Sprintf("%s is unlocked after %s; it may hold a role again", operation.Node, took)
	case levels.OperationStart:
		return fmt.Sprintf("%s is back in the cluster after %s", operation.Node, took)
	case levels.OperationSwitchover:
		return fmt.Sprintf("%s has handed the mastership over to %s after %s", operation.Node, dash(string(operation.To)), took)
	case levels.OperationClusterShutdown:
		return "all nodes are shut down after " + took + without(operation)
	case levels.OperationRollingReboot:
		return "all nodes were rebooted after " + took + without(operation)
	case levels.OperationUnknown:
		return fmt.Sprintf("%s of %s done after %s", operation.Kind, operation.Node, took)
	default:
		return fmt.Sprintf("%s of %s done after %s", operation.Kind, operation.Node, took)
	}
}

// whatHappened says where a failed operation can be looked into.
func (f *follower) whatHappened() string {
	if f.remote {
		return "what happened: cssc status " + f.node + "; on " + f.node + ": cssc history"
	}

	return "what happened: cssc history; cssc status"
}

// forgotten ends the watch of an operation that the agent does not list any more.
func (f *follower) forgotten() error {
	hint := "see what became of it: cssc status; cssc history"
	if f.remote {
		hint = "the agent here was restarted and follows it no more; it goes on: cssc status " + f.node
	}

	return failed(exitFailed, fmt.Errorf("%s: the agent does not know operation %d any more", requestWords(f.request), f.id), hint)
}

// held stops following: an operator must decide, and the operation goes on after.
func (f *follower) held(status *report) error {
	f.screen.stay()
	run, hints, where := status.Run, heldHints(status.Run.Sequence), ""
	if f.remote {
		where = " on " + f.node + ", and what to do about it is to be typed there"
	}
	if !f.app.asJSON {
		f.app.printf("%s", f.app.runScreen(status))
		hints = nil // the screen has them
	}
	if err := f.document(levels.ResultRunning, "held at "+run.Sequence.String()+" level "+run.Level.String()); err != nil {
		return err
	}

	return failed(exitAttention,
		fmt.Errorf("%s: %s is held at level %s%s; it goes on when that is resolved",
			requestWords(f.request), run.Sequence, run.Level, where), hints...)
}

// cut ends a watch whose bus connection or time is over.
func (f *follower) cut(ctx context.Context) error {
	switch {
	case f.goesDown():
		return f.down()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: not over yet: %w", requestWords(f.request), context.DeadlineExceeded)
	case ctx.Err() != nil:
		return ctx.Err()
	case f.broken != nil:
		return f.unknown(f.broken)
	default:
		return f.unknown(errNoBus)
	}
}

// unknown is the honest end when nobody can be asked any more.
func (f *follower) unknown(cause error) error {
	where := "before its first step was seen"
	switch {
	case f.remote, f.request.Kind.OfCluster():
		where = "at: " + f.step
	case f.last != nil && f.last.Run != nil:
		where = fmt.Sprintf("at %s level %s", f.last.Run.Sequence, f.last.Run.Level)
	}

	return failed(exitUnreachable,
		fmt.Errorf("%s: lost sight of it %s: %w", requestWords(f.request), where, cause),
		"it may still go on: cssc status; journalctl -b -u cssc-agent")
}

func (f *follower) say(format string, args ...any) {
	f.screen.stay(f.app.paint().good("✓") + " " + printable(fmt.Sprintf(format, args...)))
}

func (f *follower) document(outcome levels.OperationResult, text string) error {
	if !f.app.asJSON {
		return nil
	}

	return f.app.printJSONLine(resultDocument{
		Operation: f.id, Kind: f.request.Kind, Node: f.node, Mode: f.request.Mode, Result: outcome, Error: text,
	})
}
