package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
)

const (
	// A pause: fleetPause is how often the machine of the cluster looks again while something is in progress.
	fleetPause = time.Second
	// A wait: orderTimeout bounds an order to another node.
	orderTimeout = requestTries*requestTimeout + time.Second
)

// convoy is what the loop knows of operations that concern several nodes.
type convoy struct {
	// fleet is nil in a cluster of one.
	fleet     *fleet.Machine
	fleetWake levels.Instant
	// seenOwn and seenAt say of what and when the machine was told of the cluster last.
	seenOwn    ownPart
	gossipNews uint64 // counts what gossip has told
	seenAt     levels.Instant
	// turnless are the requests whose turn is awaited.
	turnless   map[fleet.Ticket]pending
	lastTicket fleet.Ticket
	// turnAnswers go to who asked for another node.
	turnAnswers  map[fleet.Question]chan fleet.TurnAnswer
	lastQuestion fleet.Question
	// orders are the operations on other nodes, by their number here, that were ordered.
	orders map[levels.OperationID]fleet.OrderID
	lastID levels.OperationID

	lingering
}

// ownPart is what changes here without any news of gossip.
type ownPart struct {
	state        levels.NodeState
	role         levels.Role
	operation    levels.OperationID
	master, vice levels.NodeID
	term         levels.Term
	leads, ready bool
	qualified    bool
	gossip       uint64
}

type (
	// A fleetNews carries what a work of the machine of the cluster ended with.
	fleetNews struct{ event fleet.Event }
	// An orderNews says what became of an order to another node.
	orderNews struct {
		order  fleet.Order
		answer operationAnswer
		err    error
	}
)

func (fleetNews) message() {}
func (orderNews) message() {}

// beginFleet makes the machine of the cluster, which goes on with a plan of an earlier life.
func (l *loop) beginFleet(c config.Config) {
	if c.ClusterOfOne() {
		return
	}
	l.fleet = fleet.New(fleet.Start{Config: fleetConfig(c), Incarnation: l.incarnation, Plan: l.durable.Plan})
	l.turnless = map[fleet.Ticket]pending{}
	l.turnAnswers = map[fleet.Question]chan fleet.TurnAnswer{}
	l.orders = map[levels.OperationID]fleet.OrderID{}
}

func fleetConfig(c config.Config) fleet.Config {
	return fleet.Config{
		Self: c.Levels.Node, Hold: c.Mastership.TwoNode == "hold", Limits: fleet.DefaultLimits(c.Shutdown.Timeout),
	}
}

// inTurn takes out of a batch what must wait for its turn, and what concerns every node.
func (l *loop) inTurn(ctx context.Context, now levels.Instant, batch []pending) []pending {
	return slices.DeleteFunc(batch, func(next pending) bool {
		request, ok := next.event.(levels.OperationRequested)
		switch {
		case !ok || next.ticket != 0:
			return false
		case request.Kind.OfCluster():
			l.ofCluster(ctx, now, next, request)

			return true
		case l.fleet == nil || request.DryRun:
			return false
		}
		l.seekTurn(ctx, now, next, request)

		return true
	})
}

// seekTurn asks for the turn of an operation, unless it would be refused here anyway.
func (l *loop) seekTurn(ctx context.Context, now levels.Instant, next pending, request levels.OperationRequested) {
	l.lastTicket++
	next.ticket = l.lastTicket
	try := request
	try.DryRun, try.Briefing = true, l.briefing(request.To)
	if l.machine.Step(now, try).Err != nil {
		l.queue = append(l.queue, next) // to be refused in its place

		return
	}
	l.turnless[next.ticket] = next
	l.seeCluster(ctx, now)
	l.drive(ctx, now, fleet.OperationAsked{Ticket: next.ticket, Request: request, Orderer: next.orderer})
}

// ofCluster answers a request for an operation on the whole cluster.
func (l *loop) ofCluster(ctx context.Context, now levels.Instant, next pending, request levels.OperationRequested) {
	var given answer
	if l.fleet == nil {
		given.err = fmt.Errorf("%s: %w; see \"cssc shutdown\"", request.Kind, errNoCluster())
	} else {
		number := l.nextNumber(now)
		l.seeCluster(ctx, now)
		result := l.drive(ctx, now, fleet.ClusterAsked{Request: request, Number: number})
		given = answer{result: levels.Result{ID: uint64(number), Plan: result.Plan}, err: result.Err}
	}
	if !errors.Is(given.err, levels.ErrTryAgain) {
		l.keep(next.key, given)
	}
	next.reply(given)
}

// nextNumber is a number for an operation that the machine of levels does not know.
func (l *loop) nextNumber(now levels.Instant) levels.OperationID {
	l.lastID = max(levels.OperationID(remoteBase+int64(now)/int64(time.Second)), l.lastID+1)

	return l.lastID
}

// drive steps the machine of the cluster and carries out what it decides.
func (l *loop) drive(ctx context.Context, now levels.Instant, event fleet.Event) fleet.Result {
	if l.fleet == nil {
		return fleet.Result{}
	}
	result := l.fleet.Step(now, event)
	l.fleetWake = result.Wake
	for _, action := range result.Actions {
		l.carryOut(ctx, now, action)
	}

	return result
}

func (l *loop) carryOut(ctx context.Context, now levels.Instant, action fleet.Action) {
	switch action := action.(type) {
	case fleet.Proceed:
		next := l.turnless[action.Ticket]
		delete(l.turnless, action.Ticket)
		if action.Why != "" {
			l.journal.tell(ctx, msgFleet, "topic", "no turn", "text", action.Why)
		}
		l.queue = append(l.queue, next)
	case fleet.Refuse:
		next := l.turnless[action.Ticket]
		delete(l.turnless, action.Ticket)
		given := answer{err: action.Err}
		l.keep(next.key, given)
		next.reply(given)
	case fleet.AskTurn:
		l.askTurn(action)
	case fleet.AnswerTurn:
		l.turnAnswers[action.Question] <- action.Answer // capacity 1, sent once
		delete(l.turnAnswers, action.Question)
	case fleet.TellOver:
		l.tellOver(action)
	case fleet.AskIdle:
		l.askIdle(action)
	case fleet.Order:
		l.order(ctx, now, action)
	case fleet.Persist:
		l.durable.Plan = action.Plan
		l.saveDurable()
	case fleet.TellStarted:
		l.noteRemote(ctx, levels.TellOperationStarted{Operation: action.Operation})
	case fleet.TellFinished:
		l.noteRemote(ctx, levels.TellOperationFinished{Operation: action.Operation})
	case fleet.Note:
		l.journal.tell(ctx, msgFleet, "topic", "turn", "text", action.Text)
	}
}

// reply answers everybody who waits for the request.
func (p pending) reply(given answer) {
	for _, to := range append(p.also, p.answer) {
		if to != nil {
			to <- given // capacity 1, sent once
		}
	}
}

// order begins an operation on a node: here as a request of its own, there by a question.
func (l *loop) order(_ context.Context, _ levels.Instant, action fleet.Order) {
	c := l.config.Load()
	if action.Node == c.Levels.Node {
		answered := make(chan answer, 1)
		l.queue = append(l.queue, pending{request: request{event: action.Request, answer: answered, orderer: action.Node}})
		l.work(orderTimeout, func(ctx context.Context) message {
			select {
			case given := <-answered:
				return fleetNews{orderAnswer(action.Order, levels.OperationID(given.result.ID), given.err)}
			case <-ctx.Done():
				return fleetNews{orderAnswer(action.Order, 0, context.Cause(ctx))}
			}
		})

		return
	}
	l.work(orderTimeout, func(ctx context.Context) message {
		answer, err := l.requestThere(ctx, action.Node, action.Request, true)

		return orderNews{order: action, answer: answer, err: err}
	})
}

// hearOrder follows what was begun on another node.
func (l *loop) hearOrder(ctx context.Context, news orderNews) {
	now := l.ports.Clock()
	if news.err == nil {
		r := news.order.Request
		id := l.followThere(ctx, levels.OperationView{
			Kind: r.Kind, Node: news.order.Node, Mode: r.Mode, By: r.By, Reason: r.Reason, Step: "about to begin",
		}, stateQuestion{ID: news.answer.ID, Incarnation: news.answer.Incarnation})
		l.orders[id] = news.order.Order
	}
	answered := orderAnswer(news.order.Order, news.answer.ID, news.err)
	answered.Incarnation = news.answer.Incarnation
	l.drive(ctx, now, answered)
}

// orderAnswer says what an order came to. A node that is on its way down already does what
// it was asked.
func orderAnswer(order fleet.OrderID, number levels.OperationID, err error) fleet.OrderAnswered {
	answered := fleet.OrderAnswered{Order: order, Number: number, Error: errorText(err)}
	_, told := errors.AsType[*nodeError](err)
	switch {
	case err == nil, errors.Is(err, levels.ErrOperationInProgress):
	case errors.Is(err, levels.ErrTryAgain), errors.Is(err, levels.ErrBusy), errors.Is(err, levels.ErrUnreachable),
		errors.Is(err, context.DeadlineExceeded):
		answered.Answer = fleet.OrderUnknown
	case told, errors.Is(err, levels.ErrRefused), errors.Is(err, levels.ErrInvalid):
		answered.Answer = fleet.OrderRefused
	default:
		answered.Answer = fleet.OrderUnknown
	}

	return answered
}

// orderOver tells the machine of the cluster how an operation that it ordered has ended.
func (l *loop) orderOver(ctx context.Context, view levels.OperationView) {
	order, ordered := l.orders[view.ID]
	if !ordered {
		return
	}
	delete(l.orders, view.ID)
	l.drive(ctx, l.ports.Clock(), fleet.OrderEnded{Order: order, Result: view.Result, Error: view.Error})
}

// taken tells the machine of the cluster what the machine of levels did with a request.
func (l *loop) taken(ctx context.Context, now levels.Instant, next pending, number uint64, err error) {
	switch {
	case next.ticket == 0:
	case err != nil:
		l.drive(ctx, now, fleet.OperationDropped{Ticket: next.ticket})
	default:
		l.drive(ctx, now, fleet.OperationBegun{Ticket: next.ticket, Number: levels.OperationID(number)})
	}
}

// followFleet lets the machine of the cluster hear what has ended and what has changed.
func (l *loop) followFleet(ctx context.Context, now levels.Instant, actions []levels.Action) {
	if l.fleet == nil {
		return
	}
	for _, action := range actions {
		if ended, ok := action.(levels.TellOperationFinished); ok {
			l.seeCluster(ctx, now)
			l.drive(ctx, now, fleet.OperationEnded{Number: ended.Operation.ID, Result: ended.Operation.Result, Error: ended.Operation.Error})
		}
	}
	if own := l.ownPart(); own != l.seenOwn || l.fleetWake != 0 && now >= l.seenAt.Add(fleetPause) {
		l.seeCluster(ctx, now)
	}
}

// fleetDue is when the machine of the cluster wants to hear the time, or to look again.
func (l *loop) fleetDue() levels.Instant {
	return min(l.fleetWake, max(l.seenAt.Add(fleetPause), 1))
}

func (l *loop) ownPart() ownPart {
	seen := l.election.View()

	return ownPart{
		state: l.view.State, role: l.view.Role, operation: l.inProgress().ID, qualified: l.view.Qualified,
		master: levels.NodeID(seen.Master), vice: levels.NodeID(seen.Vice), term: levels.Term(seen.Term),
		leads: l.leads(), ready: l.view.MasterReady, gossip: l.gossipNews,
	}
}

// inProgress is the operation in progress here; zero when there is none.
func (l *loop) inProgress() levels.OperationView {
	for _, operation := range l.view.Operations {
		if operation.Result == levels.ResultRunning {
			return operation
		}
	}

	return levels.OperationView{}
}

// leads says that this node is the master, and its lease runs.
func (l *loop) leads() bool {
	return l.word.Role == levels.RoleMaster && l.election.Lease().Term != 0
}

// seeCluster tells the machine of the cluster all that is known.
func (l *loop) seeCluster(ctx context.Context, now levels.Instant) {
	l.seenOwn, l.seenAt = l.ownPart(), now
	seen := l.election.View()
	master := levels.NodeID(seen.Master)
	cluster := fleet.Cluster{
		Master: master, Term: levels.Term(seen.Term), Leading: l.leads(), Ready: l.view.MasterReady && l.view.Master == master,
	}
	cards := map[levels.NodeID]levels.Card{}
	for _, card := range l.way.Seen() {
		cards[card.Node] = card
	}
	for _, view := range l.observation(l.view).Nodes {
		card := cards[view.Node]
		node := fleet.Node{
			Node: view.Node, Vote: view.Vote, Eligible: view.Eligible, Alive: view.Alive, Left: card.Left && !view.Alive,
			State: view.State, Role: view.Role, Qualified: view.Qualified, InStep: view.InStep,
			Incarnation: card.Incarnation, Former: view.Alive && !card.Alive, Operation: card.Operation, Number: card.Number, Step: card.Step,
		}
		if view.Self {
			operation := l.inProgress()
			node.Incarnation, node.Left, node.Former = l.incarnation, false, false
			node.Operation, node.Number, node.Step = operation.Kind, operation.ID, operation.Step
		}
		cluster.Nodes = append(cluster.Nodes, node)
	}
	l.drive(ctx, now, fleet.Seen{Cluster: cluster})
}

// onCard is the operation that gossip tells of this node: that on the whole cluster first.
func (l *loop) onCard(card *levels.Card) {
	operation := l.inProgress()
	if l.fleet != nil {
		for _, view := range l.fleet.Operations() {
			if view.Result == levels.ResultRunning {
				operation = view
			}
		}
	}
	if operation.ID == 0 {
		return
	}
	card.Operation, card.Number = operation.Kind, operation.ID
	card.Step = printableStep(operation.Step)
}

// printableStep is as much of a step as gossip carries.
func printableStep(step string) string {
	short := make([]byte, 0, levels.MaxCardStep)
	for _, r := range step {
		if len(short) == levels.MaxCardStep {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		short = append(short, byte(r))
	}

	return string(short)
}

// clusterOperations are those of the machine of the cluster.
func (l *loop) clusterOperations() []levels.OperationView {
	if l.fleet == nil {
		return nil
	}

	return l.fleet.Operations()
}

// byStart orders operations.
func byStart(a, b levels.OperationView) int {
	return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.ID, b.ID))
}
