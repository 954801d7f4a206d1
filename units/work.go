package units

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// work is one order on its way, owned by the goroutine that called Start or Stop. It
// outlives connections.
type work struct {
	board *board
	verb  string
	// target is the unit that is started or stopped with the parts; empty for none.
	target string
	// since is when the work began, for telling old evidence from new.
	since monotonic
	// only are the units asked for; empty for all members of the target.
	only  []string
	parts []*part
	// wake has capacity 1 and receives after any job ended. Never closed.
	wake chan struct{}
	tell func(levels.Member)
	// kill makes every round of a stop send SIGKILL again.
	kill bool
}

// part is one unit's share of a work.
type part struct {
	unit string
	// job is that which is waited for; 0 when there is none.
	job     uint32
	settled bool
	// anchor marks the target itself, which is waited for and not reported.
	anchor bool
	member levels.Member
}

func (d *Driver) begin(verb, target string, only []string) *work {
	w := &work{
		board: d.board, verb: verb, target: target, only: only, since: monotonicNow(),
		wake: make(chan struct{}, 1), tell: func(levels.Member) {},
	}
	d.board.open(w)

	return w
}

// through runs one attempt after another, each on a connection of its own, until one
// comes to an end of the work's own or ctx is over.
func (d *Driver) through(ctx context.Context, w *work, attempt func(ctx context.Context, s *session) error) ([]levels.Member, error) {
	for {
		s, err := d.link.session(ctx)
		if err == nil {
			err = attempt(ctx, s)
		}
		switch {
		case err == nil:
			return w.members(), nil
		case errors.Is(err, errLost) && ctx.Err() == nil:
			if s.conn.Context().Err() == nil {
				_ = s.conn.Close() // no answer within callTimeout: begin anew
			}
		default:
			return w.members(), fmt.Errorf("%s %s: %w", w.verb, w.object(), err)
		}
	}
}

func (w *work) object() string {
	if w.target != "" {
		return w.target
	}
	if len(w.only) > 0 {
		return w.only[0]
	}

	return "nothing"
}

// members lists what has settled, in the order of the parts.
func (w *work) members() []levels.Member {
	out := make([]levels.Member, 0, len(w.parts))
	for _, p := range w.parts {
		if p.settled && !p.anchor {
			out = append(out, p.member)
		}
	}

	return out
}

// take makes parts of the units named, keeping what an earlier attempt found out.
func (w *work) take(units []string) {
	known := map[string]bool{}
	for _, p := range w.parts {
		known[p.unit] = true
	}
	for _, unit := range units {
		if !known[unit] {
			known[unit] = true
			w.parts = append(w.parts, &part{unit: unit})
		}
	}
}

// anchor adds the target itself to what is waited for.
func (w *work) anchor(job uint32) {
	w.parts = append(w.parts, &part{unit: w.target, anchor: true, job: job})
}

func (w *work) dropAnchor() {
	w.parts = slices.DeleteFunc(w.parts, func(p *part) bool { return p.anchor })
}

func (w *work) open() []string {
	var names []string
	for _, p := range w.parts {
		if !p.settled {
			names = append(names, p.unit)
		}
	}

	return names
}

// settle closes a part and tells of it.
func (w *work) settle(p *part, outcome levels.Outcome, reason string) {
	p.settled = true
	p.member = levels.Member{Unit: p.unit, Outcome: outcome, Reason: reason}
	if !p.anchor {
		w.tell(p.member)
	}
}

// assign notes which job belongs to which part.
func (w *work) assign(jobs []affected) {
	for _, job := range jobs {
		for _, p := range w.parts {
			if p.unit == job.unit && !p.settled {
				p.job = job.id
			}
		}
	}
}

// wait calls judge for every open part whose job has ended, or that is at rest, until
// none is open. The state it gets was read after the job's end.
func (w *work) wait(ctx context.Context, s *session, judge func(p *part, st *state, result string)) error {
	every := tick
	if w.kill {
		every = killTick
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for all := false; ; { // the jobs have just been made: only their ends are news
		if err := w.look(ctx, s, all, judge); err != nil {
			return err
		}
		open := w.open()
		if len(open) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d units have not come to rest, the first is %s: %w", len(open), open[0], ctx.Err())
		case <-s.done():
			return errLost
		case <-w.wake:
			w.linger(ctx, s)
			all = false
		case <-ticker.C:
			all = true
			if w.kill {
				s.killAll(ctx, open)
			}
		}
	}
}

// linger waits for the end of the other jobs, for a moment at the most: one look at many units
// costs PID 1 hardly more than one at a single unit.
func (w *work) linger(ctx context.Context, s *session) {
	timer := time.NewTimer(together)
	defer timer.Stop()
	for slices.ContainsFunc(w.parts, w.awaited) {
		select {
		case <-w.wake:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-s.done():
			return
		}
	}
}

// awaited says whether the part has a job of which no end was heard.
func (w *work) awaited(p *part) bool {
	_, ended := w.board.result(p.job)

	return !p.settled && p.job != 0 && !ended
}

// look reads the open parts: all of them, or those without a job and those whose job
// has ended. What a glance settles is not read whole, and the target itself not at all once
// the end of its job was heard.
func (w *work) look(ctx context.Context, s *session, all bool, judge func(p *part, st *state, result string)) error {
	var names []string
	for _, p := range w.parts {
		_, ended := w.board.result(p.job)
		p.settled = p.settled || p.anchor && ended
		if !p.settled && (all || ended || p.job == 0) {
			names = append(names, p.unit)
		}
	}
	if len(names) == 0 {
		return nil
	}
	states := s.glance(ctx, names)
	names = slices.DeleteFunc(names, func(name string) bool { return states[name] != nil && w.plain(name, states[name]) })
	whole, err := s.readAll(ctx, names)
	if err != nil {
		return err
	}
	maps.Copy(states, whole)
	for _, p := range w.parts {
		st := states[p.unit]
		if p.settled || st == nil {
			continue
		}
		// The end of a job is heard before a state without that job is read. A state that
		// still has the job is from before its end, even when that was heard meanwhile:
		// then wake is set and the state is read again.
		result, ended := w.board.result(p.job)
		switch {
		case p.job != 0 && st.job == p.job:
		case ended || st.atRest():
			judge(p, st, result)
		case p.job == 0:
			p.job = st.job
		}
	}

	return nil
}

// plain says whether a glance is enough to judge a unit: its job is done and it is as
// the job should leave it, or the job is still there.
func (w *work) plain(name string, st *state) bool {
	at := slices.IndexFunc(w.parts, func(p *part) bool { return p.unit == name })
	job := w.parts[at].job
	result, _ := w.board.result(job)
	switch {
	case job == 0:
		return false
	case st.job == job:
		return true
	case result != "done" || st.job != 0 || st.loadState != "loaded":
		return false
	case w.verb == "start":
		return st.activeState == "active"
	default:
		return st.activeState == "inactive"
	}
}
