package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/integration/privatebus"
	"github.com/cssc-ha/cssc/levels"
)

// A second agent on one node ends at once and says why; the first is not disturbed.
func TestANameThatIsTakenIsAnError(t *testing.T) {
	bus, _ := start(t)
	second := New(Options{Backend: newFakeAgent(), Address: bus.address})
	if err := second.Run(limited(t)); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("the second server ended with %v", err)
	}
	if _, name, _ := ask(t, bus.Connect(t), RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Fatalf("the first answers %s", name)
	}
}

// Nobody is answered with an empty status while the agent is starting.
func TestBeforeTheFirstPublishTheAnswerIsTryAgain(t *testing.T) {
	bus := startBus(t, privatebus.Open)
	server := New(Options{Backend: newFakeAgent(), Address: bus.address})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	receiveClosed(t, "the server", server.Ready())
	client := bus.client(t)
	if _, err := client.Status(limited(t)); !errors.Is(err, levels.ErrTryAgain) {
		t.Errorf("status gave %v", err)
	}
	conn := bus.Connect(t)
	for member, arguments := range map[string][]any{"GetAll": {ManagerInterface}, "Get": {ManagerInterface, "State"}} {
		if _, name, _ := ask(t, conn, RootPath, propertiesInterface+"."+member, arguments...); name != errorPrefix+"TryAgain" {
			t.Errorf("%s gave %q", member, name)
		}
	}
	if _, name, _ := ask(t, conn, RootPath, introspectInterface+".Introspect"); name != "" {
		t.Errorf("Introspect gave %s", name)
	}
	cancel()
	if err := receive(t, "the end", ended); err != nil {
		t.Errorf("being stopped is no error: %v", err)
	}
	if err := server.Invoke(levels.Invoke{}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("invoke after the end gave %v", err)
	}
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{":1.1"}})
	server.Publish(&Status{}, nil)
	if _, err := server.Alive(ctx, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("alive after the end gave %v", err)
	}
}

// The agent hears that a client is gone after everything that the client asked
// for, and never of connections it has nothing to do with.
func TestAVanishedClientIsReportedInOrder(t *testing.T) {
	bus, server := start(t)
	bystander, conn := bus.Connect(t), bus.Connect(t)
	ask(t, bystander, RootPath, ManagerInterface+".GetStatus", uint64(0))
	_ = bystander.Close()
	ask(t, conn, RootPath, ManagerInterface+".SubscribeCancellation", uint64(0))
	var heard list[string]
	release := make(chan struct{})
	server.agent.setHook(func(call string, subject any) {
		<-release
		if r, isRegistration := subject.(levels.Registration); isRegistration {
			heard.add(fmt.Sprint(call, " ", r.Position.Level))
		}
	})
	name := conn.Names()[0]
	for level := range int32(20) {
		conn.Object(BusName, RootPath).Go(ManagerInterface+".RegisterCallback", dbus.FlagNoReplyExpected, nil, "naming", "init", level, options())
	}
	_ = conn.Close()
	close(release)
	if got := receive(t, "the news", server.agent.vanished); string(got) != name {
		t.Fatalf("%s vanished, want %s", got, name)
	}
	if asked := heard.all(); len(asked) != 20 || asked[19] != "Register 19" {
		t.Fatalf("before that the agent was asked for %q", asked)
	}
	select {
	case other := <-server.agent.vanished:
		t.Fatalf("%s vanished too", other)
	default:
	}
}

// After a restart of the agent the dead clients are told apart from the living,
// and the end of a living one is reported although it never called this agent.
func TestAliveTellsWhoIsConnectedAndWatchesThem(t *testing.T) {
	bus, server := start(t)
	one, two := bus.Connect(t), bus.Connect(t)
	names := []levels.ClientID{levels.ClientID(one.Names()[0]), levels.ClientID(two.Names()[0])}
	_ = two.Close()
	// The bus has taken note of the end when the name is gone.
	for {
		all, err := server.session.Load().names(limited(t))
		if err != nil {
			t.Fatal(err)
		}
		if !all[string(names[1])] {
			break
		}
	}
	alive, err := server.Alive(limited(t), append(slices.Clone(names), ":99.99"))
	if err != nil || !alive[names[0]] || alive[names[1]] || alive[":99.99"] {
		t.Fatalf("alive are %v, %v", alive, err)
	}
	_ = one.Close()
	for got := receive(t, "the news", server.agent.vanished); got != names[0]; got = receive(t, "the news", server.agent.vanished) {
		if got != names[1] { // the news of its end may have been on its way when Alive was asked
			t.Fatalf("%s vanished, want %s", got, names[0])
		}
	}
}

// When the bus restarts, the server tells the agent, comes back, and clients register again.
func TestTheServerSurvivesARestartOfTheBus(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	calls := make(chan taken, 4)
	register(t, client, calls)
	for round := range 3 {
		bus.Restart(t)
		receive(t, "BusLost", server.agent.lost)
		waitRegistered(t, client, "naming")
		tag := server.agent.invoke("naming")
		if got := receive(t, "an invocation", calls).call; got.Tag != tag {
			t.Fatalf("round %d: invocation %d, want %d", round, got.Tag, tag)
		}
		if err := client.Done(limited(t), tag, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// A bus that ends in order says of every client that it is gone before it closes our own
// connection. None of them has failed.
func TestABusThatEndsInOrderIsNoEndOfClients(t *testing.T) {
	bus := startBus(t, privatebus.Open)
	before := bus.client(t)
	server := bus.serve(t, newFakeAgent())
	after := bus.client(t)
	calls := make(chan taken, 8)
	register(t, before, calls)
	if err := after.Register(limited(t), Registration{Component: "other", Sequence: levels.Init}, func(context.Context, Invocation) {}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(bus.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	receive(t, "BusLost", server.agent.lost)
	select {
	case client := <-server.agent.vanished:
		t.Errorf("%s vanished, but it was the bus", client)
	default:
	}
	bus.Restart(t)
	waitRegistered(t, before, "naming")
	waitRegistered(t, after, "other")
}

// dbus-daemon answers a signal to a connection that is gone with an error, which must not be
// taken for the answer to a call of our own.
func TestSignalsToTheDeadDisturbNoCall(t *testing.T) {
	_, server := start(t)
	dead := levels.Invoke{Registration: levels.Registration{Client: ":1.9999"}}
	for round := range 300 {
		// Both count their messages; the signals overtake the calls, wherever those are.
		for range 1 + round%3 {
			if err := server.Invoke(dead); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := server.Alive(limited(t), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that wants to hear of cancellations and nothing else is subscribed again.
func TestCancellationIsSubscribedAgain(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	canceled := make(chan levels.Level, 1)
	client.OnCanceled(func(_ levels.Sequence, last levels.Level) { canceled <- last })
	if err := client.SubscribeCancellation(limited(t)); err != nil {
		t.Fatal(err)
	}
	subscribed := make(chan levels.ClientID, 8)
	server.agent.setHook(func(call string, subject any) {
		if call == "SubscribeCancellation" {
			subscribed <- subject.(levels.ClientID)
		}
	})
	bus.Restart(t)
	who := receive(t, "the subscription", subscribed)
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{who}, Sequence: levels.Promote, LastLevel: 4})
	if last := receive(t, "the cancellation", canceled); last != 4 {
		t.Fatalf("last level is %s", last)
	}
}

// waitRegistered waits until the agent has a registration that was lost.
func waitRegistered(tb testing.TB, client *Client, component string) {
	tb.Helper()
	ctx := limited(tb)
	for {
		changed := client.watch()
		status, err := client.Status(ctx)
		if err == nil && slices.ContainsFunc(status.Registrations, func(r levels.Registration) bool { return r.Component == component }) {
			return
		}
		if wait := client.waitChange(ctx, changed, retryFirst); wait != nil {
			tb.Fatalf("%s is not registered again: %v (%v)", component, wait, err)
		}
	}
}

// What is queued when the server is told to stop is still sent.
func TestStoppingSendsWhatWaits(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	events, err := client.Events(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	server.agent.update(nil, levels.TellMasterReady{Node: "n1", Term: 9})
	server.stop()
	if got := receive(t, "the last signal", events); got.Name != "MasterReady" || got.Fields["term"] != uint64(9) {
		t.Fatalf("got %v", got)
	}
	if got := receive(t, "the end", events); got.Name != EventAgentLost {
		t.Fatalf("got %v", got)
	}
	if server.result != nil {
		t.Fatal(server.result)
	}
}

func TestAddressesAreRead(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/x":                "/run/x",
		"unix:guid=1,path=/run/a%20b":     "/run/a b",
		"unix:abstract=/tmp/y,guid=2":     "@/tmp/y",
		"tcp:host=localhost":              "",
		"unix:path=":                      "",
		"unix:path=%zz":                   "",
		"":                                "",
		"unix:dir=/tmp":                   "",
		"unix:tmpdir=/tmp,path=/run/last": "/run/last",
	} {
		if got, found := socketPath(address); got != want || found != (want != "") {
			t.Errorf("%q is %q, %v, want %q", address, got, found, want)
		}
	}
	if _, err := Connect(limited(t), ClientOptions{Address: "unix:path=/nonexistent/bus"}); !errors.Is(err, ErrNoBus) {
		t.Errorf("a missing bus gave %v", err)
	}
	if _, err := Connect(limited(t), ClientOptions{Address: "nonsense"}); !errors.Is(err, ErrNoBus) || !strings.Contains(err.Error(), "unix:path=") {
		t.Errorf("nonsense gave %v", err)
	}
}
