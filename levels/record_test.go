package levels

import (
	"encoding/json"
	"testing"
)

// TestOldRecordsAreRead: what older agents wrote, in the history and in the boot state,
// is read with its meaning; what they did not write is zero.
func TestOldRecordsAreRead(t *testing.T) {
	t.Parallel()
	var record RunRecord
	old := `{"run":7,"sequence":"demote","role":"master","term":4,"cause":"lease lost","outcome":"completed",
		"started":5,"ended":9,"levels":[{"level":"last","entered":5,"reached":9,"participants":[]}]}`
	if err := json.Unmarshal([]byte(old), &record); err != nil {
		t.Fatal(err)
	}
	if record.Run != 7 || record.Levels[0].Level != Last || record.Levels[0].Waits != nil || record.To != RoleUnknown ||
		record.OperationKind != OperationUnknown {
		t.Errorf("got %+v", record)
	}
	var run RunState
	if err := json.Unmarshal([]byte(`{"number":7,"parts":[{"kind":"member","name":"a.service","stop":true,"busy":true}]}`), &run); err != nil {
		t.Fatal(err)
	}
	if part := run.Parts[0]; !part.Stop || !part.Busy || part.Name != "a.service" || run.Waits != nil {
		t.Errorf("got %+v", run)
	}
}

// TestWaitsAreBounded: whoever retries for ever does not make the record grow for ever;
// the last wait then stands for all that follow.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	machine := played(t,
		Registered{Registration{Component: "a", Client: ":1", Position: Position{Init, 0}}},
		RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"})
	now := Instant(10)
	step := func(event Event) {
		t.Helper()
		now += 10
		result := machine.Step(now, event)
		if result.Err != nil || machine.Check() != nil {
			t.Fatal(result.Err, machine.Check())
		}
	}
	for range 3 * maxWaits {
		tag := machine.View().Pending[0].Tag
		step(CallbackDone{Tag: tag, Client: ":1", Message: "no"})
		step(RetryRequested{Init})
	}
	waits := machine.Save().Run.Waits
	if len(waits) != maxWaits || waits[maxWaits-1].Until != now {
		t.Errorf("got %d waits, the last %+v, want %d, the last until %d", len(waits), waits[len(waits)-1], maxWaits, now)
	}
}
