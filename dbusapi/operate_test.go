package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Each method of the client asks for what its name says.
func TestClientMethodsAskForWhatTheySay(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	var heard list[string]
	server.agent.setHook(func(call string, subject any) { heard.add(fmt.Sprintf("%s %+v", call, subject)) })
	ctx := limited(t)
	steps, err := client.PlanOperation(ctx, OperationRequest{Kind: levels.OperationSwitchover, To: "n2", Force: true, Reason: "r"})
	if err != nil || len(steps) != 2 {
		t.Errorf("plan is %q, %v", steps, err)
	}
	if _, err = client.RequestOperation(ctx, OperationRequest{Kind: levels.OperationShutdown, Node: "n1", Mode: levels.ModeHalt, CallbacksOnly: true}); err != nil {
		t.Error(err)
	}
	if _, err = client.RequestOperation(ctx, OperationRequest{Kind: levels.OperationShutdown, Node: "n9"}); !errors.Is(err, levels.ErrNoSuchNode) {
		t.Errorf("another node gave %v", err)
	}
	if _, err = client.RequestOperation(ctx, OperationRequest{Kind: levels.OperationShutdown, Node: levels.NodeID(strings.Repeat("n", MaxNodeName+1))}); !errors.Is(err, levels.ErrNoSuchNode) {
		t.Errorf("a long name gave %v", err)
	}
	if text, err := client.NodeStatusText(ctx, "n2"); err != nil || text != `{"node":"n2"}` {
		t.Errorf("status of n2 is %s, %v", text, err)
	}
	if _, err = client.NodeStatusText(ctx, "n9"); !errors.Is(err, levels.ErrUnreachable) {
		t.Errorf("status of a silent node gave %v", err)
	}
	if there, err := client.NodeHistory(ctx, "n2", 2); err != nil || len(there) != 2 {
		t.Errorf("history of n2 is %q, %v", there, err)
	}
	records, err := client.History(ctx, 2)
	if err != nil || len(records) != 2 {
		t.Errorf("history is %q, %v", records, err)
	}
	err = errors.Join(client.Retry(ctx, levels.Init), client.Skip(ctx, levels.Shut), client.Abort(ctx, levels.Promote), client.Sync(ctx), client.Reload(ctx))
	if err != nil {
		t.Error(err)
	}
	views, err := client.Keys(ctx, levels.KeyRequest{Verb: levels.KeysRotate})
	if got := fmt.Sprintf("%+v", views); err != nil || got != "[{Key:0011223344aa Primary:true Nodes:[n1 n2] Missing:[]} {Key:ffeeddccbb99 Primary:false Nodes:[n1] Missing:[n2]}]" {
		t.Errorf("keys are %s, %v", got, err)
	}
	if err = errors.Join(client.ResetVoter(ctx), client.Failover(ctx, levels.FailoverRequest{Fenced: "n1", Reason: "r"})); err != nil {
		t.Error(err)
	}
	if err = client.Failover(ctx, levels.FailoverRequest{Fenced: "n9"}); !errors.Is(err, levels.ErrNoSuchNode) {
		t.Errorf("failover from a stranger gave %v", err)
	}
	requests := server.agent.operations()
	by := requests[0].By
	if requests[0] != (levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n2", Force: true, Reason: "r", By: by, DryRun: true}) {
		t.Errorf("planned %+v", requests[0])
	}
	if requests[1] != (levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeHalt, CallbacksOnly: true, By: by}) {
		t.Errorf("requested %+v", requests[1])
	}
	if got := strings.Join(heard.all()[3:], ", "); got != "NodeStatus n2, NodeHistory n2, History 2, History 2, Retry init, Skip shut, Abort promote, Sync <nil>, Reload <nil>, "+
		"Keys {Verb:rotate Key: By:"+by+"}, ResetVoter <nil>, Failover {Fenced:n1 Reason:r By:"+by+"}" {
		t.Errorf("asked for %s", got)
	}
}

// Waiting for an operation goes on over other news and a restart of the agent.
func TestWaitingForAnOperationSurvivesTheAgent(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	id, err := client.RequestOperation(limited(t), OperationRequest{Kind: levels.OperationDisqualify})
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		view levels.OperationView
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		view, err := client.WaitOperation(limited(t), id)
		ended <- result{view, err}
	}()
	// It waits once its subscription is there.
	for subscribed := false; !subscribed; {
		if _, err = client.Status(limited(t)); err != nil {
			t.Fatal(err)
		}
		client.mu.Lock()
		subscribed = len(client.subscriptions) == 1
		client.mu.Unlock()
	}
	server.agent.update(nil, levels.TellMasterReady{Node: "n1"})
	server.stop()
	bus.serve(t, server.agent)
	server.agent.finish(id, levels.ResultDone, "")
	if got := receive(t, "the end", ended); got.err != nil || got.view.Result != levels.ResultDone {
		t.Fatalf("it ended with %+v", got)
	}
	if _, err = client.WaitOperation(limited(t), 99); err == nil || !strings.Contains(err.Error(), "does not know it") {
		t.Errorf("an unknown operation gave %v", err)
	}
	short, cancel := context.WithCancelCause(t.Context())
	running, err := client.RequestOperation(limited(t), OperationRequest{Kind: levels.OperationQualify})
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("enough")
	cancel(reason)
	if _, err = client.WaitOperation(short, running); !errors.Is(err, context.Canceled) && !errors.Is(err, reason) {
		t.Errorf("an impatient wait gave %v", err)
	}
}

// systemd answers for the processes of the bus.
type fakeSystemd struct{ asked chan uint32 }

// GetUnitByPID is the method of the real one.
func (s *fakeSystemd) GetUnitByPID(pid uint32) (dbus.ObjectPath, *dbus.Error) {
	s.asked <- pid

	return "/org/freedesktop/systemd1/unit/my_2dservice_401_2eservice", nil
}

// The unit that a client runs in is looked up once and kept with the registration.
func TestTheUnitOfAClientIsKnown(t *testing.T) {
	bus, server := start(t)
	systemd := &fakeSystemd{asked: make(chan uint32, 10)}
	conn := bus.Connect(t)
	if err := conn.Export(systemd, systemdPath, systemdManager); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(systemdName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	client := bus.client(t)
	register(t, client, nil)
	if err := client.Register(limited(t), Registration{Component: "other", Sequence: levels.Shut, Level: levels.Last}, nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range server.agent.now().Registrations {
		if r.Unit != "my-service@1.service" {
			t.Errorf("unit of %s is %q", r.Component, r.Unit)
		}
	}
	if len(systemd.asked) != 1 {
		t.Errorf("systemd was asked %d times", len(systemd.asked))
	}
}

// A reason that is too long for the interface is cut between letters.
func TestLongReasonsAreCut(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "1234567890": "1234567890", "12345678901": "1234567…", "äöüäöü": "äöü…"} {
		if got := shorten(text, 10); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	server.agent.invoke("naming")
	tag := receive(t, "the invocation", calls).call.Tag
	if err := client.Done(limited(t), tag, errors.New(strings.Repeat("ü\x1b", 2000))); err != nil {
		t.Fatal(err)
	}
	if done := receive(t, "Done", server.agent.done); len(done.Message) > MaxMessage || !strings.HasSuffix(done.Message, "…") {
		t.Errorf("message has %d bytes: %q", len(done.Message), done.Message)
	}
}

// Only so many answered tags are remembered, the latest.
func TestSpentTagsAreBounded(t *testing.T) {
	a := newSpentTags()
	for tag := range levels.Tag(maxSpent + 10) {
		a.add(tag)
		a.add(tag)
	}
	if len(a.tags) != maxSpent || a.tags[9] || !a.tags[10] || !a.tags[maxSpent+9] {
		t.Errorf("%d tags are remembered", len(a.tags))
	}
}
