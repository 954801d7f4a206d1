package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// fakeAgent answers the bus server from a scenario. Every change is published; an
// operation plays a fixed story, one step at a time or all at once. It is safe for
// concurrent use.
type fakeAgent struct {
	mu      sync.Mutex
	status  report
	server  *dbusapi.Server
	history []string
	// histories are those of the other nodes; one without is not heard.
	histories map[levels.NodeID][]string
	asked     bool
	story     []step
	// stepped makes a story wait for Step.
	stepped bool
	// vanish is called at the end of a story that ends the operating system.
	vanish func()
	// answers are the Dones that came in; changed is closed and renewed at each change.
	answers []string
	changed chan struct{}
	next    uint64
	// keys are those of the cluster.
	keys []levels.KeyView
	// there are the runs of other nodes.
	there map[levels.NodeID]*levels.RunView
	// refuse is what every request is answered with, when set.
	refuse error
}

// step is one change of the status with the notices that tell of it.
type step struct {
	change  func(*report)
	notices []levels.Action
	end     func()
}

func newFakeAgent(status *report) *fakeAgent {
	return &fakeAgent{status: *status, changed: make(chan struct{}), next: 100}
}

// change alters the status under the lock, and publishes it.
func (f *fakeAgent) change(alter func(*report)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changeLocked(alter)
}

func (f *fakeAgent) changeLocked(alter func(*report), notices ...levels.Action) {
	alter(&f.status)
	if f.server != nil {
		f.server.Publish(f.snapshot(), notices)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// snapshot copies the status by way of its text form.
func (f *fakeAgent) snapshot() *dbusapi.Status {
	text, err := json.Marshal(f.status)
	if err != nil {
		panic(err)
	}
	status := &dbusapi.Status{}
	if err := json.Unmarshal(text, status); err != nil {
		panic(err)
	}

	return status
}

// wait returns when the condition holds, looking again at every change.
func (f *fakeAgent) wait(ctx context.Context, condition func() bool) error {
	for {
		f.mu.Lock()
		holds, changed := condition(), f.changed
		f.mu.Unlock()
		if holds {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fakeAgent) id() uint64 {
	f.next++

	return f.next
}

func (f *fakeAgent) Register(_ context.Context, wanted levels.Registration) (levels.RegistrationID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, known := range f.status.Registrations {
		if known.Component == wanted.Component && known.Position == wanted.Position {
			return 0, fmt.Errorf("register %s at %s: %w", wanted.Component, wanted.Position, levels.ErrAlreadyRegistered)
		}
	}
	wanted.ID = levels.RegistrationID(f.id())
	f.changeLocked(func(status *report) { status.Registrations = append(status.Registrations, wanted) })

	return wanted.ID, nil
}

func (f *fakeAgent) Unregister(context.Context, levels.ClientID, levels.RegistrationID) error {
	return nil
}

func (f *fakeAgent) Done(_ context.Context, done levels.CallbackDone) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	index := slices.IndexFunc(f.status.Pending, func(open levels.InvocationView) bool { return open.Tag == done.Tag })
	if index < 0 {
		return fmt.Errorf("done %d: %w", done.Tag, levels.ErrNoSuchInvocation)
	}
	open := f.status.Pending[index]
	outcome := "done"
	if !done.OK {
		outcome = "failed: " + done.Message
	}
	f.answers = append(f.answers, fmt.Sprintf("%s %s %s", open.Registration.Component, open.Position, outcome))
	f.changeLocked(func(status *report) { status.Pending = slices.Delete(status.Pending, index, index+1) })

	return nil
}

func (f *fakeAgent) SubscribeCancellation(context.Context, levels.ClientID) error { return nil }

// invoke calls whoever registered there.
func (f *fakeAgent) invoke(component string, position levels.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, known := range f.status.Registrations {
		if known.Component != component || known.Position != position {
			continue
		}
		call := levels.InvocationView{
			Tag: levels.Tag(f.id()), Registration: known, Position: position,
			Noboot: position.Sequence == levels.Shut,
			Info: levels.Info{
				Node: f.status.Node, Cluster: f.status.Cluster, State: f.status.State,
				Role: f.status.Role, Term: f.status.Term, Master: f.status.Master,
			},
		}
		f.changeLocked(func(status *report) { status.Pending = append(status.Pending, call) })

		return f.server.Invoke(levels.Invoke{
			Tag: call.Tag, Registration: known, Position: position, Noboot: call.Noboot, Info: call.Info,
		})
	}

	return fmt.Errorf("nobody registered %s at %s", component, position)
}

// cancel makes every open invocation of a sequence void.
func (f *fakeAgent) cancel(sequence levels.Sequence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var clients []levels.ClientID
	for _, open := range f.status.Pending {
		if open.Position.Sequence == sequence {
			clients = append(clients, open.Registration.Client)
		}
	}
	f.changeLocked(func(status *report) {
		status.Pending = slices.DeleteFunc(status.Pending, func(open levels.InvocationView) bool {
			return open.Position.Sequence == sequence
		})
	})
	f.server.NotifyCanceled(levels.NotifyCanceled{Clients: clients, Sequence: sequence, LastLevel: 3})
}

func (f *fakeAgent) OperationOn(_ context.Context, node levels.NodeID, asked levels.OperationRequested) (levels.OperationID, []string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return 0, nil, f.refuse
	}
	if err := f.known(node); err != nil {
		return 0, nil, fmt.Errorf("%s: %w", asked.Kind, err)
	}
	for _, running := range f.status.Operations {
		if running.Result == levels.ResultRunning {
			return 0, nil, fmt.Errorf("%s: %w: %s of %s since 2s, at %s",
				asked.Kind, levels.ErrOperationInProgress, running.Kind, running.Node, running.Step)
		}
	}
	if asked.Kind == levels.OperationDisqualify && !asked.Force && len(f.status.Nodes) == 1 {
		return 0, nil, fmt.Errorf("disqualify n1: %w: no other node can be master; do it anyway with --force", levels.ErrRefused)
	}
	if asked.DryRun && asked.Kind.OfCluster() {
		return 0, []string{
			"n3 (spare): shutdown (" + asked.Mode.String() + "); voting until n1 has stopped: n3",
			"n2 (vice): shutdown (" + asked.Mode.String() + "); voting until n1 has stopped: n2", "n1 (master): shutdown (" + asked.Mode.String() + ")",
		}, nil
	}
	if asked.DryRun {
		return 0, []string{"shut n1: levels 0 to last", "leave the cluster", "ending: " + asked.Mode.String()}, nil
	}
	operation := levels.OperationView{
		ID: levels.OperationID(f.id()), Kind: asked.Kind, Node: cmp.Or(node, f.status.Node), Mode: asked.Mode, To: asked.To,
		By: asked.By, Reason: asked.Reason, Step: "begins", Started: bootClock(),
	}
	f.changeLocked(func(status *report) { status.Operations = append(status.Operations, operation) },
		levels.TellOperationStarted{Operation: operation})
	f.story = f.storyOf(operation)
	if !f.stepped {
		go f.play()
	}

	return operation.ID, nil, nil
}

// known says whether there is such a node.
func (f *fakeAgent) known(node levels.NodeID) error {
	if node == "" || slices.ContainsFunc(f.status.Nodes, func(n levels.NodeView) bool { return n.Node == node }) {
		return nil
	}

	return fmt.Errorf("%w: %q", levels.ErrNoSuchNode, string(node))
}

// NodeStatus is what a living node of the scenario would tell of itself.
func (f *fakeAgent) NodeStatus(_ context.Context, node levels.NodeID) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.known(node); err != nil {
		return "", err
	}
	there := f.status
	there.Node, there.Nodes = node, slices.Clone(there.Nodes)
	there.Run, there.LostTargets, there.NeedReload, there.Problems, there.Operations, there.Why = nil, nil, false, []string{}, nil, ""
	for i := range there.Nodes {
		n := &there.Nodes[i]
		if n.Self = n.Node == node; !n.Self {
			continue
		}
		if !n.Alive {
			return "", fmt.Errorf("status of %s: %w: it is not heard", node, levels.ErrUnreachable)
		}
		there.State, there.Role, there.Qualified, there.Reached, there.ReachedAny = n.State, n.Role, n.Qualified, n.Reached, n.ReachedAny
		there.Ready = n.State == levels.StateUp
	}
	if own := slices.IndexFunc(there.Nodes, func(n levels.NodeView) bool { return n.Self && !n.InStep }); own >= 0 {
		for i := range there.Nodes { // it is the others who are out of step
			there.Nodes[i].InStep, there.Nodes[i].Differs = i == own, f.status.Nodes[own].Differs
		}
	}
	there.Run = f.there[node]
	text, err := json.Marshal(there)

	return string(text), err
}

// NodeHistory tells what the script gave to the node; the first question is one too many.
func (f *fakeAgent) NodeHistory(ctx context.Context, node levels.NodeID, limit int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if node == "" || node == f.status.Node {
		return f.History(ctx, limit)
	}
	if err := f.known(node); err != nil {
		return nil, fmt.Errorf("history of %s: %w", node, err)
	}
	texts, known := f.histories[node]
	if !known {
		return nil, fmt.Errorf("history of %s: %w: it is not heard", node, levels.ErrUnreachable)
	}
	if !f.asked {
		f.asked = true

		return nil, fmt.Errorf("history of %s: %w: 2 such questions wait already; ask again", node, levels.ErrBusy)
	}
	if limit == 0 || limit > len(texts) {
		limit = len(texts)
	}

	return texts[:limit], nil
}

// play tells the rest of the story.
func (f *fakeAgent) play() {
	for f.step() {
	}
}

// step tells one step; it says whether there was one.
func (f *fakeAgent) step() bool {
	f.mu.Lock()
	if len(f.story) == 0 {
		f.mu.Unlock()

		return false
	}
	now := f.story[0]
	f.story = f.story[1:]
	f.changeLocked(now.change, now.notices...)
	f.mu.Unlock()
	if now.end != nil {
		now.end()
	}

	return true
}

func (f *fakeAgent) resolve(verb string, sequence levels.Sequence) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.status.Run
	if run == nil || run.Phase != levels.PhaseHeld || run.Sequence != sequence {
		return fmt.Errorf("%s %s: %w: the sequence is not running", verb, sequence, levels.ErrNotHeld)
	}
	f.changeLocked(func(status *report) { status.Run, status.State, status.Ready = nil, levels.StateUp, true })

	return nil
}

func (f *fakeAgent) Retry(_ context.Context, s levels.Sequence) error { return f.resolve("retry", s) }

func (f *fakeAgent) Skip(_ context.Context, s levels.Sequence) error { return f.resolve("skip", s) }

func (f *fakeAgent) Abort(_ context.Context, s levels.Sequence) error { return f.resolve("abort", s) }

func (f *fakeAgent) refusal() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.refuse
}

func (f *fakeAgent) Sync(context.Context) error { return f.refusal() }

func (f *fakeAgent) Reload(context.Context) error { return f.refusal() }

// Keys answers with the keys of the scenario; rotate makes a new one of them, remove takes
// one away.
func (f *fakeAgent) Keys(_ context.Context, asked levels.KeyRequest) ([]levels.KeyView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	switch asked.Verb {
	case levels.KeysRotate:
		f.keys = []levels.KeyView{{Key: "0011223344aa", Primary: true, Nodes: []levels.NodeID{"n1", "n2", "n3"}}}
	case levels.KeysRemove:
		f.keys = slices.DeleteFunc(f.keys, func(key levels.KeyView) bool { return key.Key == asked.Key && !key.Primary })
	case levels.KeysList, levels.KeyVerbUnknown:
	}

	return slices.Clone(f.keys), nil
}

// ResetVoter makes the voter a proven one.
func (f *fakeAgent) ResetVoter(context.Context, string) error {
	if err := f.refusal(); err != nil {
		return err
	}
	f.change(func(status *report) { status.Election, status.Why = "following", "" })

	return nil
}

// Failover makes this node the master.
func (f *fakeAgent) Failover(_ context.Context, asked levels.FailoverRequest) error {
	if err := f.refusal(); err != nil {
		return err
	}
	f.change(func(status *report) {
		status.Role, status.Master, status.Term, status.Headless = levels.RoleMaster, status.Node, status.Term+1, false
		status.Election, status.Why = "leading", ""
	})

	return nil
}

func (f *fakeAgent) ClientVanished(levels.ClientID) {}
func (f *fakeAgent) Fresh(context.Context)          {}
func (f *fakeAgent) BusLost()                       {}

func (f *fakeAgent) History(_ context.Context, limit int) ([]string, error) {
	if limit == 0 || limit > len(f.history) {
		limit = len(f.history)
	}

	return f.history[:limit], nil
}

func (f *fakeAgent) ConfigValue(key string) (any, error) {
	return nil, fmt.Errorf("%w: key %q", levels.ErrInvalid, key)
}

// fakeHistory is an init that failed and one that completed, the newest first.
func fakeHistory() []string {
	const day = "2026-11-23T01:00:"
	list := []record{
		{RunRecord: fakeRecord(8, "completed", ""), StartedAt: day + "10Z", EndedAt: day + "12Z"},
		{RunRecord: fakeRecord(7, "failed", "aborted by an operator"), StartedAt: day + "00Z", EndedAt: day + "02Z"},
	}

	return recordTexts(list)
}

func recordTexts(list []record) []string {
	texts := make([]string, len(list))
	for i, r := range list {
		text, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		texts[i] = string(text)
	}

	return texts
}

func fakeRecord(run levels.RunNumber, outcome, reason string) levels.RunRecord {
	start := levels.Instant(10 * time.Second)
	position := levels.Position{Sequence: levels.Init, Level: 3}
	web := levels.Participant{
		Kind: levels.KindMember, Name: "web.service", Position: position, Target: levels.SequenceTarget(position),
		Outcome: levels.OutcomeDone, Started: start, Ended: start.Add(time.Second),
	}
	level := levels.LevelRecord{Level: 3, Entered: start, Reached: start.Add(time.Second), Participants: []levels.Participant{web}}
	if outcome != "completed" {
		level.Reached, level.Participants[0].Outcome, level.Participants[0].Reason = 0, levels.OutcomeFailed, "exit status 1"
	}

	return levels.RunRecord{
		Run: run, Sequence: levels.Init, Role: levels.RoleMaster, Term: 4, Cause: "boot", Outcome: outcome, Reason: reason,
		Started: start, Ended: start.Add(2 * time.Second), Levels: []levels.LevelRecord{level},
	}
}
