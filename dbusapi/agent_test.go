package dbusapi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cssc-ha/cssc/levels"
)

// fakeAgent is a backend that remembers what it was asked and can be told what to answer.
type fakeAgent struct {
	server *Server

	mu      sync.Mutex
	status  Status
	nextID  levels.RegistrationID
	nextTag levels.Tag
	// open are the invocations by tag in a benchmark, where nothing is published.
	open     map[levels.Tag]levels.ClientID
	fail     map[string]error
	requests []levels.OperationRequested
	// hook, when set, is called with every request, outside the lock.
	hook func(call string, subject any)
	// done receives every accepted CallbackDone; calls every call's name.
	done     chan levels.CallbackDone
	vanished chan levels.ClientID
	lost     chan struct{}
	subs     map[levels.ClientID]bool
	// instant ends every operation as soon as it has begun.
	instant bool
}

func newFakeAgent() *fakeAgent {
	return &fakeAgent{
		status: Status{
			View: levels.View{
				Node: "n1", Cluster: "local", State: levels.StateUp, Role: levels.RoleMaster, Term: 3, Master: "n1",
				Qualified: true, Ready: true, MasterReady: true, Reached: levels.Last, ReachedAny: true,
			},
			Version: "1.0", Quorate: true, Election: "leading", Voters: 1, VotersHeard: 1,
			Nodes: []levels.NodeView{{
				Node: "n1", State: levels.StateUp, Role: levels.RoleMaster, Term: 3, Eligible: true, Qualified: true, Self: true,
				Vote: true, Alive: true, InStep: true,
			}},
		},
		nextID: 7, nextTag: 1000, fail: map[string]error{}, subs: map[levels.ClientID]bool{},
		done: make(chan levels.CallbackDone, 4096), vanished: make(chan levels.ClientID, 64), lost: make(chan struct{}, 8),
	}
}

// enter is the front of every method: it tells the hook and gives the error to answer with.
func (a *fakeAgent) enter(call string, subject any) error {
	a.mu.Lock()
	hook, err := a.hook, a.fail[call]
	a.mu.Unlock()
	if hook != nil {
		hook(call, subject)
	}

	return err
}

func (a *fakeAgent) setHook(hook func(call string, subject any)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// list collects what other goroutines report. Safe for concurrent use.
type list[T any] struct {
	mu     sync.Mutex
	values []T
}

func (l *list[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values = append(l.values, v)
}

func (l *list[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()

	return slices.Clone(l.values)
}

// now is a copy of what the agent would publish.
func (a *fakeAgent) now() Status {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.copy()
}

// operations are the requests so far.
func (a *fakeAgent) operations() []levels.OperationRequested {
	a.mu.Lock()
	defer a.mu.Unlock()

	return slices.Clone(a.requests)
}

// update changes the status and publishes it with notices.
func (a *fakeAgent) update(change func(*Status), notices ...levels.Action) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(change, notices...)
}

func (a *fakeAgent) publish(change func(*Status), notices ...levels.Action) {
	if change != nil {
		change(&a.status)
	}
	next := a.copy()
	if a.server != nil {
		a.server.Publish(&next, notices)
	}
}

func (a *fakeAgent) copy() Status {
	next := a.status
	next.Registrations = slices.Clone(a.status.Registrations)
	next.Pending = slices.Clone(a.status.Pending)
	next.Operations = slices.Clone(a.status.Operations)
	next.Nodes = slices.Clone(a.status.Nodes)

	return next
}

func (a *fakeAgent) Register(_ context.Context, r levels.Registration) (levels.RegistrationID, error) {
	if err := a.enter("Register", r); err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, other := range a.status.Registrations {
		if other.Component == r.Component && other.Position == r.Position {
			return 0, fmt.Errorf("register %s: %w at %s", r.Component, levels.ErrAlreadyRegistered, r.Position)
		}
	}
	r.ID = a.nextID
	a.nextID++
	a.publish(func(s *Status) { s.Registrations = append(s.Registrations, r) })

	return r.ID, nil
}

func (a *fakeAgent) Unregister(_ context.Context, client levels.ClientID, id levels.RegistrationID) error {
	if err := a.enter("Unregister", id); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for index, r := range a.status.Registrations {
		if r.ID != id {
			continue
		}
		if r.Client != client {
			return fmt.Errorf("unregister %d: %w", id, levels.ErrNotYours)
		}
		a.publish(func(s *Status) { s.Registrations = slices.Delete(s.Registrations, index, index+1) })

		return nil
	}

	return fmt.Errorf("unregister %d: %w", id, levels.ErrNoSuchRegistration)
}

func (a *fakeAgent) Done(_ context.Context, done levels.CallbackDone) error {
	if err := a.enter("Done", done); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[done.Tag] == done.Client {
		delete(a.open, done.Tag)
		a.done <- done

		return nil
	}
	for index, open := range a.status.Pending {
		if open.Tag != done.Tag {
			continue
		}
		if open.Registration.Client != done.Client {
			return fmt.Errorf("done: %w", levels.ErrNotYours)
		}
		a.status.Pending = slices.Delete(a.status.Pending, index, index+1)
		a.publish(nil)
		a.done <- done

		return nil
	}

	return fmt.Errorf("done with %d: %w: answered, cancelled or never given", done.Tag, levels.ErrNoSuchInvocation)
}

func (a *fakeAgent) SubscribeCancellation(_ context.Context, client levels.ClientID) error {
	if err := a.enter("SubscribeCancellation", client); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subs[client] {
		return fmt.Errorf("subscribe: %w", levels.ErrAlreadyRegistered)
	}
	a.subs[client] = true

	return nil
}

func (a *fakeAgent) OperationOn(_ context.Context, node levels.NodeID, request levels.OperationRequested) (levels.OperationID, []string, error) {
	if err := a.enter("Operation", request); err != nil {
		return 0, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if node == "n9" {
		return 0, nil, fmt.Errorf("%s: %w: n9", request.Kind, levels.ErrNoSuchNode)
	}
	a.requests = append(a.requests, request)
	if request.DryRun {
		return 0, []string{"shut level 0: nobody", "reboot"}, nil
	}
	view := levels.OperationView{
		ID: levels.OperationID(len(a.requests)), Kind: request.Kind, Node: cmp.Or(node, a.status.Node), Mode: request.Mode,
		To: request.To, By: request.By, Reason: request.Reason, Step: "begin", Result: levels.ResultRunning, Started: 5_000_000,
	}
	a.publish(func(s *Status) { s.Operations = append(s.Operations, view) }, levels.TellOperationStarted{Operation: view})
	if a.instant {
		go a.finish(view.ID, levels.ResultDone, "")
	}

	return view.ID, nil, nil
}

// finish ends an operation.
func (a *fakeAgent) finish(id levels.OperationID, result levels.OperationResult, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for index := range a.status.Operations {
		if o := &a.status.Operations[index]; o.ID == id {
			o.Result, o.Error, o.Step, o.Ended = result, reason, "ended", 9_000_000
			a.publish(nil, levels.TellOperationFinished{Operation: *o})
		}
	}
}

func (a *fakeAgent) Retry(_ context.Context, s levels.Sequence) error { return a.enter("Retry", s) }
func (a *fakeAgent) Skip(_ context.Context, s levels.Sequence) error  { return a.enter("Skip", s) }
func (a *fakeAgent) Abort(_ context.Context, s levels.Sequence) error { return a.enter("Abort", s) }
func (a *fakeAgent) Sync(context.Context) error                       { return a.enter("Sync", nil) }

func (a *fakeAgent) Reload(context.Context) error { return a.enter("Reload", nil) }

func (a *fakeAgent) Keys(_ context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	if err := a.enter("Keys", request); err != nil {
		return nil, err
	}

	return []levels.KeyView{
		{Key: "0011223344aa", Primary: true, Nodes: []levels.NodeID{"n1", "n2"}},
		{Key: "ffeeddccbb99", Nodes: []levels.NodeID{"n1"}, Missing: []levels.NodeID{"n2"}},
	}, nil
}

func (a *fakeAgent) ResetVoter(context.Context, string) error { return a.enter("ResetVoter", nil) }

func (a *fakeAgent) Failover(_ context.Context, request levels.FailoverRequest) error {
	return a.enter("Failover", request)
}

func (a *fakeAgent) ClientVanished(client levels.ClientID) {
	a.mu.Lock()
	a.publish(func(s *Status) {
		s.Registrations = slices.DeleteFunc(s.Registrations, func(r levels.Registration) bool { return r.Client == client })
		s.Pending = slices.DeleteFunc(s.Pending, func(i levels.InvocationView) bool { return i.Registration.Client == client })
	})
	a.mu.Unlock()
	a.vanished <- client
}

// Fresh implements Backend: this agent publishes before it answers.
func (a *fakeAgent) Fresh(context.Context) {}

func (a *fakeAgent) BusLost() {
	a.mu.Lock()
	a.publish(func(s *Status) { s.Registrations, s.Pending = nil, nil })
	clear(a.subs)
	a.mu.Unlock()
	a.lost <- struct{}{}
}

func (a *fakeAgent) History(_ context.Context, limit int) ([]string, error) {
	records := []string{`{"run":3}`, `{"run":2}`, `{"run":1}`}
	if limit > 0 && limit < len(records) {
		records = records[:limit]
	}

	return records, a.enter("History", limit)
}

func (a *fakeAgent) NodeStatus(_ context.Context, node levels.NodeID) (string, error) {
	if node == "n9" {
		return "", fmt.Errorf("status of n9: %w: it is not heard", levels.ErrUnreachable)
	}

	return `{"node":"` + string(node) + `"}`, a.enter("NodeStatus", node)
}

func (a *fakeAgent) NodeHistory(ctx context.Context, node levels.NodeID, limit int) ([]string, error) {
	if err := a.enter("NodeHistory", node); err != nil {
		return nil, err
	}

	return a.History(ctx, limit)
}

func (a *fakeAgent) ConfigValue(key string) (any, error) {
	if word, found := strings.CutPrefix(key, "levels."); found {
		if _, err := levels.ParseSequence(word); err != nil {
			return nil, err
		}

		return int32(10), nil // the type that the real one has
	}

	return nil, fmt.Errorf("%w: unknown key %q", levels.ErrInvalid, key)
}

// invoke opens an invocation for a registered component and sends its signal.
func (a *fakeAgent) invoke(component string) levels.Tag {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.status.Registrations {
		if r.Component != component {
			continue
		}
		tag := a.nextTag
		a.nextTag++
		info := levels.Info{Node: "n1", Cluster: "local", State: levels.StateInitializing, Role: levels.RoleMaster, Term: 3, Master: "n1"}
		a.publish(func(s *Status) {
			s.Pending = append(s.Pending, levels.InvocationView{Tag: tag, Registration: r, Position: r.Position, Info: info})
		})
		if err := a.server.Invoke(levels.Invoke{Tag: tag, Registration: r, Position: r.Position, Info: info}); err != nil {
			panic(err)
		}

		return tag
	}
	panic("component " + component + " is not registered")
}
