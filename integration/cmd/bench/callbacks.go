package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// benchCallback: one callback, signal and Done, through the real client and the real
// agent; the reference is a method call round trip on the same bus: two messages each.
// A hundred levels with one callback each are one chain, so what they add to an init
// without any is the time of a hundred.
func (w *worker) benchCallback(ctx context.Context) error {
	const trials = 15
	empty, err := w.medianInit(ctx, trials)
	if err != nil {
		return err
	}
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	for index := range allLevels {
		level := levels.Level(index)
		if index == allLevels-1 {
			level = levels.Last
		}
		if err = registerOne(ctx, client, "bench", level); err != nil {
			return err
		}
	}
	echo, err := newEcho(ctx)
	if err != nil {
		return err
	}
	defer echo.close()
	value, reference, err := turns(trials,
		func() (time.Duration, error) { return w.initOnce(ctx) },
		func() (time.Duration, error) { return echo.roundTrips(ctx, allLevels) })
	if err != nil {
		return err
	}

	return w.report(figure{
		Name: "one callback, of a chain of 100", Value: (value - empty) / allLevels, Reference: reference / allLevels,
		Against: "echo round trip", Unit: "ms", Goal: 1.5, Trials: trials,
	})
}

// medianInit is the time of an init as the node is.
func (w *worker) medianInit(ctx context.Context, trials int) (float64, error) {
	var all []time.Duration
	for range trials {
		one, err := w.initOnce(ctx)
		if err != nil {
			return 0, err
		}
		all = append(all, one)
	}

	return median(all), nil
}

// registerOne registers a component that answers at once and does not wait for the
// agent to confirm the answer.
func registerOne(ctx context.Context, client *dbusapi.Client, component string, level levels.Level) error {
	return answer(ctx, client, dbusapi.Registration{Component: component, Sequence: levels.Init, Level: level})
}

// answer registers what answers every call at once.
func answer(ctx context.Context, client *dbusapi.Client, wish dbusapi.Registration) error {
	return client.Register(ctx, wish, func(ctx context.Context, call dbusapi.Invocation) {
		go func() { _ = client.Done(context.WithoutCancel(ctx), call.Tag, nil) }()
	})
}

const (
	manyClients   = 20
	manyCallbacks = 1000
)

// benchManyCallbacks: a thousand callbacks on one level from twenty clients; the
// reference sends the same messages over the bus with nothing behind them.
func (w *worker) benchManyCallbacks(ctx context.Context) error {
	for number := range manyClients {
		client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		for i := range manyCallbacks / manyClients {
			if err = registerOne(ctx, client, fmt.Sprintf("bench-%d-%d", number, i), 0); err != nil {
				return err
			}
		}
	}
	bare, err := newBare(ctx, manyClients)
	if err != nil {
		return err
	}
	defer bare.close()
	const trials = 9
	value, reference, err := turns(trials,
		func() (time.Duration, error) { return w.initOnce(ctx) },
		func() (time.Duration, error) { return bare.round(ctx, manyCallbacks) })
	if err != nil {
		return err
	}

	return w.report(figure{
		Name: "1,000 callbacks on one level, 20 clients", Value: value, Reference: reference,
		Against: "same messages bare", Unit: "ms", Goal: 1.5, Trials: trials,
	})
}

// echo is a godbus service and a caller of it, on two connections.
type echo struct{ service, caller *dbus.Conn }

type echoMethods struct{}

// Echo returns what it is given.
func (echoMethods) Echo(tag uint64) (uint64, *dbus.Error) { return tag, nil }

func newEcho(ctx context.Context) (*echo, error) {
	service, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err = service.Export(echoMethods{}, "/bench", "org.cssc.Bench"); err != nil {
		return nil, err
	}
	caller, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}

	return &echo{service: service, caller: caller}, nil
}

func (e *echo) close() {
	_ = e.service.Close()
	_ = e.caller.Close()
}

func (e *echo) roundTrips(ctx context.Context, count int) (time.Duration, error) {
	object := e.caller.Object(e.service.Names()[0], "/bench")
	begin := time.Now()
	for number := range count {
		if err := object.CallWithContext(ctx, "org.cssc.Bench.Echo", 0, uint64(number)).Err; err != nil {
			return 0, err
		}
	}

	return time.Since(begin), nil
}

// bare exchanges the messages of callbacks: a unicast signal of the same size and a method
// call with its reply each.
type bare struct {
	server  *dbus.Conn
	clients []*dbus.Conn
	done    chan uint64
}

type bareMethods struct{ done chan uint64 }

// Done takes the answer to one signal.
func (m bareMethods) Done(tag uint64, _ int32, message string) *dbus.Error {
	if message != "" {
		return dbus.MakeFailedError(errors.New(message))
	}
	m.done <- tag

	return nil
}

func newBare(ctx context.Context, clients int) (*bare, error) {
	server, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	b := &bare{server: server, done: make(chan uint64, manyCallbacks)}
	if err = server.Export(bareMethods{b.done}, "/bench", "org.cssc.Bench"); err != nil {
		return nil, err
	}
	for range clients {
		client, err := dbus.ConnectSystemBus(dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		if err != nil {
			return nil, err
		}
		b.clients = append(b.clients, client)
		if err = client.AddMatchSignalContext(ctx, dbus.WithMatchInterface("org.cssc.Bench")); err != nil {
			return nil, err
		}
		signals := make(chan *dbus.Signal, 64)
		client.Signal(signals)
		object := client.Object(server.Names()[0], "/bench")
		go func() {
			for signal := range signals {
				if signal != nil && len(signal.Body) > 0 && signal.Name == "org.cssc.Bench.Callback" {
					object.GoWithContext(ctx, "org.cssc.Bench.Done", 0, nil, signal.Body[0], int32(0), "")
				}
			}
		}()
	}

	return b, nil
}

func (b *bare) close() {
	_ = b.server.Close()
	for _, client := range b.clients {
		_ = client.Close()
	}
}

// round sends so many callbacks, manyCallbacks at most, and returns when all are answered.
func (b *bare) round(ctx context.Context, callbacks int) (time.Duration, error) {
	begin := time.Now()
	for number := range callbacks {
		b.server.Send(b.callback(number), nil)
	}
	for range callbacks {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-b.done:
		}
	}

	return time.Since(begin), nil
}

func (b *bare) callback(number int) *dbus.Message {
	info := map[string]dbus.Variant{
		"node": dbus.MakeVariant("bench"), "cluster": dbus.MakeVariant("local"), "state": dbus.MakeVariant("initializing"),
		"role": dbus.MakeVariant("master"), "term": dbus.MakeVariant(uint64(1)), "master": dbus.MakeVariant("bench"),
		"vice": dbus.MakeVariant(""), "cookie": dbus.MakeVariant(uint64(0)),
	}
	path := dbus.ObjectPath(fmt.Sprintf("/org/cssc/Agent1/registration/%d", number))
	body := []any{uint64(number), path, fmt.Sprintf("bench-%d", number), "init", int32(0), uint64(0), info}

	return &dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/bench")),
			dbus.FieldInterface:   dbus.MakeVariant("org.cssc.Bench"),
			dbus.FieldMember:      dbus.MakeVariant("Callback"),
			dbus.FieldDestination: dbus.MakeVariant(b.clients[number%len(b.clients)].Names()[0]),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		},
		Body: body,
	}
}
