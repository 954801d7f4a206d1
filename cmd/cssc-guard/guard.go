package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/units"
)

const (
	// How often: defaultTick is how often the record is looked at when systemd asks for no
	// pings; with a watchdog it is half of that.
	defaultTick = 250 * time.Millisecond
	// How often: refreshEvery is how often the members are listed while a lease is held, for
	// what no signal has told.
	refreshEvery = 10 * time.Second
	// How often: complainEvery is the pause between two messages about the same trouble.
	complainEvery = 10 * time.Second
)

// world is everything outside of the guard's decisions. No method but wait blocks.
type world interface {
	// now is the lease clock in nanoseconds.
	now() int64
	// wait returns at the instant, or earlier.
	wait(until int64)
	// read returns the record in force, or why there is none.
	read() (lease.Record, error)
	// roster is the newest list of members; refresh asks for a newer one and returns at
	// once, rest says that none is needed for now.
	roster() roster
	refresh()
	rest()
	// stop and kill ask PID 1; nobody waits for an answer.
	stop(names []string)
	kill(names []string)
	// trouble is what went wrong with PID 1 last, or what it has refused; empty = nothing.
	trouble() string
	// killGroup kills every process of a control group, freeze keeps them from running,
	// populated says whether there is any, awaited whether PID 1 stands still until one of
	// them has become the command that PID 1 starts.
	killGroup(group string) error
	freeze(group string, on bool)
	populated(group string) bool
	awaited(group string) bool
	// reboot ends the node by force: it asks PID 1, and after the grace the kernel.
	reboot(grace time.Duration)
	// ping tells the watchdog that the guard lives.
	ping()
	tell(kind messageKind, fields ...field)
}

// roster is a list of the members of the master's targets.
type roster struct {
	// since is when it was asked for; 0 = there is none yet.
	since   int64
	members []units.Doomed
}

// guard watches one lease. It is owned by the goroutine of run.
type guard struct {
	world world
	tick  time.Duration

	// known is the newest good record. It stays in force when the file cannot be read any
	// more: nobody has said that the lease is over or longer.
	known lease.Record
	// strike is what is done about a lease that has run out; nil while none has.
	strike *strike
	// refreshAt is when the members are listed again.
	refreshAt int64
	// blind is the trouble with the record that was told last, complainAt when it may be
	// told again.
	blind      string
	complainAt int64
}

// newGuard returns a guard that pings at least twice in interval; 0 = nobody listens.
func newGuard(w world, interval time.Duration) *guard {
	tick := defaultTick
	if interval > 0 {
		tick = min(tick, interval/2)
	}

	return &guard{world: w, tick: tick}
}

// run watches until ctx ends.
func (g *guard) run(ctx context.Context) {
	g.world.tell(msgStarted, field{"tick", g.tick.String()})
	next := g.turn()
	g.inherit()
	for ctx.Err() == nil {
		g.world.wait(next)
		next = g.turn()
	}
	g.release()
}

// inherit lets run what a guard before this one has frozen before it was killed. The first
// look comes before, so that what must not run is dead by then.
func (g *guard) inherit() {
	for _, member := range g.world.roster().members {
		if member.Group != "" && (g.strike == nil || !g.strike.frozen[member.Group]) {
			g.world.freeze(member.Group, false)
		}
	}
}

// release thaws everything: PID 1 is stuck with what it starts in a frozen group.
func (g *guard) release() {
	if g.strike != nil {
		for group := range g.strike.frozen {
			g.thaw(group)
		}
	}
}

// turn looks once, does what is due, and returns when to look again.
func (g *guard) turn() int64 {
	g.world.ping()
	g.look()
	now := g.world.now()
	next := now + int64(g.tick)
	switch {
	case g.known.Due(now):
		return min(next, g.act(now))
	case g.known.Held:
		g.end()
		if now >= g.refreshAt {
			g.refreshAt = now + int64(refreshEvery)
			g.world.refresh()
		}

		if g.known.KillAt != 0 {
			next = min(next, g.known.KillAt)
		}

		return next
	default:
		g.end()
		g.refreshAt = 0
		g.world.rest()

		return next
	}
}

// end forgets a strike: there is a longer lease, or nothing runs any more.
func (g *guard) end() {
	if g.strike != nil {
		g.release()
		g.world.tell(msgOver, field{"term", number(g.strike.term)})
		g.strike = nil
	}
}

// look reads the record. What cannot be read is told, and changes nothing.
func (g *guard) look() {
	record, err := g.world.read()
	switch {
	case err == nil:
		if g.known.Held != record.Held || g.known.Term != record.Term {
			g.world.tell(msgArmed, field{"term", number(record.Term)}, field{"held", boolean(record.Held)})
		}
		g.known, g.blind = record, ""
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, lease.ErrNone):
		if g.known.Held { // it was there: without it the agent cannot end or prolong anything
			g.complain("the record is gone")
		}
	default:
		g.complain(err.Error())
	}
}

// complain tells of a record that cannot be read, once in a while.
func (g *guard) complain(why string) {
	now := g.world.now()
	if why == g.blind && now < g.complainAt {
		return
	}
	g.blind, g.complainAt = why, now+int64(complainEvery)
	g.world.tell(msgBlind, field{"error", why}, field{"held", boolean(g.known.Held)})
}
