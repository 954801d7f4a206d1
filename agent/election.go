package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// mastership is what the loop knows of the cluster beside the machine of levels: the
// machine of the election, and what each of the two has told the other last.
type mastership struct {
	election *election.Machine
	way      Peers
	// electWake is when the election wants to hear the time.
	electWake election.Instant
	// word is the newest decision in the words of levels; said: there was one. What is not
	// a master or a loss is left out until settleAt, so that a restart of the agent does not
	// make the node headless for a moment.
	word     levels.RoleChanged
	said     bool
	settleAt levels.Instant
	// provisional: the word may name this node vice with its next change. unheard: the machine
	// of levels has not heard the word.
	provisional, unheard bool
	gate                 levels.MasterProgress
	// What was told to the election.
	standing election.Standing
	yields   bool
	progress election.Progress
	serving  bool
	// unsavedVote could not be written; only a cluster of one goes on without.
	unsavedVote *election.State
	// card is what was handed to the gossip; leaders is what the machine heard of it.
	card     levels.Card
	leaders  levels.LeadersSeen
	cardsNew bool // gossip may tell something new
	// goodbyes are when gossip has told first of nodes that they have left.
	goodbyes map[levels.NodeID]election.Instant
	// leadersAre the master and the vice of leaders.
	leadersAre [2]levels.NodeID
	// When this node may have a role again, and the words for it.
	barEnd     levels.Instant
	barEndText string
	// granted: the planned restart may go on.
	parting, granted bool
	partBy           levels.Instant // and goes on without a promise at the latest
}

// beginElection makes the machine of the election, which goes on where this boot has
// left it, and the way to the peers.
func (l *loop) beginElection(ctx context.Context, c config.Config) error {
	vote, err := l.ports.Store.LoadVote()
	if err := l.accept(ctx, "vote", err); err != nil {
		return err
	}
	if vote != nil {
		l.durable.Term = max(l.durable.Term, levels.Term(vote.Term))
	}
	l.way, l.goodbyes = nobody{}, map[levels.NodeID]election.Instant{}
	if !c.ClusterOfOne() {
		if l.way, err = l.ports.NewPeers(c); err != nil {
			return fmt.Errorf("start the agent: %w", err)
		}
		l.peers.Store(&l.way)
	}
	now := l.ports.LeaseClock()
	own := l.restored && l.view.Role == levels.RoleMaster
	start := election.Start{
		Config: c.Election(), State: vote, Floor: election.Term(max(l.durable.Term, l.view.Term)),
		Serving: own, Now: now, FirstRound: election.Round(now), FirstSerial: uint64(max(0, time.Now().UnixNano())), Left: l.left,
		Standing: l.presentStanding(),
	}
	if held := l.heldLease(ctx, c); held.Term != 0 && !l.left {
		start.Lease, start.Vice = held, election.NodeID(l.view.Vice)
		run := l.view.Run
		start.Acted = own && run != nil && run.Sequence == levels.Demote
	}
	l.standing, l.serving = start.Standing, own || start.Lease.Term != 0
	l.election = election.New(start)
	l.settleAt = l.ports.Clock().Add(c.Mastership.Lease * 3 / 2)
	l.running.Go(func() {
		result := told{callPeers, l.way.Run(l.works)}
		select {
		case l.results <- result:
		case <-l.works.Done(): // nobody reads any more
		}
	})
	l.running.Go(func() { l.answerAll(l.works, l.way) })
	_ = l.elect(ctx, election.Ticked{})

	return nil
}

// heldLease is the mastership that an earlier life of the agent left in this boot.
func (l *loop) heldLease(ctx context.Context, c config.Config) election.Lease {
	switch {
	case c.ClusterOfOne() && l.restored && l.view.Master == c.Levels.Node:
		return election.Lease{Term: election.Term(l.view.Term), Until: election.Forever}
	case c.ClusterOfOne(), l.ports.Lease == nil:
		return election.Lease{}
	}
	record, err := l.ports.Lease.Last()
	switch {
	case errors.Is(err, lease.ErrNone):
	case err != nil:
		l.journal.tell(ctx, msgStateDamaged, "file", "the lease record", "error", err.Error())
	case record.Held && record.Boot == lease.BootOf(l.incarnation):
		return election.Lease{Term: election.Term(record.Term), From: election.Instant(record.From), Until: election.Instant(record.Until)}
	}

	return election.Lease{}
}

// electionDue is when electWake is, on the other clock; the two go at different rates, so that
// a timer set by it may end early or late by a tenth.
func (l *loop) electionDue(now levels.Instant) levels.Instant {
	return now.Add(l.electWake.Sub(l.ports.LeaseClock()))
}

// elect steps the election and carries out what it decides. The lease record comes before
// everything, then the disk, then the messages: whoever reads them finds them true.
func (l *loop) elect(ctx context.Context, event election.Event) error {
	result := l.election.Step(l.ports.LeaseClock(), event)
	l.electWake = result.Wake
	l.recordLease()
	l.recordMandate()
	saved := l.saveVote(result.Persist)
	for _, action := range result.Actions {
		l.decided(ctx, action, saved)
	}
	if !saved {
		return errors.Join(result.Err, l.elect(ctx, election.PersistFailed{})) // which never persists
	}

	return result.Err
}

// recordLease tells the guard. A lease that is over stays in the record until nothing of it
// runs any more, so that the guard goes on.
func (l *loop) recordLease() {
	if l.ports.Lease == nil {
		return
	}
	held := l.election.Lease()
	c := l.config.Load()
	next := lease.Record{Boot: lease.BootOf(l.incarnation), SelfFence: c.Mastership.SelfFence == "reboot"}
	switch {
	case held.Term != 0:
		next.Held, next.Term = true, uint64(held.Term)
		next.From, next.Until, next.KillAt = int64(held.From), int64(held.Until), lease.Forever
		if held.Until != election.Forever {
			next.KillAt = int64(held.Until) - int64(c.Mastership.KillMargin)/2
		}
	case l.serving:
		return
	}
	last, err := l.ports.Lease.Last()
	last.Seq, last.PID = 0, 0
	if err != nil || last != next {
		l.ports.Lease.Write(next)
	}
}

// saveVote makes the voter's memory durable before anybody hears of it. A cluster of one
// goes on without: a node alone that does nothing for a full disk helps nobody.
func (l *loop) saveVote(state *election.State) bool {
	if state == nil {
		return true
	}
	err := l.ports.Store.SaveVote(state)
	if err != nil && l.config.Load().ClusterOfOne() {
		l.unsavedVote = state // with the durable state, which tells the problem, see retry

		return true
	}
	l.unsavedVote = nil
	if err != nil {
		l.problems.set("vote", fmt.Sprintf("%v; this node neither votes nor stands for election until it can: make /var/lib/cssc writable", err))

		return false
	}
	l.problems.clear("vote")
	l.durable.Term = max(l.durable.Term, levels.Term(state.Term))

	return true
}

// decided carries out one action of the election.
func (l *loop) decided(ctx context.Context, action election.Action, saved bool) {
	switch action := action.(type) {
	case election.Send:
		if saved {
			l.way.Send(action.Message)
		}
	case election.RoleDecided:
		l.hearRole(ctx, action)
	case election.MasterProgressed:
		l.gate = levels.MasterProgress{
			Master: levels.NodeID(action.Master), Term: levels.Term(action.Term), Started: action.Progress.Started,
			Reached: levels.Level(action.Progress.Reached), Complete: action.Progress.Complete,
			Ready: action.Progress.Ready,
		}
		if l.hearing {
			l.push(l.gate)
		}
	case election.KillMembers:
		l.killMembers(ctx, action)
	case election.RestartGranted:
		l.granted = true
		if l.election.Lease().Term != 0 { // else there is no role to keep
			l.journal.tell(ctx, msgRestartGranted, "until", untilWords(action.Until))
		}
	case election.Note:
		l.journal.tell(ctx, msgElection, "topic", action.Topic, "text", action.Text)
	}
}

// tellElection makes the election know what this node is and does.
func (l *loop) tellElection(ctx context.Context) {
	l.tellStanding(ctx)
	view := l.view
	if progress := progressOf(view); progress != l.progress {
		l.progress = progress
		_ = l.elect(ctx, election.ProgressChanged{Progress: progress})
	}
	// Until every decision was heard the node may yet begin to serve by an older one.
	pendingWord := len(l.queue) > 0 || !l.hearing && l.said && l.word.Role == levels.RoleMaster
	if serving := view.Role == levels.RoleMaster || l.word.Role == levels.RoleMaster; (serving != l.serving || serving != l.election.Serving()) && !pendingWord {
		l.tellServing(ctx, serving)
	}
	l.tellLeaders()
	l.advertise(view)
}

func (l *loop) tellStanding(ctx context.Context) {
	if standing, yields := l.presentStanding(), yielding(l.view); standing != l.standing || yields != l.yields {
		l.standing, l.yields = standing, yields
		_ = l.elect(ctx, election.StandingChanged{Standing: standing, Yielding: yields})
	}
}

// progressOf is how far init is, as the others would have to know it of a master. A node that
// is elected while it initializes begins again at 0: what it has reached in its old role is
// no level of the master's, and already its first renewal must not say so.
func progressOf(view *levels.View) election.Progress {
	switch {
	case view.Role == levels.RoleMaster:
		return election.Progress{
			Reached: int16(view.Reached), Started: view.ReachedAny, Complete: view.State == levels.StateUp, Ready: view.MasterReady,
		}
	case view.State == levels.StateUp:
		return election.Progress{Reached: int16(view.Reached), Started: view.ReachedAny, Complete: true}
	default:
		return election.Progress{}
	}
}

func (l *loop) tellServing(ctx context.Context, serving bool) {
	l.serving = serving
	_ = l.elect(ctx, election.ServingChanged{Serving: serving})
}

// presentStanding is what this node is for the election: it may have a role when its
// machine could take one up.
func (l *loop) presentStanding() election.Standing {
	return election.Standing{
		Qualified: electable(l.view) && (l.begun || l.restored),
		Up:        l.view.State == levels.StateUp || l.view.State == levels.StateShuttingDown, // the vice stays one until it is demoted
	}
}

// advertise tells the gossip.
func (l *loop) advertise(view *levels.View) {
	c := l.config.Load()
	card := levels.Card{
		Node: view.Node, State: view.State, Role: view.Role, Term: view.Term, Reached: view.Reached, Started: view.ReachedAny,
		Qualified: view.Qualified, Hash: c.Hash, Fingerprint: c.Fingerprint, Version: l.options.Version, Incarnation: l.incarnation,
		Doing: doing(view), Trouble: l.trouble(view), Barred: view.Barred != nil,
	}
	l.onCard(&card)
	if card != l.card {
		l.card = card
		l.way.Advertise(card)
	}
}

// giveBack carries out ReleaseRole: the machine of levels says that nothing serves any more.
func (l *loop) giveBack(ctx context.Context, to levels.NodeID) {
	if l.view.Role != levels.RoleMaster {
		l.tellServing(ctx, false)
	}
	err := l.elect(ctx, election.ReleaseAsked{To: election.NodeID(to)})
	l.push(levels.RoleReleased{Err: errorText(err)})
}

// untilWords is an instant of the lease clock, which in a cluster of one or two may be no end.
func untilWords(until election.Instant) string {
	if until == election.Forever {
		return "no end"
	}

	return strconv.FormatInt(int64(until), 10)
}

// killMembers ends by force whatever a mastership may have running.
func (l *loop) killMembers(ctx context.Context, action election.KillMembers) {
	units := l.masterMembers()
	l.journal.tell(ctx, msgMembersKilled, "term", action.Term, "reason", action.Reason, "units", fmt.Sprint(units))
	if len(units) == 0 || l.bypass {
		return
	}
	driver := l.ports.Units
	l.work(lookTimeout, func(ctx context.Context) message {
		_, err := driver.Stop(ctx, levels.StopUnits{Units: units, Kill: true})
		if err != nil {
			err = fmt.Errorf("kill the members of the master's targets: %w", err)
		}

		return told{what: callKill, err: err}
	})
}

// masterMembers are the units that only a master runs.
func (l *loop) masterMembers() []string {
	var units []string
	seen := map[string]bool{}
	for target, members := range l.members {
		if target.Group != levels.RoleMaster.String() {
			continue
		}
		for _, unit := range members {
			if !seen[unit] {
				seen[unit] = true
				units = append(units, unit)
			}
		}
	}

	return units
}

// A farewell: partTimeout bounds the wait for the voters, well below TimeoutStopSec= of the unit.
const partTimeout = 5 * time.Second

// part begins a planned stop: the voters are asked for one long promise first. It returns
// false when there is nothing to wait for.
func (l *loop) part(ctx context.Context) bool {
	if l.election == nil || l.parting {
		return false
	}
	l.parting, l.partBy = true, l.ports.Clock().Add(partTimeout)
	_ = l.elect(ctx, election.RestartPlanned{})

	return !l.granted
}

// nobody is the way to no other node: the cluster of one.
type nobody struct{}

func (nobody) Run(ctx context.Context) error {
	<-ctx.Done()

	return nil
}
func (nobody) Send(election.Message)             {}
func (nobody) Received() <-chan election.Message { return nil }
func (nobody) Advertise(levels.Card)             {}
func (nobody) Seen() []levels.Card               { return nil }
func (nobody) Changed() <-chan struct{}          { return nil }
func (nobody) Problems() []string                { return nil }
func (nobody) Ask(context.Context, levels.NodeID, []byte) ([]byte, error) {
	return nil, levels.ErrNoSuchNode
}

func (nobody) Asked(ctx context.Context) (Question, error) {
	<-ctx.Done()

	return Question{}, context.Cause(ctx)
}

func (nobody) Keys(context.Context, levels.KeyRequest) ([]levels.KeyView, error) {
	return nil, errNoCluster()
}
func (nobody) Reconfigure(config.Config) error { return nil }
func (nobody) Leave(context.Context) error     { return nil }
func (nobody) Join(context.Context) error      { return nil }
