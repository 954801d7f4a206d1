package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Goal: whatever operations are asked for while nodes fail, are cut off and cannot promote,
// no two nodes serve at once, every operation ends, and once all is put right the cluster is
// whole again. Method: random stories on three agents; CSSC_SEED repeats one, CSSC_TRIALS
// makes them more.
func TestRandomOperationsConverge(t *testing.T) {
	first, count := number(t, "CSSC_SEED", 0), number(t, "CSSC_TRIALS", 8)
	if first != 0 {
		count = 1
	}
	first = max(first, 1)
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Logf("repeat with: CSSC_SEED=%d go test ./agent -run %s", seed, "TestRandomOperationsConverge")
			inCluster(t, func(c *cluster) {
				s := &chaos{cluster: c, random: rand.New(rand.NewPCG(seed, 0)), dead: map[levels.NodeID]bool{}, web: map[levels.NodeID]*component{}}
				c.formed()
				for _, id := range allNodes() {
					s.register(id)
				}
				for range 25 {
					s.act()
					c.neverTwo(time.Duration(s.random.IntN(4000)) * time.Millisecond)
				}
				s.putRight()
			}, slowGossip)
		})
	}
}

// number reads a variable of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}

	return value
}

func allNodes() []levels.NodeID { return []levels.NodeID{"n1", "n2", "n3"} }

// chaos is a cluster to which things happen.
type chaos struct {
	*cluster

	random *rand.Rand
	web    map[levels.NodeID]*component
	dead   map[levels.NodeID]bool
	cut    bool
}

// register brings up the component of a node.
func (s *chaos) register(id levels.NodeID) {
	s.web[id] = &component{name: "web"}
	s.nodes[id].register(":1.5", s.web[id], "promote:0", "demote:0", "disqualify:0", "qualify:0", "shut:0")
}

func (s *chaos) say(format string, args ...any) {
	s.t.Logf("%7.3f "+format, append([]any{time.Since(s.nodes["n1"].started).Seconds()}, args...)...)
}

// act lets one thing happen.
func (s *chaos) act() {
	for _, w := range s.nodes {
		w.set(func() { w.shown, w.notices = nil, nil }) // there are very many
	}
	id := allNodes()[s.random.IntN(3)]
	switch s.random.IntN(12) {
	case 0, 1, 2:
		to := append(allNodes(), "")[s.random.IntN(4)]
		s.ask(id, levels.OperationRequested{Kind: levels.OperationSwitchover, To: to})
	case 3:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationDisqualify, Force: s.random.IntN(4) == 0})
	case 4, 5:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationQualify})
	case 6:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, Force: s.random.IntN(3) == 0})
	case 7:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationStart})
	case 8:
		takes, fails := time.Duration(s.random.IntN(3000))*time.Millisecond, s.random.IntN(3)/2
		s.say("the component on %s takes %v, fails %d times", id, takes, fails)
		s.nodes[id].set(func() { s.web[id].takes, s.web[id].fails = takes, fails })
	case 9:
		s.say("the master's unit does not start on %s, once", id)
		s.nodes[id].set(func() { s.nodes[id].failing["lead.service"] = 1 })
	case 10:
		s.lose(id)
	case 11:
		s.sever(id)
	}
}

func (s *chaos) ask(id levels.NodeID, request levels.OperationRequested) {
	if s.dead[id] {
		return
	}
	request.By = "test"
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	number, _, err := s.nodes[id].agent.Operation(ctx, request)
	s.say("%v on %s to %q, force %v: %d, %v", request.Kind, id, request.To, request.Force, number, err)
	for _, fine := range []error{
		nil, levels.ErrRefused, levels.ErrOperationInProgress, levels.ErrTryAgain, levels.ErrInvalid, levels.ErrUnreachable, errStopped,
	} {
		if errors.Is(err, fine) || err == nil {
			return
		}
	}
	s.t.Errorf("%v on %s: %v", request.Kind, id, err)
}

// lose cuts the power of a node, or kills its agent for a moment.
func (s *chaos) lose(id levels.NodeID) {
	if s.dead[id] || len(s.dead) > 0 {
		return
	}
	if s.random.IntN(2) == 0 {
		s.say("the agent of %s is killed", id)
		s.die(id)
		time.Sleep(300 * time.Millisecond)
		s.lives[id] = s.nodes[id].launch()

		return
	}
	s.say("power cut of %s", id)
	s.machines().cut(id)
	s.nodes[id].lease = &fakeLease{}
	s.dead[id] = true
	s.neverTwo(time.Duration(s.random.IntN(4)) * testLease)
	s.bringBack()
}

func (s *chaos) bringBack() {
	for id := range s.dead {
		s.say("%s is back", id)
		s.lives[id] = s.nodes[id].launch()
		delete(s.dead, id)
		s.register(id)
	}
}

// sever cuts a node off, or heals.
func (s *chaos) sever(id levels.NodeID) {
	if s.cut {
		s.say("all links are whole")
		s.network.heal()
	} else {
		s.say("%s is cut off", id)
		s.network.isolate(id)
	}
	s.cut = !s.cut
}

// putRight ends every fault and does what an operator would, until the cluster is whole.
func (s *chaos) putRight() {
	s.network.heal()
	s.bringBack()
	for _, id := range allNodes() {
		s.nodes[id].set(func() {
			clear(s.nodes[id].failing)
			s.web[id].takes, s.web[id].fails = 0, 0
		})
	}
	s.say("all is put right")
	for range 60 {
		whole := 0
		for _, id := range allNodes() {
			if s.well(id) {
				whole++
			}
		}
		if whole == 3 && s.agreed() {
			return
		}
		s.neverTwo(5 * time.Second)
	}
	for _, id := range allNodes() {
		status := s.nodes[id].agent.Status()
		s.t.Logf("%s: %+v\nrun %+v", id, status.View, status.Run)
		for _, line := range s.nodes[id].journal {
			s.t.Log(line)
		}
	}
	s.t.Logf("the master's unit runs on %v", s.serving())
	s.t.Fatal("the cluster does not come together again")
}

// well says that nothing is left to do on the node, and does the next thing if there is.
func (s *chaos) well(id levels.NodeID) bool {
	agent := s.nodes[id].agent
	agent.Fresh(s.t.Context())
	status := agent.Status()
	switch run := status.Run; {
	case run != nil && (run.Phase == levels.PhaseHeld || run.Phase == levels.PhaseFinished):
		_ = agent.Retry(s.t.Context(), run.Sequence)
	case status.Barred != nil:
		_ = agent.Retry(s.t.Context(), levels.Promote)
	case status.State == levels.StateDown:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationStart})
	case !status.Qualified && status.State == levels.StateUp:
		s.ask(id, levels.OperationRequested{Kind: levels.OperationQualify})
	default:
		last := operation(status)

		return run == nil && status.State == levels.StateUp && (last.ID == 0 || last.Result != levels.ResultRunning)
	}

	return false
}

// agreed says that there is one master that serves and is ready, and one vice.
func (s *chaos) agreed() bool {
	roles := map[levels.Role]int{}
	var master levels.NodeID
	for _, id := range allNodes() {
		status := s.nodes[id].agent.Status()
		roles[status.Role]++
		if status.Role == levels.RoleMaster {
			master = id
		}
		if !status.MasterReady {
			return false
		}
	}
	serving := s.serving()

	return roles[levels.RoleMaster] == 1 && roles[levels.RoleVice] == 1 && roles[levels.RoleSpare] == 1 && len(serving) == 1 && serving[0] == master
}
