package units

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Stop carries out the order and returns when every unit is really inactive; then,
// unless Units are named, the target is stopped too. A member that a target of Keep
// wants is left alone and reported as skipped. A unit that is down already costs no job.
// With Kill every process of the units gets SIGKILL, again and again until none is left.
// The error says that systemd could not be asked within the context's time, or that the
// context ended before the units did.
func (d *Driver) Stop(ctx context.Context, order levels.StopUnits) ([]levels.Member, error) {
	w := d.begin("stop", TargetUnit(order.Target), order.Units)
	defer d.board.close(w)
	w.kill = order.Kill
	stop := stopping{work: w, keep: order.Keep}

	return d.through(ctx, w, stop.attempt)
}

type stopping struct {
	*work
	keep []levels.Target
	// down: the target was down before anything was stopped.
	down bool
}

func (w *stopping) attempt(ctx context.Context, s *session) error {
	if err := w.gather(ctx, s); err != nil {
		return err
	}
	// A stop is asked for anew on each connection: asking twice is harmless.
	w.dropAnchor()
	if err := w.request(ctx, s); err != nil {
		return err
	}
	if err := w.wait(ctx, s, func(p *part, st *state, result string) { w.judge(ctx, s, p, st, result) }); err != nil {
		return err
	}
	if len(w.only) > 0 {
		return nil
	}
	if w.down {
		return nil
	}
	jobs, err := s.enqueue(ctx, w.target, "stop", "replace")
	if err != nil {
		return err
	}
	w.anchor(jobs[0].id)
	w.kill = false

	return w.wait(ctx, s, func(p *part, _ *state, _ string) { p.settled = true })
}

// gather finds the parts and settles those that are kept.
func (w *stopping) gather(ctx context.Context, s *session) error {
	if len(w.parts) > 0 {
		return nil
	}
	names := []string{w.target}
	for _, target := range w.keep {
		names = append(names, TargetUnit(target))
	}
	states, err := s.readAll(ctx, names)
	if err != nil {
		return err
	}
	w.take(w.only)
	w.down = states[w.target].down()
	if len(w.only) == 0 {
		w.take(states[w.target].members())
	}
	for _, name := range names[1:] {
		kept := states[name].members()
		for _, p := range w.parts {
			if !p.settled && slices.Contains(kept, p.unit) {
				w.settle(p, levels.OutcomeSkipped, "kept: "+name+" wants it too")
			}
		}
	}

	return nil
}

// request asks for the stop of every open part that is not down yet.
func (w *stopping) request(ctx context.Context, s *session) error {
	states, err := s.glanceAll(ctx, w.open())
	if err != nil {
		return err
	}
	var units []string
	for _, p := range w.parts {
		switch st := states[p.unit]; {
		case p.settled:
		case st.down():
			w.settle(p, levels.OutcomeAlready, "")
		default:
			units = append(units, p.unit)
		}
	}
	requests := make([]request, len(units))
	for i, unit := range units {
		requests[i] = enqueueRequest(unit, "stop", "replace")
	}
	calls := s.callAll(ctx, requests)
	if w.kill {
		s.killAll(ctx, units)
	}
	for i, call := range calls {
		jobs, err := s.enqueued(ctx, units[i], call)
		refusal, refused := errors.AsType[*UnitError](err)
		switch {
		case err == nil:
			w.assign(jobs)
		case refused && refusal.Name == systemdName+".NoSuchUnit":
			// It went away by itself; the wait sees that it is down.
		default:
			return err
		}
	}

	return nil
}

func (w *stopping) judge(ctx context.Context, s *session, p *part, st *state, result string) {
	why := ""
	if st.activeState == "failed" {
		why = s.explain(ctx, p.unit, st)
	}
	if w.kill && st.inactive() {
		if left := s.survivors(ctx, p.unit); left > 0 {
			w.settle(p, levels.OutcomeFailed, fmt.Sprintf("%d processes survive SIGKILL", left))

			return
		}
	}
	outcome, reason := classifyStop(st, result, why)
	w.settle(p, outcome, reason)
}

// killAll sends SIGKILL to every process of the units. What is gone already is what
// was wanted, so that the answers do not matter.
func (s *session) killAll(ctx context.Context, units []string) []*dbus.Call {
	requests := make([]request, len(units))
	for i, unit := range units {
		requests[i] = killRequest(unit)
	}

	return s.callAll(ctx, requests)
}

func killRequest(unit string) request {
	return request{manager(), systemdManager + ".KillUnit", []any{unit, "all", int32(syscall.SIGKILL)}}
}

// Kill sends SIGKILL to every process of the units, their whole control groups, and
// neither waits for their end nor keeps systemd from starting them again: Stop does. A
// unit that systemd does not know has nothing to kill. The error says that systemd could
// not be asked within the context's time, or refused.
func (d *Driver) Kill(ctx context.Context, units []string) error {
	s, err := d.link.session(ctx)
	if err != nil {
		return fmt.Errorf("kill units: %w", err)
	}
	var errs []error
	for i, call := range s.killAll(ctx, units) {
		remote, refused := errors.AsType[dbus.Error](call.Err)
		switch {
		case call.Err == nil, refused && remote.Name == systemdName+".NoSuchUnit":
		case s.broken(call.Err):
			errs = append(errs, fmt.Errorf("%w: kill unit %s: %w", ErrNoBus, units[i], call.Err))
		case refused:
			errs = append(errs, &UnitError{Unit: units[i], Name: remote.Name, Message: remote.Error()})
		default:
			errs = append(errs, fmt.Errorf("kill unit %s: %w", units[i], call.Err))
		}
	}

	return errors.Join(errs...)
}

// survivors counts the processes left in a unit's control group.
func (s *session) survivors(ctx context.Context, unit string) int {
	var processes []struct {
		Group   string
		PID     uint32
		Command string
	}
	if s.call(ctx, manager(), systemdManager+".GetUnitProcesses", unit).Store(&processes) != nil {
		return 0
	}

	return len(processes)
}
