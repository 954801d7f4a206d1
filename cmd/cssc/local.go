package main

import (
	"context"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// systemLimits are the time limits of the operating system; zero = not known.
type systemLimits struct {
	window, stopTimeout time.Duration
	// unknown says in words what could not be read.
	unknown []string
}

// configuredLevels reads what the agent reads.
func configuredLevels() levels.Config {
	loaded, err := config.Load(configDir)
	if err != nil {
		return levels.DefaultConfig("")
	}

	return loaded.Levels
}

const limitSystem = 5 * time.Second

// readLimits asks logind and systemd. Without them the limits stay unknown, and
// verify says so: a configuration may well be checked where no systemd runs.
func readLimits(ctx context.Context) systemLimits {
	ctx, cancel := context.WithTimeout(ctx, limitSystem)
	defer cancel()
	system := units.NewSystem(units.Options{})
	go func() { _ = system.Run(ctx) }()
	var limits systemLimits
	window, err := system.Window(ctx)
	if err != nil {
		limits.unknown = append(limits.unknown, "not checked, logind's window is not known: "+err.Error())

		return limits
	}
	limits.window = window
	stop, err := system.StopTimeout(ctx, "cssc-leave.service")
	if err != nil {
		limits.unknown = append(limits.unknown, "not checked, TimeoutStopSec= of cssc-leave.service is not known: "+err.Error())

		return limits
	}
	limits.stopTimeout = stop

	return limits
}

// checkGraph looks at the units that are installed here.
func checkGraph(ladders units.Ladders) []finding { return checkedGraph(units.CheckGraph("", ladders)) }

func checkedGraph(graph []units.Finding) []finding {
	var list []finding
	for _, found := range graph {
		list = append(list, finding{
			Severity: "warning", Check: "unit graph", Key: found.Unit, Text: found.Text, line: found.String(),
		})
	}

	return list
}
