package units

import (
	"context"
	"errors"
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// Start carries out the order and returns when every member has come to rest; tell
// hears of each at once, on the calling goroutine. When the bus is away it waits for it.
// The error says that systemd could not be asked within the context's time, or that it
// refused altogether; what became of a member is its Outcome. With Units an
// inactive lasting target becomes active once they all went well.
func (d *Driver) Start(ctx context.Context, order levels.StartUnits, tell func(levels.Member)) ([]levels.Member, error) {
	w := d.begin("start", TargetUnit(order.Target), order.Units)
	defer d.board.close(w)
	if tell != nil {
		w.tell = tell
	}
	if order.Resume {
		w.since = monotonicOf(order.Since)
	}
	start := starting{work: w, resume: order.Resume, lasting: !order.Target.Momentary()}

	return d.through(ctx, w, start.attempt)
}

// starting is a start on its way.
type starting struct {
	*work
	// resume is set as soon as a request may have been made before.
	resume  bool
	lasting bool
}

func (w *starting) attempt(ctx context.Context, s *session) error {
	target, err := s.read(ctx, w.target)
	if err != nil {
		return err
	}
	if target.loadState != "loaded" {
		return &UnitError{
			Unit:    w.target,
			Message: "not loaded (" + target.loadState + "): is cssc-generator installed and the level within the configured ones? Try systemctl daemon-reload",
		}
	}
	w.dropAnchor()
	w.take(w.only)
	if len(w.only) == 0 {
		w.take(target.members())
	}
	if w.resume {
		err = w.again(ctx, s, target)
	} else {
		w.resume = true // from here on a request may be on its way
		err = w.request(ctx, s, w.wanted())
	}
	if err != nil {
		return err
	}
	if err := w.wait(ctx, s, func(p *part, st *state, result string) { w.judge(ctx, s, p, st, result) }); err != nil {
		return err
	}

	return w.raise(ctx, s)
}

// wanted names the units to ask for: the target brings its members.
func (w *starting) wanted() []string {
	if len(w.only) > 0 {
		return w.only
	}

	return []string{w.target}
}

// request asks for the jobs of the given units, all at the same time.
func (w *starting) request(ctx context.Context, s *session, units []string) error {
	if slices.Contains(units, w.target) {
		w.anchor(0)
	}
	// Mode "fail" first: "replace" would cancel a shutdown that is under way, as every
	// unit that is not needed for it conflicts with it.
	contested, err := w.ask(ctx, s, units, "fail")
	if err != nil || len(contested) == 0 {
		return err
	}
	if stopping, err := s.shuttingDown(ctx); err != nil {
		return err
	} else if !stopping {
		_, err = w.ask(ctx, s, contested, "replace")

		return err
	}
	for _, unit := range contested {
		refusal := &UnitError{Unit: unit, Name: errDestructive, Message: "the system is shutting down and starts nothing any more"}
		if err := w.refused(ctx, s, unit, refusal); err != nil {
			return err
		}
	}

	return nil
}

// ask requests jobs in one mode and returns the units for which another job is in
// the way; that can happen in mode "fail" only.
func (w *starting) ask(ctx context.Context, s *session, units []string, mode string) (contested []string, err error) {
	requests := make([]request, len(units))
	for i, unit := range units {
		requests[i] = enqueueRequest(unit, "start", mode)
	}
	for i, call := range s.callAll(ctx, requests) {
		jobs, err := s.enqueued(ctx, units[i], call)
		refusal, refused := errors.AsType[*UnitError](err)
		switch {
		case err == nil:
			w.assign(jobs)
		case !refused:
			return nil, err
		case mode == "fail" && refusal.Name == errDestructive:
			contested = append(contested, units[i])
		default:
			if err := w.refused(ctx, s, units[i], refusal); err != nil {
				return nil, err
			}
		}
	}

	return contested, nil
}

// errDestructive is the name of the error for a job that another one is in the way of.
const errDestructive = systemdName + ".TransactionIsDestructive"

// shuttingDown says whether PID 1 is on its way down.
func (s *session) shuttingDown(ctx context.Context) (bool, error) {
	st, err := s.read(ctx, "shutdown.target")
	if err != nil {
		return false, err
	}

	return !st.down(), nil
}

// refused settles the parts of a unit for which there will be no job: the unit alone,
// or, when it is the target, every member. One of them may be the cause (required and
// missing); without such a one the refusal is the result of the work.
func (w *starting) refused(ctx context.Context, s *session, unit string, refusal *UnitError) error {
	states, err := s.readAll(ctx, w.open())
	if err != nil {
		return err
	}
	found := false
	for _, p := range w.parts {
		st := states[p.unit]
		if st == nil || p.settled || (unit != w.target && p.unit != unit) {
			continue
		}
		outcome, reason := classifyLoad(st)
		switch {
		case p.anchor:
			p.settled = true
		case outcome != levels.OutcomeWaiting:
			found = true
			w.settle(p, levels.OutcomeFailed, reason)
		case st.active():
			w.settle(p, levels.OutcomeAlready, "")
		default:
			w.settle(p, levels.OutcomeFailed, "not started: "+refusal.Message)
		}
	}
	if unit == w.target && !found {
		return refusal
	}

	return nil
}

// again asks for what has not been asked for since the work began. The target's own
// traces stand for all; without them each member's own count.
func (w *starting) again(ctx context.Context, s *session, target *state) error {
	if len(w.only) == 0 && (target.job != 0 || target.inactiveExit >= w.since) {
		w.follow(target)

		return nil
	}
	open := w.open()
	states, err := s.readAll(ctx, open)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(open), func(unit string) bool {
		st := states[unit]

		return unit == w.target || st.job != 0 || st.active() || st.askedSince(w.since)
	})
	if len(w.only) == 0 && len(missing) == len(open) {
		missing = w.wanted()
	}

	return w.request(ctx, s, missing)
}

// follow waits for the target's own job, which was asked for before.
func (w *starting) follow(target *state) {
	if target.job == 0 {
		return
	}
	w.anchor(target.job)
}

func (w *starting) judge(ctx context.Context, s *session, p *part, st *state, result string) {
	if p.anchor {
		p.settled = true // what it tells, its members tell better

		return
	}
	e := ended{state: st, result: result, hadJob: p.job != 0, since: w.since}
	if st.activeState == "failed" || result == "failed" || st.waitsForRestart() {
		e.why = s.explain(ctx, p.unit, st)
	}
	outcome, reason := classifyStart(e)
	w.settle(p, outcome, reason)
}

// raise makes a lasting target active whose members were started one by one, without
// touching any unit but the target.
func (w *starting) raise(ctx context.Context, s *session) error {
	well := !slices.ContainsFunc(w.parts, func(p *part) bool { return p.member.Outcome == levels.OutcomeFailed })
	risen := slices.ContainsFunc(w.parts, func(p *part) bool {
		result, _ := w.board.result(p.job)

		return p.anchor && result == "done"
	})
	if !w.lasting || !well || risen {
		return nil
	}
	target := s.glance(ctx, []string{w.target})[w.target]
	if target == nil { // no answer: whether that is the bus, reading it tells
		var err error
		if target, err = s.read(ctx, w.target); err != nil {
			return err
		}
	}
	if !target.down() || target.loadState != "loaded" {
		return nil
	}
	if stopping, err := s.shuttingDown(ctx); err != nil || stopping {
		return err
	}
	jobs, err := s.enqueue(ctx, w.target, "start", "ignore-dependencies")
	if err != nil {
		return err
	}
	w.dropAnchor()
	w.anchor(jobs[0].id)

	return w.wait(ctx, s, func(p *part, _ *state, _ string) { p.settled = true })
}
