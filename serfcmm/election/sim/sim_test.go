package sim_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election/sim"
)

var (
	count = flag.Uint64("histories", histories, "how many histories TestHistories plays")
	first = flag.Uint64("first", 1, "the first seed of TestHistories")
)

// TestMain collects garbage seldom: little lives long, and a third more histories are played.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1600)
	os.Exit(m.Run())
}

// TestHistories plays the plans of consecutive seeds on all processors. No invariant breaks,
// and every row of the table of rare states is reached: a run that does not reach one of
// them proves too little.
func TestHistories(t *testing.T) {
	t.Parallel()
	began := time.Now()
	report := sim.Batch{First: *first, Count: *count, Workers: runtime.GOMAXPROCS(0), Enough: 10}.Run()
	took := time.Since(began)
	t.Logf("%d histories, %d steps, %d masterships in %v: %.0f histories/s",
		report.Histories, report.Steps, report.Masters, took.Round(time.Millisecond), float64(report.Histories)/took.Seconds())
	t.Logf("sometimes:\n%s", report.Rare.String())
	for _, failure := range report.Failures {
		t.Errorf("seed %d: %v\nrepeat, smaller and told: go run ./integration/cmd/sim -seed %d", failure.Seed, failure.Violation, failure.Seed)
	}
	if len(report.Failures) == 0 {
		for _, missing := range report.Rare.Missing() {
			t.Errorf("never met: %v", missing)
		}
	}
}

// TestOldFailures plays the plans that once broke something, made small. Each says what.
func TestOldFailures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.plan")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans in testdata (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := sim.ParsePlan(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)

			continue
		}
		var r sim.Runner
		if broken := r.Run(plan).Violation; broken != nil {
			t.Errorf("%s: %v\nsee it: go run ./integration/cmd/sim -plan serfcmm/election/sim/%s", file, broken, file)
		}
	}
}

// TestSameSeedSameHistory runs seeds twice, the second time with a runner that has played
// others before, and compares the transcripts.
func TestSameSeedSameHistory(t *testing.T) {
	t.Parallel()
	var used sim.Runner
	for seed := range uint64(60) {
		var fresh sim.Runner
		var one, other strings.Builder
		fresh.Trace(sim.Generate(seed), &one)
		used.Trace(sim.Generate(seed), &other)
		if one.String() != other.String() {
			t.Fatalf("seed %d: the second run differs from the first", seed)
		}
	}
}

// TestPlanReadsItsOwnText: what a plan prints, ParsePlan reads, and it plays the same.
func TestPlanReadsItsOwnText(t *testing.T) {
	t.Parallel()
	var r sim.Runner
	for seed := range uint64(300) {
		plan := sim.Generate(seed)
		again, err := sim.ParsePlan(plan.String())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got, want := again.String(), plan.String(); got != want {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
		if seed < 30 {
			if got, want := r.Run(again), r.Run(plan); got.Steps != want.Steps || got.End != want.End {
				t.Fatalf("seed %d: got %+v, want %+v", seed, got, want)
			}
		}
	}
}

// TestClocksBeyondTheBoundAreFound breaks the assumption on which everything rests and
// demands that the simulator sees it, makes it small, and that the small one still breaks.
func TestClocksBeyondTheBoundAreFound(t *testing.T) {
	t.Parallel()
	var r sim.Runner
	for seed := range uint64(3000) {
		plan := sim.Generate(seed)
		for i := range plan.Wrong {
			plan.Wrong[i] *= 3
		}
		broken := r.Run(plan).Violation
		if broken == nil || broken.Name != "I1" && broken.Name != "I6" && broken.Name != "P1" {
			continue
		}
		small := sim.Shrink(plan, broken)
		if len(small.Faults) > len(plan.Faults) {
			t.Errorf("seed %d: %d faults, after shrinking %d", seed, len(plan.Faults), len(small.Faults))
		}
		if again := r.Run(small).Violation; again == nil || again.Name != broken.Name {
			t.Errorf("seed %d: got %v from the smaller plan, want %s", seed, again, broken.Name)
		}

		return
	}
	t.Error("3000 histories with clocks wrong by up to 3ρ, and nothing was found")
}

// TestRareStatesHaveTexts: every row has a text of its own.
func TestRareStatesHaveTexts(t *testing.T) {
	t.Parallel()
	var tally sim.Tally
	var texts []string
	for _, row := range tally.Missing() {
		texts = append(texts, row.String())
	}
	slices.Sort(texts)
	if got := slices.Compact(slices.Clone(texts)); len(got) != len(texts) || texts[0] == "" {
		t.Errorf("got %d rows, %d different texts, the first %q", len(texts), len(got), texts[0])
	}
}
