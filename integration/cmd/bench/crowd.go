package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// crowd is the process of the simulated members.
type crowd struct {
	began time.Duration
	pid   int
	stop  func()
	// orders are what the members should do, see obey.
	orders io.Writer

	// mutex guards what the process has said so far.
	mutex    sync.Mutex
	opinions []opinion
	gossip   time.Duration // 0 = not yet
	counts   []tallied
	// news is how far the master's init is, as one member has heard; sights are what one has
	// seen of another node, or heard of the master.
	news   []heard
	sights []sight
	over   bool
	last   string
}

// opinion is a moment at which all members named the same master.
type opinion struct {
	at     time.Duration
	master string
}

// tallied is what all members had sent and received at a moment.
type tallied struct {
	at                               time.Duration
	sent, received, lost, gossipLost uint64
}

// heard is a progress of the master's init that has reached a member.
type heard struct {
	at                time.Duration
	member            string
	term              uint64
	reached           int
	started, complete bool
}

// sight is a word that holds of a node for a member from a moment on.
type sight struct {
	at                 time.Duration
	member, node, word string
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
	process := f.Command(ctx, "nice", "-n", strconv.Itoa(crowdNice), program, "members", folder, strconv.Itoa(count))
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	orders, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	c := &crowd{began: now(), last: "nothing", orders: orders}
	if err = process.Start(); err != nil {
		return nil, err
	}
	c.pid = process.Process.Pid // nsenter and nice become the program
	go c.listen(output)
	c.stop = func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = os.RemoveAll(folder)
	}

	return c, nil
}

// listen takes down what the process says until it ends.
func (c *crowd) listen(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		c.note(lines.Text())
	}
	c.mutex.Lock()
	c.over = true
	c.mutex.Unlock()
}

func (c *crowd) note(line string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.last = line
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "all":
		var said opinion
		if _, err := fmt.Sscan(rest, &said.at, &said.master); err == nil {
			c.opinions = append(c.opinions, said)
		}
	case "gossip":
		_, _ = fmt.Sscan(rest, &c.gossip)
	case "count":
		var count tallied
		if _, err := fmt.Sscan(rest, &count.at, &count.sent, &count.received, &count.lost, &count.gossipLost); err == nil {
			c.counts = append(c.counts, count)
		}
	case "news":
		var one heard
		if _, err := fmt.Sscan(rest, &one.at, &one.member, &one.term, &one.reached, &one.started, &one.complete); err == nil {
			c.news = append(c.news, one)
		}
	case "seen", "role": // of a lapse a role has no node
		var one sight
		if _, err := fmt.Sscan(rest, &one.at, &one.member, &one.node, &one.word); err == nil {
			c.sights = append(c.sights, one)
		}
	}
}

// await waits until the members have said what is wanted.
func (c *crowd) await(ctx context.Context, what string, said func() bool) error {
	limit := now() + gatherLimit
	for {
		c.mutex.Lock()
		is, over, last := said(), c.over, c.last
		c.mutex.Unlock()
		switch {
		case is:
			return nil
		case over:
			return errors.New("the members' process has ended")
		case now() > limit:
			return fmt.Errorf("%s: not within %v; the members said last: %s", what, gatherLimit, last)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		pause(ctx, lookEvery)
	}
}

// agreed waits until, since that moment, all members name one master, another one than the
// excluded.
func (c *crowd) agreed(ctx context.Context, since time.Duration, except string) (one opinion, err error) {
	err = c.await(ctx, "all members name one master", func() bool {
		i := slices.IndexFunc(c.opinions, func(o opinion) bool { return o.at > since && o.master != except })
		if i >= 0 {
			one = c.opinions[i]
		}

		return i >= 0
	})

	return one, err
}

// gathered waits until all members have seen all nodes by gossip.
func (c *crowd) gathered(ctx context.Context) (at time.Duration, err error) {
	err = c.await(ctx, "all members see all nodes", func() bool { at = c.gossip; return at != 0 })

	return at, err
}

// counted is the newest count.
func (c *crowd) counted() tallied {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.counts) == 0 {
		return tallied{}
	}

	return c.counts[len(c.counts)-1]
}

// packetsOf counts what was sent by UDP from the network of a process.
func packetsOf(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", pid))
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields

			continue
		}
		if i := slices.Index(names, "OutDatagrams"); i >= 0 && i < len(fields) {
			return strconv.ParseUint(fields[i], 10, 64)
		}
	}

	return 0, fmt.Errorf("/proc/%d/net/snmp does not count UDP", pid)
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
