package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// The goals of an agent at idle, with the default profile.
	idleGoal   = 0.5 // per cent of a core
	memoryGoal = 25  // MB
)

// usage is what one process took while nothing happened.
type usage struct {
	system, unit, role string
	size               int
	// share of a core in per cent, memory in MB, of the dearest node of that role.
	share, memory float64
	judged        bool
}

// benchResources measures processor time and memory at idle, at five nodes if no other size
// is chosen.
func benchResources(ctx context.Context, choice options) error {
	if choice.nodes == 0 {
		choice.nodes = 5
	}
	var all []usage
	var failed error
	some, _ := choice.chosen()
	for _, s := range some {
		found, err := measureResources(ctx, s, choice)
		all = append(all, found...)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name(), err))
		}
	}
	printUsages(all, choice)

	return failed
}

func measureResources(ctx context.Context, system system, choice options) (all []usage, err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, system, choice.nodes)
	master := f.settle(ctx)
	pause(ctx, 10*time.Second) // what start-up leaves behind
	unit, _ := system.daemon()
	units := []string{unit}
	c, ours := system.(coordinator)
	if ours {
		units = append(units, guardUnit)
	}
	before := f.processors(units)
	pause(ctx, choice.idleWindow)
	after := f.processors(units)
	for _, unit := range units {
		for _, role := range []string{"master", "others"} {
			one := usage{system: system.name(), unit: unit, role: role, size: choice.nodes, judged: ours && c.profile == "default"}
			for _, node := range f.Nodes() {
				at := place{node, unit}
				if _, runs := after[at]; !runs || (node == master) != (role == "master") {
					continue
				}
				memory, err := nodeMemory(node, unit)
				if err != nil {
					return all, err
				}
				one.share = max(one.share, 100*float64(after[at]-before[at])/float64(choice.idleWindow))
				one.memory = max(one.memory, memory)
			}
			if one.memory > 0 {
				all = append(all, one)
			}
		}
	}

	return all, nil
}

// place is a service on a node.
type place struct {
	node *lab.Node
	unit string
}

// processors reads the processor time of the units, where they run.
func (f *fleet) processors(units []string) map[place]time.Duration {
	all := map[place]time.Duration{}
	for _, node := range f.Nodes() {
		for _, unit := range units {
			if used, err := node.UnitProcessor(unit); err == nil {
				all[place{node, unit}] = used
			}
		}
	}

	return all
}

// nodeMemory is the resident memory of all processes of a service.
func nodeMemory(node *lab.Node, unit string) (megabytes float64, err error) {
	processes, err := node.UnitProcesses(unit)
	for _, process := range processes {
		one, failed := residentMB(uint32(process))
		megabytes, err = megabytes+one, errors.Join(err, failed)
	}

	return megabytes, err
}

func printUsages(all []usage, choice options) {
	writer := table.NewWriter()
	writer.SetTitle(fmt.Sprintf("at idle for %v, %d nodes; of each role the dearest node", choice.idleWindow, choice.nodes))
	writer.AppendHeader(table.Row{"system", "service", "on", "% of a core", "resident MB", "goal", ""})
	for _, one := range all {
		goal, verdict := "", ""
		if one.judged {
			goal, verdict = fmt.Sprintf("<= %g %%, %d MB", idleGoal, memoryGoal), "met"
			if one.share > idleGoal || one.memory > memoryGoal {
				verdict = "MISSED"
			}
		}
		writer.AppendRow(table.Row{one.system, one.unit, one.role, fmt.Sprintf("%.2f", one.share), fmt.Sprintf("%.1f", one.memory), goal, verdict})
	}
	_, _ = fmt.Fprintln(os.Stdout, writer.Render())
	_, _ = fmt.Fprintf(os.Stdout, "To repeat a line:\n  %s--only resources --system SYSTEM --nodes %d --idle %v\n", repeat, choice.nodes, choice.idleWindow)
}
