package dbusapi

import (
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/integration/privatebus"
	"github.com/cssc-ha/cssc/levels"
)

// waitListed waits until the agent has a registration of the component.
func waitListed(tb testing.TB, agent *fakeAgent, component string) {
	tb.Helper()
	ctx := limited(tb)
	for ctx.Err() == nil {
		if slices.ContainsFunc(agent.now().Registrations, func(r levels.Registration) bool { return r.Component == component }) {
			return
		}
	}
	tb.Fatalf("%s is not registered again", component)
}

// The agent restarts in the middle of a callback: the answer is kept and counts, and nothing
// is invoked twice.
func TestLibcsscKeepsAnAnswerForTheAgent(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	want := server.agent.invoke("naming")
	tag := p.Line(called)[0]
	server.stop()
	p.Ask("done "+tag+" 0", "done OK")
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("info", "info EAGAIN .*")
	p.Ask("master", "master EAGAIN .*")
	p.Ask("conf 1 100", "conf EAGAIN .*")
	p.Ask("operation one 3 - 0", "operation EAGAIN .*")
	bus.serve(t, server.agent)
	if done := receive(t, "Done", server.agent.done); done.Tag != want || !done.OK {
		t.Fatalf("done is %+v", done)
	}
	server.agent.invoke("naming")
	p.Line(called)
}

// The reply to Done is lost with the agent that took it: the answer is given again, the agent
// knows nothing of it, and that is its end.
func TestLibcsscBearsALostReplyToDone(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	reached, release, again := make(chan struct{}), make(chan struct{}), make(chan struct{})
	server.agent.setHook(func(call string, _ any) {
		if call == "Done" {
			close(reached)
			<-release
		}
	})
	p.Send("done " + tag + " 0")
	receiveClosed(t, "Done at the agent", reached)
	server.agent.setHook(func(call string, _ any) {
		if call == "Done" {
			close(again)
		}
	})
	_ = server.session.Load().conn.Close()
	close(release)
	receive(t, "Done", server.agent.done)
	p.Line("done OK")
	receiveClosed(t, "the answer again", again)
	server.agent.setHook(nil)
	waitListed(t, server.agent, "naming")
	server.agent.invoke("naming")
	next := p.Line(called)[0]
	p.Ask("done "+next+" 0", "done OK")
}

// A Callback signal that was sent while nobody listened is found by asking, once.
func TestLibcsscFindsAMissedInvocation(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	server.stop()
	r := server.agent.now().Registrations[0]
	server.agent.update(func(s *Status) {
		s.Pending = []levels.InvocationView{{Tag: 77, Registration: r, Position: r.Position, Noboot: true}}
	})
	again := bus.serve(t, server.agent)
	tag := p.Line(`callback (0x[0-9a-f]+) init 3 flags=1 .*`)[0]
	resume := levels.Invoke{Tag: 77, Registration: r, Position: r.Position, Resume: true}
	if err := again.Invoke(resume); err != nil {
		t.Fatal(err)
	}
	p.Ask("done "+tag+" 0", "done OK")
	if err := again.Invoke(resume); err != nil {
		t.Fatal(err)
	}
	p.Ask("info", "info OK .*") // behind the signal
	p.Ask("info", "info OK .*")
}

// What a restarted agent does not know any more is void, and registered again.
func TestLibcsscSettlesWhatTheAgentForgot(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	server.stop()
	server.agent.update(func(s *Status) { s.Pending, s.Registrations = nil, nil })
	bus.serve(t, server.agent)
	waitListed(t, server.agent, "naming")
	server.agent.invoke("naming")
	next := p.Line(called)[0]
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("done "+next+" 0", "done OK")
}

// When the bus restarts, everything is registered again and open work is void.
func TestLibcsscSurvivesARestartOfTheBus(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("register other shut -1 hold", "register OK")
	p.Ask("notify", "notify OK")
	for range 3 {
		server.agent.invoke("naming")
		tag := p.Line(called)[0]
		bus.Restart(t)
		receive(t, "BusLost", server.agent.lost)
		waitListed(t, server.agent, "naming")
		waitListed(t, server.agent, "other")
		server.agent.invoke("naming")
		next := p.Line(called)[0]
		p.Ask("done "+tag+" 0", "done ESRCH .*")
		p.Ask("done "+next+" 0", "done OK")
		r := server.agent.now().Registrations[0]
		server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{r.Client}, Sequence: levels.Demote, LastLevel: 2})
		p.Line("canceled demote 2")
	}
}

// A bus that stays away is come back to, without a poll that never sleeps.
func TestLibcsscWaitsForABusThatIsAway(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("wait 0", "wait OK")
	p.Ask("register naming init 3 hold", "register OK")
	bus.Stop()
	receive(t, "BusLost", server.agent.lost)
	p.Ask("register other init 3 hold", "register EAGAIN .*")
	p.Ask("info", "info EAGAIN .*")
	bus.Start(t)
	waitListed(t, server.agent, "naming")
	p.Ask("wait 60000", "wait OK")
	p.Ask("register other init 3 hold", "register OK")
	server.agent.invoke("other")
	p.Line(called)
}

// A service may start before the agent does, and gives up when it is told to.
func TestLibcsscWaitsForTheAgent(t *testing.T) {
	bus := startBus(t, privatebus.Open)
	p := bus.play(t)
	p.Ask("wait 0", "wait OK")
	p.Ask("register naming init 3 hold", "register EAGAIN .*")
	p.Ask("notify", "notify EAGAIN .*")
	p.Ask("wait 60000", "wait OK")
	p.Send("register naming init 3 hold")
	server := bus.serve(t, newFakeAgent())
	p.Line("register OK")
	server.agent.invoke("naming")
	p.Line(called)
}

// A registration whose acknowledgement was lost, and that the program was told it does not
// have, is taken back; whoever waits for it meanwhile is answered.
func TestLibcsscTakesBackWhatItIsNotSureOf(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("wait 0", "wait OK")
	p.Ask("register first init 0 hold", "register OK")
	position := levels.Position{Sequence: levels.Init, Level: 3}
	orphan := levels.Registration{ID: 99, Component: "naming", Position: position, Client: server.agent.now().Registrations[0].Client}
	server.agent.update(func(s *Status) {
		s.Registrations = append(s.Registrations, orphan)
		s.Pending = []levels.InvocationView{{Tag: 500, Registration: orphan, Position: position}}
	})
	server.agent.mu.Lock()
	server.agent.fail["Register"] = ErrTimeout
	server.agent.mu.Unlock()
	gone := make(chan levels.RegistrationID, 8)
	server.agent.setHook(func(call string, subject any) {
		if call == "Unregister" {
			gone <- subject.(levels.RegistrationID)
		}
	})
	p.Ask("register naming init 3 hold", "register EAGAIN .*")
	if id := receive(t, "the registration taken back", gone); id != orphan.ID {
		t.Errorf("%d was taken back, want %d", id, orphan.ID)
	}
	if done := receive(t, "Done", server.agent.done); done.Tag != 500 || !done.OK {
		t.Errorf("done is %+v", done)
	}
}

// Results of operations are told, whatever restarts meanwhile.
func TestLibcsscTellsResults(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("operation one 3 - 1", "operation OK")
	p.Ask("operation two 4 - 0 n1", "operation OK")
	if asked := server.agent.operations(); len(asked) != 2 || asked[0].Mode != levels.ModeNoboot || asked[1].To != "n1" ||
		asked[0].Reason != "the test says so" || asked[1].Kind != levels.OperationSwitchover {
		t.Errorf("the agent was asked for %+v", asked)
	}
	server.agent.finish(1, levels.ResultDone, "")
	p.Line("result one COMPLETED ")
	server.agent.finish(2, levels.ResultFailed, "n1 does not answer")
	p.Line("result two FAILED n1 does not answer")
	p.Ask("operation three 1 n1 0", "operation OK")
	p.Ask("operation four 2 n1 0", "operation OK")
	p.Ask("operation five 2 n1 0", "operation OK")
	server.stop()
	server.agent.finish(3, levels.ResultDone, "")
	server.agent.update(func(s *Status) { s.Operations = s.Operations[:4] }) // five is forgotten
	bus.serve(t, server.agent)
	first, second := p.Line("result (.*)"), p.Line("result (.*)")
	if got := []string{first[0], second[0]}; !slices.Contains(got, "three COMPLETED ") ||
		!slices.Contains(got, "five UNKNOWN the agent was restarted and does not know the operation any more") {
		t.Errorf("results are %q", got)
	}
	bus.Restart(t)
	receive(t, "BusLost", server.agent.lost)
	p.Ask("wait 60000", "wait OK")
	p.Ask("register naming init 3 hold", "register OK")
	server.agent.finish(4, levels.ResultCanceled, "")
	p.Line("result four FAILED canceled|result four FAILED ended")
}

// A stranger cannot make the program believe in an end.
func TestLibcsscBelievesResultsOfTheAgentAlone(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("operation one 3 - 1", "operation OK")
	forger := bus.Connect(t)
	to := string(server.agent.now().Registrations[0].Client)
	forger.Send(signalMessage(to, RootPath, ManagerInterface, "OperationRemoved", uint64(1), OperationPath(1), "n1", "done",
		map[string]dbus.Variant{}), nil)
	ask(t, forger, RootPath, peerInterface+".Ping")
	p.Ask("info", "info OK .*")
	server.agent.finish(1, levels.ResultFailed, "no")
	p.Line("result one FAILED no")
}
