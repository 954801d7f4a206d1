package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	oursUnits  = "ours-*.service"
	aloneUnits = "alone-*.service"
	// A level may cost roundTrip beside its units, in ms: the news of the level of the master.
	// BenchmarkRoundTrip of package serfcmm measures it.
	roundTrip = 0.5
	// An init is over by then, mostly; who asks meanwhile takes processor time from it.
	initPause = 2 * time.Second
	// The coordinator's share of a transition may be shareGoal, in ms.
	shareGoal = 50
)

// benchInit measures the init of whole clusters beside systemd that starts the same units on
// each node by itself, all nodes at once.
func benchInit(ctx context.Context, choice options) error {
	_, sizes := choice.chosen()
	var figures []figure
	for _, size := range sizes {
		one, err := measureInit(ctx, size, choice.trials)
		if err != nil {
			return fmt.Errorf("%d nodes: %w", size, err)
		}
		figures = append(figures, one)
	}
	printTable(os.Stdout, "clusters", figures)

	return nil
}

func measureInit(ctx context.Context, size, trials int) (result figure, err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, laden{coordinator{profile: "default"}}, size)
	unit, _ := f.system.daemon()
	var ours, alone []float64
	for number := range trials {
		for _, node := range f.Nodes() {
			f.system.halt(f.t, node)
		}
		f.everywhere(ctx, "systemctl", "start", "--no-block", unit)
		pause(ctx, initPause)
		f.settle(ctx)
		ours = append(ours, f.span(oursUnits))
		f.everywhere(ctx, "systemctl", "start", fmt.Sprintf("alone-%d.target", benchLevels-1))
		alone = append(alone, f.span(aloneUnits))
		f.everywhere(ctx, "systemctl", "stop", "alone-*")
		fmt.Fprintf(os.Stderr, "init of %d nodes %d: %.0f ms, systemd alone %.0f ms\n", size, number+1, ours[number], alone[number])
	}
	reference := middle(alone)

	return figure{
		Name: fmt.Sprintf("init of %d nodes, %d levels x %d oneshots each", size, benchLevels, benchWidth), Value: middle(ours),
		Reference: reference, Against: "systemd alone on each", Unit: "ms", Goal: 1.15 + benchLevels*roundTrip/reference, Trials: trials,
	}, nil
}

// middle is the median; of an even number the lower one.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))

	return sorted[(len(sorted)-1)/2]
}

// change is one way in which the mastership moves.
type change struct {
	name string
	// begin are words of the agent's first message about it.
	begin string
	// sequences: so many have callbacks in it, one after the other.
	sequences int
	make      func(ctx context.Context, f *fleet, master *lab.Node)
}

func changes() []change {
	return []change{
		{"switchover", "kind=switchover", 2, func(_ context.Context, f *fleet, master *lab.Node) {
			master.Run(f.t, "cssc", "switchover", "--yes")
		}},
		{"failover", "role=master ", 1, func(ctx context.Context, f *fleet, master *lab.Node) {
			master.PowerCut(f.t)
			f.readyAgain(ctx)
			master.Boot(f.t)
		}},
	}
}

// benchTransition measures switchover and failover, with nothing but the recorder that the
// master runs, and with callbacks at ten levels that answer at once. What systemd alone takes for
// the recorder and the bus alone for the messages is the reference, the rest the coordinator's share.
func benchTransition(ctx context.Context, choice options) (err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, laden{coordinator{profile: "default"}}, max(choice.nodes, 3))
	f.settle(ctx)
	// A start takes systemd 257 several times as long as 252, and either may become the master.
	recorder := map[string]time.Duration{}
	for _, node := range f.Nodes() {
		recorder[node.Name] = f.restartAlone(node, choice.trials)
	}
	var figures []figure
	for _, callbacks := range []bool{false, true} {
		what := "no callbacks"
		if callbacks {
			what = fmt.Sprintf("%d x %d callbacks", benchLevels, benchWidth)
			f.everywhere(ctx, "systemctl", "enable", "--now", noopUnit)
		}
		for _, kind := range changes() {
			bus := time.Duration(0)
			if callbacks {
				bus = f.bare(f.settle(ctx), kind.sequences*benchLevels)
			}
			took, alone, err := f.transitions(ctx, kind, recorder, callbacks, choice.trials)
			if err != nil {
				return err
			}
			figures = append(figures, figure{
				Name: kind.name + ", " + what, Value: took, Reference: alone + inMilliseconds(bus), Against: "systemd and bus alone",
				Unit: "ms", Goal: shareGoal, Share: true, Trials: choice.trials,
			})
		}
	}
	printTable(os.Stdout, "transitions: from the request, or the election of the next master, until that one is ready", figures)

	return nil
}

// transitions is the median of what so many of them took, in ms, and how much of it systemd
// alone would have taken for the recorder on the node that took over: the rest is the median
// of the rests.
func (f *fleet) transitions(ctx context.Context, kind change, recorder map[string]time.Duration, callbacks bool, trials int) (took, alone float64, err error) {
	var all, rests []float64
	for range trials {
		master, since := f.settle(ctx), time.Now()
		kind.make(ctx, f, master)
		next := f.settle(ctx)
		one, err := f.between(since, kind.begin, "master ready for service")
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", kind.name, err)
		}
		all = append(all, one)
		rests = append(rests, one-inMilliseconds(recorder[next.Name]))
		if callbacks {
			f.everywhere(ctx, "systemctl", "start", noopUnit)
		}
	}
	took = middle(all)

	return took, took - middle(rests), nil
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// readyAgain waits until somebody else leads.
func (f *fleet) readyAgain(ctx context.Context) {
	if err := f.read(); err != nil {
		f.t.Fatalf("%v", err)
	}
	if _, err := f.awaitStart(ctx, max(0, len(f.records)-1), nil, patience); err != nil {
		f.t.Fatalf("%v", err)
	}
}

// between is the time from the first message of the agents' journals that has the words
// begin to the first one after it with the words end, in ms.
func (f *fleet) between(since time.Time, begin, end string) (float64, error) {
	all, err := f.journals(since)
	if err != nil {
		return 0, err
	}
	var from time.Time
	for _, m := range all {
		switch {
		case from.IsZero() && strings.Contains(m.text, begin):
			from = m.at
		case !from.IsZero() && strings.Contains(m.text, end):
			return float64(m.at.Sub(from)) / 1e6, nil
		}
	}

	return 0, fmt.Errorf("the journals lack %q and then %q", begin, end)
}
