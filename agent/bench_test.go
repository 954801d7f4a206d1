package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// busyBus answers every call at once, from a goroutine of the client's own.
type busyBus struct {
	agent   *Agent
	done    sync.WaitGroup
	publish atomic.Int64
	ready   chan struct{} // closed when init is complete
	once    sync.Once
}

func (b *busyBus) Invoke(call levels.Invoke) error {
	b.done.Go(func() {
		for b.agent.Done(context.Background(), levels.CallbackDone{Tag: call.Tag, Client: call.Registration.Client, OK: true}) != nil {
			continue // the inbox is full: a client asks again
		}
	})

	return nil
}

func (b *busyBus) NotifyCanceled(levels.NotifyCanceled) {}
func (b *busyBus) Publish(status *Status, _ []levels.Action) {
	b.publish.Add(1)
	if status.Ready {
		b.once.Do(func() { close(b.ready) })
	}
}

func (b *busyBus) Alive(context.Context, []levels.ClientID) (map[levels.ClientID]bool, error) {
	return nil, nil
}

// quietSystem is a systemd without members and a logind that never says anything.
type quietSystem struct{ silence chan levels.Mode }

func (quietSystem) PreparingForShutdown(context.Context) (bool, error) { return false, nil }
func (quietSystem) Running(context.Context, string) (bool, error)      { return true, nil }
func (quietSystem) Stopping(context.Context) (bool, error)             { return false, nil }
func (quietSystem) Inhibit(context.Context) error                      { return nil }
func (quietSystem) Release() error                                     { return nil }
func (quietSystem) Window(context.Context) (time.Duration, error)      { return time.Hour, nil }
func (q quietSystem) ShutdownAnnounced() <-chan levels.Mode            { return q.silence }
func (quietSystem) End(context.Context, levels.Mode, func(string, error)) error {
	return nil
}

type quietUnits struct{ silence chan struct{} }

func (quietUnits) Members(context.Context) (map[levels.Target][]string, error) {
	return map[levels.Target][]string{}, nil
}

func (quietUnits) Start(context.Context, levels.StartUnits, func(levels.Member)) ([]levels.Member, error) {
	return nil, nil
}

func (quietUnits) Stop(context.Context, levels.StopUnits) ([]levels.Member, error) { return nil, nil }

func (q quietUnits) Changed() <-chan struct{}                                     { return q.silence }
func (quietUnits) Reload(context.Context) error                                   { return nil }
func (quietUnits) Lost(context.Context, []levels.Target) ([]levels.Target, error) { return nil, nil }

// countingStore counts the writes to the boot log.
type countingStore struct {
	*FileStore

	writes atomic.Int64
}

func (c *countingStore) Append(events []StampedEvent) error {
	c.writes.Add(1)

	return c.FileStore.Append(events)
}

// BenchmarkLevelOfAThousand is one run of init with 1,000 callbacks on one level,
// through the whole loop with the real machine and the real store. Beside the time
// it prints how many writes and publications the run took.
func BenchmarkLevelOfAThousand(b *testing.B) {
	const callbacks = 1000
	writes, publications := int64(0), int64(0)
	for b.Loop() {
		b.StopTimer()
		c := config.Config{Levels: levels.DefaultConfig("n1")}
		c.Levels.Components = map[string]levels.ComponentConfig{"last": {Required: []levels.Position{{Sequence: levels.Init, Level: 1}}}}
		store := &countingStore{FileStore: NewFileStore(StoreOptions{RunDir: b.TempDir(), StateDir: b.TempDir(), Incarnation: "b", HistoryRuns: 1})}
		bus, ready := &busyBus{ready: make(chan struct{})}, make(chan struct{})
		start := time.Now()
		bus.agent = New(Options{
			Ports: Ports{
				Units: quietUnits{make(chan struct{})}, System: quietSystem{make(chan levels.Mode)}, Bus: bus, Store: store,
				Clock:      func() levels.Instant { return levels.Instant(time.Since(start)) + 1 },
				LeaseClock: func() election.Instant { return election.Instant(time.Since(start)) + 1 },
			},
			Incarnation: "b", FirstTag: 1, BusReady: ready,
			Load: func() (config.Config, error) { return c, nil },
		})
		close(ready)
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error, 1)
		go func() { result <- bus.agent.Run(ctx) }()
		register := func(name string) {
			if _, err := bus.agent.Register(ctx, levels.Registration{
				Component: name, Client: ":1.1", Position: levels.Position{Sequence: levels.Init, Level: 1},
			}); err != nil {
				b.Fatal(err)
			}
		}
		for i := range callbacks - 1 {
			register(fmt.Sprintf("component-%d", i))
		}
		before, shown := store.writes.Load(), bus.publish.Load()
		b.StartTimer()
		register("last")
		<-bus.ready
		b.StopTimer()
		writes, publications = writes+store.writes.Load()-before, publications+bus.publish.Load()-shown
		bus.done.Wait()
		cancel()
		if err := <-result; err != nil {
			b.Fatal(err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(writes)/float64(b.N), "writes/op")
	b.ReportMetric(float64(publications)/float64(b.N), "publications/op")
}
