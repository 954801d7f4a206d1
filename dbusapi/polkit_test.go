package dbusapi

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// fakePolkit is an authority on the private bus.
type fakePolkit struct {
	mu        sync.Mutex
	answer    func(action string, flags uint32) (authorized, challenge bool)
	questions chan string
	details   map[string]string
	cancelled chan string
	hang      chan struct{}
}

// hold keeps every answer back until release.
func (p *fakePolkit) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	hang := make(chan struct{})
	p.hang = hang

	return func() { close(hang) }
}

type polkitSubject struct {
	Kind    string
	Details map[string]dbus.Variant
}

type polkitAnswer struct {
	Authorized, Challenge bool
	Details               map[string]string
}

// CheckAuthorization is the method of the real one.
func (p *fakePolkit) CheckAuthorization(
	subject polkitSubject, action string, details map[string]string, flags uint32, id string,
) (polkitAnswer, *dbus.Error) {
	p.mu.Lock()
	p.details = details
	answer, hang := p.answer, p.hang
	p.mu.Unlock()
	p.questions <- action + " " + subject.Kind + " " + subject.Details["name"].Value().(string) + " " + id
	if hang != nil {
		<-hang
	}
	yes, challenge := answer(action, flags)

	return polkitAnswer{yes, challenge, map[string]string{}}, nil
}

// CancelCheckAuthorization is the method of the real one.
func (p *fakePolkit) CancelCheckAuthorization(id string) *dbus.Error {
	p.cancelled <- id

	return nil
}

// unprivileged is a bus whose server trusts nobody by uid.
func unprivileged(t *testing.T) (*testBus, *runningServer) {
	t.Helper()
	bus, server := start(t)
	server.privileged = func(uint32) bool { return false }

	return bus, server
}

func startPolkit(t *testing.T, bus *testBus, answer func(action string, flags uint32) (bool, bool)) *fakePolkit {
	t.Helper()
	p := &fakePolkit{answer: answer, questions: make(chan string, 100), cancelled: make(chan string, 10)}
	conn := bus.Connect(t)
	if err := conn.Export(p, polkitPath, polkitInterface); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(polkitName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}

	return p
}

// changing are the calls that need a right, with their actions.
func changing() []struct {
	member    string
	arguments []any
	action    string
} {
	none := map[string]dbus.Variant{}

	return []struct {
		member    string
		arguments []any
		action    string
	}{
		{"RegisterCallback", []any{"naming", "init", int32(1), none}, "register"},
		{"UnregisterCallback", []any{RegistrationPath(1)}, "register"},
		{"Done", []any{uint64(1), int32(0), ""}, "register"},
		{"SubscribeCancellation", []any{uint64(0)}, "register"},
		{"RequestOperation", []any{"disqualify", "", uint64(0), none}, "disqualify"},
		{"RequestOperation", []any{"qualify", "", uint64(0), none}, "qualify"},
		{"RequestOperation", []any{"shutdown", "", uint64(0), none}, "shutdown"},
		{"RequestOperation", []any{"switchover", "", uint64(0), none}, "switchover"},
		{"RequestOperation", []any{"start", "", uint64(0), none}, "start"},
		{"PlanOperation", []any{"shutdown", "", uint64(0), none}, "shutdown"},
		{"Retry", []any{"init", uint64(0)}, "sequence"},
		{"Skip", []any{"init", uint64(0)}, "sequence"},
		{"Abort", []any{"init", uint64(0)}, "sequence"},
		{"Sync", []any{uint64(0)}, "sequence"},
		{"Reload", []any{uint64(0)}, "reload"},
		{"Keys", []any{"list", "", uint64(0)}, "keys"},
		{"Keys", []any{"rotate", "", uint64(0)}, "keys"},
		{"Keys", []any{"remove", "0123456789ab", uint64(0)}, "keys"},
		{"ResetVoter", []any{uint64(0)}, "voter"},
		{"Failover", []any{"n1", uint64(0), none}, "failover"},
	}
}

// Without polkit an unprivileged caller reads everything and changes nothing.
func TestWithoutPolkitOnlyRootMay(t *testing.T) {
	bus, server := unprivileged(t)
	conn := bus.Connect(t)
	server.agent.setHook(func(call string, _ any) {
		if call != "History" {
			t.Errorf("the agent was asked for %s", call)
		}
	})
	for _, row := range changing() {
		_, name, text := ask(t, conn, RootPath, ManagerInterface+"."+row.member, row.arguments...)
		if name != standardErrors+"AccessDenied" || !strings.Contains(text, "only root may") {
			t.Errorf("%s gave %s: %s", row.member, name, text)
		}
	}
	for _, member := range []string{"GetStatus", "ListNodes", "ListRegistrations", "ListOperations", "ListMembers"} {
		if _, name, text := ask(t, conn, RootPath, ManagerInterface+"."+member, uint64(0)); name != "" {
			t.Errorf("%s gave %s: %s", member, name, text)
		}
	}
	if _, name, _ := ask(t, conn, RootPath, ManagerInterface+".History", uint32(0), uint64(0)); name != "" {
		t.Errorf("History gave %s", name)
	}
}

// Polkit is asked for the right action, with details, and its yes is enough.
func TestPolkitSaysYes(t *testing.T) {
	bus, _ := unprivileged(t)
	polkit := startPolkit(t, bus, func(string, uint32) (bool, bool) { return true, false })
	conn := bus.Connect(t)
	registered := false
	for _, row := range changing() {
		_, name, text := ask(t, conn, RootPath, ManagerInterface+"."+row.member, row.arguments...)
		if name == standardErrors+"AccessDenied" {
			t.Errorf("%s gave %s: %s", row.member, name, text)
		}
		if row.action == "register" && registered {
			continue // asked once for a connection
		}
		registered = true
		want := "org.cssc.agent1." + row.action + " system-bus-name " + conn.Names()[0] + " "
		if got := receive(t, "a question", polkit.questions); !strings.HasPrefix(got, want) {
			t.Errorf("%s: polkit was asked %q, want %q", row.member, got, want)
		}
	}
	ask(t, conn, RootPath, ManagerInterface+".RequestOperation", "switchover", "", uint64(0), options("to", "n2"))
	polkit.mu.Lock()
	defer polkit.mu.Unlock()
	if got := polkit.details; got["operation"] != "switchover" || got["node"] != "n1" || got["to"] != "n2" {
		t.Errorf("details are %v", got)
	}
}

// A challenge is for callers that let a person be asked.
func TestPolkitChallenges(t *testing.T) {
	bus, _ := unprivileged(t)
	startPolkit(t, bus, func(_ string, flags uint32) (bool, bool) {
		return flags == polkitInteraction, flags != polkitInteraction
	})
	quiet := bus.client(t)
	if err := quiet.Reload(limited(t)); !errors.Is(err, ErrInteractionNeeded) {
		t.Errorf("without interaction: %v", err)
	}
	open, err := Connect(limited(t), ClientOptions{Address: bus.address, Interactive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	if err = open.Reload(limited(t)); err != nil {
		t.Errorf("with interaction: %v", err)
	}
}

func TestPolkitSaysNo(t *testing.T) {
	bus, _ := unprivileged(t)
	startPolkit(t, bus, func(string, uint32) (bool, bool) { return false, false })
	client := bus.client(t)
	if err := client.Reload(limited(t)); !errors.Is(err, ErrAccessDenied) || !strings.Contains(err.Error(), "org.cssc.agent1.reload") {
		t.Errorf("no gave %v", err)
	}
}

// A polkit that hangs holds up neither the client's other calls nor anybody else,
// and is given up in bounded time; the number of questions is limited.
func TestPolkitHangs(t *testing.T) {
	bus, _ := unprivileged(t)
	polkit := startPolkit(t, bus, func(string, uint32) (bool, bool) { return true, false })
	release := polkit.hold()
	defer release()
	conn := bus.Connect(t)
	answers := make(chan *dbus.Call, MaxAuthorizing+1)
	for range MaxAuthorizing + 1 {
		conn.Object(BusName, RootPath).Go(ManagerInterface+".Reload", 0, answers, uint64(0))
	}
	first, _ := receive(t, "a refusal", answers).Err.(dbus.Error) //nolint:errorlint // godbus returns it bare
	if first.Name != errorPrefix+"Busy" {
		t.Errorf("one question too many gave %s", first.Name)
	}
	if _, name, _ := ask(t, conn, RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Errorf("meanwhile: %s", name)
	}
	for range MaxAuthorizing {
		refused, _ := receive(t, "the end of patience", answers).Err.(dbus.Error) //nolint:errorlint // godbus returns it bare
		if refused.Name != standardErrors+"AccessDenied" {
			t.Errorf("a hanging polkit gave %s", refused.Name)
		}
		receive(t, "the cancellation", polkit.cancelled)
	}
}

// When the caller is gone the question is taken back and nothing is done.
func TestPolkitIsToldThatTheCallerVanished(t *testing.T) {
	bus, server := unprivileged(t)
	polkit := startPolkit(t, bus, func(string, uint32) (bool, bool) { return true, false })
	release := polkit.hold()
	server.agent.setHook(func(call string, _ any) { t.Errorf("the agent was asked for %s", call) })
	caller := bus.Connect(t)
	message := &dbus.Message{
		Type: dbus.TypeMethodCall, Flags: dbus.FlagAllowInteractiveAuthorization, Body: []any{uint64(0)},
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(BusName), dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(RootPath)),
			dbus.FieldInterface: dbus.MakeVariant(ManagerInterface), dbus.FieldMember: dbus.MakeVariant("Reload"),
			dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(uint64(0))),
		},
	}
	caller.Send(message, make(chan *dbus.Call, 1))
	question := receive(t, "the question", polkit.questions)
	_ = caller.Close()
	if id := receive(t, "the cancellation", polkit.cancelled); !strings.HasSuffix(question, " "+id) {
		t.Errorf("cancelled %q, the question was %q", id, question)
	}
	release()
	if _, name, _ := ask(t, bus.Connect(t), RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Errorf("afterwards: %s", name)
	}
}

// A registration that polkit granted needs no question for each Done.
func TestDoneOfARegisteredClientIsNotAsked(t *testing.T) {
	bus, server := unprivileged(t)
	polkit := startPolkit(t, bus, func(action string, _ uint32) (bool, bool) { return action == "org.cssc.agent1.register", false })
	client := bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	asked := len(polkit.questions)
	server.agent.invoke("naming")
	if err := client.Done(limited(t), receive(t, "the invocation", calls).call.Tag, nil); err != nil {
		t.Fatal(err)
	}
	if len(polkit.questions) != asked {
		t.Errorf("polkit was asked %d times more", len(polkit.questions)-asked)
	}
	if done := receive(t, "Done", server.agent.done); done.Tag != levels.Tag(1000) {
		t.Errorf("done is %+v", done)
	}
}
