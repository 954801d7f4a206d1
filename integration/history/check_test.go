package history

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// lines reads records written as "MILLISECONDS LIFE NODE DUTY WORD TEXT", one a line.
func lines(t *testing.T, text string) []Record {
	t.Helper()
	records, err := Read(strings.NewReader(strings.TrimSpace(text) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		records[i].At *= 1000
	}

	return records
}

// clean is a take-over as it should be: the vice's recorder ends, the master's begins.
const clean = `
100 a n1 lead start
101 a n1 lead term 1 n1
101 s n2 second start
110 a n1 lead beat
120 test - - mark power cut of n1
121 a n1 lead beat
300 s n2 second stop
310 b n2 lead start
311 b n2 lead term 2 n2
320 b n2 lead beat
400 test - - heal
410 b n2 lead beat`

// TestCleanHistoryIsClean: nothing is found where nothing is, and the take-over is measured
// from the fault.
func TestCleanHistoryIsClean(t *testing.T) {
	t.Parallel()
	records := lines(t, clean)
	if report := Check(records, Rules{}); len(report.Violations) > 0 || report.Starts != 2 || report.Unnamed != 0 {
		t.Errorf("check: got %+v, want two starts and no violation", report)
	}
	want := Change{
		Fault: "power cut of n1", Healed: true, From: "n1", To: "n2", Starts: 1,
		Ended: time.Millisecond, TakeOver: 190 * time.Millisecond, Gap: 189 * time.Millisecond,
	}
	if changes := Changes(records); !slices.Equal(changes, []Change{want}) {
		t.Errorf("changes: got\n%v\nwant\n%v", changes, want)
	}
}

// TestPlantedViolationsAreFound: each history breaks one rule, and the report says which.
func TestPlantedViolationsAreFound(t *testing.T) {
	t.Parallel()
	for name, planted := range map[string]struct{ history, want string }{
		"two lead at once": {clean + "\n 420 a n1 lead beat", "two at once for 100ms from 0.3100"},
		"inside one beat":  {"100 a n1 lead start\n200 b n2 lead start\n201 b n2 lead stop\n300 a n1 lead beat", "two at once for 1ms"},
		"both duties on one node": {
			"100 s n2 second start\n200 a n2 lead start\n210 s n2 second stop", "second on n2",
		},
		"two recorders on one node": {"100 a n1 lead start\n110 b n1 lead start\n120 a n1 lead beat\n130 b n1 lead beat", "two at once"},
		"lock taken": {
			"100 a n1 lead start\n101 a n1 lead beat\n110 b n2 lead start\n110 b n2 lead clash", "the lock was taken at 0.1100",
		},
		"lock taken by one that was not paused any more": {
			"100 a n1 lead start\n110 test n1 - pause\n120 test n1 - resume\n121 a n1 lead beat\n130 b n2 lead start\n130 b n2 lead clash",
			"the lock was taken at 0.1300",
		},
		"term again": {
			"100 a n1 lead start\n101 a n1 lead term 3 n1\n102 a n1 lead stop\n110 b n2 lead start\n111 b n2 lead term 3 n2", "term 3 after term 3",
		},
		"term falls": {
			"100 a n1 lead start\n101 a n1 lead term 3 n1\n102 a n1 lead stop\n110 b n2 lead start\n111 b n2 lead term 2 n2", "term 2 after term 3",
		},
		"woke up for too long": {
			"100 a n1 lead start\n110 test n1 - pause\n120 b n2 lead start\n200 test n1 - resume\n251 a n1 lead beat\n300 b n2 lead beat",
			"two at once for 51ms",
		},
		"woke up twice, too long the second time": {
			"100 a n1 lead start\n110 test n1 - pause\n120 b n2 lead start\n200 test n1 - resume\n201 a n1 lead beat\n" +
				"210 test n1 - pause\n300 test n1 - resume\n351 a n1 lead beat\n400 b n2 lead beat", "two at once for 51ms",
		},
		"the other was paused, not this one": {
			"100 a n1 lead start\n105 test n3 - pause\n110 b n2 lead start\n111 test n3 - resume\n112 a n1 lead beat\n113 b n2 lead beat", "two at once for 2ms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := Check(lines(t, planted.history), Rules{Waking: 50 * time.Millisecond})
			if !strings.Contains(strings.Join(report.Violations, "\n"), planted.want) {
				t.Errorf("violations: got %q, want one that has %q", report.Violations, planted.want)
			}
		})
	}
}

// TestPausedNodeDoesNotRun: while it is stopped it is no second one, although it holds the
// lock; what it does on waking up is told and bounded.
func TestPausedNodeDoesNotRun(t *testing.T) {
	t.Parallel()
	report := Check(lines(t, `
100 a n1 lead start
110 test n1 - pause
120 b n2 lead start
120 b n2 lead clash
200 test n1 - resume
230 a n1 lead beat
300 b n2 lead beat`), Rules{Waking: 50 * time.Millisecond})
	if len(report.Violations) > 0 || report.Woken != 30*time.Millisecond {
		t.Errorf("check: got %+v, want no violation and 30ms of waking up", report)
	}
}

// TestTermOfSomebodyElseIsNotBelieved: a reader that asked too late heard of the next
// mastership.
func TestTermOfSomebodyElseIsNotBelieved(t *testing.T) {
	t.Parallel()
	report := Check(lines(t, "100 a n1 lead start\n150 a n1 lead term 7 n2\n160 a n1 lead stop\n170 b n2 lead start\n171 b n2 lead term 7 n2"), Rules{})
	if len(report.Violations) > 0 || report.Unnamed != 1 {
		t.Errorf("check: got %+v, want no violation and one start without a term", report)
	}
}

// TestChangesNameWhoStays: a fault that changes nothing, one after which nobody leads, one
// with two starts.
func TestChangesNameWhoStays(t *testing.T) {
	t.Parallel()
	changes := Changes(lines(t, `
100 a n1 lead start
200 test - - mark kill of the agent
300 test - - mark back and forth
301 a n1 lead stop
320 b n2 lead start
330 b n2 lead stop
350 c n1 lead start
400 test - - mark nothing`))
	var got []string
	for _, change := range changes {
		got = append(got, strings.Join(strings.Fields(change.String()), " "))
	}
	want := []string{
		"kill of the agent n1 stays",
		"back and forth n1 to n1, old ended after 1.0 ms, new started after 20.0 ms, gap 19.0 ms, 2 starts",
		"nothing n1 stays",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRecordsReadWhatTheyWrite is the inverse pair, and what makes no sense is refused.
func TestRecordsReadWhatTheyWrite(t *testing.T) {
	t.Parallel()
	want := Record{At: 1500 * time.Microsecond, Life: "a", Node: "n1", Duty: Lead, Word: Term, Text: "3 n1"}
	if got, err := Parse(want.String()); err != nil || got != want {
		t.Errorf("parse %q: got %v, %v", want, got, err)
	}
	for _, line := range []string{"", "1 a n1 lead", "soon a n1 lead start"} {
		if _, err := Read(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("read %q: got no error", line)
		}
	}
}
