package levels

import (
	"fmt"
	"testing"
	"time"
)

// crowd is a machine with n callbacks registered at one level by 20 clients.
func crowd(tb testing.TB, n int) *Machine {
	tb.Helper()
	config := DefaultConfig("n1")
	config.MaxRegistrations, config.MaxRegistrationsPerClient = n, n
	machine := New(Start{Config: config, FirstTag: 1, Qualified: true})
	for i := range n {
		result := machine.Step(1, Registered{Registration{
			Component: fmt.Sprintf("c%d", i), Client: ClientID(fmt.Sprintf(":%d", i%20)), Position: Position{Init, 5},
		}})
		if result.Err != nil {
			tb.Fatal(result.Err)
		}
	}

	return machine
}

// answerAll lets every callback of a crowd say done, one step each.
func answerAll(tb testing.TB, machine *Machine) time.Duration {
	tb.Helper()
	invoked := machine.Step(2, RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"}).Actions
	begin := time.Now() //nolint:forbidigo // a measurement, not a decision
	for _, action := range invoked {
		if call, ok := action.(Invoke); ok {
			if result := machine.Step(3, CallbackDone{Tag: call.Tag, Client: call.Registration.Client, OK: true}); result.Err != nil {
				tb.Fatal(result.Err)
			}
		}
	}
	if state := machine.View().State; state != StateUp {
		tb.Fatalf("got %v, want up", state)
	}

	return time.Since(begin) //nolint:forbidigo // a measurement, not a decision
}

// TestCostOfACrowd: handling one answer does not cost more because others are
// open. The eightfold crowd may take three times eight times as long in one round
// before this fails; a scan for each answer would make it sixty-four times.
func TestCostOfACrowd(t *testing.T) {
	var small, large time.Duration
	for range 20 { // a busy computer spoils some rounds, a scan all of them
		small, large = answerAll(t, crowd(t, 1000)), answerAll(t, crowd(t, 8000))
		if large < 24*small {
			t.Logf("1000 answers in %v, 8000 in %v", small, large)

			return
		}
	}
	t.Errorf("8000 answers took %v, 1000 took %v: not linear", large, small)
}

// TestEmptyLevelsAreFree: a hundred levels with nothing in them are one step, no
// callback, no level told; the only orders are the plain targets at the end.
func TestEmptyLevelsAreFree(t *testing.T) {
	t.Parallel()
	config := DefaultConfig("n1")
	for _, sequence := range Sequences() {
		config.Sequences[sequence].Ladder.Top = MaxLevel
	}
	machine := New(Start{Config: config, FirstTag: 1, Qualified: true})
	counts := map[string]int{}
	var started []Target
	for _, event := range []Event{
		RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"},
		RoleChanged{Role: RoleSpare, Term: 2, Master: "n2"},
		RoleChanged{Role: RoleVice, Term: 2, Master: "n2"},
	} {
		for _, action := range machine.Step(1, event).Actions {
			counts[fmt.Sprintf("%T", action)]++
			if order, ok := action.(StartUnits); ok {
				started = append(started, order.Target)
			}
		}
	}
	if counts["levels.Invoke"] != 0 || counts["levels.TellLevelReached"] != 0 || counts["levels.TellSequenceFinished"] != 3 {
		t.Errorf("got %v", counts)
	}
	for _, target := range started {
		if !target.Plain {
			t.Errorf("%v was started without members", target)
		}
	}
	if len(started) != 4 || counts["levels.StopUnits"] != 2 { // master, ready, spare, vice; master, spare
		t.Errorf("got starts of %v and %d stops", started, counts["levels.StopUnits"])
	}
}

// BenchmarkAnswer is one CallbackDone of a level with a thousand callbacks.
func BenchmarkAnswer(b *testing.B) {
	var spent time.Duration
	for b.Loop() {
		spent += answerAll(b, crowd(b, 1000))
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/1000, "ns/answer")
}

// BenchmarkEmptyLevels is a whole init of a hundred and one empty levels.
func BenchmarkEmptyLevels(b *testing.B) {
	config := DefaultConfig("n1")
	config.Sequences[Init].Ladder.Top = MaxLevel
	for b.Loop() {
		New(Start{Config: config, Qualified: true}).Step(1, RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"})
	}
}
