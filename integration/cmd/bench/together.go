package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// What is measured when all agents start together: with nothing on disk, as on the first
// day, and with what they knew before.
const (
	firstStart = "first start"
	startAgain = "start again"
)

// benchTogether measures the time from the start of all agents to the first unit of a master.
func benchTogether(ctx context.Context, choice options) error {
	var all []takeovers
	var failed error
	some, sizes := choice.chosen()
	for _, size := range sizes {
		for _, s := range some {
			err := measureTogether(ctx, s, size, choice, func(one takeovers) { all = append(all, one) })
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s, %d nodes: %w", s.name(), size, err))
			}
		}
	}
	printTakeovers(os.Stdout, "start of all agents together to the first unit of a master, ms", all)

	return failed
}

func measureTogether(ctx context.Context, system system, size int, choice options, report func(takeovers)) (err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, system, size)
	for _, what := range []string{firstStart, startAgain} {
		series := takeovers{system: system.name(), fault: what, size: size}
		load := startLoad()
		for number := range choice.trials {
			f.settle(ctx)
			one, err := f.startTogether(ctx, what == firstStart)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s, %d nodes, %s %d: %v\n", series.system, size, what, number+1, one.taken.Round(time.Millisecond))
			series.trials = append(series.trials, one)
		}
		series.busy = load.busy()
		report(series)
	}

	return nil
}

// startTogether stops all agents and what they have started, and starts them at once.
func (f *fleet) startTogether(ctx context.Context, afresh bool) (trial, error) {
	for _, node := range f.Nodes() {
		f.system.halt(f.t, node)
	}
	if afresh {
		for _, node := range f.Nodes() {
			f.system.forget(f.t, node)
		}
	}
	if err := f.read(); err != nil {
		return trial{}, err
	}
	from, began := len(f.records), now()
	unit, _ := f.system.daemon()
	f.everywhere(ctx, "systemctl", "start", "--no-block", unit)
	start, err := f.awaitStart(ctx, from, nil, settleLimit)
	if err != nil {
		return trial{}, err
	}
	f.settle(ctx)
	result := measureTrial(f.records[from:], "")
	result.taken = start.At - began

	return result, nil
}

// everywhere runs a command on all nodes at once.
func (f *fleet) everywhere(ctx context.Context, argv ...string) {
	var all sync.WaitGroup
	failed := make([]error, len(f.Nodes()))
	for i, node := range f.Nodes() {
		all.Go(func() { failed[i] = run(ctx, node, argv...) })
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		f.t.Fatalf("%v", err)
	}
}

// run is Node.Run for a goroutine that must not end the story.
func run(ctx context.Context, node *lab.Node, argv ...string) error {
	output, code, err := node.TryContext(ctx, argv...)
	if err == nil && code != 0 {
		err = fmt.Errorf("node %s: %v: exit status %d: %s", node.Name, argv, code, output)
	}

	return err
}
