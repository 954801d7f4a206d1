package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// workSlack is what a work gets beyond the longest time limit of a participant;
// the machine itself ends hung members long before.
const workSlack = 10 * time.Minute

// record does what must be on disk or in the journal before anybody is told,
// and gathers the notices. The order is the machine's.
func (l *loop) record(ctx context.Context, action levels.Action) {
	switch action := action.(type) {
	case levels.PersistQualified:
		l.durable.Qualified = action.Qualified
		l.saveDurable()
	case levels.Invoke, levels.NotifyCanceled, levels.StartUnits, levels.StopUnits, levels.ReleaseRole, levels.LeaveCluster:
		// perform starts them, after the publication.
	case levels.TellSequenceFinished:
		l.remember(action.Record)
		l.tellFinished(ctx, action.Record)
		l.notices = append(l.notices, action)
	case levels.TellDropped:
		l.journal.tell(ctx, msgDropped, "reason", action.Reason)
	default:
		l.tellNotice(ctx, action)
		l.notices = append(l.notices, action)
	}
}

// remember adds a finished run to the history, with the time of day.
func (l *loop) remember(record levels.RunRecord) {
	now, wall := l.ports.Clock(), time.Now()
	err := l.ports.Store.AppendHistory(HistoryEntry{
		RunRecord: record, Incarnation: l.incarnation,
		StartedAt: wall.Add(-now.Sub(record.Started)), EndedAt: wall.Add(-now.Sub(record.Ended)),
	})
	l.problems.check("history", err)
	if record.Run > l.durable.Run {
		l.durable.Run, l.unsaved, l.newRun = record.Run, true, true
	}
}

// saveRun makes the number of a finished run durable, so that no later boot gives it out again.
// It comes last in a turn: a disk takes a millisecond or more, and a master that hands
// over, or has promoted, need not wait for that to say so.
func (l *loop) saveRun() {
	if l.newRun && l.unsaved {
		l.saveDurable()
	}
	l.newRun = false
}

func (l *loop) tellFinished(ctx context.Context, record levels.RunRecord) {
	kind := msgSequenceCompleted
	if record.Outcome != "completed" {
		kind = msgSequenceEnded
	}
	l.journal.tell(ctx, kind, "run", record.Run, "sequence", record.Sequence, "term", record.Term, "outcome", record.Outcome,
		"reason", record.Reason, "duration", record.Ended.Sub(record.Started).Round(time.Millisecond))
}

// tellNotice writes one notice to the journal.
func (l *loop) tellNotice(ctx context.Context, action levels.Action) {
	tell := func(kind messageKind, fields ...any) { l.journal.tell(ctx, kind, fields...) }
	switch a := action.(type) {
	case levels.TellStateChanged:
		tell(msgStateChanged, "state", a.State, "role", a.Role, "old_state", a.OldState, "old_role", a.OldRole)
	case levels.TellSequenceStarted:
		tell(msgSequenceStarted, "run", a.Run, "sequence", a.Sequence, "term", a.Term, "cause", a.Cause)
	case levels.TellLevelReached:
		tell(msgLevelReached, "run", a.Run, "sequence", a.Position.Sequence, "level", a.Position.Level)
	case levels.TellFailed:
		level := slog.LevelError
		if a.Policy == levels.PolicyContinue {
			level = slog.LevelWarn
		}
		p := a.Participant
		l.journal.tellAt(ctx, msgComponentFailed, level, "run", a.Run, "component", p.Name, "kind", p.Kind,
			"sequence", p.Position.Sequence, "level", p.Position.Level, "policy", a.Policy, "reason", p.Reason)
	case levels.TellHeld:
		tell(msgSequenceHeld, "run", a.Run, "sequence", a.Position.Sequence, "level", a.Position.Level, "reason", a.Reason)
	case levels.TellWaiting:
		tell(msgSequenceWaiting, "run", a.Run, "sequence", a.Position.Sequence, "level", a.Position.Level, "reason", a.Reason)
	case levels.TellMasterReady:
		tell(msgMasterReady, "node", a.Node, "term", a.Term)
	case levels.TellQualified:
		kind := msgNodeQualified
		if !a.Qualified {
			kind = msgNodeDisqualified
		}
		tell(kind, "node", a.Node)
	case levels.TellOperationStarted:
		tell(msgOperationStarted, operationFields(a.Operation)...)
	case levels.TellOperationFinished:
		kind := msgOperationFinished
		if a.Operation.Result != levels.ResultDone {
			kind = msgOperationFailed
		}
		tell(kind, operationFields(a.Operation)...)
	case levels.TellNoSuccessor:
		tell(msgNoSuccessor, "operation", a.Operation.ID, "kind", a.Operation.Kind, "by", a.Operation.By, "reason", a.Reason)
	case levels.TellTargetLost:
		tell(msgTargetLost, "target", a.Target)
	}
}

func operationFields(operation levels.OperationView) []any {
	fields := []any{
		"operation", operation.ID, "kind", operation.Kind, "node", operation.Node, "by", operation.By,
		"reason", operation.Reason, "result", operation.Result, "error", operation.Error,
	}
	if operation.Mode != levels.ModeNone {
		fields = append(fields, "mode", operation.Mode)
	}

	return fields
}

// engage sends the participants to work, in the order of the actions, before anything is
// published; what comes of them arrives as events.
func (l *loop) engage(ctx context.Context, actions []levels.Action) {
	for _, action := range actions {
		switch action := action.(type) {
		case levels.Invoke:
			l.invoke(action)
		case levels.NotifyCanceled:
			l.ports.Bus.NotifyCanceled(action)
		case levels.StartUnits:
			l.startUnits(action)
		case levels.StopUnits:
			l.stopUnits(action)
		case levels.TellSequenceStarted:
			if action.Sequence == levels.Demote {
				_ = l.elect(ctx, election.DemoteActed{})
			}
		default:
		}
	}
}

// conclude does what concerns the whole node, after everybody could see why.
func (l *loop) conclude(ctx context.Context, actions []levels.Action) {
	for _, action := range actions {
		switch action := action.(type) {
		case levels.ReleaseRole:
			l.giveBack(ctx, action.To)
		case levels.LeaveCluster:
			l.depart(ctx, action)
		case levels.TellOperationStarted:
			if action.Operation.Kind == levels.OperationStart {
				l.hearing = false // the machine has forgotten its role, and is told again
				l.staying = nil
			}
		default:
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}

	return err.Error()
}

// invoke sends a callback. When the bus does not take it, the client is told
// failed at once instead of after its time limit.
func (l *loop) invoke(call levels.Invoke) {
	up := call.Position.Sequence == levels.Promote || call.Position.Sequence == levels.Init
	err := l.mayAct(up && call.Info.Role == levels.RoleMaster, "call a component")
	if err == nil {
		err = l.ports.Bus.Invoke(call)
	}
	if err != nil {
		l.push(levels.CallbackDone{Tag: call.Tag, Client: call.Registration.Client, Message: "callback could not be sent: " + err.Error()})
	}
}

// mayAct asks for the lease, by the clock of this moment, before what only a master may do.
func (l *loop) mayAct(masterOnly bool, what string) error {
	if masterOnly && l.machine.Role() == levels.RoleMaster && !l.election.MayAct(l.ports.LeaseClock()) {
		return fmt.Errorf("%s: the lease has run out", what)
	}

	return nil
}

func (l *loop) startUnits(order levels.StartUnits) {
	group := order.Target.Group
	masterOnly := group == levels.RoleMaster.String() || group == levels.Promote.String()
	if err := l.mayAct(masterOnly, "start "+order.Target.String()); err != nil {
		l.push(levels.WorkFinished{Work: order.Work, Err: err.Error()})

		return
	}
	units, results, rest := l.ports.Units, l.results, l.rest(order.Target)
	l.unitWork(order.Work, order.Target, order.Units, func(ctx context.Context) ([]levels.Member, error) {
		if !rest.over(ctx) {
			return nil, context.Cause(ctx)
		}

		return units.Start(ctx, order, func(member levels.Member) {
			select {
			case results <- happened{levels.MemberSettled{Work: order.Work, Member: member}}:
			case <-ctx.Done():
			}
		})
	})
}

func (l *loop) stopUnits(order levels.StopUnits) {
	if l.needless(order.Target) {
		return
	}
	units := l.ports.Units
	l.unitWork(order.Work, order.Target, order.Units, func(ctx context.Context) ([]levels.Member, error) {
		return units.Stop(ctx, order)
	})
}

// unitWork is a work on units, those named or else the target's members. It is
// given up, and counts as done, when systemd takes over.
func (l *loop) unitWork(id levels.WorkID, target levels.Target, named []string, do func(context.Context) ([]levels.Member, error)) {
	if len(named) == 0 {
		named = l.members[target]
	}
	if l.bypass {
		l.push(levels.WorkFinished{Work: id, Members: leftToSystemd(named)})

		return
	}
	given := l.unitWorks
	var before, after chan struct{}
	if target.Plain && len(named) == 0 { // see plains
		// A start and a stop of an empty target follow each other closely, and nobody waits
		// for either; they must not overtake each other.
		before, after = l.lastPlain, make(chan struct{})
		l.lastPlain = after
	}
	l.work(l.workLimit(), func(ctx context.Context) message {
		if after != nil {
			defer close(after)
			waitFor(ctx, before)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stop := context.AfterFunc(given, func() { cancel(context.Cause(given)) })
		defer stop()
		members, err := do(ctx)
		if errors.Is(context.Cause(given), errAside) {
			members, err = leftToSystemd(named), nil
		}

		return happened{levels.WorkFinished{Work: id, Members: members, Err: errorText(err)}}
	})
}

// waitFor waits until before is closed or ctx ends; nil is closed already.
func waitFor(ctx context.Context, before <-chan struct{}) {
	if before == nil {
		return
	}
	select {
	case <-before:
	case <-ctx.Done():
	}
}

// workLimit is longer than any participant may take: the machine ends hung
// members itself, and this bound only keeps a work from staying for ever.
func (l *loop) workLimit() time.Duration {
	longest := time.Duration(0)
	c := l.config.Load()
	for _, sequence := range levels.Sequences() {
		settings := c.Levels.Sequences[sequence]
		longest = max(longest, settings.Timeout)
		for _, level := range settings.Levels {
			longest = max(longest, level.Timeout)
		}
	}
	for _, component := range c.Levels.Components {
		longest = max(longest, component.Timeout)
	}

	return longest + workSlack
}
