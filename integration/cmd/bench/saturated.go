package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/cssc-ha/cssc/integration/history"
)

// burnersPerCore are the busy loops for each processor, each in a session of its own, so
// that the kernel's scheduler counts each as much as a service of a node.
const burnersPerCore = 2

// benchSaturated keeps all processors busy and counts the masters that change although
// nothing is wrong. All chosen systems bear it at the same time, in labs of their own: that
// is harder than one by one, and the same for all.
func benchSaturated(ctx context.Context, choice options) (err error) {
	if choice.nodes == 0 {
		choice.nodes = 3
	}
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	some, _ := choice.chosen()
	var fleets []*fleet
	for _, s := range some {
		fleets = append(fleets, newFleet(ctx, host, s, choice.nodes))
	}
	from := make([]int, len(fleets))
	for i, f := range fleets {
		f.settle(ctx)
		from[i] = len(f.records)
	}
	stop, err := burn(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d clusters of %d nodes beside %d busy loops on %d processors, for %v\n",
		len(fleets), choice.nodes, burnersPerCore*runtime.NumCPU(), runtime.NumCPU(), choice.saturated)
	pause(ctx, choice.saturated)
	for _, f := range fleets {
		err = errors.Join(err, f.read())
	}
	stop()
	if err != nil {
		return err
	}
	writer := table.NewWriter()
	writer.SetTitle(fmt.Sprintf("all processors busy for %v, %d nodes each", choice.saturated, choice.nodes))
	writer.AppendHeader(table.Row{"system", "false take-overs", "longest pause of a beat, ms", "overlap, ms", "clashes", "goal", ""})
	for i, f := range fleets {
		writer.AppendRow(f.calm(f.records[from[i]:]))
	}
	_, _ = fmt.Fprintln(os.Stdout, writer.Render())
	_, _ = fmt.Fprintf(os.Stdout, "To repeat:\n  %s--only saturated --nodes %d --saturated %v\n", repeat, choice.nodes, choice.saturated)

	return nil
}

// calm is the line of a cluster to which nothing should have happened.
func (f *fleet) calm(records []history.Record) table.Row {
	found, starts, longest := measureTrial(records, ""), 0, time.Duration(0)
	var last history.Record
	for _, r := range records {
		if r.Word == history.Start && r.Duty == history.Lead {
			starts++
		}
		if r.Life == last.Life {
			longest = max(longest, r.At-last.At)
		}
		last = r
	}
	goal, verdict := "", ""
	if c, ours := f.system.(coordinator); ours && c.profile == "default" {
		goal, verdict = "0", "met"
		if starts > 0 {
			verdict = "MISSED"
		}
	}

	return table.Row{f.system.name(), starts, milliseconds(longest), milliseconds(max(0, found.overlap)), found.clashes, goal, verdict}
}

// burn starts the busy loops; stop ends them.
func burn(ctx context.Context) (stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var all []*exec.Cmd
	stop = func() {
		for _, process := range all {
			_ = process.Process.Kill()
			_ = process.Wait()
		}
	}
	for range burnersPerCore * runtime.NumCPU() {
		process := exec.CommandContext(ctx, program, "burn")
		process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err = process.Start(); err != nil {
			stop()

			return nil, err
		}
		all = append(all, process)
	}

	return stop, nil
}

// spin is one busy loop: "bench burn". It ends with its parent, even one that was killed.
func spin() {
	runtime.LockOSThread()
	for parent := os.Getppid(); os.Getppid() == parent; {
		for range 100_000_000 {
		}
	}
}
