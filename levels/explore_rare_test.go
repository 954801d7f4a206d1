package levels

import (
	"errors"
	"slices"
	"strings"
)

func rareStates() map[string]*int {
	states := map[string]*int{}
	for _, name := range []string{
		"cancel during last",
		"cancel while held",
		"cancel while members start",
		"done after cancel",
		"done twice",
		"late done resumes held",
		"late done of one of two, still held",
		"vanish while role targets start",
		"registered again supersedes a failure",
		"failed promote is undone by demote",
		"aborted demote is promoted in place",
		"lease lost while a planned demote is held",
		"lease lost while a planned demote runs",
		"elected again while demoting",
		"hung member asked to stop",
		"hung member killed",
		"killed member given up",
		"work finished after it was forgotten",
		"retry failed again",
		"release refused",
		"shutdown while cancelling for another reason",
		"shutdown forced while held",
		"init aborted and begun again",
		"bus lost with an open invocation",
	} {
		states[name] = new(int)
	}
	for _, name := range rareAcross() {
		states[name] = new(int)
	}

	return states
}

// glance is what the table of rare states wants to know of the state before a move.
type glance struct {
	run      RunState
	runs     bool
	busy     int
	pending  int
	held     bool
	redo     bool
	undo     bool
	failures int
	works    []WorkID
	shutting bool
	op       OperationState
	await    *Await
	bar      *Bar
}

func (w *world) look() glance {
	g := glance{
		busy: w.machine.busy, pending: len(w.machine.byTag), redo: w.machine.s.Redo, undo: w.machine.s.Undo,
		shutting: w.machine.s.State == StateShuttingDown,
	}
	if op := w.machine.s.Operation; op != nil {
		g.op, g.await = *op, clone(op.Await)
	}
	g.bar = clone(w.machine.s.Bar)
	if run := w.machine.s.Run; run != nil {
		g.run, g.runs, g.held = *run, true, run.Phase == PhaseHeld
		g.run.Parts = slices.Clone(run.Parts)
		for _, part := range run.Parts {
			if part.Outcome == OutcomeFailed {
				g.failures++
			}
		}
		for _, work := range run.Works {
			g.works = append(g.works, work.ID)
		}
	}

	return g
}

// meet notes which rare states a move went through.
func meet(sometimes map[string]*int, before glance, next move, result Result, w *world) {
	note := func(name string, met bool) {
		if count := sometimes[name]; met && count != nil {
			*count++
		}
	}
	run := w.machine.s.Run
	cancelling := run != nil && run.Phase == PhaseCancelling
	canceled := slices.ContainsFunc(result.Actions, func(a Action) bool {
		finished, ok := a.(TellSequenceFinished)

		return ok && finished.Record.Outcome == outcomeCanceled
	}) || cancelling && before.run.Phase != PhaseCancelling
	has := func(match func(Action) bool) bool { return slices.ContainsFunc(result.Actions, match) }
	done, isDone := next.event.(CallbackDone)
	role, isRole := next.event.(RoleChanged)
	_, vanished := next.event.(ClientVanished)
	_, ticked := next.event.(Ticked)

	note("cancel during last", canceled && before.runs && before.run.atLast())
	note("cancel while held", canceled && before.held)
	note("cancel while members start", canceled && len(before.works) > 0)
	note("done after cancel", isDone && errors.Is(result.Err, ErrNoSuchInvocation) && (cancelling || before.run.Phase == PhaseCancelling))
	note("done twice", isDone && errors.Is(result.Err, ErrNoSuchInvocation))
	note("late done resumes held", isDone && done.OK && before.held && (run == nil || run.Phase != PhaseHeld))
	note("late done of one of two, still held", isDone && done.OK && result.Err == nil && before.held && before.failures > 1)
	note("vanish while role targets start", vanished && slices.ContainsFunc(before.run.Parts, func(p Part) bool {
		return p.Busy && p.Target.Group == "master"
	}))
	if registered, ok := next.event.(Registered); ok {
		note("registered again supersedes a failure", slices.ContainsFunc(before.run.Parts, func(p Part) bool {
			return p.Name == registered.Registration.Component && p.Outcome == OutcomeFailed
		}) && has(func(a Action) bool { _, ok := a.(Invoke); return ok }))
	}
	started := func(sequence Sequence, cause string) bool {
		return has(func(a Action) bool {
			s, ok := a.(TellSequenceStarted)

			return ok && s.Sequence == sequence && strings.Contains(s.Cause, cause)
		})
	}
	note("failed promote is undone by demote", started(Demote, "promote failed"))
	note("aborted demote is promoted in place", started(Promote, "again in place"))
	note("lease lost while a planned demote is held", isRole && role.Lost && before.held && before.run.Sequence == Demote && before.run.Op != 0)
	note("lease lost while a planned demote runs", isRole && role.Lost && before.busy > 0 && before.run.Sequence == Demote && before.run.Op != 0)
	note("elected again while demoting", isRole && role.Role == RoleMaster && before.run.Sequence == Demote)
	note("hung member asked to stop", ticked && has(func(a Action) bool { s, ok := a.(StopUnits); return ok && len(s.Units) > 0 && !s.Kill }))
	note("hung member killed", ticked && has(func(a Action) bool { s, ok := a.(StopUnits); return ok && s.Kill }))
	note("killed member given up", ticked && has(func(a Action) bool {
		d, ok := a.(TellDropped)

		return ok && strings.Contains(d.Reason, "SIGKILL")
	}))
	note("work finished after it was forgotten", next.done != 0 && before.runs && !slices.Contains(before.works, next.done))
	note("retry failed again", w.spent["retry"] > 0 && run != nil && run.Phase == PhaseHeld && !before.held)
	note("release refused", next.name == "refused")
	note("shutdown while cancelling for another reason", next.name == "shutdown" && before.run.Phase == PhaseCancelling && !before.shutting)
	note("shutdown forced while held", next.name == "force" && before.held && result.Err == nil)
	note("init aborted and begun again", next.name == "retry" && !before.runs && result.Err == nil && run != nil)
	note("bus lost with an open invocation", next.name == "buslost" && before.pending > 0)
}
