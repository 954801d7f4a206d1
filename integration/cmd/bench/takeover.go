package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// How long a take-over may take before the trial counts as one without.
	patience = 20 * time.Second
	// How long a fault goes on beyond the take-over, so that an old master that
	// still serves is seen beside the new one.
	linger = 500 * time.Millisecond
	// Bound of the random pause before a fault: no shorter than the period of any
	// renewal or advertisement, so that trials begin at all of its phases.
	jitter = time.Second
)

// fault is what happens to a master; heal undoes it.
type fault struct {
	name string
	// strike returns when it has begun: of what takes a while, the begin of it.
	strike, heal func(f *fleet, master *lab.Node)
}

// faults are the kinds, in the order of the table.
func faults() []fault {
	return []fault{
		{
			"power",
			func(f *fleet, master *lab.Node) { master.PowerCut(f.t) },
			func(f *fleet, master *lab.Node) { master.Boot(f.t) },
		},
		{"kill", (*fleet).kill, (*fleet).revive},
		{
			"isolation",
			func(f *fleet, master *lab.Node) { f.Isolate(f.t, master) },
			func(f *fleet, _ *lab.Node) { f.Heal(f.t) },
		},
		{
			"handover",
			func(f *fleet, master *lab.Node) { f.system.release(f.t, master) },
			func(f *fleet, master *lab.Node) { f.system.restore(f.t, master) },
		},
	}
}

// trial is what one fault has cost.
type trial struct {
	// taken is from the fault to the start of the next master's recorder; 0 = there was none.
	taken time.Duration
	// gap is from the last record of the old master's recorder to that start.
	gap time.Duration
	// overlap is how long two recorders ran at once; clashes counts the starts at which the
	// process of the old one still existed.
	overlap time.Duration
	clashes int
	// vacant is how long no node was the master, by what the agents say; 0 = not known.
	vacant time.Duration
}

// try strikes once, waits for the next master, heals, and waits until all is well.
func (f *fleet) try(ctx context.Context, what fault, random *rand.Rand) (trial, error) {
	master := f.settle(ctx)
	pause(ctx, time.Duration(random.Int64N(int64(jitter))))
	if err := f.read(); err != nil {
		return trial{}, err
	}
	from, struck, begun := len(f.records), now(), time.Now()
	what.strike(f, master)
	start, missed := f.awaitStart(ctx, from, master, patience)
	if ctx.Err() != nil {
		return trial{}, ctx.Err()
	}
	pause(ctx, linger)
	what.heal(f, master)
	f.settle(ctx)
	result := measureTrial(f.records[max(0, from-1):], master.Name)
	if missed == nil {
		result.taken = start.At - struck
	}
	if c, ours := f.system.(coordinator); ours && what.name == "handover" {
		result.vacant, _ = c.vacancy(f, begun)
	}
	f.records = f.records[f.recent(5*time.Second):]

	return result, nil
}

// measureTrial finds the gap and the overlap in the records of one trial.
func measureTrial(records []history.Record, master string) (result trial) {
	var lives []history.Life
	for _, life := range history.Lives(records) {
		if life.Duty == history.Lead {
			lives = append(lives, life)
		}
	}
	for _, r := range records {
		if r.Word == history.Clash && r.Duty == history.Lead {
			result.clashes++
		}
	}
	for i, life := range lives {
		for _, other := range lives[:i] {
			result.overlap = max(result.overlap, min(life.Last, other.Last)-max(life.Start, other.Start))
		}
		if i > 0 && lives[0].Node == master && life.Node != master && result.gap == 0 {
			result.gap = life.Start - lives[0].Last
		}
	}

	return result
}

// takeovers are the trials of one fault on one cluster.
type takeovers struct {
	system, fault string
	size          int
	goal          time.Duration
	trials        []trial
	// reference is the same stop and start by systemd alone, for a hand-over; 0 = not measured.
	reference time.Duration
	// busy is the share of all processors that were at work meanwhile, in per cent.
	busy float64
}

// measureTakeovers runs the faults on one fresh cluster and reports each as soon as it is done.
func measureTakeovers(ctx context.Context, system system, size int, choice options, report func(takeovers)) (err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, system, size)
	random := rand.New(rand.NewPCG(1, uint64(size)))
	for _, what := range faults() {
		if choice.fault != "" && choice.fault != what.name {
			continue
		}
		series := takeovers{system: system.name(), fault: what.name, size: size, goal: system.goal()}
		if what.name == "handover" {
			series.reference = f.restartAlone(f.settle(ctx), choice.trials)
		}
		load := startLoad()
		for number := range choice.trials {
			one, err := f.try(ctx, what, random)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s, %d nodes, %s %d: %+v\n", series.system, size, what.name, number+1, one)
			series.trials = append(series.trials, one)
		}
		series.busy = load.busy()
		report(series)
	}

	return nil
}

// restartAlone is the reference of a hand-over: how long systemd takes from the end of a
// recorder to its next start on one node, with nobody to ask.
func (f *fleet) restartAlone(node *lab.Node, trials int) time.Duration {
	const unit = "reference.service"
	node.WriteFile(f.t, "/run/systemd/system/"+unit, "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nExecStart=/usr/bin/probe hold /lab "+history.Second+"\n")
	node.Run(f.t, "systemctl", "daemon-reload")
	node.Run(f.t, "systemctl", "start", unit)
	from := len(f.records)
	for range trials {
		node.Run(f.t, "systemctl", "restart", unit)
	}
	node.Run(f.t, "systemctl", "stop", unit)
	if err := f.read(); err != nil {
		f.t.Fatalf("%v", err)
	}
	var gaps []time.Duration
	var before history.Life
	for _, life := range history.Lives(f.records[from:]) {
		if life.Duty != history.Second {
			continue
		}
		if before.Stopped {
			gaps = append(gaps, life.Start-before.Last)
		}
		before = life
	}
	if len(gaps) == 0 {
		f.t.Fatalf("no restart of %s in the history", unit)
	}

	return quantile(gaps, 50)
}
