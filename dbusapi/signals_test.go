package dbusapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// listen is a bare connection that receives every signal of the agent, in order.
func listen(t *testing.T, bus *testBus) chan *dbus.Signal {
	t.Helper()
	conn := bus.Connect(t, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err := conn.AddMatchSignalContext(limited(t), dbus.WithMatchSender(BusName)); err != nil {
		t.Fatal(err)
	}
	signals := make(chan *dbus.Signal, 100)
	conn.Signal(signals)

	return signals
}

// next reads a signal that is not one of the bus itself.
func next(t *testing.T, signals chan *dbus.Signal) *dbus.Signal {
	t.Helper()
	for {
		if signal := receive(t, "a signal", signals); !strings.HasPrefix(signal.Name, driverName+".Name") {
			return signal
		}
	}
}

func position(sequence levels.Sequence, level levels.Level) levels.Position {
	return levels.Position{Sequence: sequence, Level: level}
}

// Each notice becomes the signal that the description promises, with these very arguments.
func TestNoticesBecomeSignals(t *testing.T) {
	bus, server := start(t)
	signals := listen(t, bus)
	described, err := describe(ManagerInterface)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, s := range described.Signals {
		for _, a := range s.Args {
			types[s.Name] += a.Type
		}
	}
	operation := levels.OperationView{ID: 4, Kind: levels.OperationShutdown, Node: "n1", Mode: levels.ModeHalt, By: "uid 0", Error: "e\x07", Result: levels.ResultFailed}
	seen := map[string]bool{}
	for _, row := range []struct {
		notice levels.Action
		want   string
	}{
		{levels.TellMasterReady{Node: "n1", Term: 3}, "MasterReady n1 3 map[]"},
		{levels.TellQualified{Node: "n1", Qualified: true}, "NodeQualified n1 map[]"},
		{levels.TellQualified{Node: "n1"}, "NodeDisqualified n1 map[]"},
		{levels.TellStateChanged{Role: levels.RoleVice, OldRole: levels.RoleMaster}, "RoleChanged n1 vice master 3 map[]"},
		{levels.TellSequenceStarted{Run: 5, Sequence: levels.Init, Term: 3, Cause: "boot"}, "SequenceStarted 5 init boot map[term:@t 3]"},
		{levels.TellLevelReached{Run: 5, Position: position(levels.Init, levels.Last)}, "LevelReached 5 init -1 map[]"},
		{
			levels.TellSequenceFinished{Record: levels.RunRecord{Run: 5, Sequence: levels.Shut, Role: levels.RoleSpare, Term: 3, Cause: "uid 0", Outcome: "failed", Reason: "x"}},
			`SequenceFinished 5 shut failed map[cause:"uid 0" reason:"x" role:"spare" term:@t 3]`,
		},
		{
			levels.TellFailed{Run: 5, Policy: levels.PolicyHold, Participant: levels.Participant{
				Kind: levels.KindMember, Name: "a.service", Position: position(levels.Init, 2), Target: levels.ReadyTarget(), Reason: "exit status 1",
			}},
			`ComponentFailed a.service init 2 exit status 1 map[kind:"member" policy:"hold" run:@t 5 target:"ready"]`,
		},
		{
			levels.TellFailed{Run: 5, Policy: levels.PolicyHold, Participant: levels.Participant{
				Kind: levels.KindCallback, Name: "a", Position: position(levels.Init, 2), Reason: "timed out",
			}},
			`ComponentFailed a init 2 timed out map[kind:"callback" policy:"hold" run:@t 5]`,
		},
		{
			levels.TellOperationStarted{Operation: operation},
			`OperationNew 4 /org/cssc/Agent1/operation/4 n1 map[by:"uid 0" mode:"halt" operation:"shutdown" reason:"" to:""]`,
		},
		{
			levels.TellOperationFinished{Operation: operation},
			`OperationRemoved 4 /org/cssc/Agent1/operation/4 n1 failed map[by:"uid 0" error:"e?" mode:"halt" operation:"shutdown" reason:"" to:""]`,
		},
	} {
		// What is not for the bus comes before and must not show.
		server.agent.update(nil, levels.TellStateChanged{}, levels.TellHeld{}, levels.TellWaiting{}, levels.TellDropped{}, levels.TellTargetLost{},
			levels.StartUnits{}, levels.PersistQualified{}, row.notice)
		signal := next(t, signals)
		name := strings.TrimPrefix(signal.Name, ManagerInterface+".")
		got := name
		for _, value := range signal.Body {
			got += fmt.Sprint(" ", value)
		}
		if got != row.want || signal.Path != RootPath {
			t.Errorf("%T became\n%s, want\n%s", row.notice, got, row.want)
		}
		if got := dbus.SignatureOf(signal.Body...).String(); got != types[name] {
			t.Errorf("%s has types %s, described are %s", name, got, types[name])
		}
		seen[name] = true
	}
	for _, name := range []string{"Callback", "SequenceCanceled", "NodeJoined", "NodeLeft", "NodeFailed"} {
		seen[name] = true // proved elsewhere
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no test for signal %s", name)
		}
	}
}

// Properties change in one signal an object, before the notices of the same publication.
func TestPropertiesChangeBeforeTheSignalsThatTellWhy(t *testing.T) {
	bus, server := start(t)
	signals := listen(t, bus)
	running := levels.OperationView{ID: 1, Kind: levels.OperationShutdown, Result: levels.ResultRunning}
	server.agent.update(func(s *Status) { s.Operations = append(s.Operations, running) }, levels.TellOperationStarted{Operation: running})
	if signal := next(t, signals); signal.Name != ManagerInterface+".OperationNew" {
		t.Fatalf("first came %v", signal)
	}
	ended := running
	ended.Result, ended.Error = levels.ResultFailed, "no"
	server.agent.update(func(s *Status) {
		s.State, s.Role, s.Version, s.LeaseRemaining = levels.StateLeaving, levels.RoleSpare, "changed", 77
		s.Run = &levels.RunView{Run: 8, Sequence: levels.Shut, Level: levels.Last, Phase: levels.PhaseHeld, Reason: "db"}
		s.Operations = []levels.OperationView{ended}
		s.Nodes[0].Role = levels.RoleSpare
	}, levels.TellOperationFinished{Operation: ended})
	for _, want := range []string{
		RootPath + " " + ManagerInterface + ` map[Level:-1 Phase:"held" Reason:"db" Role:"spare" Run:@t 8 Sequence:"shut" State:"leaving"] []`,
		RootPath + "/node/n1 " + NodeInterface + ` map[Role:"spare"] []`,
		RootPath + "/operation/1 " + OperationInterface + ` map[Error:"no" Result:"failed"] []`,
	} {
		signal := next(t, signals)
		if got := fmt.Sprint(signal.Path, " ", signal.Body[0], " ", signal.Body[1], " ", signal.Body[2]); got != want || signal.Name != propertiesInterface+".PropertiesChanged" {
			t.Errorf("signal %s\n%s, want\n%s", signal.Name, got, want)
		}
	}
	if signal := next(t, signals); signal.Name != ManagerInterface+".OperationRemoved" {
		t.Errorf("last came %v", signal)
	}
	// Nothing changed, nothing is said.
	server.agent.update(nil, levels.TellMasterReady{Node: "n1"})
	if signal := next(t, signals); signal.Name != ManagerInterface+".MasterReady" {
		t.Errorf("without a change came %v", signal)
	}
}

// Nodes that come, leave in order and fail are told apart, those that stay in the list as
// well as those that go from it.
func TestNodesComeAndGo(t *testing.T) {
	bus, server := start(t)
	signals := listen(t, bus)
	server.agent.update(func(s *Status) {
		s.Nodes = append(s.Nodes,
			levels.NodeView{Node: "n2", State: levels.StateUp, Alive: true}, levels.NodeView{Node: "n3", State: levels.StateLeaving, Alive: true},
			levels.NodeView{Node: "n4", State: levels.StateUp}, levels.NodeView{Node: "n5", State: levels.StateUp, Alive: true})
	})
	server.agent.update(func(s *Status) { s.Nodes[1].Alive, s.Nodes[2].Alive, s.Nodes[2].State = false, false, levels.StateDown })
	server.agent.update(func(s *Status) { s.Nodes[1].Alive = true })
	server.agent.update(func(s *Status) { s.Nodes = s.Nodes[:2] })
	want := "NodeJoined n2, NodeJoined n3, NodeJoined n5, NodeFailed n2, NodeLeft n3, NodeJoined n2, NodeFailed n5"
	var got []string
	for len(got) < strings.Count(want, ",")+1 {
		if signal := next(t, signals); signal.Name != propertiesInterface+".PropertiesChanged" {
			got = append(got, fmt.Sprint(strings.TrimPrefix(signal.Name, ManagerInterface+"."), " ", signal.Body[0]))
		}
	}
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("signals are\n%s, want\n%s", text, want)
	}
}

// What happens on other nodes is told on this one too, once, and what happens here only by
// the notices of the agent.
func TestTheEventChannelIsTheSameEverywhere(t *testing.T) {
	bus, server := start(t)
	signals := listen(t, bus)
	server.agent.update(func(s *Status) {
		s.Role, s.Master, s.MasterReady, s.Nodes[0].Role = levels.RoleSpare, "n2", false, levels.RoleSpare
		s.Nodes = append(s.Nodes, levels.NodeView{Node: "n2", Role: levels.RoleSpare, Term: 3, Alive: true}, levels.NodeView{Node: "n3", Role: levels.RoleMaster})
	})
	server.agent.update(func(s *Status) { s.Nodes[1].Role, s.Nodes[1].Term, s.Term = levels.RoleMaster, 4, 4 })
	server.agent.update(func(s *Status) { s.MasterReady = true })
	server.agent.update(func(s *Status) { s.Nodes[1].Role, s.Nodes[2].Alive = levels.RoleOffline, true })
	server.agent.update(func(s *Status) { s.Nodes[1].Role, s.Term = levels.RoleSpare, 5 })
	want := "NodeJoined[n2], RoleChanged[n2 master spare 4], MasterReady[n2 4], NodeJoined[n3], RoleChanged[n2 offline master 4], " +
		"NodeDisqualified[n2], RoleChanged[n2 spare offline 4], NodeQualified[n2], MasterReady[n2 5]"
	var got []string
	for len(got) < strings.Count(want, "], ")+1 {
		if signal := next(t, signals); signal.Name != propertiesInterface+".PropertiesChanged" {
			got = append(got, fmt.Sprint(strings.TrimPrefix(signal.Name, ManagerInterface+"."), signal.Body[:len(signal.Body)-1]))
		}
	}
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("signals are\n%s, want\n%s", text, want)
	}
}

// Callback and SequenceCanceled reach their connection and no other.
func TestUnicastSignalsReachOneConnection(t *testing.T) {
	bus, server := start(t)
	signals := listen(t, bus)
	client := bus.client(t)
	calls := make(chan taken, 1)
	canceled := make(chan string, 1)
	client.OnCanceled(func(sequence levels.Sequence, last levels.Level) { canceled <- fmt.Sprint(sequence, " ", last) })
	register(t, client, calls)
	server.agent.invoke("naming")
	got := receive(t, "the invocation", calls)
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{server.agent.now().Registrations[0].Client}, Sequence: levels.Init, LastLevel: 3})
	if text := receive(t, "the cancellation", canceled); text != "init 3" {
		t.Errorf("cancelled %s", text)
	}
	if got.ctx.Err() == nil {
		t.Error("the work was not told")
	}
	server.agent.update(nil, levels.TellMasterReady{Node: "n1"})
	if signal := next(t, signals); signal.Name != ManagerInterface+".MasterReady" {
		t.Errorf("a bystander received %v", signal)
	}
}
