package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// worker measures inside a node. It is used by one goroutine.
type worker struct {
	system *systemd
	client *dbusapi.Client
	out    *json.Encoder
}

// runInNode is the whole of "bench node".
func runInNode(ctx context.Context) error {
	if len(os.Args) > 2 && os.Args[2] == "notify" {
		return runNotify(ctx)
	}
	system, err := newSystemd(ctx)
	if err != nil {
		return err
	}
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return err
	}
	w := &worker{system: system, client: client, out: json.NewEncoder(os.Stdout)}
	if err = w.settle(ctx); err != nil {
		return fmt.Errorf("wait for the agent: %w", err)
	}
	only := ""
	if len(os.Args) > 2 {
		only = os.Args[2]
	}
	for _, bench := range w.benches() {
		if only != "" && only != bench.name {
			continue
		}
		if err = bench.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", bench.name, err)
		}
	}

	return nil
}

// bench is one of the measurements; its name is what --only takes.
type bench struct {
	name string
	run  func(context.Context) error
}

func (w *worker) benches() []bench {
	return []bench{
		{"idle", w.benchIdle},
		{"empty", w.benchEmpty},
		{"callback", w.benchCallback},
		{"callbacks", w.benchManyCallbacks},
		{"units", w.benchUnits},
		{"shutdown", w.benchShutdown},
		{"generator", w.benchGenerator},
		{"start", w.benchStart},
	}
}

func (w *worker) report(one figure) error { return w.out.Encode(one) }

// settle waits until the agent is up and nothing runs.
func (w *worker) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		status, err := w.client.Status(ctx)
		if err == nil && status.State == levels.StateUp && status.Run == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last answer: %v): %w", ctx.Err(), status, err)
		case <-ticker.C:
		}
	}
}

// operate requests an operation, waits for its end and returns the time it took.
func (w *worker) operate(ctx context.Context, request dbusapi.OperationRequest) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	begin := time.Now()
	id, err := w.client.RequestOperation(ctx, request)
	if err != nil {
		return 0, fmt.Errorf("request %v: %w", request.Kind, err)
	}
	ended, err := w.client.WaitOperation(ctx, id)
	took := time.Since(begin)
	if err == nil && ended.Result != levels.ResultDone {
		err = fmt.Errorf("%v ended as %v: %s", request.Kind, ended.Result, ended.Error)
	}

	return took, err
}

// initOnce takes the node down (noboot) and measures its way up through init again.
func (w *worker) initOnce(ctx context.Context) (time.Duration, error) {
	if _, err := w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot}); err != nil {
		return 0, err
	}
	took, err := w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationStart})
	if err != nil {
		return 0, err
	}

	return took, w.settle(ctx)
}

// benchUnits: 10 levels × 10 oneshots through the agent and by systemd alone.
func (w *worker) benchUnits(ctx context.Context) error {
	if err := w.system.enable(ctx, allOurs()); err != nil {
		return err
	}
	const trials = 9
	value, reference, err := turns(trials,
		func() (time.Duration, error) { return w.initOnce(ctx) },
		func() (time.Duration, error) { return w.system.runAlone(ctx) })
	if err != nil {
		return err
	}
	if err = w.system.disable(ctx, allOurs()); err != nil {
		return err
	}

	return w.report(figure{
		Name: "init of 10 levels x 10 oneshots", Value: value, Reference: reference,
		Against: "systemd alone", Unit: "ms", Goal: 1.10, Trials: trials,
	})
}

// benchShutdown: the same units are stopped level by level through the agent, and in the same
// order by systemd alone.
func (w *worker) benchShutdown(ctx context.Context) error {
	if err := w.system.enable(ctx, allOurs()); err != nil {
		return err
	}
	const trials = 9
	value, reference, err := turns(trials,
		func() (time.Duration, error) {
			took, err := w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot})
			if err != nil {
				return 0, err
			}
			if _, err = w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationStart}); err != nil {
				return 0, err
			}

			return took, w.settle(ctx)
		},
		func() (time.Duration, error) { return w.system.stopAlone(ctx) })
	if err != nil {
		return err
	}
	if err = w.system.disable(ctx, allOurs()); err != nil {
		return err
	}

	return w.report(figure{
		Name: "shutdown of a node with 100 units", Value: value, Reference: reference,
		Against: "systemd alone", Unit: "ms", Goal: 1.15, Trials: trials,
	})
}

// benchEmpty counts what the agent says on the bus during a hundred empty levels.
func (w *worker) benchEmpty(ctx context.Context) error {
	if _, err := w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot}); err != nil {
		return err
	}
	count, err := w.countMessages(ctx, func() error {
		_, err := w.operate(ctx, dbusapi.OperationRequest{Kind: levels.OperationStart})

		return err
	})
	if err != nil {
		return err
	}
	if err = w.settle(ctx); err != nil {
		return err
	}

	return w.report(figure{
		Name: "messages and jobs of 100 empty levels", Value: float64(count), Unit: "messages", Goal: 0, Trials: 1,
	})
}

// countMessages counts the agent's messages between the signals SequenceStarted and
// SequenceFinished of init, as a bus monitor sees them, and the jobs of systemd.
func (w *worker) countMessages(ctx context.Context, work func() error) (int, error) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	var owner string
	bus := conn.BusObject()
	if err = bus.CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, "org.cssc.Agent1").Store(&owner); err != nil {
		return 0, err
	}
	rules := []string{"sender='" + owner + "'", "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobNew'"}
	if err = bus.CallWithContext(ctx, "org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rules, uint32(0)).Err; err != nil {
		return 0, err
	}
	messages := make(chan *dbus.Message, 4096)
	conn.Eavesdrop(messages)
	if err = work(); err != nil {
		return 0, err
	}

	return countBetween(ctx, messages)
}

func countBetween(ctx context.Context, messages <-chan *dbus.Message) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	count, counting := 0, false
	for {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("SequenceFinished of init did not pass the monitor: %w", ctx.Err())
		case message := <-messages:
			member, _ := message.Headers[dbus.FieldMember].Value().(string)
			switch {
			case member == "SequenceStarted":
				counting = true
			case member == "SequenceFinished" && counting:
				return count, nil
			case counting:
				fmt.Fprintln(os.Stderr, "bench: message during empty levels:", message)
				count++
			}
		}
	}
}
