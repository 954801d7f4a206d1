package dbusapi

import (
	"context"
	"errors"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/integration/privatebus"
	"github.com/cssc-ha/cssc/levels"
)

// The agent restarts in the middle of a callback: the answer waits for it and
// counts, and nothing is invoked twice.
func TestDoneCountsOverARestartOfTheAgent(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 4)
	register(t, client, calls)
	tag := server.agent.invoke("naming")
	got := receive(t, "the invocation", calls)
	server.stop()
	answered := make(chan error, 1)
	go func() { answered <- client.Done(limited(t), tag, nil) }()
	select {
	case err := <-answered:
		t.Fatalf("Done did not wait for the agent: %v", err)
	default:
	}
	bus.serve(t, server.agent)
	if err := receive(t, "the answer", answered); err != nil {
		t.Fatal(err)
	}
	if done := receive(t, "Done", server.agent.done); done.Tag != tag || !done.OK {
		t.Fatalf("done is %+v", done)
	}
	if len(calls) != 0 {
		t.Fatal("invoked twice")
	}
	if got.ctx.Err() == nil {
		t.Error("the context of an answered invocation goes on")
	}
}

// The reply to Done is lost with the agent that took it: a second attempt hears
// NoSuchInvocation, which then means yes.
func TestALostReplyToDoneIsASuccess(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	tag := server.agent.invoke("naming")
	receive(t, "the invocation", calls)
	reached, release := make(chan struct{}), make(chan struct{})
	server.agent.setHook(func(call string, _ any) {
		if call == "Done" {
			close(reached)
			<-release
		}
	})
	answered := make(chan error, 1)
	go func() { answered <- client.Done(limited(t), tag, nil) }()
	receiveClosed(t, "Done at the agent", reached)
	server.agent.setHook(nil)
	// The connection breaks before the reply, after the agent took it.
	_ = server.session.Load().conn.Close()
	close(release)
	if done := receive(t, "Done", server.agent.done); done.Tag != tag {
		t.Fatalf("done is %+v", done)
	}
	if err := receive(t, "the answer", answered); err != nil {
		t.Fatal(err)
	}
}

// A Callback signal that was sent while nobody listened is found by asking, once.
func TestAMissedInvocationIsFound(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 4)
	register(t, client, calls)
	server.stop()
	r := server.agent.now().Registrations[0]
	server.agent.update(func(s *Status) {
		s.Pending = []levels.InvocationView{{Tag: 77, Registration: r, Position: r.Position, Noboot: true}}
	})
	again := bus.serve(t, server.agent)
	got := receive(t, "the invocation", calls).call
	if got.Tag != 77 || !got.Noboot || !got.Resume {
		t.Fatalf("invocation is %+v", got)
	}
	// The agent sends it again, as it does after a restart: it is known.
	if err := again.Invoke(levels.Invoke{Tag: 77, Registration: r, Position: r.Position, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if err := client.Done(limited(t), 77, nil); err != nil {
		t.Fatal(err)
	}
	// Even after the answer it is not taken again.
	if err := again.Invoke(levels.Invoke{Tag: 77, Registration: r, Position: r.Position, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status(limited(t)); err != nil { // behind the signal
		t.Fatal(err)
	}
	client.mu.Lock()
	defer client.mu.Unlock()
	if client.open[77] != nil || len(calls) != 0 {
		t.Fatal("invoked twice")
	}
}

// What the restarted agent does not know any more is void: the work is told, and
// a registration that is missing is made again.
func TestWhatTheRestartedAgentForgotIsSettled(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 4)
	register(t, client, calls)
	tag := server.agent.invoke("naming")
	got := receive(t, "the invocation", calls)
	server.stop()
	server.agent.update(func(s *Status) { s.Pending, s.Registrations = nil, nil })
	bus.serve(t, server.agent)
	receiveClosed(t, "the end of the void work", got.ctx.Done())
	waitRegistered(t, client, "naming")
	if err := client.Done(limited(t), tag, nil); !errors.Is(err, levels.ErrNoSuchInvocation) {
		t.Errorf("an answer to void work gave %v", err)
	}
}

// A service may start before the agent does.
func TestRegisterWaitsForTheAgent(t *testing.T) {
	bus := startBus(t, privatebus.Open)
	client := bus.client(t)
	if _, err := client.Status(limited(t)); !errors.Is(err, ErrNoAgent) || err.Error() != ErrNoAgent.Error() {
		t.Fatalf("without an agent: %v", err)
	}
	short, cancel := context.WithCancel(limited(t))
	refused := make(chan error, 1)
	go func() {
		refused <- client.Register(short, Registration{Component: "other", Sequence: levels.Init}, nil)
	}()
	cancel()
	if err := receive(t, "the end of patience", refused); !errors.Is(err, context.Canceled) {
		t.Fatalf("gave %v", err)
	}
	registered := make(chan struct{})
	calls := make(chan taken, 1)
	go func() {
		register(t, client, calls)
		close(registered)
	}()
	server := bus.serve(t, newFakeAgent())
	receiveClosed(t, "the registration", registered)
	server.agent.invoke("naming")
	receive(t, "the invocation", calls)
}

// Anybody can send a signal that looks like the agent's; the client obeys the
// owner of the name alone.
func TestForgedSignalsAreIgnored(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 4)
	register(t, client, calls)
	canceled := make(chan string, 1)
	client.OnCanceled(func(sequence levels.Sequence, _ levels.Level) { canceled <- sequence.String() })
	events, err := client.Events(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	tag := server.agent.invoke("naming")
	got := receive(t, "the invocation", calls)
	forger := bus.Connect(t)
	to := client.link.name
	info := options()
	for _, message := range []*dbus.Message{
		signalMessage(to, RootPath, ManagerInterface, "Callback", uint64(5), RegistrationPath(7), "naming", "init", int32(3), uint64(0), info),
		signalMessage(to, RootPath, ManagerInterface, "SequenceCanceled", "init", int32(3), info),
		signalMessage(to, RootPath, ManagerInterface, "MasterReady", "evil", uint64(666), info),
		signalMessage(to, driverPath, driverName, "NameOwnerChanged", BusName, client.link.owner, forger.Names()[0]),
		signalMessage(to, RootPath, ManagerInterface, "Callback"),
	} {
		forger.Send(message, nil)
	}
	// The right sender with a wrong body is no better.
	server.session.Load().send(signalMessage(to, RootPath, ManagerInterface, "Callback", "nonsense"))
	server.session.Load().send(signalMessage(to, RootPath, ManagerInterface, "SequenceCanceled", "nonsense", int32(1), info))
	server.session.Load().send(signalMessage(to, RootPath, ManagerInterface, "MasterReady", "n1"))
	if err = forger.Object(BusName, RootPath).Call(peerInterface+".Ping", 0).Err; err != nil {
		t.Fatal(err)
	}
	server.agent.update(nil, levels.TellQualified{Node: "n1", Qualified: true})
	if event := receive(t, "a true event", events); event.Name != "NodeQualified" {
		t.Errorf("the first event is %v", event)
	}
	if len(calls) != 0 || len(canceled) != 0 || got.ctx.Err() != nil {
		t.Errorf("a forgery was obeyed: %d calls, %d cancellations, %v", len(calls), len(canceled), got.ctx.Err())
	}
	if err = client.Done(limited(t), tag, nil); err != nil {
		t.Error(err)
	}
}

// Invocations come one after another in the order of the agent, and a newer one
// of the same registration makes the older void.
func TestInvocationsComeInOrderAndReplaceOlderOnes(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 100)
	register(t, client, calls)
	r := server.agent.now().Registrations[0]
	var last taken
	for tag := range levels.Tag(50) {
		if err := server.Invoke(levels.Invoke{Tag: tag + 1, Registration: r, Position: r.Position}); err != nil {
			t.Fatal(err)
		}
		if tag%10 != 9 {
			continue
		}
		for last.call.Tag != tag+1 {
			got := receive(t, "an invocation", calls)
			if got.call.Tag <= last.call.Tag {
				t.Fatalf("tag %d after %d", got.call.Tag, last.call.Tag)
			}
			if last.ctx != nil && last.ctx.Err() == nil {
				t.Fatalf("tag %d is not void although %d came", last.call.Tag, got.call.Tag)
			}
			last = got
		}
	}
	if last.ctx.Err() != nil {
		t.Fatal("the newest is void")
	}
}

// A list that was asked for before and comes late has what is void by now: replaced, or canceled.
// It makes nothing void and is not delivered again.
func TestWhatIsVoidDoesNotComeBack(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 100)
	register(t, client, calls)
	events, err := client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := server.agent.now().Registrations[0]
	invoke := func(tag levels.Tag) {
		if err := server.Invoke(levels.Invoke{Tag: tag, Registration: r, Position: r.Position}); err != nil {
			t.Fatal(err)
		}
	}
	unchanged := func() {
		server.agent.update(nil, levels.TellQualified{Node: "n1", Qualified: true})
		receive(t, "an event", events)
		if len(calls) != 0 {
			t.Errorf("tag %d was delivered again", (<-calls).call.Tag)
		}
	}
	invoke(1)
	receive(t, "an invocation", calls)
	invoke(2)
	newest := receive(t, "an invocation", calls)
	invoke(1)
	if unchanged(); newest.ctx.Err() != nil {
		t.Error("the newest is void")
	}
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{r.Client}, Sequence: r.Position.Sequence})
	invoke(2)
	if unchanged(); newest.ctx.Err() == nil {
		t.Error("the canceled one is not void")
	}
}

// Events tell of a lost and found agent, and a lost bus ends the stream.
func TestEventsTellOfTheAgentAndTheBus(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	events, err := client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.stop()
	if got := receive(t, "an event", events); got.Name != EventAgentLost {
		t.Fatalf("got %v", got)
	}
	bus.serve(t, server.agent)
	if got := receive(t, "an event", events); got.Name != EventAgentFound {
		t.Fatalf("got %v", got)
	}
	bus.Stop()
	for open := true; open; {
		select {
		case _, open = <-events:
		case <-limited(t).Done():
			t.Fatal("the stream goes on")
		}
	}
	if _, err = client.Status(limited(t)); !errors.Is(err, ErrNoBus) {
		t.Fatalf("without a bus: %v", err)
	}
	if _, err = client.WaitOperation(limited(t), 1); !errors.Is(err, ErrNoBus) {
		t.Fatalf("waiting without a bus: %v", err)
	}
}

// A reader that is too slow is told that it missed something.
func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	events, err := client.Events(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	for term := range levels.Term(maxEvents + 100) {
		server.agent.update(nil, levels.TellMasterReady{Node: "n1", Term: term})
	}
	if _, err = client.Status(limited(t)); err != nil { // behind all of them
		t.Fatal(err)
	}
	for range maxEvents - 1 {
		if got := receive(t, "an event", events); got.Name != "MasterReady" {
			t.Fatalf("got %v", got)
		}
	}
	server.agent.update(nil, levels.TellMasterReady{Node: "n1", Term: 5000})
	if got := receive(t, "the note", events); got.Name != EventMissed {
		t.Fatalf("got %v", got)
	}
	if got := receive(t, "an event", events); got.Fields["term"] != uint64(5000) {
		t.Fatalf("got %v", got)
	}
}

// A closed client says so, and its handlers are told.
func TestAClosedClient(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	server.agent.invoke("naming")
	got := receive(t, "the invocation", calls)
	name := client.link.name
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if got.ctx.Err() == nil {
		t.Error("the work was not told")
	}
	if _, err := client.Status(limited(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("status gave %v", err)
	}
	if err := client.Register(limited(t), Registration{Component: "x", Sequence: levels.Init}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("register gave %v", err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if vanished := receive(t, "the news", server.agent.vanished); string(vanished) != name {
		t.Errorf("%s vanished, want %s", vanished, name)
	}
}
