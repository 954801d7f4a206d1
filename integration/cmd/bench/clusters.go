package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// systems are what is compared, in the order of the tables.
func systems() []system {
	return []system{
		coordinator{profile: "default", longest: 2 * time.Second},
		coordinator{profile: "fast", longest: 600 * time.Millisecond},
		coordinator{profile: "floor", longest: 300 * time.Millisecond},
		keepalived{advert: time.Second},
		keepalived{advert: 100 * time.Millisecond},
	}
}

func systemNames() (all []string) {
	for _, s := range systems() {
		all = append(all, s.name())
	}

	return all
}

// clusterBench is a measurement that needs clusters; its name is what -only takes.
type clusterBench struct {
	name string
	run  func(context.Context, options) error
}

func clusterBenches() []clusterBench {
	return []clusterBench{
		{"takeover", benchTakeover},
		{"together", benchTogether},
		{"resources", benchResources},
		{"members", benchMembers},
		{"scale", benchScale},
		{"init", benchInit},
		{"transition", benchTransition},
		{"saturated", benchSaturated},
	}
}

func clusterNames() (all []string) {
	for _, bench := range clusterBenches() {
		all = append(all, bench.name)
	}

	return all
}

// benchClusters runs the chosen measurements. One that fails does not keep the next from
// being tried.
func benchClusters(ctx context.Context, choice options) error {
	var all error
	for _, bench := range clusterBenches() {
		if choice.only != "" && choice.only != bench.name {
			continue
		}
		if err := bench.run(ctx, choice); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", bench.name, err))
		}
		if ctx.Err() != nil {
			return all
		}
	}

	return all
}

// chosen are the systems and the sizes of the command line.
func (o options) chosen() (some []system, sizes []int) {
	some = slices.DeleteFunc(systems(), func(s system) bool { return o.system != "" && o.system != s.name() })
	sizes = []int{3, 5}
	if o.nodes != 0 {
		sizes = []int{o.nodes}
	}

	return some, sizes
}

// benchTakeover does every fault to every system, size after size, so that the same fault is
// done to all of them in the same minutes.
func benchTakeover(ctx context.Context, choice options) error {
	var all []takeovers
	var failed error
	some, sizes := choice.chosen()
	for _, size := range sizes {
		for _, s := range some {
			err := measureTakeovers(ctx, s, size, choice, func(one takeovers) { all = append(all, one) })
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s, %d nodes: %w", s.name(), size, err))
			}
		}
	}
	printTakeovers(os.Stdout, "take-over: from the fault to the first unit of the next master, ms", all)

	return failed
}
