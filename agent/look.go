package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// sight is what one look at the world has found.
type sight struct {
	first     bool
	alive     map[levels.ClientID]bool
	aliveErr  error
	clients   []levels.ClientID
	preparing bool
	stopping  bool
	logindErr error
	window    time.Duration
	inhibit   error
	members   map[levels.Target][]string
	lost      []levels.Target
	unitsErr  error
	digest    string
	// unguarded: the guard is wanted on this node and does not run.
	unguarded bool
}

const guardService = "cssc-guard.service"

// look asks systemd, logind and the bus how things are, in a work of its own;
// one at a time. The first look also asks which clients are still there.
func (l *loop) look() {
	l.looking, l.lookNow = true, false
	found := sight{first: !l.open}
	l.looks++
	if found.first {
		found.clients = l.machine.Clients()
	}
	var expected []levels.Target
	if l.view.Run == nil && l.view.State == levels.StateUp {
		expected = l.machine.Standing()
	}
	ports, digest := l.ports, l.options.Digest
	c := l.config.Load()
	guarded := !c.ClusterOfOne() && c.Levels.Eligible
	inhibit := !l.released && !l.announced
	// Nobody waits for an empty plain target; one that is on its way up is not lost.
	plain := l.lastPlain
	l.work(lookTimeout, func(ctx context.Context) message {
		var logind sync.WaitGroup
		logind.Go(func() { found.askLogind(ctx, ports.System, inhibit) })
		if found.first && len(found.clients) > 0 {
			found.alive, found.aliveErr = ports.Bus.Alive(ctx, found.clients)
		}
		waitFor(ctx, plain)
		found.askUnits(ctx, ports.Units, expected)
		found.digest = digest()
		found.unguarded = guarded && found.askGuard(ctx, ports.System)
		logind.Wait()

		return looked{sight: found}
	})
}

// askLogind fills in what logind knows; the first question without an answer is the last.
func (s *sight) askLogind(ctx context.Context, system System, inhibit bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s.stopping, _ = system.Stopping(ctx) // without an answer it is taken for running
	if s.preparing, s.logindErr = system.PreparingForShutdown(ctx); s.logindErr != nil {
		return
	}
	if inhibit {
		s.inhibit = system.Inhibit(ctx)
	}
	s.window, s.logindErr = system.Window(ctx)
}

// askGuard says whether the guard does not run; without an answer it is taken for running.
func (s *sight) askGuard(ctx context.Context, system System) (missing bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	running, err := system.Running(ctx, guardService)

	return err == nil && !running
}

func (s *sight) askUnits(ctx context.Context, units Units, expected []levels.Target) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if s.members, s.unitsErr = units.Members(ctx); s.unitsErr == nil && len(expected) > 0 {
		s.lost, s.unitsErr = units.Lost(ctx, expected)
	}
}

// take compares what was found with what is known.
func (l *loop) take(ctx context.Context, found sight) {
	l.looking = false
	pause := resyncIdle
	if l.view.Run != nil || found.unitsErr != nil || found.logindErr != nil {
		pause = resyncBusy
	}
	l.resyncAt = l.ports.Clock().Add(pause)
	c := l.config.Load()
	l.takeLogind(found, c)
	l.takeDigest(found.digest, c)
	l.takeGuard(found.unguarded)
	if found.first {
		l.takeClients(found)
		l.open = true
	}
	if found.unitsErr != nil { // without members nothing may begin
		l.problems.set("units", "systemd cannot be asked: "+found.unitsErr.Error())

		return
	}
	l.problems.clear("units")
	l.takeMembers(found)
	if l.restored && !l.resumed {
		l.resumed = true
		l.push(levels.Resumed{})
	}
	l.mayBegin(ctx, found)
}

func (l *loop) takeGuard(missing bool) {
	if missing {
		l.problems.set("guard", guardService+" does not run: when this agent dies or hangs as master, nothing stops what only a master may run; "+
			"systemctl start "+guardService)
	} else {
		l.problems.clear("guard")
	}
}

func (l *loop) takeDigest(digest string, c *config.Config) {
	if digest != "" && digest != c.Digest {
		l.problems.set("reload", "the configuration files have changed; cssc reload puts them into force")
	} else {
		l.problems.clear("reload")
	}
}

// takeClients ends the registrations of the clients that went away while the
// agent did.
func (l *loop) takeClients(found sight) {
	if found.aliveErr != nil {
		l.push(levels.BusLost{})

		return
	}
	for _, client := range found.clients {
		if !found.alive[client] {
			l.push(levels.ClientVanished{Client: client})
		}
	}
}

func (l *loop) takeMembers(found sight) {
	if l.members == nil || !sameMembers(found.members, l.members) {
		l.push(levels.MembersObserved{Members: found.members})
		l.wantSync = l.members != nil
		l.members = found.members
	}
	for _, target := range found.lost {
		if !slices.Contains(l.view.LostTargets, target) {
			l.push(levels.TargetLost{Target: target})
		}
	}
}

// sameMembers compares without regard to the order of the units.
func sameMembers(a, b map[levels.Target][]string) bool {
	return maps.EqualFunc(a, b, func(x, y []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	})
}

// takeLogind keeps the inhibitor and compares the limits.
func (l *loop) takeLogind(found sight, c *config.Config) {
	if found.logindErr != nil {
		l.problems.set("logind", "logind cannot be asked, a plain reboot would not wait for the sequences: "+found.logindErr.Error())

		return
	}
	l.problems.clear("logind")
	if found.inhibit != nil && !l.announced {
		l.problems.set("inhibitor", "logind gave no delay inhibitor, a plain reboot would not wait for the sequences: "+found.inhibit.Error())
	} else {
		l.problems.clear("inhibitor")
	}
	l.window = found.window
	l.problems.clear("window")
	for _, problem := range config.Verify(*c, found.window, 0) {
		if problem.Key == "InhibitDelayMaxSec" {
			l.problems.set("window", problem.String())
		}
	}
}

// mayBegin tells the machine its role for the first time, unless the operating
// system is going down: a node that is about to stop must not start services.
func (l *loop) mayBegin(ctx context.Context, found sight) {
	switch {
	case l.begun:
	case found.logindErr != nil && !l.restored && l.looks == 1:
		// Perhaps there is no logind at all: the next look decides.
	case found.stopping && l.restored:
		l.begun = true
		l.standAside()
	case found.stopping, found.preparing && !l.restored:
		l.problems.set("preparing", "the operating system is shutting down, init does not begin")
	case found.preparing:
		l.begun = true
		l.announce(ctx, levels.ModeReboot)
	default:
		l.begun = true
		l.problems.clear("preparing")
	}
}

// electable says whether the cluster may give this node a role: it is qualified, its last
// promote did not fail, no held run would keep the next one waiting, and nothing under way
// would take the role away again.
func electable(view *levels.View) bool {
	switch view.State {
	case levels.StateDown, levels.StateLeaving:
		return false
	case levels.StateJoining, levels.StateInitializing, levels.StateUp, levels.StateShuttingDown:
	}
	if yielding(view) && view.Role != levels.RoleVice {
		return false
	}

	return view.Qualified && view.Barred == nil && !stuck(view)
}

// stuck says that a run is held which a promote would have to wait for.
func stuck(view *levels.View) bool {
	run := view.Run

	return run != nil && run.Phase == levels.PhaseHeld && run.Sequence != levels.Promote && run.Sequence.Outranks(levels.Promote)
}

// yielding says that an operation is about to take the node's role away. A vice stays one
// until its demote has ended, so that no other takes the role up beside it.
func yielding(view *levels.View) bool {
	for _, operation := range view.Operations {
		if operation.Result == levels.ResultRunning &&
			(operation.Kind == levels.OperationShutdown || operation.Kind == levels.OperationDisqualify) {
			return true
		}
	}

	return false
}

// rejoin brings the node back into the gossip after a shutdown that left it up. A farewell
// that is still under way must not overtake the return.
func (l *loop) rejoin(ctx context.Context) {
	if !l.left || l.view.State != levels.StateJoining || l.telling[callJoin] || l.telling[callLeave] {
		return
	}
	l.telling[callJoin] = true
	_ = l.elect(ctx, election.JoinAsked{})
	peers := l.way
	l.work(lookTimeout, func(ctx context.Context) message {
		err := peers.Join(ctx)
		if err != nil {
			err = fmt.Errorf("join the cluster: %w", err)
		}

		return told{what: callJoin, err: err}
	})
}

// The calls of which at most one is under way.
const (
	callJoin    = "join"
	callLeave   = "leave"
	callRelease = "release"
	callKill    = "kill"
	callPeers   = "peers"
)

func (l *loop) wasTold(ctx context.Context, result told) {
	delete(l.telling, result.what)
	l.problems.check(result.what, result.err)
	switch result.what {
	case callJoin:
		l.left = result.err != nil
	case callLeave:
		l.ended(ctx, result.err)
	case callRelease, callKill, callPeers:
	}
}
