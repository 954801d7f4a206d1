package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
)

// noopUnit answers every callback at once: what is left of the time is the coordinator's.
const noopUnit = "noop.service"

// laden is a cluster with the default profile whose nodes have work at every level: units of
// init and the same for systemd alone, and callbacks of promote and demote while noopUnit runs.
type laden struct{ coordinator }

func (l laden) build(t lab.TB, size int) *lab.Lab {
	built := l.coordinator.build(t, size)
	program := lab.BuildProgram(t, "./integration/cmd/bench")
	for _, node := range built.Nodes() {
		node.Copy(t, program, "/usr/local/bin/bench")
		for path, text := range benchUnits() {
			node.WriteFile(t, path, text)
		}
		node.WriteFile(t, "/etc/dbus-1/system.d/bench.conf", benchPolicy)
		node.WriteFile(t, "/etc/systemd/system/"+noopUnit, "[Unit]\nAfter="+agentUnit+
			"\nStartLimitIntervalSec=0\n[Service]\nType=notify\nExecStart=/usr/local/bin/bench answer\nRestart=always\nRestartSec=1s\n")
		if err := lab.Enable(node, allOurs()...); err != nil {
			t.Fatalf("%v", err)
		}
	}

	return built
}

// halt also stops the units of init, which outlive the agent.
func (l laden) halt(t lab.TB, node *lab.Node) {
	l.coordinator.halt(t, node)
	node.Run(t, "systemctl", "stop", oursUnits)
}

// runAnswer is "bench answer": benchWidth components at each of the benchLevels lowest levels of
// promote and demote.
func runAnswer(ctx context.Context) error {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	for _, sequence := range []levels.Sequence{levels.Promote, levels.Demote} {
		for level := range benchLevels {
			for i := range benchWidth {
				wish := dbusapi.Registration{Component: fmt.Sprintf("noop-%d", i), Sequence: sequence, Level: levels.Level(level)}
				if err := answer(ctx, client, wish); err != nil {
					return err
				}
			}
		}
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	<-ctx.Done()

	return nil
}

// runBare is "bench bare": the messages of so many levels of callbacks with nobody behind
// them, level after level, in µs: the median of a few.
func runBare(ctx context.Context, text string) error {
	count, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	b, err := newBare(ctx, 1)
	if err != nil {
		return err
	}
	defer b.close()
	var all []time.Duration
	for range 9 {
		begin := time.Now()
		for range count {
			if _, err := b.round(ctx, benchWidth); err != nil {
				return err
			}
		}
		all = append(all, time.Since(begin))
	}
	_, err = fmt.Println(quantile(all, 50).Microseconds())

	return err
}

// bare is what the messages of so many levels of callbacks cost on one node.
func (f *fleet) bare(node *lab.Node, count int) time.Duration {
	text := node.Run(f.t, "/usr/local/bin/bench", "bare", strconv.Itoa(count))
	micros, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		f.t.Fatalf("bench bare: %v", err)
	}

	return time.Duration(micros) * time.Microsecond
}

// span is the time from the first start of any of the units on any node until all are up,
// by what systemd notes of each; all nodes share the kernel's clock. The units have names
// that match the pattern.
func (f *fleet) span(pattern string) float64 {
	first, last, count := uint64(0), uint64(0), 0
	for _, node := range f.Nodes() {
		text := node.Run(f.t, "systemctl", "show", "-p", "InactiveExitTimestampMonotonic", "-p", "ActiveEnterTimestampMonotonic", pattern)
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			var at uint64
			if _, err := fmt.Sscan(value, &at); err != nil || at == 0 {
				continue
			}
			switch name {
			case "InactiveExitTimestampMonotonic":
				count++
				if first == 0 || at < first {
					first = at
				}
			case "ActiveEnterTimestampMonotonic":
				last = max(last, at)
			}
		}
	}
	if want := len(f.Nodes()) * benchLevels * benchWidth; count != want {
		f.t.Fatalf("%s: %d units were started, want %d", pattern, count, want)
	}

	return float64(last-first) / 1000
}
