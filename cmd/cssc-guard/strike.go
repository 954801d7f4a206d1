package main

import (
	"slices"
	"time"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/units"
)

const (
	// How often: poll is how often it is looked whether what was killed is gone, and askEvery
	// how often PID 1 is asked what something is: its answers cost it time to stop things.
	poll     = time.Millisecond
	askEvery = 5 * time.Millisecond
	// How often: pressEvery is how often what is left after the end is killed again.
	pressEvery = 20 * time.Millisecond
	// How often: stopEvery is how often PID 1 is asked again for the stop of what is up.
	stopEvery = time.Second
	// A limit: mostComebacks is how often a member is killed that something starts again and
	// again, before that counts as a failure.
	mostComebacks = 20
	// Bounds of the time that killing may take, which is what the agent has left of the
	// kill margin.
	shortestSpan = 20 * time.Millisecond
	longestSpan  = 2 * time.Second
	// Bounds of the time for what needs PID 1: members without processes, and the commands
	// that members run to stop.
	shortestPatience = time.Second
	longestPatience  = 30 * time.Second
	// Bounds of the time that PID 1 gets for a reboot before the kernel is asked.
	shortestGrace = 100 * time.Millisecond
	longestGrace  = time.Second
)

// strike is what is done about one lease that has run out, in this order:
//
//	began        every group of every member is killed, and PID 1 is asked to stop the members
//	halfway      what is left is killed again, and PID 1 is asked to kill it too
//	deadline     what serves still is told, killed again and again, and is what the node is
//	             rebooted for
//	patience     so is what only PID 1 could end: a member without processes that is still up,
//	             a command for stopping that does not end, a list that never came
//
// It goes on after all is gone, because something may start a member again, until the
// record says that there is a lease again or that nothing can run any more.
type strike struct {
	term                                 uint64
	began, halfway, deadline, patienceAt int64
	grace                                time.Duration

	// struck: everything was killed once. killed are the units that had a process then: they
	// serve no longer when they have none, whatever PID 1 still thinks of them.
	struck   bool
	struckAt int64
	killed   map[string]bool
	// seen is when a group was found populated first, since it was empty. frozen are those in
	// which something was started of which it is not known yet whether it serves or is a
	// command for stopping: no list was made since. patience is how long that may take.
	seen     map[string]int64
	frozen   map[string]bool
	patience int64
	// comebacks counts the kills after all was gone.
	comebacks int
	// pressed: the second round was done. gone: nothing was left once. failed: that was told.
	pressed, gone, failed bool
	// pressAt, orderAt, stopAt and complainAt are when those may be done again: kill what
	// serves, ask PID 1 for its end, ask for the end of what only PID 1 can end, tell. askedAt
	// is when a list was asked for.
	pressAt, orderAt, stopAt, complainAt, askedAt int64
}

func newStrike(r lease.Record, now int64) *strike {
	s := &strike{term: r.Term, began: now, frozen: map[string]bool{}, seen: map[string]int64{}}
	s.bound(r, now)

	return s
}

// bound sets the times by which the rounds must have helped, counted from now when the guard
// is late.
func (s *strike) bound(r lease.Record, now int64) {
	span := min(max(time.Duration(r.Until-r.KillAt), shortestSpan), longestSpan)
	s.deadline = min(max(r.Until, now+int64(span)), now+int64(longestSpan))
	s.halfway = now + (s.deadline-now)/2
	length := time.Duration(r.Until - r.From)
	s.patience = int64(min(max(length, shortestPatience), longestPatience))
	s.patienceAt = s.deadline + s.patience
	s.grace = min(max(length/4, shortestGrace), longestGrace)
}

// act does what is due about a lease that has run out, and returns when to look again.
func (g *guard) act(now int64) int64 {
	if g.strike == nil || g.strike.term != g.known.Term {
		g.strike = newStrike(g.known, now)
	}
	s, list := g.strike, g.world.roster()
	if !s.struck && list.since != 0 {
		g.first(list, now)
	}
	serving, unknown, ending := g.left(list, now)
	g.forget(list)
	fresh := list.since > s.began // asked for after the first kill
	pause := g.tick
	if !fresh || len(unknown) > 0 {
		pause = askEvery
	}
	if now >= s.askedAt+int64(pause) {
		s.askedAt = now
		g.world.refresh()
	}
	g.hold(unknown)
	switch {
	case !s.struck:
	case len(serving) > 0:
		g.press(serving, now)
	case !s.gone:
		s.gone = true
		g.world.tell(msgGone, field{"term", number(s.term)},
			field{"after_us", number(uint64(g.world.now()-s.began) / 1000)},
			field{"before_end_us", signed((g.known.Until - g.world.now()) / 1000)})
	}
	// Without a fresh list too, and beside something that survives: a request that was lost
	// or refused must not be the last one.
	if again := s.gone && fresh || now >= s.struckAt+int64(stopEvery); len(ending) > 0 && again && now >= s.stopAt {
		s.stopAt = now + int64(stopEvery)
		g.world.stop(names(ending))
	}
	g.judge(serving, unknown, ending, now)
	switch {
	case s.gone && len(serving)+len(unknown) == 0 && now < s.patienceAt && !fresh:
		return now + int64(askEvery) // a list may tell of members that the last one lacked
	case s.gone && len(serving)+len(unknown) == 0 && now < s.patienceAt:
		return min(now+int64(g.tick), s.patienceAt)
	case s.gone && len(serving)+len(unknown) == 0:
		return now + int64(g.tick)
	case s.failed:
		return now + int64(pressEvery)
	default:
		return now + int64(poll)
	}
}

// first kills everything and asks for the stop of everything.
func (g *guard) first(list roster, now int64) {
	s := g.strike
	s.struck, s.struckAt, s.killed = true, now, map[string]bool{}
	s.bound(g.known, now)
	var failed error
	for _, member := range list.members {
		if member.Group == "" {
			continue
		}
		if g.world.populated(member.Group) {
			s.killed[member.Unit] = true
			s.seen[member.Group] = now
		}
		if err := g.world.killGroup(member.Group); err != nil {
			failed = err
		}
	}
	g.world.stop(names(list.members))
	if failed != nil { // the groups cannot be reached: PID 1 can
		g.world.kill(names(list.members))
	}
	fields := []field{{"term", number(s.term)}, {"members", number(uint64(len(list.members)))}, {"late_us", signed((now - g.known.KillAt) / 1000)}}
	if failed != nil {
		fields = append(fields, field{"error", failed.Error()})
	}
	g.world.tell(msgStrike, fields...)
}

// left says what still serves, of what it is not known, and what is left to PID 1: commands
// for stopping, and members that are up without a process. A list can tell only what was
// there before it was asked for.
func (g *guard) left(list roster, now int64) (serving, unknown, ending []units.Doomed) {
	s := g.strike
	for _, member := range list.members {
		runs := member.Group != "" && g.world.populated(member.Group)
		if !runs {
			delete(s.seen, member.Group)
			g.thaw(member.Group) // PID 1 would be stuck with what it starts there next
			if member.Up {
				ending = append(ending, member)
			}

			continue
		}
		since, before := s.seen[member.Group]
		if !before {
			since = now
			s.seen[member.Group] = now
		}
		switch known := list.since > since; {
		case known && member.Ending:
			g.thaw(member.Group)
			ending = append(ending, member)
		case known, since == s.struckAt:
			serving = append(serving, member)
		default:
			unknown = append(unknown, member)
		}
	}

	return serving, unknown, ending
}

// hold keeps from running what was started since the first kill and is not known. It may be
// a command for stopping, or the service once more, because PID 1 hears of the death of a
// service sooner than of the wish that it stays dead. While PID 1 waits for the process to
// become that command, it must run: PID 1 would wait for ever, and never tell what it is.
func (g *guard) hold(unknown []units.Doomed) {
	for _, member := range unknown {
		if g.world.awaited(member.Group) {
			g.thaw(member.Group)

			continue
		}
		g.strike.frozen[member.Group] = true
		g.world.freeze(member.Group, true)
	}
}

// forget lets run what is no member any more.
func (g *guard) forget(list roster) {
	for group := range g.strike.frozen {
		if !slices.ContainsFunc(list.members, func(m units.Doomed) bool { return m.Group == group }) {
			g.thaw(group)
		}
	}
}

// thaw lets a frozen group run again.
func (g *guard) thaw(group string) {
	if g.strike.frozen[group] {
		delete(g.strike.frozen, group)
		g.world.freeze(group, false)
	}
}

// press kills what is left after the first kill.
func (g *guard) press(serving []units.Doomed, now int64) {
	s := g.strike
	came := slices.ContainsFunc(serving, func(m units.Doomed) bool { return s.seen[m.Group] != s.struckAt })
	due := s.gone || came || s.pressed && now >= s.deadline || !s.pressed && now >= s.halfway
	if !due || now < s.pressAt {
		return
	}
	s.pressed, s.pressAt = true, now+int64(pressEvery)
	if s.gone {
		s.comebacks++
	}
	for _, member := range serving {
		_ = g.world.killGroup(member.Group) // told by the first, and PID 1 is asked as well
		g.thaw(member.Group)
	}
	if now >= s.orderAt {
		s.orderAt = now + int64(stopEvery)
		g.world.stop(names(serving))
		g.world.kill(names(serving))
	}
	if s.gone && now >= s.complainAt {
		s.complainAt = now + int64(complainEvery)
		g.world.tell(msgAgain, field{"term", number(s.term)}, field{"unit", serving[0].Unit}, field{"members", number(uint64(len(serving)))})
	}
}

func names(members []units.Doomed) []string {
	out := make([]string, len(members))
	for i, member := range members {
		out[i] = member.Unit
	}

	return out
}

// stuck is the first that only PID 1 could have ended, and has not.
func (s *strike) stuck(g *guard, ending []units.Doomed) (unit string, found bool) {
	for _, member := range ending {
		if !s.killed[member.Unit] || g.world.populated(member.Group) {
			return member.Unit, true
		}
	}

	return "", false
}

// hidden is the first of which PID 1 has not said for a long time what it is.
func (s *strike) hidden(unknown []units.Doomed, now int64) (unit string, found bool) {
	for _, member := range unknown {
		if now >= s.seen[member.Group]+s.patience {
			return member.Unit, true
		}
	}

	return "", false
}

// judge tells, and ends the node where that is wanted, when time is up.
func (g *guard) judge(serving, unknown, ending []units.Doomed, now int64) {
	s := g.strike
	if s.failed || now < s.deadline {
		return
	}
	var unit, why string
	stuck, isStuck := s.stuck(g, ending)
	hidden, isHidden := s.hidden(unknown, now)
	switch patience := now >= s.patienceAt; {
	case len(serving) > 0 && !s.gone:
		unit, why = serving[0].Unit, "it survives SIGKILL"
	case patience && !s.struck:
		why = "PID 1 does not say what runs"
	case patience && len(serving) > 0 && s.comebacks > mostComebacks:
		unit, why = serving[0].Unit, "it comes back again and again"
	case patience && isStuck:
		unit, why = stuck, "PID 1 does not stop it"
	case patience && isHidden:
		unit, why = hidden, "PID 1 does not say whether it serves"
	default:
		return
	}
	s.failed = true
	listed := "never"
	if since := g.world.roster().since; since > s.began {
		listed = time.Duration(now - since).String()
	}
	g.world.tell(msgFailed, field{"term", number(s.term)}, field{"unit", unit}, field{"reason", why}, field{"fence", boolean(g.known.SelfFence)},
		field{"listed", listed}, field{"pid1", g.world.trouble()})
	if g.known.SelfFence {
		g.world.reboot(s.grace)
	}
}
