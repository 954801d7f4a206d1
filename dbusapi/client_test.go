package dbusapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// taken is a handler that passes invocations on, with their contexts.
type taken struct {
	ctx  context.Context //nolint:containedctx // the test looks at it
	call Invocation
}

func passOn(calls chan taken) Handler {
	return func(ctx context.Context, call Invocation) { calls <- taken{ctx, call} }
}

func register(tb testing.TB, client *Client, calls chan taken) {
	tb.Helper()
	err := client.Register(limited(tb), Registration{
		Component: "naming", Sequence: levels.Init, Level: 3, Cookie: 42, Timeout: time.Minute, OnFailure: levels.PolicyContinue,
	}, passOn(calls))
	if err != nil {
		tb.Fatal(err)
	}
}

// A service registers, is called with everything the signal says, and answers.
func TestClientIsCalledAndAnswers(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 8)
	register(t, client, calls)
	r := server.agent.now().Registrations[0]
	if r.Component != "naming" || r.Timeout != time.Minute || r.OnFailure != levels.PolicyContinue || r.Client == "" {
		t.Fatalf("registration is %+v", r)
	}
	tag := server.agent.invoke("naming")
	got := receive(t, "the invocation", calls).call
	want := Invocation{
		Tag: tag, Component: "naming", Sequence: levels.Init, Level: 3, Cookie: 42,
		Info: levels.Info{Node: "n1", Cluster: "local", State: levels.StateInitializing, Role: levels.RoleMaster, Term: 3, Master: "n1"},
	}
	if got != want {
		t.Fatalf("invocation is\n%+v, want\n%+v", got, want)
	}
	if err := client.Done(limited(t), tag, errors.New("no disk")); err != nil {
		t.Fatal(err)
	}
	if done := receive(t, "Done", server.agent.done); done.OK || done.Message != "no disk" || done.Tag != tag {
		t.Fatalf("done is %+v", done)
	}
	if err := client.Done(limited(t), tag, nil); !errors.Is(err, levels.ErrNoSuchInvocation) {
		t.Fatalf("a second Done gave %v", err)
	}
}

func TestClientWaitsForAnOperation(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	id, err := client.RequestOperation(limited(t), OperationRequest{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, Reason: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan levels.OperationView, 1)
	go func() {
		view, err := client.WaitOperation(limited(t), id)
		if err != nil {
			t.Error(err)
		}
		ended <- view
	}()
	server.agent.finish(id, levels.ResultFailed, "db did not stop")
	if view := receive(t, "the end", ended); view.Result != levels.ResultFailed || view.Error != "db did not stop" || view.By == "" {
		t.Fatalf("operation is %+v", view)
	}
}
