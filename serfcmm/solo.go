package serfcmm

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	firstBackOff   = time.Second
	longestBackOff = time.Minute
)

// SoloStart is what a solo cluster begins with.
type SoloStart struct {
	Node      levels.NodeID
	Eligible  bool
	Qualified bool
	// Term is the highest that was ever told; Master says that this node holds it
	// still, because only the agent was restarted.
	Term   levels.Term
	Master bool
	// Left: the node is out of the cluster until Join.
	Left bool
}

// Solo is the cluster of one: this node is the master as soon as it may be.
// Run owns the state; the other methods are safe for concurrent use and end
// with their context. Solo satisfies agent.Cluster.
type Solo struct {
	start SoloStart
	// commands is unbuffered: a command is either carried out or given up by its sender.
	commands chan soloCommand
	// changed has capacity 1: it says "look again", however often things changed.
	changed  chan struct{}
	observed atomic.Pointer[levels.Observation]
}

type soloVerb uint8

const (
	soloQualify soloVerb = iota
	soloDisqualify
	soloRelease
	soloLeave
	soloJoin
)

type soloCommand struct {
	verb soloVerb
	done chan struct{} // closed by Run when the command is carried out
}

// soloState is owned by Run.
type soloState struct {
	SoloStart

	releases int
	until    time.Time // no election before
}

// NewSolo returns a cluster of one; until Run it says what start says.
func NewSolo(start SoloStart) *Solo {
	s := &Solo{start: start, commands: make(chan soloCommand), changed: make(chan struct{}, 1)}
	state := soloState{SoloStart: start}
	s.publish(&state)

	return s
}

// Run decides until ctx ends.
func (s *Solo) Run(ctx context.Context) error {
	state := soloState{SoloStart: s.start}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var command soloCommand
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case command = <-s.commands:
			state.obey(command.verb)
		}
		if wait := state.elect(); wait > 0 {
			timer.Reset(wait)
		}
		s.publish(&state)
		if command.done != nil {
			close(command.done)
		}
	}
}

func (s *soloState) obey(verb soloVerb) {
	switch verb {
	case soloQualify:
		s.releases, s.until = 0, time.Time{}
		s.Qualified = true
	case soloDisqualify:
		s.Qualified = false
	case soloRelease:
		if !s.Master {
			return
		}
		s.Master = false
		s.until = time.Now().Add(min(firstBackOff<<min(s.releases, 10), longestBackOff))
		s.releases++
	case soloLeave:
		s.Master, s.Left = false, true
	case soloJoin:
		s.releases, s.until = 0, time.Time{}
		s.Left = false
	}
}

// elect makes this node the master when nothing speaks against it, and returns
// how long to wait when only the back-off does. A master that is not qualified
// any more stays it until it gives the role back: services are demoted first.
func (s *soloState) elect() time.Duration {
	if s.Master || s.Left || !s.Eligible || !s.Qualified {
		return 0
	}
	if wait := time.Until(s.until); wait > 0 {
		return wait
	}
	s.Master = true
	s.Term++

	return 0
}

func (s *Solo) publish(state *soloState) {
	role := levels.RoleChanged{Role: levels.RoleSpare, Term: state.Term}
	switch {
	case state.Master:
		role.Role, role.Master = levels.RoleMaster, state.Node
	case !state.Eligible:
		role.Role = levels.RoleNone
	case !state.Qualified:
		role.Role = levels.RoleOffline
	}
	next := &levels.Observation{
		Known: state.Master, Quorate: !state.Left, Role: role, Voters: 1, VotersHeard: 1, Election: "following",
		Nodes: []levels.NodeView{{
			Node: state.Node, Role: role.Role, Term: state.Term,
			Eligible: state.Eligible, Qualified: state.Qualified, Self: true, Vote: true, Alive: true, InStep: true,
		}},
	}
	switch {
	case state.Master:
		next.Election = "leading"
	case state.Left:
		next.Election, next.VotersHeard = "away", 0
	}
	if before := s.observed.Swap(next); before != nil && before.Role == next.Role && before.Quorate == next.Quorate {
		return
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *Solo) command(ctx context.Context, verb soloVerb) error {
	command := soloCommand{verb: verb, done: make(chan struct{})}
	select {
	case s.commands <- command:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-command.done // Run answers before it looks at its context again

	return nil
}

// Observe returns the present truth.
func (s *Solo) Observe() levels.Observation { return *s.observed.Load() }

// Changed receives when Observe would tell something new.
func (s *Solo) Changed() <-chan struct{} { return s.changed }

// SetQualified says whether this node may be elected.
func (s *Solo) SetQualified(ctx context.Context, qualified bool) error {
	if qualified {
		return s.command(ctx, soloQualify)
	}

	return s.command(ctx, soloDisqualify)
}

// Release gives the role back. There is nobody to take it, so the node is
// elected again after a back-off that doubles each time, as long as it may be.
func (s *Solo) Release(ctx context.Context, _ levels.NodeID) error {
	return s.command(ctx, soloRelease)
}

// Leave takes the node out of the cluster.
func (s *Solo) Leave(ctx context.Context) error { return s.command(ctx, soloLeave) }

// Join brings it back.
func (s *Solo) Join(ctx context.Context) error { return s.command(ctx, soloJoin) }

// MayAct is true while this node is the master: there is no lease to run out.
func (s *Solo) MayAct(levels.Instant) bool { return s.Observe().Role.Role == levels.RoleMaster }
