package dbusapi

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// echo is the reference: what godbus does by itself.
type echo struct{ done chan uint64 }

// Echo answers with what it got.
func (e *echo) Echo(tag uint64) (uint64, *dbus.Error) {
	if e.done != nil {
		e.done <- tag
	}

	return tag, nil
}

func startEcho(tb testing.TB, bus *testBus, e *echo) *dbus.Conn {
	tb.Helper()
	conn := bus.Connect(tb)
	if err := conn.Export(e, "/echo", "org.example.Echo"); err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.RequestName("org.example.Echo", dbus.NameFlagDoNotQueue); err != nil {
		tb.Fatal(err)
	}

	return conn
}

// One callback, from the decision to invoke until the Done of the real client is
// with the agent, against one round trip of godbus on the same bus, in turns. Both
// are two messages. Reports the ratio; the goal is 1.5.
func BenchmarkCallback(b *testing.B) {
	bus, server := start(b)
	client := bus.client(b)
	answered := make(chan error, 1)
	err := client.Register(limited(b), Registration{Component: "bench", Sequence: levels.Init, Level: 1}, func(_ context.Context, call Invocation) {
		answered <- client.Done(b.Context(), call.Tag, nil)
	})
	if err != nil {
		b.Fatal(err)
	}
	startEcho(b, bus, &echo{})
	object := bus.Connect(b).Object("org.example.Echo", "/echo")
	var callbacks, echoes []time.Duration
	for b.Loop() {
		began := time.Now()
		server.agent.invokeAll()
		receive(b, "Done", server.agent.done)
		callbacks = append(callbacks, time.Since(began))
		// The client's own reply is not part of it, and must not be on the bus meanwhile.
		if err = receive(b, "the reply", answered); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		var back uint64
		if err = object.Call("org.example.Echo.Echo", 0, uint64(1)).Store(&back); err != nil {
			b.Fatal(err)
		}
		echoes = append(echoes, time.Since(began))
	}
	ours, theirs := median(callbacks), median(echoes)
	b.ReportMetric(float64(ours.Nanoseconds())/1000, "µs/callback")
	b.ReportMetric(float64(theirs.Nanoseconds())/1000, "µs/echo")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

// median is the middle one: the machine may be doing something else at times.
func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)

	return durations[len(durations)/2]
}

const (
	benchClients   = 20
	benchCallbacks = 1000
)

// 1,000 callbacks of one level to 20 clients, against the same messages on the
// same bus between bare connections. Reports the ratio; the goal is 1.5.
func BenchmarkLevelOf1000Callbacks(b *testing.B) {
	bus, server := start(b)
	for index := range benchClients {
		client := bus.client(b)
		for level := range benchCallbacks / benchClients {
			err := client.Register(limited(b), Registration{
				Component: fmt.Sprint("c", index), Sequence: levels.Init, Level: levels.Level(level),
			}, func(_ context.Context, call Invocation) {
				go func() { _ = client.Done(b.Context(), call.Tag, nil) }()
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	bare := startBare(b, bus)
	var ours, theirs time.Duration
	for b.Loop() {
		began := time.Now()
		server.agent.invokeAll()
		for range benchCallbacks {
			receive(b, "Done", server.agent.done)
		}
		ours += time.Since(began)
		began = time.Now()
		bare.invokeAll()
		for range benchCallbacks {
			receive(b, "the echo", bare.echo.done)
		}
		theirs += time.Since(began)
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/level")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "ms/bare")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

// bareBench sends the messages of a level without anything behind them.
type bareBench struct {
	conn  *dbus.Conn
	echo  *echo
	names []string
}

func startBare(b *testing.B, bus *testBus) *bareBench {
	b.Helper()
	bare := &bareBench{echo: &echo{done: make(chan uint64, benchCallbacks)}}
	bare.conn = startEcho(b, bus, bare.echo)
	for range benchClients {
		conn := bus.Connect(b, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		signals := make(chan *dbus.Signal, benchCallbacks)
		conn.Signal(signals)
		object := conn.Object("org.example.Echo", "/echo")
		go func() {
			for signal := range signals {
				if signal.Name != ManagerInterface+".Callback" {
					continue
				}
				go func() { _ = object.Call("org.example.Echo.Echo", 0, signal.Body[0]) }()
			}
		}()
		bare.names = append(bare.names, conn.Names()[0])
	}

	return bare
}

func (b *bareBench) invokeAll() {
	info := infoOf(levels.Info{Node: "n1", Cluster: "local", Master: "n1"}, 0, false)
	for tag := range uint64(benchCallbacks) {
		b.conn.Send(signalMessage(b.names[tag%benchClients], RootPath, ManagerInterface, "Callback",
			tag, RegistrationPath(1), "c", "init", int32(1), uint64(0), info), nil)
	}
}

// invokeAll opens an invocation for every registration. What an agent does besides
// is left out: the subject is the bus.
func (a *fakeAgent) invokeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = map[levels.Tag]levels.ClientID{}
	}
	for _, r := range a.status.Registrations {
		tag := a.nextTag
		a.nextTag++
		info := levels.Info{Node: "n1", Cluster: "local", Master: "n1"}
		a.open[tag] = r.Client
		if err := a.server.Invoke(levels.Invoke{Tag: tag, Registration: r, Position: r.Position, Info: info}); err != nil {
			panic(err)
		}
	}
}
