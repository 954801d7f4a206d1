package serfcmm_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// newsLimit is how long a node may be without the news of a level when a fifth of all packets is lost.
const newsLimit = 3 * testLease

// Goal: a level that the master has reached opens the gate of everybody else soon, on a network
// that loses a fifth of all packets too: of most with the message itself or the one after, of
// all within three leases. Method: 3 voters and 60 others; the master tells of ten levels, each
// when all know the one before, and of three at once.
func TestNewsOfLevelsReachesACrowd(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		e := newElectorate(c)
		voters := e.names()
		crowd := e.enlist()
		e.bootAll(voters)
		e.eventually(time.Minute, "no first master", e.settled)
		e.bootAll(crowd)
		e.agree(2*testLease, "not all know the master")
		for _, loss := range []float64{0, 0.2} {
			e.network.Trouble(loss, 20*time.Millisecond)
			var taken []time.Duration
			for level := range int16(10) {
				taken = append(taken, e.spread(election.Progress{Started: true, Reached: level})...)
			}
			for level := range int16(3) {
				e.say(election.Progress{Started: true, Reached: 10 + level})
			}
			taken = append(taken, e.spread(election.Progress{Started: true, Reached: 13, Complete: true})...)
			slices.Sort(taken)
			soon := taken[len(taken)*9/10]
			t.Logf("loss of %.0f %%: median %v, nine of ten within %v, all within %v", 100*loss, taken[len(taken)/2], soon, taken[len(taken)-1])
			if soon > testLease/4 || loss == 0 && taken[len(taken)-1] > testLease/8 {
				t.Errorf("loss of %.0f %%: nine of ten know a level within %v, all within %v", 100*loss, soon, taken[len(taken)-1])
			}
		}
		for _, v := range e.voters {
			v.stop()
		}
	})
}

// say makes the master's machine hear how far its node is.
func (e *electorate) say(news election.Progress) {
	e.t.Helper()
	e.mutex.Lock()
	masters := e.masters()
	e.mutex.Unlock()
	if len(masters) != 1 {
		e.t.Fatalf("masters: %v, want one", masters)
	}
	e.voters[masters[0]].news <- election.ProgressChanged{Progress: news}
}

// spread says so and returns for each node when it knew.
func (e *electorate) spread(news election.Progress) (taken []time.Duration) {
	e.t.Helper()
	begin := time.Now()
	e.say(news)
	known := map[election.NodeID]bool{}
	for len(known) < len(e.voters) {
		if time.Since(begin) > newsLimit {
			e.t.Fatalf("%+v: after %v %d of %d nodes know", news, newsLimit, len(known), len(e.voters))
		}
		e.mutex.Lock()
		for _, v := range e.voters {
			if !known[v.name] && v.machine.View().Progress == news {
				known[v.name] = true
				taken = append(taken, time.Since(begin))
			}
		}
		e.mutex.Unlock()
		time.Sleep(5 * time.Millisecond)
	}

	return taken
}
