package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// world is everything around the agent that goes on when the agent is killed:
// systemd with its units, logind, the bus with its clients, and the disk. All
// of it runs in a bubble of fake time.
type world struct {
	t       *testing.T
	started time.Time
	dir     string
	closing chan struct{}
	boots   int // reboots so far
	clients sync.WaitGroup

	mu      sync.Mutex
	agent   *Agent
	members map[levels.Target][]string
	active  map[string]levels.Instant // unit → when it became active
	failing map[string]int            // unit → how many more starts fail
	stuck   bool                      // units neither start nor stop
	starts  map[string]int
	log     []string // what the services themselves saw, in order

	components map[levels.ClientID]*component
	answered   map[levels.Tag]error
	calls      map[string]int // component and position → executions

	announced   chan levels.Mode
	changed     chan struct{}
	preparing   bool
	stopping    bool
	unguarded   bool
	inhibited   bool
	window      time.Duration
	endings     []levels.Mode
	noLogind    bool
	endingFails error
	lost        []levels.Target

	// network and lease are nil in a cluster of one.
	network *network
	lease   LeaseRecord

	endpoints Endpoints

	config   config.Config
	badFile  error
	reloads  int
	digest   string
	notified []string
	notices  []levels.Action
	shown    []*Status
	journal  []string
	appends  int
	killAt   int  // the append at which the agent dies; 0 = never
	killSoon bool // and it dies before the write, not after it
	dying    bool // it dies at its next look at the clock
	fail     diskFailure
	hang     chan struct{} // Publish waits for it to be closed
	panics   bool          // Append does
	deafBus  bool          // Alive gives an error
	// deafUnits: Members gives an error.
	deafUnits bool
}

// diskFailure says which writes do not work.
type diskFailure struct{ boot, durable bool }

// component is one client of the bus with its registrations.
type component struct {
	name  string
	takes time.Duration
	fails int // how many more calls it answers with an error
	hangs bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := config.Config{
		Levels: levels.DefaultConfig("n1"), Digest: "d1", Hash: "h1",
		Shutdown: config.Shutdown{Timeout: 55 * time.Minute, Margin: 5 * time.Second, Emergency: 45 * time.Second},
		Limits:   config.Limits{HistoryRuns: 50},
	}
	for _, sequence := range levels.Sequences() {
		c.Levels.Sequences[sequence].Ladder.Top = 3
	}
	w := &world{
		t: t, started: time.Now(), dir: t.TempDir(), closing: make(chan struct{}),
		members: map[levels.Target][]string{}, active: map[string]levels.Instant{}, failing: map[string]int{},
		starts: map[string]int{}, components: map[levels.ClientID]*component{}, answered: map[levels.Tag]error{},
		calls: map[string]int{}, announced: make(chan levels.Mode, 1), changed: make(chan struct{}, 1),
		window: time.Hour, config: c, digest: "d1",
	}

	return w
}

// close ends what the services still do.
func (w *world) close() {
	close(w.closing)
	w.clients.Wait()
}

func (w *world) incarnation() string { return fmt.Sprintf("boot-%d", w.boots+1) }

func (w *world) now() levels.Instant { return levels.Instant(time.Since(w.started)) + 1 }

// clock is the agent's; one that is to die does so here, in its own goroutine.
func (w *world) clock() levels.Instant {
	w.mu.Lock()
	dying := w.dying
	w.mu.Unlock()
	if dying {
		runtime.Goexit()
	}

	return w.now()
}

// leaseClock is far from the other one, so that nobody takes the one for the other.
func (w *world) leaseClock() election.Instant {
	return election.Instant(w.clock().Add(1000 * time.Hour))
}

// set changes the world while the agent runs.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// want adds a member to a target before the agent starts.
func (w *world) want(target, unit string) {
	parsed, err := levels.ParseTarget(target)
	if err != nil {
		w.t.Fatal(err)
	}
	w.members[parsed] = append(w.members[parsed], unit)
}

// running is one life of the agent.
type running struct {
	w      *world
	stop   context.CancelFunc
	agent  *Agent
	result chan error // capacity 1; closed without a value when the agent was killed
	ready  chan struct{}
}

// store is the real one on a disk that can be full and that kills the agent.
type store struct {
	*FileStore

	w *world
}

func (w *world) newStore() *store {
	return &store{w: w, FileStore: NewFileStore(StoreOptions{
		RunDir: filepath.Join(w.dir, "run"), StateDir: filepath.Join(w.dir, "var"), Incarnation: w.incarnation(), HistoryRuns: 50,
	})}
}

var errFull = errors.New("no space left on device")

func (s *store) Append(events []StampedEvent) error {
	s.w.mu.Lock()
	if s.w.panics {
		s.w.mu.Unlock()
		panic("told to")
	}
	if s.w.fail.boot {
		s.w.mu.Unlock()

		return errFull
	}
	s.w.appends++
	doomed, soon := s.w.killAt != 0 && s.w.appends == s.w.killAt, s.w.killSoon
	s.w.mu.Unlock()
	if doomed && soon {
		runtime.Goexit() // kill -9: nothing after this instruction happens
	}
	err := s.FileStore.Append(events)
	if doomed {
		runtime.Goexit()
	}

	return err
}

func (s *store) Snapshot(state *BootState) error {
	if s.failing().boot {
		return errFull
	}

	return s.FileStore.Snapshot(state)
}

func (s *store) SaveDurable(state *DurableState) error {
	if s.failing().durable {
		return errFull
	}

	return s.FileStore.SaveDurable(state)
}

func (s *store) SaveVote(state *election.State) error {
	if s.failing().durable {
		return errFull
	}

	return s.FileStore.SaveVote(state)
}

func (s *store) failing() diskFailure {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()

	return s.w.fail
}

// launch starts the agent anew on what the disk holds.
func (w *world) launch() *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{w: w, stop: stop, result: make(chan error, 1), ready: make(chan struct{})}
	disk := w.newStore()
	r.agent = New(Options{
		Ports: Ports{
			Units: (*fakeUnits)(w), System: (*fakeSystem)(w), Bus: (*fakeBus)(w), Store: disk,
			NewPeers: w.newPeers, Lease: w.lease, Endpoints: w.endpoints,
			Notify: (*fakeNotify)(w), Clock: w.clock, LeaseClock: w.leaseClock,
		},
		Journal:     NewJournalHandler(slog.LevelDebug, w.journalSend),
		Version:     "test",
		Document:    func(status *Status) ([]byte, error) { return json.Marshal(status) },
		Incarnation: w.incarnation(),
		Load: func() (config.Config, error) {
			w.mu.Lock()
			defer w.mu.Unlock()

			return w.config, w.badFile
		},
		Digest: func() string {
			w.mu.Lock()
			defer w.mu.Unlock()

			return w.digest
		},
		FirstTag: 1000, BusReady: r.ready, WatchdogInterval: 9 * time.Second,
	})
	w.mu.Lock()
	w.agent = r.agent
	w.mu.Unlock()
	close(r.ready)
	go func() {
		defer close(r.result)
		defer func() { _ = disk.Close() }()
		r.result <- r.agent.Run(ctx)
	}()

	return r
}

// end stops the agent as systemd does, and wants it to go well.
func (r *running) end() {
	r.w.t.Helper()
	r.stop()
	if err := <-r.result; err != nil {
		r.w.t.Fatalf("Run = %v, want nil after a planned stop", err)
	}
}

func (w *world) journalSend(_ int, message string, fields map[string]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.journal = append(w.journal, fields["MESSAGE_ID"]+" "+message)

	return nil
}

// until lets time pass until the status is as wanted; it fails after ten minutes.
func (w *world) until(what string, holds func(*Status) bool) *Status {
	w.t.Helper()
	for limit := time.Now().Add(10 * time.Minute); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		synctest.Wait()
		w.mu.Lock()
		agent := w.agent
		w.mu.Unlock()
		if status := agent.Status(); status != nil && holds(status) {
			return status
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Fatalf("never came: %s\nstatus: %+v\nlog: %s\njournal:\n%s", what, w.agent.Status(), strings.Join(w.log, ", "), strings.Join(w.journal, "\n"))

	return nil
}

func (w *world) untilUp() *Status {
	w.t.Helper()

	return w.until("init complete", func(s *Status) bool { return s.State == levels.StateUp && s.Ready && s.Run == nil })
}

// register makes a component and registers it, again and again while the agent
// is away; the client answers its calls.
func (w *world) register(client levels.ClientID, c *component, positions ...string) {
	w.t.Helper()
	w.mu.Lock()
	w.components[client] = c
	w.mu.Unlock()
	for _, position := range positions {
		for {
			w.mu.Lock()
			agent := w.agent
			w.mu.Unlock()
			_, err := agent.Register(w.t.Context(), levels.Registration{Component: c.name, Client: client, Position: at(position)})
			if err == nil || errors.Is(err, levels.ErrAlreadyRegistered) {
				break
			}
			if !errors.Is(err, errStopped) {
				w.t.Fatalf("register %s at %s: %v", c.name, position, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func at(text string) levels.Position {
	word, number, _ := strings.Cut(text, ":")
	sequence, err := levels.ParseSequence(word)
	level, levelErr := levels.ParseLevel(number)
	if err != nil || levelErr != nil {
		panic(text)
	}

	return levels.Position{Sequence: sequence, Level: level}
}

// seen returns what the services saw, in order.
func (w *world) seen() string {
	w.mu.Lock()
	defer w.mu.Unlock()

	return strings.Join(w.log, ", ")
}

// bubble runs one story in fake time.
func bubble(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		story(w)
		w.close()
	})
}
