package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// follower watches one operation from before it is asked for until it is over.
// Truth is the agent's status, read at every event and at every tick; events say
// when to look and what a fast level did. It belongs to one goroutine.
type follower struct {
	app     *app
	agent   agentPort
	request request
	screen  progress

	id   levels.OperationID
	last *report
	// node is the node that the operation is about, for words.
	node string
	// seen are the participants of the level as last read.
	seen map[levels.Position][]levels.Participant
	// hurried counts the levels of this tick that were looked at as soon as they began.
	hurried int
	// lost is when the agent went away; zero while it answers.
	lost time.Time
	// broken is why the status cannot be read any more, since lost; what is left are
	// the events that came before.
	broken error
	// remote says that it is about another node: what this node does meanwhile is its own
	// business. step is what was told of it last, there what that node told of itself at asked.
	remote bool
	step   string
	there  *report
	asked  time.Time
	// shut says that the shut sequence is behind the node.
	shut bool
	// over is the operation when it has ended; removed says that its last event is heard.
	over    *levels.OperationView
	removed bool
}

const (
	// The live lines are drawn every tick.
	tick = 250 * time.Millisecond
	// Events that come within together of the first are one reason to look.
	together = 100 * time.Millisecond
	// But so many levels of a tick are looked at as soon as they begin.
	hurries = 6
	// The agent may be away that long while an operation is followed.
	patience = 30 * time.Second
	// The events that came before the end of the connection have that long to be read.
	grace = 2 * time.Second
)

// follow asks for the operation and watches it to its end.
func (a *app) follow(ctx context.Context, agent agentPort, request request) error {
	f := &follower{app: a, agent: agent, request: request, seen: map[levels.Position][]levels.Participant{}}
	f.screen.app = a
	defer f.screen.wipe()
	events, err := agent.Events(ctx)
	if err != nil {
		return err
	}
	if f.id, err = agent.Request(ctx, request); err != nil {
		return prefixed(requestWords(request), err)
	}

	return f.watch(ctx, events)
}

func (f *follower) watch(ctx context.Context, events <-chan event) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if f.broken == nil {
			if over, err := f.look(ctx); over || err != nil {
				return err
			}
			if f.over != nil {
				f.rest(events)

				return f.ended(*f.over)
			}
		} else if f.app.now().Sub(f.lost) > grace {
			return f.cut(ctx)
		}
		select {
		case happened, ok := <-events:
			if !ok {
				return f.cut(ctx)
			}
			f.heard(happened)
			f.hearMore(ctx, happened, events)
		case <-ticker.C:
			f.hurried = 0
		case <-ctx.Done():
			return f.cut(ctx)
		}
	}
}

// hurries says that a level has begun whose participants may be gone in a moment: only a look at
// once can tell their names. Only a few times in a tick, so that it costs little.
func (f *follower) hurries(happened event) bool {
	if (happened.Name != "SequenceStarted" && happened.Name != "LevelReached") || f.hurried == hurries {
		return false
	}
	f.hurried++

	return true
}

// hearMore hears what follows an event closely, so that one look is enough for all of it: the
// agent has better things to do in the middle of a switchover than to tell everything twenty
// times. After the last event it waits for nothing; the end of events is noticed by who reads next.
func (f *follower) hearMore(ctx context.Context, happened event, events <-chan event) {
	timer := time.NewTimer(together)
	defer timer.Stop()
	var open bool
	for !f.removed && !f.hurries(happened) {
		select {
		case happened, open = <-events:
			if !open {
				return
			}
			f.heard(happened)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// look reads the status and says whether the operation is over.
func (f *follower) look(ctx context.Context) (over bool, err error) {
	status, err := f.agent.Status(ctx)
	if err != nil {
		return f.away(ctx, err)
	}
	f.lost, f.last = time.Time{}, status
	if run := status.Run; run != nil && len(run.Participants) > 0 {
		f.seen[levels.Position{Sequence: run.Sequence, Level: run.Level}] = run.Participants
	}
	index := slices.IndexFunc(status.Operations, func(o levels.OperationView) bool { return o.ID == f.id })
	if index < 0 {
		return true, f.forgotten()
	}
	operation := status.Operations[index]
	f.node, f.remote = string(operation.Node), operation.Node != status.Node
	if operation.Result != levels.ResultRunning {
		f.over = &operation

		return false, nil
	}
	if f.request.Kind.OfCluster() {
		f.lookAtAll(operation)

		return false, nil
	}
	if f.remote {
		return f.lookThere(ctx, operation)
	}
	if run := status.Run; run != nil && run.Phase == levels.PhaseHeld {
		return true, f.held(status)
	}
	f.draw(status, operation)

	return false, nil
}

// away judges a status that could not be read.
func (f *follower) away(ctx context.Context, cause error) (over bool, err error) {
	switch {
	case ctx.Err() != nil:
		return true, f.cut(ctx)
	case f.goesDown():
		return true, f.down()
	case !passing(cause):
		f.broken, f.lost = cause, f.app.now()
	case f.lost.IsZero():
		f.lost = f.app.now()
		f.screen.stay("the agent does not answer; waiting for it to come back")
	case f.app.now().Sub(f.lost) > patience:
		return true, f.unknown(cause)
	}

	return false, nil
}

// rest prints what is still on its way when the status tells of the end already.
func (f *follower) rest(events <-chan event) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for !f.removed {
		select {
		case happened, open := <-events:
			if !open {
				return
			}
			f.heard(happened)
		case <-timer.C:
			return
		}
	}
}

// heard prints what an event tells and the status no longer shows.
func (f *follower) heard(happened event) {
	if happened.Name == "OperationRemoved" && field(happened, "id") == strconv.FormatUint(uint64(f.id), 10) {
		f.removed = true
	}
	if (f.remote || f.request.Kind.OfCluster()) && field(happened, "id") != strconv.FormatUint(uint64(f.id), 10) {
		return
	}
	if happened.Name == "SequenceFinished" && field(happened, "sequence") == levels.Shut.String() {
		f.shut = true
	}
	if f.app.asJSON {
		_ = f.app.printEvents([]event{happened})

		return
	}
	p := f.app.paint()
	sequence, level := field(happened, "sequence"), field(happened, "level")
	switch happened.Name {
	case "SequenceStarted":
		f.screen.stay(p.strong(sequence) + " begins")
	case "LevelReached":
		f.reached(sequence, level)
	case "ComponentFailed":
		f.screen.stay(fmt.Sprintf("%s %s level %s: %s failed: %s", p.bad("✗"), sequence, level,
			field(happened, "component"), p.bad(field(happened, "reason"))))
	case "SequenceFinished":
		f.finished(sequence, field(happened, "outcome"), field(happened, "reason"))
	}
}

func (f *follower) reached(sequence, level string) {
	position, err := parsePosition(sequence, level)
	if err != nil {
		return
	}
	line := fmt.Sprintf("%s %s level %s", f.app.paint().good("✓"), sequence, position.Level)
	if names := participantNames(f.seen[position]); names != "" {
		line += "  " + f.app.paint().dim(names)
	}
	f.screen.stay(line)
}

func (f *follower) finished(sequence, outcome, reason string) {
	line := fmt.Sprintf("%s %s %s", runMark(f.app.paint(), outcome), f.app.paint().strong(sequence), outcome)
	if reason != "" {
		line += ": " + reason
	}
	f.screen.stay(line)
}

// draw shows the level that runs now.
func (f *follower) draw(status *report, operation levels.OperationView) {
	p := f.app.paint()
	step := printable(operation.Step)
	waits := strings.HasPrefix(step, "waiting for ")
	if waits && !f.remote && f.step != operation.Step {
		f.step = operation.Step
		f.screen.stay("  " + step)
	}
	if run := status.Run; run != nil && !waits {
		step = fmt.Sprintf("%s level %s, %s", run.Sequence, run.Level, run.Phase)
	}
	lines := []string{fmt.Sprintf("%s %s  %s", p.warn(f.screen.sign()), step, p.dim(f.app.since(operation.Started)))}
	if run := status.Run; run != nil {
		for _, participant := range run.Participants {
			lines = append(lines, "    "+f.app.participantLine(participant))
		}
	}
	f.screen.live(lines...)
}

func participantNames(participants []levels.Participant) string {
	const most = 6
	names := ""
	for i, participant := range participants {
		if i == most {
			return fmt.Sprintf("%s and %d more", names, len(participants)-most)
		}
		if names != "" {
			names += ", "
		}
		names += printable(participant.Name)
	}

	return names
}

func field(happened event, name string) string {
	value, ok := happened.Fields[name]
	if !ok {
		return ""
	}

	return printable(fmt.Sprint(value))
}

// parsePosition reads a sequence and a level as signals carry them: last is -1.
func parsePosition(sequence, level string) (levels.Position, error) {
	which, err := levels.ParseSequence(sequence)
	if err != nil {
		return levels.Position{}, err
	}
	if level == "-1" {
		return levels.Position{Sequence: which, Level: levels.Last}, nil
	}
	step, err := levels.ParseLevel(level)

	return levels.Position{Sequence: which, Level: step}, err
}
