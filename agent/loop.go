package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	// A turn: maxBatch bounds what one turn takes out of the inbox.
	maxBatch = 1024
	// A cascade: maxCascade bounds how often a turn may cause another one without waiting.
	maxCascade = 10_000

	resyncBusy = time.Second
	resyncIdle = 2 * time.Minute
	// A pause: retryPause is how long a file that cannot be written is left alone.
	retryPause = time.Second
	// A rest: publishPause is how long a status stays before the next one replaces it,
	// unless somebody asks or something important happened. A storm of answers is
	// published forty times a second.
	publishPause = 25 * time.Millisecond
	// A quiet one: quietPause is that of a status to which no event has happened. What gossip
	// tells is one, but in a large cluster it tells of hundreds of nodes at a time, and to look
	// at all of them takes longer: gossipPause is for each node of the table.
	quietPause  = 500 * time.Millisecond
	gossipPause = time.Millisecond
	// As long, statusPause is how long the line of "systemctl status" stays.
	statusPause = 200 * time.Millisecond
	// A look: lookTimeout bounds one look at systemd, logind and the bus.
	lookTimeout = 15 * time.Second
	// A question: askTimeout bounds what one of them may take of it.
	askTimeout = 5 * time.Second
)

// origin says who put an event into the queue of the loop, when nobody waits for
// an answer.
type origin uint8

const (
	fromElsewhere origin = iota
	fromLogind           // the operation that answers a shutdown announcement
	fromSync             // a sync that the loop asked for itself
)

// pending is one event of the next turn.
type pending struct {
	request

	origin origin
	// ticket of an operation that has its turn, or needs none.
	ticket fleet.Ticket
}

// message is what a work of the loop sends back.
type message interface{ message() }

type (
	// A happened carries the event that a work ended with.
	happened struct{ event levels.Event }
	// A looked carries what a look at the world has found.
	looked struct{ sight sight }
	// A told ends a Join, a release of the inhibitor and the like.
	told struct {
		what string
		err  error
	}
)

func (happened) message() {}
func (looked) message()   {}
func (told) message()     {}

// loop is the state of Run. One goroutine owns it.
type loop struct {
	*Agent

	ports Ports
	// works ends when the loop does; running counts its goroutines.
	works   context.Context //nolint:containedctx // the life of the loop, which every work is bound to
	running sync.WaitGroup
	// unitWorks ends early when systemd itself stops everything.
	unitWorks context.Context //nolint:containedctx // as works
	dropUnits context.CancelCauseFunc

	machine *levels.Machine
	view    *levels.View
	wake    levels.Instant

	// What is on disk.
	incarnation string
	durable     DurableState
	unsaved     bool // durable differs from the disk
	newRun      bool // by a run that has ended in this turn
	serial      uint64
	since       int   // events since the snapshot
	behind      bool  // the boot log lacks events that were stepped
	diskError   error // why it is behind
	retryAt     levels.Instant

	queue    []pending
	notices  []levels.Action
	shownAt  levels.Instant  // of the last publication
	eventful bool            // something has happened since
	unshown  bool            // gossip has told something since
	askers   []chan struct{} // who asked for a fresh status; each is closed
	problems problems

	// Where the start has come to.
	connected bool // the bus name is ours
	open      bool // requests are taken
	begun     bool // the machine is told its role
	restored  bool // from this boot's saved state
	resumed   bool // and what was outstanding is issued again
	looks     int

	// What was told last to the machine, and to the cluster.
	members map[levels.Target][]string
	hearing bool // the machine hears every decision of the election
	left    bool
	telling map[string]bool // calls under way

	looking  bool
	lookNow  bool
	resyncAt levels.Instant
	wantSync bool
	syncAt   levels.Instant // not before

	pingAt levels.Instant
	// The STATUS= told last and when, and the one to be told.
	status, wantStatus string
	statusAt           levels.Instant
	timer              *time.Timer

	mastership
	leaving
	elsewhere
	memory
	convoy
	plains
}

// Run is the agent's life. It returns nil after a planned stop, when ctx ends:
// nothing is stopped and no role given up, and the next start goes on where this
// one was. An error means that the agent could not start, or that the core broke
// an invariant; systemd starts it again.
func (a *Agent) Run(ctx context.Context) (err error) {
	defer close(a.done)
	works, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &loop{
		Agent: a, ports: a.options.Ports, works: works, incarnation: a.options.Incarnation,
		problems: problems{}, telling: map[string]bool{}, timer: time.NewTimer(time.Hour),
	}
	l.unitWorks, l.dropUnits = context.WithCancelCause(works)
	defer l.dropUnits(nil)
	defer l.running.Wait()
	defer cancel(errStopped)
	defer l.timer.Stop()
	defer l.rescue(&err)
	if err := l.start(ctx); err != nil {
		return err
	}
	for l.wait(ctx) {
		if err := l.turns(ctx); err != nil {
			return err
		}
	}
	l.stop(ctx)

	return nil
}

// rescue turns a broken invariant of the core into an error, with the state that
// it happened in.
func (l *loop) rescue(err *error) {
	cause := recover()
	if cause == nil {
		return
	}
	state := ""
	if l.machine != nil {
		state = l.machine.Describe()
	}
	l.journal.tell(l.works, msgCoreBroken, "cause", fmt.Sprint(cause), "state", state, "stack", string(debug.Stack()))
	*err = fmt.Errorf("run the agent: internal error: %v", cause)
}

// work starts an action of its own. Its context ends with the loop and at limit.
func (l *loop) work(limit time.Duration, do func(context.Context) message) {
	l.running.Go(func() {
		ctx, cancel := context.WithTimeout(l.works, limit)
		defer cancel()
		result := do(ctx)
		if result == nil {
			return
		}
		select {
		case l.results <- result:
		case <-l.works.Done():
		}
	})
}

// wait is the only place where the loop blocks. It returns false when the agent
// is to stop.
func (l *loop) wait(ctx context.Context) bool {
	inbox := l.inbox
	if !l.open {
		inbox = nil
	}
	ready := l.options.BusReady
	if l.connected {
		ready = nil
	}
	if l.parting && l.granted {
		return false
	}
	stop := ctx.Done()
	if l.parting {
		stop = nil
	}
	select {
	case <-stop:
		if !l.part(ctx) {
			return false
		}
	case message := <-l.way.Received():
		_ = l.elect(ctx, election.Received{Message: message})
	case <-ready:
		l.connected = true
	case r := <-inbox:
		l.admit(r)
	case <-l.pulse:
	case shown := <-l.refresh:
		l.askers = append(l.askers, shown)
	case result := <-l.results:
		l.receive(ctx, result)
	case said := <-l.words:
		l.heed(ctx, said)
	case word := <-l.Agent.turns:
		l.hearTurn(ctx, word)
	case begun := <-l.Agent.begun:
		l.beginRemote(ctx, begun)
	case <-l.way.Changed():
		l.cardsNew, l.unshown = true, true
		l.gossipNews++
	case <-l.ports.Units.Changed():
		l.lookNow = true
	case mode := <-l.ports.System.ShutdownAnnounced():
		l.announce(ctx, mode)
	case <-l.timer.C:
	}
	for len(l.queue) < maxBatch {
		select {
		case r := <-inbox:
			l.admit(r)
		case result := <-l.results:
			l.receive(ctx, result)
		case message := <-l.way.Received():
			_ = l.elect(ctx, election.Received{Message: message})
		default:
			return true
		}
	}

	return true
}

func (l *loop) receive(ctx context.Context, result message) {
	switch result := result.(type) {
	case happened:
		l.push(result.event)
	case looked:
		l.take(ctx, result.sight)
	case told:
		l.wasTold(ctx, result)
	case remoteNews:
		l.hearRemote(ctx, result)
	case fleetNews:
		l.drive(ctx, l.ports.Clock(), result.event)
	case orderNews:
		l.hearOrder(ctx, result)
	}
}

// push queues an event that nobody waits for.
func (l *loop) push(event levels.Event) {
	l.queue = append(l.queue, pending{request: request{event: event}})
}

func (l *loop) pushFrom(from origin, event levels.Event) {
	l.queue = append(l.queue, pending{request: request{event: event}, origin: from})
}

// turns takes turns until nothing is left to do at once.
func (l *loop) turns(ctx context.Context) error {
	for range maxCascade {
		now := l.ports.Clock()
		if err := l.due(ctx, now); err != nil {
			return err
		}
		l.turn(ctx, now)
		if len(l.queue) == 0 {
			l.rearm(l.ports.Clock())

			return nil
		}
	}
	panic("agent: events cause each other without end")
}

// turn makes one batch of events durable, steps them, sends the participants to
// work, answers, publishes, and then does what concerns the whole node. Whoever reads
// after the answer asks for a fresh status first, see Fresh.
func (l *loop) turn(ctx context.Context, now levels.Instant) {
	l.hear(ctx)
	batch := l.queue
	l.queue = nil
	batch = l.inTurn(ctx, now, batch)
	l.brief(batch)
	saved := l.persist(ctx, now, batch)
	var actions []levels.Action
	answers := make([]answer, len(batch))
	for i, next := range batch {
		if saved != nil && next.answer != nil {
			answers[i] = answer{err: saved}
			l.taken(ctx, now, next, 0, saved)

			continue
		}
		result := l.machine.Step(now, next.event)
		l.wake = result.Wake
		actions = append(actions, result.Actions...)
		answers[i] = answer{result: result, err: result.Err}
		l.keep(next.key, answers[i])
		l.stepped(ctx, next, result)
		l.taken(ctx, now, next, result.ID, result.Err)
	}
	for _, action := range actions {
		l.record(ctx, action)
	}
	l.stale.Store(true) // before anybody is answered
	l.eventful = l.eventful || len(batch) > 0
	l.engage(ctx, actions)
	l.view = l.machine.Glance()
	for i, next := range batch {
		next.reply(answers[i])
	}
	l.show(ctx, now, actions)
	l.conclude(ctx, actions)
	l.saveRun()
	l.followFleet(ctx, now, actions)
	l.follow(ctx, now)
}

// stepped is what the loop itself learns from the answer to an event.
func (l *loop) stepped(ctx context.Context, next pending, result levels.Result) {
	switch event := next.event.(type) {
	case levels.Configured:
		if next.config != nil && result.Err == nil {
			l.adopt(ctx, next.config)
		}
	case levels.OperationRequested:
		if next.bypass && (result.Err == nil || errors.Is(result.Err, levels.ErrOperationInProgress)) {
			l.standAside()
		}
		l.asked(ctx, event, next.origin, result.Err)
	case levels.MembersObserved:
		l.members = event.Members
	case levels.SyncRequested:
		if next.origin == fromSync {
			l.wantSync, l.syncAt = result.Err != nil, l.ports.Clock().Add(resyncBusy)
		}
	}
}

// adopt puts a new configuration into force.
func (l *loop) adopt(ctx context.Context, next *config.Config) {
	l.config.Store(next)
	l.listen()
	l.problems.check("config", l.ports.Store.SaveConfig(*next))
	l.lookNow = true
	if err := l.way.Reconfigure(*next); err != nil {
		l.problems.set("peers", "the new node table: "+err.Error())
	} else {
		l.problems.clear("peers")
	}
	_ = l.elect(ctx, election.Configured{Config: next.Election()})
	l.drive(ctx, l.ports.Clock(), fleet.Configured{Config: fleetConfig(*next)})
	l.journal.tell(ctx, msgConfigReloaded, "hash", next.Hash, "files", len(next.Files))
	for _, warning := range next.Warnings {
		l.journal.tell(ctx, msgProblem, "problem", warning.String())
	}
}

// due does what the time asks for: the watchdog, a resync, the end of logind's
// patience, a second try at the disk, and the machine's own wake.
func (l *loop) due(ctx context.Context, now levels.Instant) error {
	if l.options.WatchdogInterval > 0 && now >= l.pingAt {
		if err := l.machine.Check(); err != nil {
			l.journal.tell(ctx, msgCoreBroken, "cause", err.Error(), "state", l.machine.Describe())

			return fmt.Errorf("run the agent: internal error: %w", err)
		}
		l.notify("WATCHDOG=1")
		l.pingAt = now.Add(l.options.WatchdogInterval / 3)
	}
	if l.connected && now >= l.resyncAt {
		l.lookNow = true
	}
	if l.lookNow && l.connected && !l.looking {
		l.look()
	}
	if now >= l.retryAt {
		l.retry(ctx, now)
	}
	l.deadline(ctx, now)
	l.sayStatus(now)
	if l.electWake != 0 && l.ports.LeaseClock() >= l.electWake {
		_ = l.elect(ctx, election.Ticked{})
	}
	l.settle(now)
	if l.fleetWake != 0 && now >= l.fleetWake {
		l.drive(ctx, now, fleet.Ticked{})
	}
	l.granted = l.granted || l.parting && now >= l.partBy
	if l.wake != 0 && now >= l.wake {
		l.push(levels.Ticked{})
	}

	return nil
}

// rearm sets the one timer to the earliest thing that is due.
func (l *loop) rearm(now levels.Instant) {
	next := now.Add(resyncIdle)
	consider := func(at levels.Instant, counts bool) {
		if counts && at < next {
			next = at
		}
	}
	consider(l.wake, l.wake != 0)
	consider(l.electionDue(now), l.electWake != 0)
	consider(l.settleAt, !l.said)
	consider(l.partBy, l.parting)
	consider(l.fleetDue(), l.fleetWake != 0)
	consider(l.stayUntil, l.staying != nil)
	consider(l.pingAt, l.options.WatchdogInterval > 0)
	consider(l.resyncAt, l.connected && !l.looking)
	consider(l.retryAt, l.behind || l.unsaved || l.unsavedVote != nil)
	consider(l.cutAt, l.announced && !l.released)
	consider(l.syncAt, l.syncDue())
	consider(l.showDue(), l.stale.Load())
	consider(l.statusAt.Add(statusPause), l.wantStatus != l.status)
	l.timer.Reset(max(0, next.Sub(now)))
}

// notify tells systemd; without it nobody listens.
func (l *loop) notify(state string) {
	if l.ports.Notify == nil {
		return
	}
	if err := l.ports.Notify.Notify(state); err != nil {
		l.problems.set("notify", "systemd does not hear the agent: "+err.Error())

		return
	}
	l.problems.clear("notify")
}

// stop ends a planned stop: everything goes on without the agent.
func (l *loop) stop(ctx context.Context) {
	l.notify("STOPPING=1")
	l.journal.tell(ctx, msgAgentStopping, "cause", fmt.Sprint(context.Cause(ctx)))
	if err := l.snapshot(); err != nil {
		l.journal.tell(ctx, msgProblem, "problem", err.Error())
	}
}
