package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// The nodes with a real agent; all others of a large cluster are members of
	// one process, which neither vote nor are eligible.
	agents = 5
	// The port of the first of them; they share one address.
	memberPort = 20000
	// Bound of the time until all have seen the master.
	gatherLimit = 3 * time.Minute
)

// benchMembers measures what the number of members costs: five agents, and all others
// simulated, with the real gossip and the real election, in one process beside them.
func benchMembers(ctx context.Context, choice options) error {
	sizes := []int{100, 300}
	if choice.nodes > agents {
		sizes = []int{choice.nodes}
	}
	writer := table.NewWriter()
	writer.SetTitle(fmt.Sprintf("%d agents and simulated members in one process, profile default", agents))
	writer.AppendHeader(table.Row{
		"nodes", "all see the master after, s", "all see the next one after, s", "busiest agent, % of a core", "its memory, MB",
		"the members' process, % of a core", "its memory, MB",
	})
	var failed error
	for _, size := range sizes {
		row, err := measureMembers(ctx, size, choice)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%d nodes: %w", size, err))

			continue
		}
		writer.AppendRow(row)
	}
	_, _ = fmt.Fprintln(os.Stdout, writer.Render())
	_, _ = fmt.Fprintf(os.Stdout, "To repeat a line:\n  %s--only members --nodes %d --idle %v\n", repeat, sizes[0], choice.idleWindow)

	return failed
}

func measureMembers(ctx context.Context, size int, choice options) (row table.Row, err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	large := largeCluster{coordinator{profile: "default"}, size - agents}
	f := newFleet(ctx, host, large, agents)
	crowd, err := f.startMembers(ctx, size-agents)
	if err != nil {
		return nil, err
	}
	defer crowd.stop()
	first, err := crowd.agreed(ctx, "")
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%d nodes: all see master %s after %v\n", size, first.master, first.at-crowd.began)
	pause(ctx, 20*time.Second)
	all, err := f.idleUse(ctx, choice, crowd.pid)
	if err != nil {
		return nil, err
	}
	master := f.settle(ctx)
	cut := now()
	master.PowerCut(host)
	next, err := crowd.agreed(ctx, master.Name)
	if err != nil {
		return nil, err
	}

	return table.Row{
		size, seconds(first.at - crowd.began), seconds(next.at - cut),
		fmt.Sprintf("%.2f", all.agent), fmt.Sprintf("%.1f", all.agentMemory), fmt.Sprintf("%.1f", all.crowd), fmt.Sprintf("%.1f", all.crowdMemory),
	}, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// largeCluster is cssc with more nodes in its table than the lab has.
type largeCluster struct {
	coordinator

	simulated int
}

func (c largeCluster) build(t lab.TB, size int) *lab.Lab {
	var more strings.Builder
	for i := range c.simulated {
		fmt.Fprintf(&more, "\n[[node]]\nname = %q\naddress = \"192.0.2.254:%d\"\nvote = false\neligible = false\n", memberName(i), memberPort+i)
	}
	cluster := lab.NewCluster(t, lab.ClusterConfig{
		Size: size, Mastership: fmt.Sprintf("profile = %q\nflap_limit = 0\n", c.profile), More: more.String(),
	})
	for _, node := range cluster.Members() {
		equip(t, node, "", "cssc-master-0.target")
	}

	return cluster.Lab
}

func memberName(i int) string { return fmt.Sprintf("m%d", i+1) }

// crowd is the process of the simulated members.
type crowd struct {
	began time.Duration
	pid   int
	lines chan string // closed at the end of the process's output
	stop  func()
}

// opinion is a moment at which all members named the same master.
type opinion struct {
	at     time.Duration
	master string
}

func (f *fleet) startMembers(ctx context.Context, count int) (*crowd, error) {
	f.HostAddress(f.t)
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "members")
	if err != nil {
		return nil, err
	}
	node, local := f.Nodes()[0], "[local]\nnode = \""+memberName(0)+"\"\n"
	err = errors.Join(os.Mkdir(filepath.Join(folder, "conf.d"), 0o700),
		os.WriteFile(filepath.Join(folder, "conf.d", "local.toml"), []byte(local), 0o600))
	if err != nil {
		return nil, err
	}
	for _, file := range []string{"cssc.toml", "keyring"} {
		if err = os.WriteFile(filepath.Join(folder, file), []byte(node.ReadFile(f.t, "/etc/cssc/"+file)), 0o600); err != nil {
			return nil, err
		}
	}
	process := f.Command(ctx, program, "members", folder, strconv.Itoa(count))
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c := &crowd{began: now(), lines: make(chan string, 64)}
	if err = process.Start(); err != nil {
		return nil, err
	}
	c.pid = process.Process.Pid // nsenter becomes the program
	go scanLines(output, c.lines)
	c.stop = func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = os.RemoveAll(folder)
	}

	return c, nil
}

func scanLines(from io.Reader, into chan<- string) {
	defer close(into)
	for lines := bufio.NewScanner(from); lines.Scan(); {
		into <- lines.Text()
	}
}

// agreed waits until all members name one master, another one than the excluded.
func (c *crowd) agreed(ctx context.Context, except string) (opinion, error) {
	limit := time.NewTimer(gatherLimit)
	defer limit.Stop()
	last := "nothing"
	for {
		select {
		case <-ctx.Done():
			return opinion{}, ctx.Err()
		case <-limit.C:
			return opinion{}, fmt.Errorf("the members did not agree within %v; they said last: %s", gatherLimit, last)
		case line, more := <-c.lines:
			if !more {
				return opinion{}, errors.New("the members' process has ended")
			}
			last = line
			var at int64
			var master string
			if _, err := fmt.Sscanf(line, "all %d %s", &at, &master); err == nil && master != except {
				return opinion{time.Duration(at), master}, nil
			}
		}
	}
}

// use is what agents and members took at idle.
type use struct{ agent, agentMemory, crowd, crowdMemory float64 }

func (f *fleet) idleUse(ctx context.Context, choice options, crowd int) (use, error) {
	before, err := processorOf(crowd)
	if err != nil {
		return use{}, err
	}
	agentsBefore := f.processors([]string{agentUnit})
	pause(ctx, choice.idleWindow)
	after, err := processorOf(crowd)
	if err != nil {
		return use{}, err
	}
	var all use
	for at, used := range f.processors([]string{agentUnit}) {
		memory, err := nodeMemory(at.node, at.unit)
		if err != nil {
			return use{}, err
		}
		all.agent = max(all.agent, 100*float64(used-agentsBefore[at])/float64(choice.idleWindow))
		all.agentMemory = max(all.agentMemory, memory)
	}
	all.crowd = 100 * float64(after-before) / float64(choice.idleWindow)
	all.crowdMemory, err = residentMB(uint32(crowd))

	return all, err
}

// processorOf is the processor time of one process of the host.
func processorOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		number, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += number
	}

	return time.Duration(ticks) * (time.Second / 100), nil // the kernel's unit for programs is fixed
}
