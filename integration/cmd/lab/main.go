// Command lab is for looking around by hand in nodes with a real systemd:
//
//	go run ./integration/cmd/lab up [SUITE…]     boot a node of each suite, with cssc installed
//	go run ./integration/cmd/lab up -nodes N     boot one cluster of the nodes n1 to nN
//	go run ./integration/cmd/lab exec NODE [COMMAND…]
//	go run ./integration/cmd/lab down            end it
//	go run ./integration/cmd/lab prepare         make the root file systems, and no node
//
// A node that reboots is booted again; one that powers off stays off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// stateFolder holds the supervisor's process number, its output and a file per node.
const stateFolder = "/run/cssc-dev-lab"

// mostNodes bounds the cluster: the lab's network has 254 addresses, the machine less memory.
const mostNodes = 16

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop has nothing left to do
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("which command? up [-nodes N] [SUITE…], exec NODE [COMMAND…], down, prepare")
	}
	switch args[0] {
	case "up":
		return up(ctx, args[1:])
	case "supervise":
		return supervise(args[1:])
	case "exec":
		return enter(ctx, args[1:])
	case "down":
		return down(ctx)
	case "prepare":
		return prepare(ctx)
	default:
		return fmt.Errorf("unknown command %q; there are up, exec, down, prepare", args[0])
	}
}

func prepare(ctx context.Context) error {
	for _, suite := range lab.Suites() {
		for _, extra := range []lab.Extra{lab.Bare, lab.WithPolkit, lab.WithPython} {
			if _, err := lab.Prepare(ctx, suite, extra); err != nil {
				return err
			}
		}
	}
	_, err := lab.Prepare(ctx, lab.Bookworm, lab.WithHAProxy)

	return err
}

// wanted is what to boot: a cluster of that many nodes, or a single node of each suite.
type wanted struct {
	nodes  int
	suites []string
}

func parseWanted(args []string) (wanted, error) {
	var w wanted
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.IntVar(&w.nodes, "nodes", 0, "boot one cluster of this many nodes, both suites in turn")
	if err := flags.Parse(args); err != nil {
		return w, err
	}
	w.suites = flags.Args()
	switch {
	case w.nodes < 0 || w.nodes > mostNodes:
		return w, fmt.Errorf("up -nodes %d: want 1 to %d", w.nodes, mostNodes)
	case w.nodes > 0 && len(w.suites) > 0:
		return w, errors.New("up: a cluster has nodes of both suites in turn; name either -nodes or suites")
	case w.nodes == 0 && len(w.suites) == 0:
		w.suites = lab.Suites()
	}

	return w, nil
}

// up starts the supervisor in a session of its own and waits until it says that all nodes run.
func up(ctx context.Context, args []string) error {
	if supervisor() != 0 {
		return errors.New("the lab is up already; end it with: lab down")
	}
	if _, err := parseWanted(args); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(stateFolder), os.MkdirAll(stateFolder, 0o755)); err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(stateFolder, "log"))
	if err != nil {
		return err
	}
	child := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", append([]string{"supervise"}, args...)...)
	child.Stdout, child.Stderr = output, output
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err = child.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1) // room for the one result, so that the goroutine ends
	go func() { ended <- child.Wait() }()
	err = lab.Await(ctx, 10*time.Minute, func() error {
		select {
		case err := <-ended:
			ended <- err

			return nil
		default:
		}
		_, err := os.Stat(filepath.Join(stateFolder, "up"))

		return err
	})
	text, _ := os.ReadFile(output.Name())
	fmt.Print(string(text))
	if supervisor() == 0 {
		return errors.New("the lab did not come up")
	}

	return err
}

// supervise owns the lab until it is told to end.
func supervise(args []string) error {
	w, err := parseWanted(args)
	if err != nil {
		return err
	}
	number := fmt.Sprintf("%d\n", os.Getpid())
	if err = os.WriteFile(filepath.Join(stateFolder, "pid"), []byte(number), 0o644); err != nil {
		return err
	}
	status := lab.Main(func(ctx context.Context, t lab.TB) {
		t.Cleanup(func() { _ = os.RemoveAll(stateFolder) })
		for _, node := range boot(t, w) {
			if err := announce(node); err != nil {
				t.Fatalf("%v", err)
			}
			fmt.Printf("%s: %s, %s; enter it with: go run ./integration/cmd/lab exec %s\n", node.Name, node.Suite, node.Address, node.Name)
			go again(ctx, t, node)
		}
		if err := os.WriteFile(filepath.Join(stateFolder, "up"), nil, 0o644); err != nil {
			t.Fatalf("%v", err)
		}
		<-ctx.Done()
	})
	if status == 1 {
		return errors.New("the lab ended badly")
	}

	return nil
}

// boot makes the nodes and starts them.
func boot(t lab.TB, w wanted) []*lab.Node {
	if w.nodes > 0 {
		c := lab.NewCluster(t, lab.ClusterConfig{Size: w.nodes})
		c.Boot(t)

		return c.Members()
	}
	l := lab.New(t)
	for _, suite := range w.suites {
		node := l.Node(t, lab.NodeConfig{Suite: suite})
		node.Install(t)
		node.Boot(t)
	}

	return l.Nodes()
}

// again boots the node whenever it reboots.
func again(ctx context.Context, t lab.TB, node *lab.Node) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-node.Exited():
		}
		if ctx.Err() != nil || node.WaitExit(t) != lab.Rebooted {
			return
		}
		err := errors.Join(node.Start(ctx), node.AwaitBoot(ctx), announce(node))
		if err != nil {
			t.Logf("node %s: %v", node.Name, err)
		}
	}
}

func announce(node *lab.Node) error {
	path := filepath.Join(stateFolder, "node-"+node.Name)

	return os.WriteFile(path, fmt.Appendf(nil, "%d", node.PID()), 0o644)
}

func enter(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("exec: which node?")
	}
	pid, err := os.ReadFile(filepath.Join(stateFolder, "node-"+args[0]))
	if err != nil {
		return fmt.Errorf("exec: no node %q; start the nodes with: lab up", args[0])
	}
	argv := args[1:]
	if len(argv) == 0 {
		argv = []string{"bash", "-l"}
	}
	process := exec.CommandContext(ctx, "nsenter", append([]string{"-t", string(pid), "-a"}, argv...)...)
	process.Stdin, process.Stdout, process.Stderr = os.Stdin, os.Stdout, os.Stderr

	return process.Run()
}

func down(ctx context.Context) error {
	pid := supervisor()
	if pid == 0 {
		return os.RemoveAll(stateFolder)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}

	return lab.Await(ctx, time.Minute, func() error {
		if supervisor() != 0 {
			return errors.New("the supervisor still runs")
		}

		return nil
	})
}

// supervisor is the process number of the living supervisor, 0 when there is none.
func supervisor() int {
	var pid int
	text, err := os.ReadFile(filepath.Join(stateFolder, "pid"))
	if err != nil {
		return 0
	}
	if _, err = fmt.Sscan(string(text), &pid); err != nil {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), "supervise") {
		return 0
	}

	return pid
}
