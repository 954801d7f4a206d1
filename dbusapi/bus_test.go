package dbusapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// testTimeout bounds every wait of a test; a test that reaches it has failed.
const testTimeout = 20 * time.Second

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
%s
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_connections_per_user">2048</limit>
  <limit name="max_match_rules_per_connection">2048</limit>
</busconfig>
`

// openPolicy lets everybody do everything.
const openPolicy = `  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
`

// testBus is a private dbus-daemon that can be restarted on the same address.
type testBus struct {
	dir     string
	address string
	command *exec.Cmd
}

// startBus starts a private bus that ends with the test, with this policy.
func startBus(tb testing.TB, policy string) *testBus {
	tb.Helper()
	dir, err := os.MkdirTemp("", "cssc-bus-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		tb.Fatal(err)
	}
	// Clients of another user must reach the socket.
	if err = os.Chmod(dir, 0o755); err != nil { //nolint:gosec // a socket for everybody
		tb.Fatal(err)
	}
	bus := &testBus{dir: dir, address: "unix:path=" + filepath.Join(dir, "bus")}
	config := fmt.Sprintf(busConfig, filepath.Join(dir, "bus"), policy)
	if err = os.WriteFile(filepath.Join(dir, "bus.conf"), []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	bus.start(tb)
	tb.Cleanup(func() {
		bus.stop()
		_ = os.RemoveAll(dir)
	})

	return bus
}

func (b *testBus) start(tb testing.TB) {
	tb.Helper()
	_ = os.Remove(filepath.Join(b.dir, "bus"))
	command := exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--print-address=3",
		"--config-file="+filepath.Join(b.dir, "bus.conf"))
	reader, writer, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	command.ExtraFiles = []*os.File{writer}
	if testing.Verbose() {
		command.Stderr = os.Stderr
	}
	if err = command.Start(); err != nil {
		tb.Fatalf("start dbus-daemon (package dbus-daemon): %v", err)
	}
	_ = writer.Close()
	// The address is printed when the socket listens.
	if _, err = bufio.NewReader(reader).ReadString('\n'); err != nil {
		tb.Fatalf("dbus-daemon did not start: %v", err)
	}
	b.command = command
}

func (b *testBus) stop() {
	if b.command != nil {
		_ = b.command.Process.Kill()
		_ = b.command.Wait()
		b.command = nil
	}
}

func (b *testBus) restart(tb testing.TB) {
	tb.Helper()
	b.stop()
	b.start(tb)
}

// connect is a bare connection to the bus.
func (b *testBus) connect(tb testing.TB, options ...dbus.ConnOption) *dbus.Conn {
	tb.Helper()
	conn, err := dbus.Connect(b.address, options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })

	return conn
}

// witness is a bare connection, and the types of the last answer it got.
func (b *testBus) witness(tb testing.TB) (*dbus.Conn, func() string) {
	tb.Helper()
	var last atomic.Value
	conn := b.connect(tb, dbus.WithIncomingInterceptor(func(message *dbus.Message) {
		if message.Type == dbus.TypeMethodReply {
			signature, _ := message.Headers[dbus.FieldSignature].Value().(dbus.Signature)
			last.Store(signature.String())
		}
	}))

	return conn, func() string { return last.Load().(string) }
}

// client is a connected Client.
func (b *testBus) client(tb testing.TB) *Client {
	tb.Helper()
	client, err := Connect(limited(tb), ClientOptions{Address: b.address, Logger: testLogger(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })

	return client
}

// limited is a context that ends with the test or after testTimeout.
func limited(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), testTimeout)
	tb.Cleanup(cancel)

	return ctx
}

func testLogger(tb testing.TB) *slog.Logger {
	tb.Helper()
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	// Goroutines may log while the test ends, which tb.Output does not allow.
	return slog.New(slog.NewTextHandler(io.Writer(os.Stderr), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// receive waits for a value.
func receive[T any](tb testing.TB, what string, from <-chan T) T {
	tb.Helper()
	timer := time.NewTimer(testTimeout)
	defer timer.Stop()
	select {
	case v, open := <-from:
		if !open {
			tb.Fatalf("waiting for %s: channel is closed", what)
		}

		return v
	case <-timer.C:
		tb.Fatalf("waiting for %s: nothing came", what)
		panic("unreachable")
	}
}

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
			Version: "1.0", Quorate: true,
			Nodes: []levels.NodeView{{Node: "n1", State: levels.StateUp, Role: levels.RoleMaster, Term: 3, Eligible: true, Qualified: true, Self: true}},
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

func (a *fakeAgent) Operation(_ context.Context, request levels.OperationRequested) (levels.OperationID, []string, error) {
	if err := a.enter("Operation", request); err != nil {
		return 0, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, request)
	if request.DryRun {
		return 0, []string{"shut level 0: nobody", "reboot"}, nil
	}
	view := levels.OperationView{
		ID: levels.OperationID(len(a.requests)), Kind: request.Kind, Node: a.status.Node, Mode: request.Mode,
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

func (a *fakeAgent) ConfigValue(key string) (any, error) {
	if word, found := strings.CutPrefix(key, "levels."); found {
		if _, err := levels.ParseSequence(word); err != nil {
			return nil, err
		}

		return 10, nil
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

// runningServer is a server at work on a bus, with its fake agent.
type runningServer struct {
	*Server
	agent *fakeAgent
	// stop ends Run and waits for it.
	stop func()
	// result is what Run returned, after stop.
	result error
}

// serve starts a server with the agent, which may be one that another server had before.
func (b *testBus) serve(tb testing.TB, agent *fakeAgent) *runningServer {
	tb.Helper()
	server := New(Options{Backend: agent, Logger: testLogger(tb), Address: b.address})
	agent.mu.Lock()
	agent.server = server
	agent.publish(nil)
	agent.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	running := &runningServer{Server: server, agent: agent}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		running.result = server.Run(ctx)
	}()
	running.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	tb.Cleanup(running.stop)
	select {
	case <-server.Ready():
	case <-ended:
		tb.Fatalf("server ended: %v", running.result)
	case <-limited(tb).Done():
		tb.Fatal("server is not ready")
	}

	return running
}

// start is a bus with a server on it.
func start(tb testing.TB) (*testBus, *runningServer) {
	tb.Helper()
	bus := startBus(tb, openPolicy)

	return bus, bus.serve(tb, newFakeAgent())
}

// ask calls a method by hand and returns the answer's body and the error's D-Bus name.
func ask(tb testing.TB, conn *dbus.Conn, path dbus.ObjectPath, member string, arguments ...any) (body []any, name, text string) {
	tb.Helper()
	result := conn.Object(BusName, path).CallWithContext(limited(tb), member, 0, arguments...)
	if result.Err == nil {
		return result.Body, "", ""
	}
	remote, isRemote := errors.AsType[dbus.Error](result.Err)
	if !isRemote {
		tb.Fatalf("%s: %v", member, result.Err)
	}

	return nil, remote.Name, remote.Error()
}

func options(pairs ...any) map[string]dbus.Variant {
	made := map[string]dbus.Variant{}
	for index := 0; index < len(pairs); index += 2 {
		made[pairs[index].(string)] = dbus.MakeVariant(pairs[index+1])
	}

	return made
}

func keys[V any](of map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(of)), " ") }
