package dbusapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/integration/privatebus"
)

// testTimeout bounds every wait of a test; a test that reaches it has failed.
const testTimeout = time.Minute

// testBus is a private bus with what these tests need.
type testBus struct {
	*privatebus.Bus

	address string
}

// startBus starts a private bus that ends with the test, with this policy.
func startBus(tb testing.TB, policy string) *testBus {
	tb.Helper()
	bus := privatebus.Start(tb, policy+privatebus.Limits)

	return &testBus{bus, bus.Address()}
}

// witness is a bare connection, and the types of the last answer it got.
func (b *testBus) witness(tb testing.TB) (*dbus.Conn, func() string) {
	tb.Helper()
	var last atomic.Value
	conn := b.Connect(tb, dbus.WithIncomingInterceptor(func(message *dbus.Message) {
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
	bus := startBus(tb, privatebus.Open)

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
