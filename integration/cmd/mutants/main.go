// Command mutants plants bugs in serfcmm/election, one at a time, and shows which layer of
// its tests finds each, and after how long. Nothing in the tree is changed: the compiler is
// given the altered file in the place of the real one.
//
// The layers are tried from the cheap to the dear: tests and properties, golden scenarios,
// the explorer, and the simulator with more and more histories. The exit status is 1 when a
// bug survives all of them, 2 when one could not be planted or built.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout)) }

// options are the flags.
type options struct {
	only     *regexp.Regexp
	most     uint64
	parallel int
	list     bool
	simOnly  bool
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(out)
	only := flags.String("only", "", "plant only the bugs whose names this pattern matches")
	flags.Uint64Var(&o.most, "histories", 300_000, "after so many histories the simulator gives up")
	flags.IntVar(&o.parallel, "parallel", 2, "try so many bugs at the same time")
	flags.BoolVar(&o.list, "list", false, "list the bugs, plant none")
	flags.BoolVar(&o.simOnly, "sim-only", false, "ask only the simulator: what would it find without the cheaper layers?")
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("read the flags: %w", err)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("read -only: %w", err)
	}

	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) int {
	o, err := parse(args, out)
	if err != nil {
		return 2
	}
	var chosen []mutant
	for _, m := range mutants() {
		if o.only.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if o.list {
		for _, m := range chosen {
			say(out, "%-30s %-13s %s\n", m.name, m.file, m.why)
		}

		return 0
	}
	results := all(ctx, o, chosen, out)

	return summary(results, out)
}

// say writes to the terminal; where that is gone, nobody is there to be told.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }

// all tries the bugs and prints a row for each as soon as it is known.
func all(ctx context.Context, o options, chosen []mutant, out io.Writer) []result {
	say(out, "%-30s %-10s %-44s %10s %8s\n", "planted bug", "layer", "found by", "histories", "after")
	var (
		lock    sync.Mutex
		wait    sync.WaitGroup
		results []result
	)
	queue := make(chan mutant) // closed below, when all are handed out
	for range max(1, o.parallel) {
		wait.Go(func() {
			for m := range queue {
				r := try(ctx, o, m)
				lock.Lock()
				results = append(results, r)
				say(out, "%s\n", r.row())
				lock.Unlock()
			}
		})
	}
	for _, m := range chosen {
		queue <- m
	}
	close(queue)
	wait.Wait()

	return results
}

// row is one line of the table.
func (r result) row() string {
	histories := ""
	if r.histories > 0 {
		histories = fmt.Sprint(r.histories)
	}
	layer, by := r.layer, r.by
	switch {
	case r.err != nil:
		layer, by = "ERROR", r.err.Error()
	case layer == "":
		layer, by = "SURVIVES", r.mutant.why
	}
	if len(by) > 44 && r.err == nil && r.layer != "" {
		by = by[:44]
	}

	return strings.TrimRight(fmt.Sprintf("%-30s %-10s %-44s %10s %7.1fs", r.mutant.name, layer, by, histories, r.took.Seconds()), " ")
}

func summary(results []result, out io.Writer) int {
	counts, survive, broken := map[string]int{}, 0, 0
	var slowest result
	for _, r := range results {
		switch {
		case r.err != nil:
			broken++
		case r.layer == "":
			survive++
		default:
			counts[r.layer]++
		}
		if r.took > slowest.took {
			slowest = r
		}
	}
	say(out, "\n%d planted", len(results))
	for _, layer := range layerNames() {
		say(out, ", %d found by %s", counts[layer], layer)
	}
	say(out, ", %d survive; the slowest took %v (%s)\n", survive, slowest.took.Round(time.Second), slowest.mutant.name)
	switch {
	case broken > 0:
		return 2
	case survive > 0:
		return 1
	}

	return 0
}
