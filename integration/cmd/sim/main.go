// Command sim plays histories of whole clusters of election machines, and shows one of them.
// After "go run ./integration/cmd/sim":
//
//	-histories 100000 -first 1   many, as fast as they go
//	-seed 4711                   one; made small and told when it breaks
//	-plan FILE                   one from its text
//
// The exit status is 1 when an invariant broke, 2 when it could not begin.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election/sim"
)

// options are the flags.
type options struct {
	histories, first uint64
	seed             uint64
	plan             string
	whole, tell      bool
	enough           int
}

func main() {
	debug.SetGCPercent(1600) // little lives long: collecting seldom makes a third more histories
	os.Exit(run(os.Args[1:], os.Stdout))
}

func run(args []string, out io.Writer) int {
	var o options
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.Uint64Var(&o.histories, "histories", 100_000, "how many histories")
	flags.Uint64Var(&o.first, "first", 1, "the seed of the first one")
	flags.Uint64Var(&o.seed, "seed", 0, "play only this seed")
	flags.StringVar(&o.plan, "plan", "", "play only the plan in this file")
	flags.IntVar(&o.enough, "enough", 10, "end after so many broken histories")
	flags.BoolVar(&o.whole, "whole", false, "do not make a broken history small")
	flags.BoolVar(&o.tell, "tell", false, "tell the history although nothing broke")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	switch {
	case o.plan != "":
		text, err := os.ReadFile(o.plan)
		if err != nil {
			say(out, "sim: %v\n", err)

			return 2
		}
		plan, err := sim.ParsePlan(string(text))
		if err != nil {
			say(out, "sim: %v\n", err)

			return 2
		}

		return one(plan, o, out)
	case o.seed != 0:
		return one(sim.Generate(o.seed), o, out)
	}

	return many(o, out)
}

// one plays a plan. A broken one is made small and told, with its text, which is a scenario
// for serfcmm/election/sim/testdata.
func one(plan sim.Plan, o options, out io.Writer) int {
	var r sim.Runner
	outcome := r.Run(plan)
	if outcome.Violation == nil {
		if o.tell {
			r.Trace(plan, out)
		}
		say(out, "nothing broke: %d steps, %d masterships, all agreed %v after healing\n", outcome.Steps, outcome.Masters, outcome.Agreed)

		return 0
	}
	if !o.whole {
		plan = sim.Shrink(plan, outcome.Violation)
	}
	r.Trace(plan, out)
	say(out, "\nplan, for serfcmm/election/sim/testdata:\n%s", plan.String())

	return 1
}

// say writes to the terminal; where that is gone, nobody is there to be told.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }

func many(o options, out io.Writer) int {
	began := time.Now()
	report := sim.Batch{First: o.first, Count: o.histories, Workers: runtime.GOMAXPROCS(0), Enough: o.enough}.Run()
	took := time.Since(began)
	say(out, "%d histories, %d steps, %d masterships in %v: %.0f histories/s on %d processors\n",
		report.Histories, report.Steps, report.Masters, took.Round(time.Millisecond), float64(report.Histories)/took.Seconds(), runtime.GOMAXPROCS(0))
	if len(report.Failures) == 0 {
		say(out, "sometimes:\n%s", report.Rare.String())

		return 0
	}
	for _, failure := range report.Failures {
		say(out, "seed %d: %v\n    repeat: go run ./integration/cmd/sim -seed %d\n", failure.Seed, failure.Violation, failure.Seed)
	}

	return 1
}
