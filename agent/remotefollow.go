package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// A range: the numbers of operations on other nodes begin at remoteBase, plus the seconds since the boot,
	// far above those that the machine gives to its own.
	remoteBase = 1_000_000
	// A number: keptRemote operations that have ended stay in the status.
	keptRemote = 32
	// A limit: maxRemote bounds those that are followed.
	maxRemote = 64

	// A pause: pollFirst after news, doubled up to pollLast without.
	pollFirst = 50 * time.Millisecond
	pollLast  = 400 * time.Millisecond
	pollLimit = 3 * time.Second
	// The patience: a node that has not answered for so long is lost; a restart of its agent is shorter.
	lostAfter = 15 * time.Second
	// The end: nobody follows an operation for longer than followLimit.
	followLimit = 24 * time.Hour
)

type (
	// A remoteBegun makes the loop follow an operation on another node.
	remoteBegun struct {
		view   levels.OperationView
		there  stateQuestion
		answer chan levels.OperationID // capacity 1
	}
	// A remoteNews is what a follower has heard; with a result the operation has ended.
	remoteNews struct {
		id     levels.OperationID
		step   string
		to     levels.NodeID
		result levels.OperationResult
		reason string
	}
)

func (remoteNews) message() {}

// elsewhere are the operations on other nodes that were asked for here. They are not in the
// boot log: after a restart of the agent nobody follows them any more.
type elsewhere struct {
	remotes []levels.OperationView // in the order of their numbers
	urgent  bool                   // publish now
}

// beginRemote follows an operation that somebody here asked for.
func (l *loop) beginRemote(ctx context.Context, begun remoteBegun) {
	begun.answer <- l.followThere(ctx, begun.view, begun.there)
}

// followThere gives an operation on another node its number here, and follows it.
func (l *loop) followThere(ctx context.Context, view levels.OperationView, there stateQuestion) levels.OperationID {
	now := l.ports.Clock()
	view.ID, view.Started = l.nextNumber(now), now
	l.remotes = append(l.remotes, view)
	l.noteRemote(ctx, levels.TellOperationStarted{Operation: view})
	l.work(followLimit, func(ctx context.Context) message {
		follower := &follower{agent: l.Agent, way: l.way, view: view, there: there}

		return follower.follow(ctx, func(news remoteNews) {
			select {
			case l.results <- news:
			case <-ctx.Done():
			}
		})
	})

	return view.ID
}

// hearRemote takes what a follower has heard.
func (l *loop) hearRemote(ctx context.Context, news remoteNews) {
	at := slices.IndexFunc(l.remotes, func(o levels.OperationView) bool { return o.ID == news.id })
	if at < 0 {
		return
	}
	view := &l.remotes[at]
	view.Step, view.To = news.step, cmp.Or(news.to, view.To)
	l.eventful = true
	l.stale.Store(true)
	if news.result == levels.ResultRunning {
		return
	}
	view.Step, view.Result, view.Error, view.Ended = "ended", news.result, news.reason, l.ports.Clock()
	l.noteRemote(ctx, levels.TellOperationFinished{Operation: *view})
	l.orderOver(ctx, *view)
	ended := 0
	for i := range l.remotes {
		if l.remotes[i].Result != levels.ResultRunning {
			ended++
		}
	}
	if first := slices.IndexFunc(l.remotes, func(o levels.OperationView) bool { return o.Result != levels.ResultRunning }); ended > keptRemote {
		l.remotes = slices.Delete(l.remotes, first, first+1)
	}
}

// noteRemote tells journal and bus.
func (l *loop) noteRemote(ctx context.Context, notice levels.Action) {
	l.tellNotice(ctx, notice)
	l.notices = append(l.notices, notice)
	l.urgent = true
	l.stale.Store(true)
}

// allOperations adds the operations on other nodes and on the whole cluster to those of the
// machine.
func (l *loop) allOperations(own []levels.OperationView) []levels.OperationView {
	ofCluster := l.clusterOperations()
	if len(l.remotes)+len(ofCluster) == 0 {
		return own
	}
	all := slices.Concat(own, l.remotes, ofCluster)
	slices.SortStableFunc(all, byStart)

	return all
}

// follower asks one node again and again what has become of an operation. One goroutine owns it.
type follower struct {
	agent *Agent
	way   Peers
	view  levels.OperationView
	there stateQuestion
	// silent is since when the node has not answered; zero while it does.
	silent time.Time
}

// follow returns the news of the end, or nil when ctx ended because the agent stops.
func (f *follower) follow(ctx context.Context, tell func(remoteNews)) message {
	pause := pollFirst
	for {
		if !rest(ctx, pause) {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return f.ended(levels.ResultFailed, fmt.Sprintf("it was not over after %v and is not followed any longer", followLimit))
			}

			return nil
		}
		pause = min(2*pause, pollLast)
		answer, err := askNode[stateAnswer](ctx, f.agent, inquiry{f.view.Node, askOperationState, f.there, pollLimit})
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if end := f.unanswered(err); end != nil {
				return end
			}
		case !answer.Known && f.view.Kind.OfCluster():
			if end := f.unanswered(errors.New("it does not know the operation")); end != nil {
				return end
			}
		case !answer.Known:
			return f.ended(levels.ResultFailed, f.lost("started again"))
		case answer.Operation.Result != levels.ResultRunning:
			f.view.To = levels.NodeID(clean(string(answer.Operation.To)))

			return f.ended(answer.Operation.Result, clean(answer.Operation.Error))
		default:
			f.silent = time.Time{}
			if f.learns(&answer.Operation) {
				pause = pollFirst
				tell(f.news())
			}
		}
	}
}

// learns says whether the node tells something new.
func (f *follower) learns(operation *levels.OperationView) bool {
	step, to := clean(operation.Step), levels.NodeID(clean(string(operation.To)))
	if f.view.Step == step && f.view.To == to {
		return false
	}
	f.view.Step, f.view.To = step, to

	return true
}

// rest says false when ctx has ended.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unanswered decides what the silence of the node means; nil = nothing yet. The coordinator of a
// rolling reboot goes down in order as the last one, when this node has long been rebooted and
// follows nothing: one that is silent before is lost as any other.
func (f *follower) unanswered(err error) message {
	if f.silent.IsZero() {
		f.silent = time.Now()
	}
	switch left := f.hasLeft(); {
	case left && (f.view.Kind == levels.OperationShutdown || f.view.Kind == levels.OperationClusterShutdown):
		return f.ended(levels.ResultDone, "")
	case left:
		return f.ended(levels.ResultFailed, f.lost("left the cluster"))
	case time.Since(f.silent) < lostAfter:
		return nil
	case f.isAway():
		return f.ended(levels.ResultFailed, "this node is out of the cluster itself and follows it no more; it may go on there")
	default:
		return f.ended(levels.ResultFailed, f.lost("was lost")+"; "+err.Error())
	}
}

// isAway says that this node itself is off the network, and can say nothing of others.
func (f *follower) isAway() bool {
	self := f.agent.config.Load().Levels.Node
	at := slices.IndexFunc(f.way.Seen(), func(card levels.Card) bool { return card.Node == self && !card.Alive })

	return at >= 0
}

// hasLeft says that the node's last words were a farewell.
func (f *follower) hasLeft() bool {
	for _, card := range f.way.Seen() {
		if card.Node == f.view.Node {
			return card.Left || !card.Alive && (card.State == levels.StateLeaving || card.State == levels.StateDown)
		}
	}

	return false
}

func (f *follower) lost(how string) string {
	return fmt.Sprintf("%s %s while it did this: %s; what it did so far stays", f.view.Node, how, f.view.Step)
}

func (f *follower) news() remoteNews {
	return remoteNews{id: f.view.ID, step: f.view.Step, to: f.view.To}
}

func (f *follower) ended(result levels.OperationResult, reason string) message {
	news := f.news()
	news.result, news.reason = result, reason

	return news
}
