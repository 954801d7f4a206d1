package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// The nodes with a real agent, all eligible; all others are members of one process.
	scaleAgents = 3
	// Each has a unit at each of the levels 0…scaleLevels-1, which takes stepTime: what a level
	// costs can be told from what the next one does.
	scaleLevels = 10
	stepTime    = 250 * time.Millisecond
	scaleInits  = 3
	stepUnits   = "step-*.service"
)

// benchScale measures how the gate of init and the event channel grow with the number of
// members: none, 100 and 300 simulated ones around three agents.
func benchScale(ctx context.Context, choice options) error {
	sizes := []int{0, 100, 300}
	if choice.nodes >= scaleAgents {
		sizes = []int{choice.nodes - scaleAgents}
	}
	writer := table.NewWriter()
	writer.SetTitle(fmt.Sprintf("%d agents and simulated members in one process, profile default; init of %d levels %d times",
		scaleAgents, scaleLevels, scaleInits))
	failed := addColumns(writer, scaleFigures(), "members", sizes, func(size int) ([]string, error) { return measureScale(ctx, size) })
	_, _ = fmt.Fprintln(os.Stdout, writer.Render())
	_, _ = fmt.Fprintf(os.Stdout, "Events: after the node itself has told it, or the member was told to go. The members' process has a "+
		"nice value of %d. To repeat a column:\n  %s--only scale --nodes %d\n", crowdNice, repeat, sizes[0]+scaleAgents)

	return failed
}

func scaleFigures() []string {
	all := []string{
		"members",
		"gate: the master's level is known to a member after, ms: median, last",
		"gate: levels that a member was never told of",
		"gate: the next level begins on another agent's node after, ms: median, last",
		"the master's node sends from a level to the next one: packets, kB; in ms",
		"the master's node sends at idle: packets, kB a second",
		"the master's agent: ms of a processor for a level, beyond those of idle; % of a core at idle",
		"a member: ms of a processor for an init, % of a core at idle",
	}
	for _, name := range eventNames() {
		all = append(all, name+": on the last bus after, ms; members that saw it; median, last of them, ms")
	}

	return all
}

func measureScale(ctx context.Context, members int) (column []string, err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	f := newFleet(ctx, host, stepped{largeCluster{coordinator{profile: "default"}, members}}, scaleAgents)
	c := &crowd{stop: func() {}, orders: &strings.Builder{}}
	if members > 0 {
		if c, err = f.startMembers(ctx, members); err == nil {
			_, err = c.gathered(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	defer c.stop()
	pause(ctx, 10*time.Second)
	all := gateCost{members: members}
	if err = f.restTime(ctx, c, &all); err != nil {
		return nil, err
	}
	for number := range scaleInits {
		if err = f.stepOnce(ctx, c, &all); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%d members: init %d of %d\n", members, number+1, scaleInits)
	}
	events, err := f.tellAll(ctx, c, members)

	return append(all.column(), events...), err
}

// stepped is a cluster whose nodes have a slow unit at each level of init, and whose vice is
// gated, too.
type stepped struct{ largeCluster }

func (s stepped) build(t lab.TB, size int) *lab.Lab {
	built := s.largeCluster.build(t, size)
	for _, node := range built.Nodes() {
		const file = "/etc/cssc/cssc.toml"
		node.WriteFile(t, file, strings.Replace(node.ReadFile(t, file), "[cluster]\n", "[cluster]\ngate_vice = true\n", 1))
		for level := range scaleLevels {
			unit := stepUnit(level)
			node.WriteFile(t, "/etc/systemd/system/"+unit, fmt.Sprintf("[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"+
				"RemainAfterExit=yes\nExecStart=/bin/sleep %g\n[Install]\nWantedBy=cssc-init-%d.target\n", stepTime.Seconds(), level))
			if err := lab.Enable(node, unit); err != nil {
				t.Fatalf("%v", err)
			}
		}
	}

	return built
}

// halt also stops the units of init, which outlive the agent.
func (s stepped) halt(t lab.TB, node *lab.Node) {
	s.largeCluster.halt(t, node)
	node.Run(t, "systemctl", "stop", stepUnits)
}

func stepUnit(level int) string { return fmt.Sprintf("step-%d.service", level) }
