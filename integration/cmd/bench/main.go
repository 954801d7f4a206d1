// Command bench measures the coordinator against references in the same run, on real
// nodes of the lab, and prints ratios. It is what "make bench" runs.
//
// # Model
//
// On the host it boots one node for each suite, installs cssc and copies itself in; in
// the node ("bench node") it measures and writes one JSON line for each figure. Every
// ratio has its reference measured in turns with it, so that the load of the machine
// falls on both.
//
// Then it boots clusters, of cssc and of what it is compared with, one after the other, and
// does to their masters what must not make two of them. The services on the nodes write
// down themselves when they run (package history); all nodes share the kernel's clock.
//
// # What is not guaranteed
//
// Absolute times are those of this machine in this minute. Only ratios are compared with
// goals, and a missed goal is shown, not hidden; it does not change the exit status.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "node":
		err = runInNode(ctx)
	case len(os.Args) > 1 && os.Args[1] == "burn":
		spin()
	case len(os.Args) > 2 && os.Args[1] == "bare":
		err = runBare(ctx, os.Args[2])
	case len(os.Args) > 1 && os.Args[1] == "answer":
		err = runAnswer(ctx)
	case len(os.Args) > 2 && os.Args[1] == "members":
		err = runMembers(ctx, os.Args[2:])
	default:
		err = runOnHost(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line chooses.
type options struct {
	suite, only           string
	system, fault         string
	nodes, trials         int
	saturated, idleWindow time.Duration
}

func parseOptions() options {
	var choice options
	flag.StringVar(&choice.suite, "suite", "", "only this suite (bookworm or trixie), and no clusters; default both")
	flag.StringVar(&choice.only, "only", "", "only this measurement: idle, empty, callback, callbacks, units, shutdown, generator, start; "+
		"of clusters: "+strings.Join(clusterNames(), ", "))
	flag.StringVar(&choice.system, "system", "", "clusters: only this one: "+strings.Join(systemNames(), ", "))
	flag.StringVar(&choice.fault, "fault", "", "takeover: only this fault: power, kill, isolation, handover")
	flag.IntVar(&choice.nodes, "nodes", 0, "clusters: only of this size; default 3 and 5")
	flag.IntVar(&choice.trials, "trials", 20, "clusters: how often each fault is tried")
	flag.DurationVar(&choice.saturated, "saturated", 10*time.Minute, "clusters: how long all processors are kept busy")
	flag.DurationVar(&choice.idleWindow, "idle", 30*time.Second, "clusters: how long agents are watched at idle")
	flag.Parse()

	return choice
}

// runOnHost boots the nodes one after the other and prints a table for each, then the clusters.
func runOnHost(ctx context.Context) error {
	choice := parseOptions()
	suites := lab.Suites()
	if choice.suite != "" {
		suites = []string{choice.suite}
	}
	if slices.Contains(clusterNames(), choice.only) {
		suites = nil
	}
	for _, name := range suites {
		figures, err := benchSuite(ctx, name, choice.only)
		printTable(os.Stdout, name, figures)
		if err != nil {
			return fmt.Errorf("suite %s: %w", name, err)
		}
	}
	if choice.suite != "" || choice.only != "" && suites != nil {
		return nil
	}

	return benchClusters(ctx, choice)
}

func benchSuite(ctx context.Context, suite, only string) (figures []figure, err error) {
	host := &hostTB{name: "bench-" + suite}
	defer host.finish(&err)
	program := lab.BuildProgram(host, "./integration/cmd/bench")
	node := lab.New(host).Node(host, lab.NodeConfig{Name: "bench", Suite: suite})
	node.Install(host)
	node.WriteFile(host, "/etc/cssc/cssc.toml", benchConfig)
	node.WriteFile(host, "/etc/dbus-1/system.d/bench.conf", benchPolicy)
	node.Copy(host, program, "/usr/local/bin/bench")
	for path, text := range benchUnits() {
		node.WriteFile(host, path, text)
	}
	node.Boot(host)

	return measure(ctx, node, only)
}

// measure runs the program in the node and collects what it prints.
func measure(ctx context.Context, node *lab.Node, only string) ([]figure, error) {
	process := node.Command(ctx, 0, "/usr/local/bin/bench", "node", only)
	var complaints bytes.Buffer
	process.Stderr = &complaints
	pipe, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err = process.Start(); err != nil {
		return nil, err
	}
	var figures []figure
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		var one figure
		if err = json.Unmarshal(lines.Bytes(), &one); err != nil {
			return figures, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		fmt.Fprintf(os.Stderr, "%s: measured %s\n", node.Suite, one.Name)
		figures = append(figures, one)
	}
	if err = process.Wait(); err != nil {
		return figures, fmt.Errorf("%w\n%s", err, &complaints)
	}

	return figures, nil
}

// hostTB is a test for the lab outside of "go test".
type hostTB struct {
	name     string
	cleanups []func()
	failed   bool
}

// fatal carries the message of Fatalf up to finish.
type fatal struct{ message string }

func (h *hostTB) Helper()                         {}
func (h *hostTB) Name() string                    { return h.name }
func (h *hostTB) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (h *hostTB) Cleanup(cleanup func())          { h.cleanups = append(h.cleanups, cleanup) }
func (h *hostTB) Failed() bool                    { return h.failed }

func (h *hostTB) Fatalf(format string, args ...any) {
	h.failed = true
	panic(fatal{fmt.Sprintf(format, args...)})
}

// finish runs the cleanups and turns a Fatalf into an error.
func (h *hostTB) finish(err *error) {
	reason := recover()
	for _, cleanup := range slices.Backward(h.cleanups) {
		cleanup()
	}
	switch stopped, ours := reason.(fatal); {
	case ours:
		*err = fmt.Errorf("%s", stopped.message)
	case reason != nil:
		panic(reason)
	}
}
