package dbusapi

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// 2,000 calls sent without waiting for answers are carried out in the order of
// the wire. Half a limit is in flight at a time.
func TestPipelinedCallsKeepTheirOrder(t *testing.T) {
	bus, server := start(t)
	conn := bus.Connect(t)
	const calls = 2000
	var arrived list[levels.Tag]
	server.agent.setHook(func(_ string, subject any) { arrived.add(subject.(levels.CallbackDone).Tag) })
	window := make(chan struct{}, MaxQueuedPerClient/2)
	answers := make(chan *dbus.Call, calls)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for range calls {
			<-answers
			<-window
		}
	}()
	for tag := range uint64(calls) {
		window <- struct{}{}
		conn.Object(BusName, RootPath).Go(ManagerInterface+".Done", 0, answers, tag, int32(0), "")
	}
	receiveClosed(t, "all answers", answered)
	if got := arrived.all(); len(got) != calls || !slices.IsSorted(got) {
		t.Fatalf("%d calls arrived, sorted: %v", len(got), slices.IsSorted(got))
	}
}

// receiveClosed waits until a channel is closed.
func receiveClosed(tb testing.TB, what string, closed <-chan struct{}) {
	tb.Helper()
	select {
	case <-closed:
	case <-limited(tb).Done():
		tb.Fatalf("waiting for %s: it did not happen", what)
	}
}

// A client that floods is told Busy, and another's call is answered meanwhile.
func TestAFloodingClientIsRefusedAndDelaysNobody(t *testing.T) {
	bus, server := start(t)
	flooding, other := bus.Connect(t), bus.Connect(t)
	release := make(chan struct{})
	var held atomic.Int32
	server.agent.setHook(func(call string, _ any) {
		if call == "Sync" {
			held.Add(1)
			<-release
		}
	})
	const calls = MaxQueuedPerClient + 50
	answers := make(chan *dbus.Call, calls)
	for range calls {
		flooding.Object(BusName, RootPath).Go(ManagerInterface+".Sync", 0, answers, uint64(0))
	}
	// One is being carried out, 1024 wait, 49 are refused at once, while all else stands still.
	busy := 0
	for range calls - MaxQueuedPerClient - 1 {
		refused, _ := receive(t, "a refusal", answers).Err.(dbus.Error) //nolint:errorlint // godbus returns it bare
		if refused.Name == errorPrefix+"Busy" && strings.Contains(refused.Error(), "1024 calls of this connection are waiting") {
			busy++
		}
	}
	if busy != calls-MaxQueuedPerClient-1 {
		t.Errorf("%d calls were refused as busy", busy)
	}
	if _, name, text := ask(t, other, RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Errorf("another client was answered %s: %s", name, text)
	}
	if now := held.Load(); now != 1 {
		t.Errorf("%d calls of one client are carried out at once", now)
	}
	close(release)
	for range MaxQueuedPerClient + 1 {
		if answer := receive(t, "an answer", answers); answer.Err != nil {
			t.Fatalf("a queued call failed: %v", answer.Err)
		}
	}
}

// The total limit leaves everybody a few calls.
func TestInboxLimitsAndTurns(t *testing.T) {
	b := newInbox()
	for client := range MaxQueued / MaxQueuedPerClient {
		for range MaxQueuedPerClient {
			if err := b.put(&call{sender: fmt.Sprint(":1.", client), member: "M"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for index := range MinQueuedPerClient + 1 {
		err := b.put(&call{sender: ":2.0", member: "M"})
		if (err == nil) != (index < MinQueuedPerClient) {
			t.Errorf("call %d of a newcomer: %v", index, err)
		}
	}
	var order []string
	for range 10 {
		p, next, _ := b.next()
		order = append(order, p.name)
		b.done(p, next)
	}
	if got := strings.Join(order, " "); got != ":1.0 :1.1 :1.2 :1.3 :2.0 :1.0 :1.1 :1.2 :1.3 :2.0" {
		t.Errorf("turns are %s", got)
	}
	b.vanish(":9.9")
	b.vanish(":9.9")
	if b.grant(b.peers[":9.9"], &call{sender: ":9.9"}, &plan{}) {
		t.Error("a call of a client that is gone was granted")
	}
	b.close()
	if _, _, open := b.next(); open {
		t.Error("a closed inbox gives jobs")
	}
	if err := b.put(&call{sender: ":1.0"}); err == nil {
		t.Error("a closed inbox takes calls")
	}
}

// A reply waits for room in a full outbox, and only so many replies wait there.
func TestRepliesWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		signal := &dbus.Message{Type: dbus.TypeSignal}
		for range maxOutgoing {
			if !o.put(signal) {
				t.Fatal("no room")
			}
		}
		if o.put(signal) {
			t.Fatal("there is room beyond the limit")
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range maxReplies + 1 {
			go o.reply(ctx, &dbus.Message{Type: dbus.TypeMethodReply})
		}
		for range maxOutgoing {
			<-o.messages
		}
		synctest.Wait()
		if got := len(o.messages); got != maxReplies {
			t.Errorf("%d replies wait, want %d", got, maxReplies)
		}
		cancel()
		synctest.Wait()
	})
}

// A call that is too large is dropped unread and refused; the connection lives.
func TestAnOversizedCallIsRefused(t *testing.T) {
	bus, _ := start(t)
	conn := bus.Connect(t)
	for _, size := range []int{MaxCall, 100_000, 20 << 20} {
		for _, method := range []string{".GetConfig", ".Nothing"} {
			_, name, text := ask(t, conn, RootPath, ManagerInterface+method, strings.Repeat("x", size))
			if name != standardErrors+"LimitsExceeded" || !strings.Contains(text, "at most 16384 bytes") {
				t.Fatalf("a call of %d bytes gave %s: %s", size, name, text)
			}
		}
	}
	// A header that is too large itself is dropped without an answer.
	long := dbus.ObjectPath("/" + strings.Repeat("a", 2*MaxCall))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := conn.Object(BusName, long).CallWithContext(ctx, peerInterface+".Ping", 0).Err; err == nil {
		t.Fatal("an endless path was answered")
	}
	if _, name, text := ask(t, conn, RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Fatalf("afterwards: %s %s", name, text)
	}
}

// The deepest nesting that the bus lets through does not end the connection.
func TestNestedArgumentsAreSurvived(t *testing.T) {
	bus, _ := start(t)
	conn := bus.Connect(t)
	value := dbus.MakeVariant(uint64(1))
	for depth := range 62 {
		value = dbus.MakeVariant(value)
		call := conn.Object(BusName, RootPath).CallWithContext(limited(t), ManagerInterface+".GetConfig", 0, value)
		if refused, _ := call.Err.(dbus.Error); refused.Name != standardErrors+"InvalidArgs" { //nolint:errorlint // godbus returns it bare
			t.Fatalf("%d variants deep: %v", depth+1, call.Err)
		}
	}
}

// A panic in the agent fails one call and nothing else.
func TestAPanicFailsOneCall(t *testing.T) {
	bus, server := start(t)
	conn := bus.Connect(t)
	server.agent.setHook(func(string, any) { panic("bug") })
	if _, name, text := ask(t, conn, RootPath, ManagerInterface+".Reload", uint64(0)); name != standardErrors+"Failed" || text != "internal error: bug" {
		t.Fatalf("a panic gave %s: %s", name, text)
	}
	server.agent.setHook(nil)
	if _, name, _ := ask(t, conn, RootPath, ManagerInterface+".Reload", uint64(0)); name != "" {
		t.Fatalf("the next call gave %s", name)
	}
}

// An Introspect flood while registrations come and go neither kills nor confuses.
func TestIntrospectWhileRegistrationsChange(t *testing.T) {
	bus, _ := start(t)
	conn, client := bus.Connect(t), bus.client(t)
	ctx, cancel := context.WithCancel(limited(t))
	var group sync.WaitGroup
	asked := 0
	group.Go(func() {
		for ctx.Err() == nil {
			for _, path := range []dbus.ObjectPath{RootPath, RootPath + "/registration"} {
				if err := conn.Object(BusName, path).Call(introspectInterface+".Introspect", 0).Err; err != nil {
					t.Errorf("introspect: %v", err)
				}
				asked++
			}
		}
	})
	for range 200 {
		register(t, client, nil)
		if err := client.Unregister(ctx, "naming", levels.Position{Sequence: levels.Init, Level: 3}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
	t.Logf("%d introspections", asked)
}

// A thousand identified connections and calls with descriptors leave no
// descriptor behind.
func TestDescriptorsDoNotLeak(t *testing.T) {
	bus, server := start(t)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}

		return len(entries)
	}
	conn := bus.Connect(t)
	ask(t, conn, RootPath, ManagerInterface+".Sync", uint64(0))
	before := count()
	current := server.session.Load()
	for range 1000 {
		if _, _, err := current.authority.credentials(limited(t), conn.Names()[0]); err != nil {
			t.Fatal(err)
		}
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, name, _ := ask(t, conn, RootPath, ManagerInterface+".Sync", dbus.UnixFD(null.Fd())); name == "" {
			t.Fatal("a descriptor was accepted")
		}
	}
	_ = null.Close()
	if after := count(); after > before {
		t.Fatalf("%d descriptors before, %d after", before, after)
	}
	if conn.SupportsUnixFDs() && current.conn.SupportsUnixFDs() {
		t.Fatal("the server negotiated descriptors")
	}
}

// deaf is a stream whose reader stops.
type deaf struct {
	net.Conn

	stopped atomic.Bool
	never   chan struct{}
}

// Read reads until it stops.
func (d *deaf) Read(into []byte) (int, error) {
	if d.stopped.Load() {
		<-d.never
	}

	return d.Conn.Read(into)
}

// A client that reads nothing delays nobody else.
func TestAStuckClientDelaysNobody(t *testing.T) {
	bus, server := start(t)
	stream, err := net.Dial("unix", strings.TrimPrefix(bus.address, "unix:path="))
	if err != nil {
		t.Fatal(err)
	}
	stuck := &deaf{Conn: stream, never: make(chan struct{})}
	conn, err := dbus.NewConn(stuck)
	if err == nil {
		err = conn.Auth(nil)
	}
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = conn.Close()
		close(stuck.never)
	}()
	if _, name, text := ask(t, conn, RootPath, ManagerInterface+".RegisterCallback", "deaf", "init", int32(1), options()); name != "" {
		t.Fatal(name, text)
	}
	stuck.stopped.Store(true)
	r := server.agent.now().Registrations[0]
	client := bus.client(t)
	for tag := range levels.Tag(200) {
		for range 50 { // far more than the agent ever has open: 10 MB that nobody reads
			r.Component = strings.Repeat("x", 800)
			_ = server.Invoke(levels.Invoke{Tag: tag, Registration: r, Position: r.Position})
		}
		if _, err = client.Status(limited(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// While a client reads nothing, and even while the bus itself takes nothing, the
// owner loop is never held: Publish and Invoke return, and Invoke says so in the end.
func TestAStuckBusDoesNotHoldTheAgent(t *testing.T) {
	bus, server := start(t)
	client := bus.client(t)
	pid := bus.PID()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resumed := sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	defer resumed()
	// To nobody: how fast a client reads is not the subject.
	invoke := levels.Invoke{Tag: 1, Registration: levels.Registration{Component: "naming", Client: ":1.99999"}, Position: position(levels.Shut, 3)}
	began := time.Now()
	var err error
	for range 4 * maxOutgoing {
		if err = server.Invoke(invoke); err != nil {
			break
		}
	}
	server.agent.update(func(s *Status) { s.Role = levels.RoleVice }, levels.TellStateChanged{Role: levels.RoleVice, OldRole: levels.RoleMaster})
	if took := time.Since(began); took > writeTimeout/2 {
		t.Errorf("it took %v", took)
	}
	if err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("in the end Invoke gave %v", err)
	}
	resumed()
	if status, err := client.Status(limited(t)); err != nil || status.Role != levels.RoleVice {
		t.Errorf("afterwards: %v", err)
	}
}
