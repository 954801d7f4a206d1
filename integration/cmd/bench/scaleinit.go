package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	meterEvery = 5 * time.Millisecond
	restWindow = 10 * time.Second
)

// reading is what a node has sent until then, and the processor time of its agent.
type reading struct {
	at             time.Duration
	packets, bytes float64
	processor      time.Duration
}

// meter reads a node again and again until it is stopped.
type meter struct {
	node *lab.Node
	stop func()

	// all is owned by the reader until stop has returned.
	all []reading
}

func newMeter(ctx context.Context, node *lab.Node) *meter {
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{node: node}
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			if one, err := readNode(node); err == nil {
				m.all = append(m.all, one)
			}
			pause(ctx, meterEvery)
		}
	})
	m.stop = func() { cancel(); work.Wait() }

	return m
}

func readNode(node *lab.Node) (one reading, err error) {
	one.at = now()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", node.PID()))
	if err != nil {
		return one, err
	}
	_, rest, _ := strings.Cut(string(text), "host0:")
	fields := strings.Fields(rest)
	if len(fields) < 10 {
		return one, fmt.Errorf("node %s has no interface host0", node.Name)
	}
	one.bytes, _ = strconv.ParseFloat(fields[8], 64)
	one.packets, _ = strconv.ParseFloat(fields[9], 64)
	one.processor, _ = node.UnitProcessor(agentUnit) // 0 while there is none

	return one, nil
}

// before is the last reading before a moment.
func (m *meter) before(at time.Duration) (last reading) {
	for _, one := range m.all {
		if one.at > at {
			break
		}
		last = one
	}

	return last
}

// gateCost is what the inits of a cluster have cost.
type gateCost struct {
	members int
	// known are the times until a member knew a level, missed counts those that never did;
	// begun are the times until another node has begun the next level.
	known, begun []time.Duration
	missed       int
	levels       int
	// Of all levels together: what the master's node sent, and the time that took.
	packets, bytes   float64
	processor, taken time.Duration
	// crowdProcessor is what all members took while the agents started, elected and initialized.
	crowdProcessor time.Duration
	// At idle, for a second.
	restPackets, restBytes    float64
	restProcessor, restMember time.Duration
}

// restTime measures what idling costs.
func (f *fleet) restTime(ctx context.Context, c *crowd, all *gateCost) error {
	master := f.settle(ctx)
	from, err := readNode(master)
	if err != nil {
		return err
	}
	crowdFrom, _ := c.processor()
	pause(ctx, restWindow)
	to, err := readNode(master)
	if err != nil {
		return err
	}
	crowdTo, err := c.processor()
	seconds := (to.at - from.at).Seconds()
	all.restPackets, all.restBytes = (to.packets-from.packets)/seconds, (to.bytes-from.bytes)/seconds
	all.restProcessor = time.Duration(float64(to.processor-from.processor) / seconds)
	all.restMember = time.Duration(float64(crowdTo-crowdFrom) / seconds / float64(max(1, all.members)))

	return err
}

// processor is the processor time of the members; none when there are none.
func (c *crowd) processor() (time.Duration, error) {
	if c.pid == 0 {
		return 0, nil
	}

	return processorOf(c.pid)
}

// stepOnce takes all agents' nodes through init at the same time, which makes a new master.
func (f *fleet) stepOnce(ctx context.Context, c *crowd, all *gateCost) error {
	for _, node := range f.Nodes() {
		f.system.halt(f.t, node)
	}
	since := time.Now()
	var meters []*meter
	for _, node := range f.Nodes() {
		meters = append(meters, newMeter(ctx, node))
	}
	crowdFrom, _ := c.processor()
	f.everywhere(ctx, "systemctl", "start", "--no-block", agentUnit)
	master := f.settle(ctx)
	crowdTo, err := c.processor()
	for _, one := range meters {
		one.stop()
	}
	if err != nil {
		return err
	}
	view, err := master.View(ctx)
	if err != nil {
		return err
	}
	reached := f.reached(master, since)
	if len(reached) < scaleLevels {
		return fmt.Errorf("the journal of the master %s has %d levels: %v", master.Name, len(reached), reached)
	}
	all.crowdProcessor += crowdTo - crowdFrom
	for _, one := range meters {
		if one.node == master {
			all.meter(one, reached)
		} else {
			f.follower(one.node, since, reached, all)
		}
	}
	c.levels(view.Term, reached, all)

	return nil
}

// reached is when a node has reached each of the levels with units, by its journal.
func (f *fleet) reached(node *lab.Node, since time.Time) map[int]time.Duration {
	all := map[int]time.Duration{}
	wall := time.Now().Add(-now())
	text := node.Run(f.t, "journalctl", "--unit="+agentUnit, "--output=json", fmt.Sprintf("--since=@%d", since.Unix()))
	for line := range strings.Lines(text) {
		var entry struct {
			Message string `json:"MESSAGE"`
			Sent    int64  `json:"_SOURCE_REALTIME_TIMESTAMP,string"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil || time.UnixMicro(entry.Sent).Before(since) ||
			!strings.Contains(entry.Message, "level reached") || !strings.Contains(entry.Message, "sequence=init") {
			continue
		}
		_, rest, _ := strings.Cut(entry.Message, "level=")
		level, err := strconv.Atoi(strings.Fields(rest + " ")[0])
		if err == nil && level < scaleLevels {
			all[level] = time.UnixMicro(entry.Sent).Sub(wall)
		}
	}

	return all
}

// meter adds what the master's node did from each level to the next one.
func (g *gateCost) meter(m *meter, reached map[int]time.Duration) {
	from, to := m.before(reached[0]), m.before(reached[scaleLevels-1])
	g.levels += scaleLevels - 1
	g.packets, g.bytes = g.packets+to.packets-from.packets, g.bytes+to.bytes-from.bytes
	g.processor += to.processor - from.processor
	g.taken += to.at - from.at
}

// follower adds how long the gates of a node stood closed although both it and the master had
// reached the level, until systemd began the next one.
func (f *fleet) follower(node *lab.Node, since time.Time, master map[int]time.Duration, all *gateCost) {
	own := f.reached(node, since)
	for level := range scaleLevels - 1 {
		text := node.Run(f.t, "systemctl", "show", "--value", "-p", "InactiveExitTimestampMonotonic", stepUnit(level+1))
		micros, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		open := max(master[level], own[level])
		if begun := time.Duration(micros) * time.Microsecond; err == nil && own[level] != 0 && begun >= open {
			all.begun = append(all.begun, begun-open)
		}
	}
}

// levels adds when each member knew of each level of the master in that term.
func (c *crowd) levels(term uint64, reached map[int]time.Duration, all *gateCost) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for level, from := range reached {
		first := map[string]time.Duration{}
		for _, one := range c.news {
			if _, known := first[one.member]; !known && one.term == term && (one.started && one.reached >= level || one.complete) {
				first[one.member] = one.at
			}
		}
		for _, at := range first {
			all.known = append(all.known, max(0, at-from))
		}
		all.missed += all.members - len(first)
	}
	c.news = nil
}

func (g *gateCost) column() []string {
	each := float64(max(1, g.levels))
	processor := g.processor - time.Duration(float64(g.restProcessor)*g.taken.Seconds())
	members := []string{"-", "-", "-"}
	if g.members > 0 {
		members = []string{
			milliseconds(quantile(g.known, 50)) + ", " + milliseconds(quantile(g.known, 100)), strconv.Itoa(g.missed),
			fmt.Sprintf("%.2g, %.2g", inMilliseconds(g.crowdProcessor)/float64(g.members*scaleInits), 100*g.restMember.Seconds()),
		}
	}

	return []string{
		members[0], members[1],
		milliseconds(quantile(g.begun, 50)) + ", " + milliseconds(quantile(g.begun, 100)),
		fmt.Sprintf("%.0f, %.1f; %.0f", g.packets/each, g.bytes/each/1000, inMilliseconds(g.taken)/each),
		fmt.Sprintf("%.0f, %.1f", g.restPackets, g.restBytes/1000),
		fmt.Sprintf("%.2g; %.2g", inMilliseconds(processor)/each, 100*g.restProcessor.Seconds()),
		members[2],
	}
}
