package serfcmm_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

const testLease = 2 * time.Second

// electorate is a cluster whose nodes elect: real machines, real Serf.
type electorate struct {
	*cluster

	begin time.Time
	// mutex guards everything below: the owners take turns, so that all machines can be
	// looked at after every step of any of them.
	mutex  sync.Mutex
	voters map[string]*elector
	terms  map[election.Term]election.NodeID
	// elections counts masterships, acting how often a step found one.
	elections, steps, acting int
}

// elector owns one machine.
type elector struct {
	name    election.NodeID
	machine *election.Machine // nil while the node is down
	disk    *election.State
	// news is what its node does; unbuffered, never closed.
	news chan election.Event
	stop func()
}

func newElectorate(c *cluster) *electorate {
	return &electorate{cluster: c, begin: time.Now(), voters: map[string]*elector{}, terms: map[election.Term]election.NodeID{}}
}

func (e *electorate) now() election.Instant {
	return election.Instant(time.Since(e.begin) + time.Second)
}

func (e *electorate) config(self election.NodeID) election.Config {
	config := election.Config{
		Self: self, Hash: "equal", Lease: testLease, DriftPermille: 10, FormationTimeout: 30 * time.Second,
	}
	for _, peer := range e.peers {
		votes := !listens(string(peer.Name))
		config.Nodes = append(config.Nodes, election.Node{ID: election.NodeID(peer.Name), Vote: votes, Eligible: votes})
	}

	return config.DefaultTimes()
}

// listens says that a node of that name neither votes nor may stand.
func listens(name string) bool { return strings.HasPrefix(name, "m") }

// boot starts a node: its way to the others, and its machine with what is on disk.
func (e *electorate) boot(name string) {
	e.t.Helper()
	m := e.start(name)
	e.mutex.Lock()
	v := e.voters[name]
	if v == nil {
		v = &elector{name: election.NodeID(name), news: make(chan election.Event)}
		e.voters[name] = v
	}
	v.machine = election.New(election.Start{
		Config: e.config(v.name), State: v.disk, Standing: election.Standing{Qualified: !listens(name), Up: true},
		Now: e.now(), FirstRound: election.Round(e.now()), FirstSerial: uint64(e.now()),
	})
	e.mutex.Unlock()
	done := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { e.own(v, m.Node, done) })
	v.stop = sync.OnceFunc(func() { close(done); work.Wait() })
}

// crash stops a node at once; its disk stays.
func (e *electorate) crash(name string) {
	v := e.voters[name]
	v.stop()
	e.mutex.Lock()
	v.machine = nil
	e.mutex.Unlock()
	e.members[name].stop()
}

// own is what the agent's loop does.
func (e *electorate) own(v *elector, node *serfcmm.Node, done chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var event election.Event
		select {
		case message := <-node.Received():
			event = election.Received{Message: message}
		case <-timer.C:
			event = election.Ticked{}
		case event = <-v.news:
		case <-done:
			return
		}
		wake := e.step(v, node, event)
		if wake != 0 {
			timer.Reset(max(0, wake.Sub(e.now())))
		}
	}
}

// step lets one machine decide, and then looks at all of them.
func (e *electorate) step(v *elector, node *serfcmm.Node, event election.Event) election.Instant {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	queue := []election.Event{event}
	var wake election.Instant
	for len(queue) > 0 {
		result := v.machine.Step(e.now(), queue[0])
		queue, wake = queue[1:], result.Wake
		if result.Persist != nil {
			v.disk = result.Persist
		}
		for _, action := range result.Actions {
			switch action := action.(type) {
			case election.Send:
				node.Send(action.Message)
			case election.RoleDecided:
				queue = append(queue, e.decided(v, action)...)
			}
		}
		e.check(v)
	}

	return wake
}

// decided plays the services: in every second term they stop as soon as the role is being
// lost, in the others they go on until it is.
func (e *electorate) decided(v *elector, role election.RoleDecided) []election.Event {
	switch {
	case role.Lost && role.Role == election.RoleMaster && role.Term%2 == 0:
		return []election.Event{election.DemoteActed{}, election.ServingChanged{}}
	case role.Role == election.RoleMaster && e.terms[role.Term] == "":
		e.terms[role.Term] = v.name
		e.elections++
	case role.Role == election.RoleMaster && e.terms[role.Term] != v.name:
		e.t.Errorf("term %d has two holders: %s and %s", role.Term, e.terms[role.Term], v.name)
	case role.Role != election.RoleMaster:
		return []election.Event{election.ServingChanged{}}
	}

	return nil
}

// check counts who may act now.
func (e *electorate) check(last *elector) {
	e.steps++
	acting := e.masters()
	if len(acting) > 1 {
		e.t.Errorf("%v, after a step of %s: %v may act", time.Since(e.begin), last.name, acting)
	}
	e.acting += len(acting)
	if err := last.machine.Check(); err != nil {
		e.t.Errorf("%v: %s: %v", time.Since(e.begin), last.name, err)
	}
}

func (e *electorate) masters() []string {
	var acting []string
	for _, name := range e.names() {
		if v := e.voters[name]; v != nil && v.machine != nil && v.machine.MayAct(e.now()) {
			acting = append(acting, name)
		}
	}

	return acting
}

func (e *electorate) settled() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	return len(e.masters()) == 1
}

func (e *electorate) show() string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	var text strings.Builder
	for _, name := range e.names() {
		if v := e.voters[name]; v.machine != nil {
			fmt.Fprintf(&text, "%s\n%s\n", name, v.machine.Describe())
		}
	}

	return text.String()
}

// trouble makes one fault and returns what mends it.
func (e *electorate) trouble(random *rand.Rand) (what string, mend func()) {
	names := e.names()
	pick := func() int { return random.IntN(len(names)) }
	switch random.IntN(5) {
	case 0:
		name := names[pick()]
		e.crash(name)

		return "crash of " + name, func() { e.boot(name) }
	case 1:
		for i, name := range names {
			if e.masterIs(name) {
				e.network.Partition([]string{host(i)}, e.otherHosts(i), true)

				return "isolated master " + name, func() { e.network.Partition([]string{host(i)}, e.otherHosts(i), false) }
			}
		}

		return "nothing", func() {}
	case 2:
		var left, right []string
		for i := range names {
			if random.IntN(2) == 0 {
				left = append(left, host(i))
			} else {
				right = append(right, host(i))
			}
		}
		e.network.Partition(left, right, true)

		return fmt.Sprintf("partition %v | %v", left, right), func() { e.network.Partition(left, right, false) }
	case 3:
		from, to := pick(), pick()
		e.network.Cut(host(from), host(to))

		return "one way cut", func() { e.network.Heal(host(from), host(to)) }
	default:
		e.network.Trouble(0.3, 20*time.Millisecond)

		return "30 % loss", func() { e.network.Trouble(0, time.Millisecond) }
	}
}

func (e *electorate) masterIs(name string) bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	return e.voters[name].machine.MayAct(e.now())
}

func (e *electorate) otherHosts(self int) []string {
	var others []string
	for i := range e.peers {
		if i != self {
			others = append(others, host(i))
		}
	}

	return others
}

// Goal: never two masters, and one again soon after every fault, with everything real but
// the network and the clock. Method: machines over Serf with random faults of up to 40 s for
// an hour; who may act is counted after every step, and three leases after each fault was
// mended there is a master.
func TestOneMasterOverRealSerf(t *testing.T) {
	t.Parallel()
	for size, length := range map[int]time.Duration{3: time.Hour, 5: 20 * time.Minute, 7: 10 * time.Minute} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			t.Parallel()
			bubble(t, size, func(t *testing.T, c *cluster) {
				t.Helper()
				e := newElectorate(c)
				for _, name := range e.names() {
					e.boot(name)
				}
				e.eventually(time.Minute, "no first master", e.settled)
				random := rand.New(rand.NewPCG(uint64(size), 1))
				faults := 0
				for time.Since(e.begin) < length {
					what, mend := e.trouble(random)
					time.Sleep(time.Duration(random.IntN(40_000)) * time.Millisecond)
					mend()
					faults++
					e.eventually(3*testLease, "no master after "+what+"\n"+e.show(), e.settled)
					time.Sleep(time.Duration(random.IntN(5_000)) * time.Millisecond)
				}
				for _, v := range e.voters {
					v.stop()
				}
				t.Logf("%d faults, %d elections, %d steps", faults, e.elections, e.steps)
				if e.elections < 3 || e.acting < e.steps/2 {
					t.Errorf("%d elections, a master at %d of %d steps: too quiet to mean anything", e.elections, e.acting, e.steps)
				}
			})
		})
	}
}
