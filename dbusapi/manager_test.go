package dbusapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Every method refuses bad input with the right name, says what is wrong and what
// is allowed, and the agent never hears of it.
func TestBadInputIsRefused(t *testing.T) {
	bus, server := start(t)
	conn := bus.Connect(t)
	server.agent.setHook(func(call string, subject any) { t.Errorf("the agent was asked for %s %v", call, subject) })
	many := options()
	for index := range MaxOptions + 1 {
		many[fmt.Sprint("o", index)] = dbus.MakeVariant(true)
	}
	none := options()
	for _, row := range []struct {
		method    string
		arguments []any
		want      string // name of the error, short
		text      string // must be in its text
	}{
		{"RegisterCallback", []any{"a", "bogus", int32(1), none}, "InvalidArgs", `want one of ["init" "shut"`},
		{"RegisterCallback", []any{"a", strings.Repeat("x", 10000), int32(1), none}, "InvalidArgs", "sequence"},
		{"RegisterCallback", []any{"a", "init", int32(-2), none}, "InvalidArgs", "0…99, or -1 for last"},
		{"RegisterCallback", []any{"a", "init", int32(100), none}, "InvalidArgs", "level 100"},
		{"RegisterCallback", []any{"", "init", int32(1), none}, "InvalidArgs", "empty"},
		{"RegisterCallback", []any{strings.Repeat("x", 129), "init", int32(1), none}, "InvalidArgs", "at most 128"},
		{"RegisterCallback", []any{"a b", "init", int32(1), none}, "InvalidArgs", "letters, digits and @._:-"},
		{"RegisterCallback", []any{"a\n", "init", int32(1), none}, "InvalidArgs", `"a\n"`},
		{"RegisterCallback", []any{"a", "init", int32(1), options("cookies", uint64(1))}, "InvalidArgs", "allowed: cookie (t), timeout-usec (t), on-failure (s)"},
		{"RegisterCallback", []any{"a", "init", int32(1), options("cookie", "1")}, "InvalidArgs", `option cookie has type "s", want "t"`},
		{"RegisterCallback", []any{"a", "init", int32(1), options("cookie", strings.Repeat("x", 8000))}, "InvalidArgs", "option cookie"},
		{"RegisterCallback", []any{"a", "init", int32(1), options("timeout-usec", uint64(0))}, "InvalidArgs", "want 1…"},
		{"RegisterCallback", []any{"a", "init", int32(1), options("timeout-usec", MaxTimeoutUSec+1)}, "InvalidArgs", "want 1…"},
		{"RegisterCallback", []any{"a", "init", int32(1), options("on-failure", "inherit")}, "InvalidArgs", `"hold" "abort" "continue" "fence"`},
		{"RegisterCallback", []any{"a", "init", int32(1), many}, "InvalidArgs", "at most 16"},
		{"RegisterCallback", []any{"a", "init", uint32(1), none}, "InvalidArgs", `want "ssia{sv}"`},
		{"RegisterCallback", []any{"a", "init", int32(1)}, "InvalidArgs", `want "ssia{sv}"`},
		{"UnregisterCallback", []any{dbus.ObjectPath("/org/cssc/Agent1/registration/x")}, ".NoSuchRegistration", "/registration/x"},
		{"UnregisterCallback", []any{"/org/cssc/Agent1/registration/1"}, "InvalidArgs", `want "o"`},
		{"Done", []any{uint64(1), int32(1), ""}, "InvalidArgs", "want 0 (done) or -1 (error)"},
		{"Done", []any{uint64(1), int32(-1), strings.Repeat("x", MaxMessage+1)}, "InvalidArgs", "at most 1024"},
		{"Done", []any{uint64(1), int32(-1), "a\x1b[2J"}, "InvalidArgs", "control characters"},
		{"Done", []any{uint64(1), int32(0)}, "InvalidArgs", `want "tis"`},
		{"SubscribeCancellation", []any{uint64(4)}, "InvalidArgs", "unknown flag 0x4"},
		{"RequestOperation", []any{"explode", "", uint64(0), none}, "InvalidArgs", `"disqualify" "qualify" "shutdown" "switchover" "start"`},
		{"RequestOperation", []any{"shutdown", strings.Repeat("n", MaxNodeName+1), uint64(0), none}, ".NoSuchNode", "at most 128 bytes"},
		{"RequestOperation", []any{"shutdown", "", uint64(2), none}, "InvalidArgs", "unknown flag 0x2"},
		{"RequestOperation", []any{"shutdown", "", uint64(0), options("mode", "sleep")}, "InvalidArgs", `"reboot" "poweroff" "halt" "noboot" "standalone"`},
		{"RequestOperation", []any{"shutdown", "", uint64(1), options("mode", "reboot")}, "InvalidArgs", "contradicts"},
		{"RequestOperation", []any{"qualify", "", uint64(1), none}, "InvalidArgs", "belong to shutdown"},
		{"RequestOperation", []any{"qualify", "", uint64(0), options("mode", "halt")}, "InvalidArgs", "belong to shutdown"},
		{"RequestOperation", []any{"qualify", "", uint64(0), options("to", "n1")}, "InvalidArgs", "belongs to switchover"},
		{"RequestOperation", []any{"switchover", "", uint64(0), options("to", "")}, "InvalidArgs", "name of a node"},
		{"RequestOperation", []any{"shutdown", "", uint64(0), options("dry-run", true)}, "InvalidArgs", "allowed: mode (s), to (s), force (b), reason (s), callbacks-only (b)"},
		{"RequestOperation", []any{"shutdown", "", uint64(0), options("reason", strings.Repeat("x", 1025))}, "InvalidArgs", "at most 1024"},
		{"RequestOperation", []any{"qualify", "", uint64(0), options("callbacks-only", true)}, "InvalidArgs", "belongs to shutdown"},
		{"PlanOperation", []any{"shutdown", strings.Repeat("n", MaxNodeName+1), uint64(0), none}, ".NoSuchNode", "nnn"},
		{"NodeStatus", []any{"n2", uint64(1)}, "InvalidArgs", "0x1"},
		{"NodeStatus", []any{strings.Repeat("n", MaxNodeName+1), uint64(0)}, ".NoSuchNode", "at most 128 bytes"},
		{"NodeHistory", []any{"n2", uint32(0), uint64(4)}, "InvalidArgs", "0x4"},
		{"NodeHistory", []any{strings.Repeat("n", MaxNodeName+1), uint32(0), uint64(0)}, ".NoSuchNode", "nnn"},
		{"GetConfig", []any{"levels.bogus"}, "InvalidArgs", "bogus"},
		{"GetConfig", []any{strings.Repeat("k", MaxConfigKey+1)}, "InvalidArgs", "at most 128"},
		{"GetStatus", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"ListNodes", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"ListRegistrations", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"ListOperations", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"ListMembers", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"History", []any{uint32(1), uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Retry", []any{"bogus", uint64(0)}, "InvalidArgs", "sequence"},
		{"Skip", []any{"init", uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Abort", []any{"init", uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Sync", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Reload", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Keys", []any{"steal", "", uint64(0)}, "InvalidArgs", `"list" "rotate" "remove"`},
		{"Keys", []any{"list", "0123456789ab", uint64(0)}, "InvalidArgs", "only remove takes one"},
		{"Keys", []any{"remove", "", uint64(0)}, "InvalidArgs", "12 hexadecimal digits"},
		{"Keys", []any{"remove", "0123456789AB", uint64(0)}, "InvalidArgs", "not the name of a key"},
		{"Keys", []any{"remove", strings.Repeat("0", 13), uint64(0)}, "InvalidArgs", "not the name of a key"},
		{"Keys", []any{"list", "", uint64(1)}, "InvalidArgs", "unknown flag 0x1"},
		{"ResetVoter", []any{uint64(1)}, "InvalidArgs", "unknown flag"},
		{"Failover", []any{"n9", uint64(0), none}, ".NoSuchNode", `"n9"`},
		{"Failover", []any{"", uint64(0), none}, ".NoSuchNode", `""`},
		{"Failover", []any{"n1", uint64(1), none}, "InvalidArgs", "unknown flag"},
		{"Failover", []any{"n1", uint64(0), options("force", true)}, "InvalidArgs", "allowed: reason (s)"},
		{"Failover", []any{"n1", uint64(0), options("reason", "a\x1b[1m")}, "InvalidArgs", "control characters"},
		{"GetPendingCallbacks", []any{uint64(1)}, "InvalidArgs", `want ""`},
		{"MasterReady", []any{"n1"}, "InvalidArgs", `want ""`},
	} {
		want := standardErrors + row.want
		if short, own := strings.CutPrefix(row.want, "."); own {
			want = errorPrefix + short
		}
		_, name, text := ask(t, conn, RootPath, ManagerInterface+"."+row.method, row.arguments...)
		if name != want || !strings.Contains(text, row.text) {
			t.Errorf("%s(%.60v)\n gave %s: %s\n want %s with %q", row.method, row.arguments, name, text, want, row.text)
		}
	}
}

// Every method reaches the agent with what was asked, and answers what it says.
func TestEveryMethodReachesTheAgent(t *testing.T) {
	bus, server := start(t)
	conn, types := bus.witness(t)
	var heard list[string]
	server.agent.setHook(func(call string, subject any) { heard.add(fmt.Sprintf("%s %+v", call, subject)) })
	manager := func(member string, arguments ...any) []any {
		t.Helper()
		body, name, text := ask(t, conn, RootPath, ManagerInterface+"."+member, arguments...)
		if name != "" {
			t.Fatalf("%s gave %s: %s", member, name, text)
		}
		if want := server.surface.methods[ManagerInterface+"."+member].out; types() != want {
			t.Errorf("%s answers with %s, want %s", member, types(), want)
		}

		return body
	}
	path := manager("RegisterCallback", "naming@1", "shut", int32(-1), options("cookie", uint64(5)))[0].(dbus.ObjectPath)
	if path != RegistrationPath(7) {
		t.Fatalf("registration is %s", path)
	}
	manager("SubscribeCancellation", uint64(0))
	if body := manager("GetPendingCallbacks"); len(body[0].([][]any)) != 0 {
		t.Fatalf("pending is %v", body)
	}
	tag := server.agent.invoke("naming@1")
	rows := manager("GetPendingCallbacks")[0].([][]any)
	if len(rows) != 1 || rows[0][0] != uint64(tag) || rows[0][1] != "naming@1" || rows[0][2] != path || rows[0][3] != "shut" || rows[0][4] != int32(-1) {
		t.Fatalf("pending is %v", rows)
	}
	if info := rows[0][6].(map[string]dbus.Variant); keys(info) != "cluster cookie master node resume role state term vice" || info["cookie"].Value() != uint64(5) {
		t.Fatalf("info is %v", info)
	}
	manager("Done", uint64(tag), int32(0), "")
	manager("UnregisterCallback", path)
	if got := manager("RequestOperation", "shutdown", "n1", FlagNoboot, options("reason", "why", "force", true))[0]; got != OperationPath(1) {
		t.Fatalf("operation is %v", got)
	}
	if got := manager("PlanOperation", "switchover", "", uint64(0), options("to", "n2"))[0].([]string); len(got) != 2 {
		t.Fatalf("plan is %v", got)
	}
	manager("Retry", "init", uint64(0))
	manager("Skip", "promote", uint64(0))
	manager("Abort", "demote", uint64(0))
	manager("Sync", uint64(0))
	manager("Reload", uint64(0))
	if got := fmt.Sprint(manager("Keys", "remove", "ffeeddccbb99", uint64(0))); got != "[[[0011223344aa true [n1 n2] []] [ffeeddccbb99 false [n1] [n2]]]]" {
		t.Fatalf("keys are %v", got)
	}
	manager("ResetVoter", uint64(0))
	manager("Failover", "n1", uint64(0), options("reason", "fire"))
	if got := manager("History", uint32(2), uint64(0))[0].([]string); len(got) != 2 {
		t.Fatalf("history is %v", got)
	}
	want := []string{
		"Register {ID:0 Component:naming@1 Position:shut:last Client:" + conn.Names()[0] + " Unit: Cookie:5 Timeout:0s OnFailure:inherit}",
		"SubscribeCancellation " + conn.Names()[0],
		fmt.Sprintf("Done {Tag:%d Client:%s OK:true Message:}", tag, conn.Names()[0]),
		"Unregister 7",
	}
	asked := heard.all()
	if !slices.Equal(asked[:4], want) {
		t.Errorf("asked\n%q, want\n%q", asked[:4], want)
	}
	requests := server.agent.operations()
	uid := requests[0].By
	if requests[0] != (levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, Force: true, Reason: "why", By: uid}) || !strings.HasPrefix(uid, "uid ") {
		t.Errorf("first request is %+v", requests[0])
	}
	if requests[1] != (levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n2", DryRun: true, By: uid}) {
		t.Errorf("second request is %+v", requests[1])
	}
	if rest := strings.Join(asked[6:], ", "); rest != "Retry init, Skip promote, Abort demote, Sync <nil>, Reload <nil>, "+
		"Keys {Verb:remove Key:ffeeddccbb99 By:"+uid+"}, ResetVoter <nil>, Failover {Fenced:n1 Reason:fire By:"+uid+"}, History 2" {
		t.Errorf("then asked %s", rest)
	}
}

// The lists and the status document have the types that the description says and agree.
func TestListsAndStatus(t *testing.T) {
	bus, server := start(t)
	conn, types := bus.witness(t)
	client := bus.client(t)
	register(t, client, make(chan taken, 1))
	if _, err := client.RequestOperation(limited(t), OperationRequest{Kind: levels.OperationDisqualify, Force: true}); err != nil {
		t.Fatal(err)
	}
	server.agent.update(func(s *Status) {
		s.Members = []levels.MemberView{{Unit: "a.service", Target: levels.ReadyTarget(), Outcome: levels.OutcomeFailed, Reason: "exit status 1"}}
		s.Problems = []string{"window is short"}
		s.Nodes[0].Qualified = false
	})
	for member, want := range map[string]string{
		"ListNodes":         "[[n1 up master 3 true false true   /org/cssc/Agent1/node/n1]]",
		"ListRegistrations": "[[7 naming init 3 " + string(server.agent.now().Registrations[0].Client) + "  60000000 continue /org/cssc/Agent1/registration/7]]",
		"ListOperations":    "[[1 disqualify n1 " + server.agent.now().Operations[0].By + " begin running 5000 /org/cssc/Agent1/operation/1]]",
		"ListMembers":       "[[a.service ready failed exit status 1]]",
	} {
		body, name, text := ask(t, conn, RootPath, ManagerInterface+"."+member, uint64(0))
		if name != "" {
			t.Fatalf("%s gave %s: %s", member, name, text)
		}
		if want := server.surface.methods[ManagerInterface+"."+member].out; types() != want {
			t.Errorf("%s answers with %s, want %s", member, types(), want)
		}
		if got := fmt.Sprint(body[0]); got != want {
			t.Errorf("%s gave\n%s, want\n%s", member, got, want)
		}
	}
	status, err := client.Status(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	if status.Node != "n1" || status.Registrations[0].Component != "naming" || status.Members[0].Outcome != levels.OutcomeFailed || status.Problems[0] != "window is short" {
		t.Errorf("status is %+v", status)
	}
	text, err := client.StatusText(limited(t))
	var top map[string]json.RawMessage
	if err != nil || json.Unmarshal([]byte(text), &top) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	const want = "cluster config_hash election headless lease_remaining_usec master master_ready members need_reload node nodes operations pending " +
		"problems qualified quorate reached reached_any ready registrations role state term version vice voters voters_heard"
	if keys(top) != want {
		t.Errorf("the status document has %s, want %s", keys(top), want)
	}
}

// The table of errors has every sentinel of the machine and of this package that
// can cross the bus.
func TestTheTableOfErrorsIsTotal(t *testing.T) {
	local := []string{"ErrNoBus", "ErrClosed", "ErrNotConnected", "ErrNameTaken"} // never sent
	table, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(table), "func errorNames()")
	for file, prefix := range map[string]string{"../levels/errors.go": "levels.", "errors.go": ""} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^\t(Err\w+)\s+= errors.New`).FindAllStringSubmatch(string(source), -1)
		if len(found) < 8 {
			t.Fatalf("%s has only %d sentinels", file, len(found))
		}
		for _, match := range found {
			if name := match[1]; !slices.Contains(local, name) && !strings.Contains(body, "{"+prefix+name+",") {
				t.Errorf("%s%s has no D-Bus name", prefix, name)
			}
		}
	}
}

// Every error of the machine keeps its meaning over the bus, and its text.
func TestErrorsComeBackAsTheyWent(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	for _, row := range errorNames() {
		sentinel := row.sentinel
		if errors.Is(sentinel, ErrNoAgent) || errors.Is(sentinel, ErrUnknownCall) {
			continue // those are the bus's own
		}
		server.agent.mu.Lock()
		server.agent.fail["Sync"] = fmt.Errorf("sync levels: %w: because", sentinel)
		server.agent.mu.Unlock()
		err := client.Sync(limited(t))
		wantText := fmt.Sprintf("sync levels: %v: because", sentinel)
		switch name, _ := wireError(sentinel); {
		case err == nil || err.Error() != wantText:
			t.Errorf("%v came back as %v", sentinel, err)
		case name == standardErrors+"AccessDenied" && errors.Is(err, ErrAccessDenied):
		case name == standardErrors+"Timeout" && errors.Is(err, ErrTimeout):
		case !errors.Is(err, sentinel):
			t.Errorf("%v came back as %#v", sentinel, err)
		}
	}
	server.agent.mu.Lock()
	server.agent.fail["Sync"] = errors.New("disk \x1b[31mon fire")
	server.agent.mu.Unlock()
	if err := client.Sync(limited(t)); err == nil || err.Error() != "disk ?[31mon fire" {
		t.Errorf("an unknown error came back as %v", err)
	}
}

func TestMasterReadyAndConfig(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	node, term, err := client.MasterReady(limited(t))
	if node != "n1" || term != 3 || err != nil {
		t.Fatalf("master is %s %d %v", node, term, err)
	}
	server.agent.update(func(s *Status) { s.MasterReady = false })
	if _, _, err = client.MasterReady(limited(t)); !errors.Is(err, levels.ErrTryAgain) {
		t.Fatalf("without a ready master: %v", err)
	}
	for key, want := range map[string]any{
		"channel":            BusName,
		"levels.init":        int32(10),
		"event.master-ready": "type='signal',sender='org.cssc.Agent1',path='/org/cssc/Agent1',interface='org.cssc.Agent1.Manager',member='MasterReady'",
		"event.disqualified": "type='signal',sender='org.cssc.Agent1',path='/org/cssc/Agent1',interface='org.cssc.Agent1.Manager',member='NodeDisqualified'",
		"event.qualified":    "type='signal',sender='org.cssc.Agent1',path='/org/cssc/Agent1',interface='org.cssc.Agent1.Manager',member='NodeQualified'",
	} {
		if got, err := client.Config(limited(t), key); got != want || err != nil {
			t.Errorf("config %s is %v %v, want %v", key, got, err, want)
		}
	}
	if _, err = client.Config(limited(t), "nonsense"); !errors.Is(err, levels.ErrInvalid) {
		t.Errorf("config nonsense gave %v", err)
	}
}

// Done with a tag that is foreign, old or invented changes nothing.
func TestDoneWithATagThatIsNotOurs(t *testing.T) {
	bus, server := start(t)
	client, other := bus.client(t), bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	tag := server.agent.invoke("naming")
	receive(t, "the invocation", calls)
	if err := other.Done(limited(t), tag, nil); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("a foreign tag gave %v", err)
	}
	if err := client.Done(limited(t), tag+1, nil); !errors.Is(err, levels.ErrNoSuchInvocation) {
		t.Errorf("an invented tag gave %v", err)
	}
	if err := client.Done(limited(t), tag, nil); err != nil {
		t.Errorf("our own tag gave %v", err)
	}
	if err := other.Register(limited(t), Registration{Component: "naming", Sequence: levels.Init, Level: 3}, nil); !errors.Is(err, levels.ErrAlreadyRegistered) {
		t.Errorf("a second registration gave %v", err)
	}
}
