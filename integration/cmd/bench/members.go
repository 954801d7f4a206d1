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
	// The nodes with a real agent; all others of a large cluster are members of
	// one process, which neither vote nor are eligible.
	agents = 5
	// The port of the first of them; they share one address.
	memberPort = 20000
	// The members' process gives way by so much.
	crowdNice = 5
	// Its heap may grow to so much of what lives, in per cent: hundreds of members in one
	// process wait for its garbage collection together, as no member alone does.
	crowdGarbage = 400
	// Bound of the time until all have seen the master.
	gatherLimit = 3 * time.Minute
)

// benchMembers measures what the number of members costs: five agents, and all others
// simulated, with the real gossip and the real election, in one process beside them. That
// process gives way to the agents: in truth each member has a machine of its own.
func benchMembers(ctx context.Context, choice options) error {
	sizes := []int{100, 300}
	if choice.nodes > agents {
		sizes = []int{choice.nodes}
	}
	writer := table.NewWriter()
	writer.SetTitle(fmt.Sprintf("%d agents and simulated members in one process, profile default", agents))
	failed := addColumns(writer, memberFigures(), "nodes", sizes, func(size int) ([]string, error) { return measureMembers(ctx, size, choice) })
	_, _ = fmt.Fprintln(os.Stdout, writer.Render())
	_, _ = fmt.Fprintf(os.Stdout, "The members' process has a nice value of %d and collects garbage at %d %%. To repeat a column:\n  %s--only members --nodes %d --idle %v\n",
		crowdNice, crowdGarbage, repeat, sizes[0], choice.idleWindow)

	return failed
}

func memberFigures() []string {
	return []string{
		"nodes",
		"all start: all see the master after, s",
		"all see all by gossip after, s",
		"processor until then, ms a member",
		"idle: the master's agent, % of a core", "the busiest other agent, % of a core", "largest agent, MB",
		"a member, % of a core", "a member, MB",
		"messages of the election, to and from members, a second", "UDP packets of a member, a second",
		"power cut: all see the next master after, s",
		"messages that had no room, packets of gossip that had none",
	}
}

func measureMembers(ctx context.Context, size int, choice options) (column []string, err error) {
	host := &hostTB{name: "bench"}
	defer host.finish(&err)
	members := size - agents
	f := newFleet(ctx, host, largeCluster{coordinator{profile: "default"}, members}, agents)
	leader := f.settle(ctx)
	crowd, err := f.startMembers(ctx, members)
	if err != nil {
		return nil, err
	}
	defer crowd.stop()
	first, err := crowd.agreed(ctx, crowd.began, "")
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%d nodes: all see master %s after %v\n", size, first.master, first.at-crowd.began)
	gossip, err := crowd.gathered(ctx)
	if err != nil {
		return nil, err
	}
	storm, err := processorOf(crowd.pid)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%d nodes: all see all after %v\n", size, gossip-crowd.began)
	pause(ctx, 20*time.Second)
	master := f.settle(ctx)
	idle, err := f.idleUse(ctx, choice, crowd, master)
	if err != nil {
		return nil, err
	}
	if after := f.settle(ctx); leader.Name != first.master || master != leader || after != leader {
		fmt.Fprint(os.Stderr, leader.Journal(host, "-u", "cssc-agent", "-o", "short-monotonic"))

		return nil, fmt.Errorf("nothing was wrong, and the master was %s, then %s, %s and %s", leader.Name, first.master, master.Name, after.Name)
	}
	cut := now()
	master.PowerCut(host)
	next, err := crowd.agreed(ctx, cut, master.Name)
	if err != nil {
		return nil, err
	}
	each := func(all float64) string { return fmt.Sprintf("%.3g", all/float64(members)) }
	counted := crowd.counted()

	return []string{
		seconds(first.at - crowd.began), seconds(gossip - crowd.began), each(storm.Seconds() * 1000),
		fmt.Sprintf("%.2f", idle.master), fmt.Sprintf("%.2f", idle.others), fmt.Sprintf("%.1f", idle.memory),
		each(idle.crowd), each(idle.crowdMemory),
		fmt.Sprintf("%.0f", idle.messages), each(idle.packets),
		seconds(next.at - cut),
		fmt.Sprintf("%d, %d", counted.lost, counted.gossipLost),
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

// use is what agents and members took at idle: shares of a core in per cent, memory in MB.
type use struct {
	master, others, memory float64
	// Of all members together: with messages of the election, both ways, and UDP packets of
	// theirs, a second.
	crowd, crowdMemory, messages, packets float64
}

func (f *fleet) idleUse(ctx context.Context, choice options, crowd *crowd, master *lab.Node) (use, error) {
	read := func() (processor time.Duration, packets uint64, err error) {
		processor, err = processorOf(crowd.pid)
		if err == nil {
			packets, err = packetsOf(crowd.pid)
		}

		return processor, packets, err
	}
	before, packetsBefore, err := read()
	if err != nil {
		return use{}, err
	}
	counted, agentsBefore := crowd.counted(), f.processors([]string{agentUnit})
	pause(ctx, choice.idleWindow)
	after, packets, err := read()
	if err != nil {
		return use{}, err
	}
	var all use
	for at, used := range f.processors([]string{agentUnit}) {
		memory, err := nodeMemory(at.node, at.unit)
		if err != nil {
			return use{}, err
		}
		share := 100 * float64(used-agentsBefore[at]) / float64(choice.idleWindow)
		if at.node == master {
			all.master = share
		} else {
			all.others = max(all.others, share)
		}
		all.memory = max(all.memory, memory)
	}
	all.crowd = 100 * float64(after-before) / float64(choice.idleWindow)
	all.packets = float64(packets-packetsBefore) / choice.idleWindow.Seconds()
	if last := crowd.counted(); last.at > counted.at {
		all.messages = float64(last.sent+last.received-counted.sent-counted.received) / (last.at - counted.at).Seconds()
	}
	all.crowdMemory, err = residentMB(uint32(crowd.pid))

	return all, err
}
