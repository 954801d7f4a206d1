package serfcmm_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// crowdSize is how many nodes listen beside the voters.
const crowdSize = 60

// enlist adds the crowd to the table and returns its names.
func (e *electorate) enlist() []string {
	var crowd []string
	for i := range crowdSize {
		name := fmt.Sprintf("m%d", i+1)
		e.peers = append(e.peers, serfcmm.Peer{Name: levels.NodeID(name), Address: fmt.Sprintf("192.0.3.%d", i+1)})
		crowd = append(crowd, name)
	}

	return crowd
}

func (e *electorate) bootAll(names []string) {
	e.t.Helper()
	for _, name := range names {
		e.boot(name)
	}
}

func (e *electorate) crashAll(names []string) {
	e.t.Helper()
	var ends sync.WaitGroup
	for _, name := range names {
		ends.Go(func() { e.crash(name) })
	}
	ends.Wait()
}

// agree waits until all nodes that are up hold the master for the master.
func (e *electorate) agree(within time.Duration, what string) {
	e.t.Helper()
	begin := time.Now()
	for dissent := e.dissent(); dissent != ""; dissent = e.dissent() {
		if time.Since(begin) > within {
			e.t.Fatalf("after %v: %s: %s", within, what, dissent)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// dissent names those that hold somebody else than the master for the master.
func (e *electorate) dissent() string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	masters := e.masters()
	if len(masters) != 1 {
		return fmt.Sprintf("masters: %v", masters)
	}
	var names []string
	for name, v := range e.voters {
		if v.machine != nil && string(v.machine.View().Master) != masters[0] {
			names = append(names, name)
		}
	}
	slices.Sort(names)

	return strings.Join(names, " ")
}

// Goal: nodes without a vote disturb nobody, however many of them come, go and fall silent
// at a time: no lease is lost, each of them knows the master within two leases of its start,
// messages that get lost included, and the next one within three of the crash. Method: 5
// voters on a network that loses 2 % and takes up to 20 ms; 60 others start at one moment,
// fail at one moment, and start again; then the master crashes while half of them do so again.
func TestACrowdDisturbsNoElection(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		e := newElectorate(c)
		voters := e.names()
		crowd := e.enlist()
		e.network.Trouble(0.02, 20*time.Millisecond)
		e.bootAll(voters)
		e.eventually(time.Minute, "no first master", e.settled)
		e.agree(testLease, "not all voters know the master")
		lone := e.elections
		for range 2 {
			began := time.Now()
			e.bootAll(crowd)
			e.agree(2*testLease, "not all know the master")
			t.Logf("all know the master after %v", time.Since(began))
			e.formed(time.Minute, append(slices.Clone(voters), crowd...)...)
			t.Logf("all see all after %v", time.Since(began))
			e.crashAll(crowd)
			time.Sleep(20 * time.Second)
		}
		e.bootAll(crowd)
		time.Sleep(time.Second)
		if e.elections != lone {
			t.Errorf("%d elections, want the %d from before the crowd came\n%s", e.elections, lone, e.show())
		}
		e.crashAll(crowd[:crowdSize/2])
		for _, name := range voters {
			if e.masterIs(name) {
				e.crash(name)

				break
			}
		}
		e.bootAll(crowd[:crowdSize/2])
		began := time.Now()
		e.agree(3*testLease, "not all know the next master")
		t.Logf("all know the next master after %v", time.Since(began))
		if e.elections != lone+1 {
			t.Errorf("%d elections, want %d", e.elections, lone+1)
		}
		for name, m := range e.members {
			if got := m.Stats(); got.Dropped+got.GossipLost+got.Malformed+got.Impostor > 0 {
				t.Errorf("%s: %+v, want nothing dropped", name, got)
			}
		}
		for _, v := range e.voters {
			v.stop()
		}
	})
}
