package election

import (
	"testing"
	"time"
)

// Goal: a promise for a planned restart is cut only by a question that is newer than the one
// it rests on, also after the voter's own restart. Method: rounds 10 and 13 (the long one)
// are heard, 11 and 12 come late, before and after a restart; 14 gives the rest back.
func TestLateRenewalsDoNotCutALongPromise(t *testing.T) {
	nodes := []Node{{"n1", true, true}, {"n2", true, true}, {"n3", true, true}}
	config := Config{
		Self: "n2", Nodes: nodes, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10,
		RestartGrace: 10 * time.Second, FormationTimeout: time.Minute,
	}.DefaultTimes()
	renewal := func(round Round, lease time.Duration) Received {
		message := Message{Kind: KindRenew, From: "n1", To: "n2", Term: 5, Round: round, Serial: uint64(round), Hash: "h", Lease: lease}
		if lease == config.Lease {
			message.Released = 5
		}

		return Received{Message: message}
	}
	for _, restarted := range []bool{false, true} {
		state := &State{Term: 5, Vote: "n1", MasterTerm: 5, Master: "n1", Voters: config.voters(), Hash: "h"}
		start := Start{Config: config, State: state, Standing: Standing{Qualified: true, Up: true}, Now: 1, FirstRound: 1}
		m := New(start)
		m.Step(10, renewal(10, config.Lease))
		result := m.Step(20, renewal(13, config.RestartGrace))
		if result.Persist == nil || result.Persist.Hold < config.RestartGrace {
			t.Fatalf("on disk %+v, want the long promise before its answer", result.Persist)
		}
		if restarted {
			start.State, start.Now = result.Persist, 30
			m = New(start)
		}
		m.Step(40, renewal(11, config.Lease))
		m.Step(50, renewal(12, config.Lease))
		if left := m.promise.until.Sub(m.now); left < config.RestartGrace-time.Second {
			t.Errorf("restarted %v: late renewals have cut the promise to %v, want it whole", restarted, left)
		}
		m.Step(60, renewal(14, config.Lease))
		left := m.promise.until.Sub(m.now)
		if cut := left <= config.promise(config.Lease); cut == restarted {
			t.Errorf("restarted %v: after the rest was given back %v are left", restarted, left)
		}
	}
}

// Goal: a lease record does not make a master of a node whose disk tells of a newer one.
// Method: a start with both.
func TestOlderLeaseRecordIsNotTakenUp(t *testing.T) {
	nodes := []Node{{"n1", true, true}, {"n2", true, true}, {"n3", true, true}}
	config := Config{Self: "n1", Nodes: nodes, Hash: "h", Lease: 2 * time.Second, DriftPermille: 10, FormationTimeout: time.Minute}.DefaultTimes()
	m := New(Start{
		Config: config, State: &State{Term: 6, Vote: "n2", MasterTerm: 6, Master: "n2", Voters: config.voters(), Hash: "h"},
		Lease: Lease{Term: 5, From: 10, Until: Instant(time.Second)}, Standing: Standing{Qualified: true, Up: true}, Now: 20,
	})
	result := m.Step(30, Ticked{})
	if m.MayAct(30) || m.View().Phase != PhaseRestoring {
		t.Errorf("it is %v with the lease of term 5, and knows of term 6", m.View().Phase)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	for _, action := range result.Actions {
		if decided, ok := action.(RoleDecided); ok && !decided.Lost {
			t.Errorf("decided %+v, want the role lost", decided)
		}
	}
}
