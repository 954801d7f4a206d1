package election_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cssc-ha/cssc/integration/scenario"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// TestScenarios replays every story of testdata: goal is that each decision of the machine
// stands in a file for a person to read. A case is a cluster and a script; its output is
// what every node did, with the true time, and what it is at the end. Machine.Check, I1, I2 and
// I8 are checked after every step.
func TestScenarios(t *testing.T) {
	t.Parallel()
	scenario.Run(t, "testdata/scenarios", "", 100, runStory)
}

func runStory(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	c := newCluster(t)
	var nodes []string
	for _, arg := range d.CmdArgs[1:] {
		if arg.Key == "nodes" {
			nodes = strings.Split(strings.Join(arg.Vals, ","), ",")
		} else {
			c.option(arg.Key, strings.Join(arg.Vals, ","))
		}
	}
	if nodes == nil {
		nodes = []string{"n1", "n2", "n3"}
	}
	for _, node := range nodes {
		c.base.Nodes = append(c.base.Nodes, parseNode(node))
	}
	for _, node := range c.base.Nodes {
		c.add(node.ID)
	}
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c.quiet = false
		c.say("> %s", line)
		c.line(line)
	}
	c.quiet = false
	for _, id := range c.order {
		if n := c.nodes[id]; n.machine != nil {
			c.say("= %s", strings.ReplaceAll(strings.TrimSpace(n.machine.Describe()), "\n", "\n= "))
		} else {
			c.say("= %s is down", id)
		}
	}

	return c.out.String()
}

func newCluster(t *testing.T) *cluster {
	t.Helper()

	return &cluster{
		t: t, delay: time.Millisecond, nodes: map[election.NodeID]*member{}, cuts: map[[2]election.NodeID]bool{},
		holders: map[election.Term]election.NodeID{},
		base: election.Config{
			Hash: "a", Lease: time.Second, DriftPermille: 10, RestartGrace: 5 * time.Second, FormationTimeout: 10 * time.Second,
			FlapWindow: time.Minute,
		},
	}
}

// option understands what stands on the case line.
func (c *cluster) option(key, value string) {
	c.t.Helper()
	switch key {
	case "lease":
		c.base.Lease = parseTime(c.t, value)
	case "delay":
		c.delay = parseTime(c.t, value)
	case "grace":
		c.base.RestartGrace = parseTime(c.t, value)
	case "flaps":
		c.base.FlapLimit = parseNumber(c.t, value)
	case "hold":
		c.base.TwoNodeHold = true
	case "hash":
		c.base.Hash = value
	default:
		c.t.Fatalf("unknown option %q", key)
	}
}

// add makes a node that has never run.
func (c *cluster) add(id election.NodeID) {
	c.t.Helper()
	config := c.base.DefaultTimes()
	config.Self = id
	if err := config.Validate(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id] = &member{id: id, config: config, stand: election.Standing{Qualified: true, Up: true}}
	c.order = append(c.order, id)
}

// form is the usual beginning: all nodes have voted under this table before, start at once
// and have a master that has heard everybody.
func (c *cluster) form(first election.NodeID) {
	c.t.Helper()
	c.quiet = true
	for _, id := range c.order {
		state := &election.State{Hash: c.base.Hash}
		for _, node := range c.base.Nodes {
			if node.Vote {
				state.Voters = append(state.Voters, node.ID)
			}
		}
		c.nodes[id].disk = state
		if id != first && first != "" {
			c.nodes[id].stand.Qualified = false
		}
	}
	for _, id := range c.order {
		c.start(c.nodes[id], true)
	}
	end := c.now + 10*time.Second
	c.run(end, func() bool { return c.master() != "" })
	for _, id := range c.order {
		n := c.nodes[id]
		n.stand.Qualified = true
		c.step(n, election.StandingChanged{Standing: n.stand})
	}
	c.run(c.now+3*c.base.Lease/2, nil)
	c.quiet = false
	c.say("  %7s %s", fmt.Sprintf("%.3f", c.now.Seconds()), c.summary())
}

// master is the node that acts, or nobody.
func (c *cluster) master() election.NodeID {
	for _, id := range c.order {
		if c.nodes[id].machine != nil && c.acts(c.nodes[id]) {
			return id
		}
	}

	return ""
}

// summary is who is what.
func (c *cluster) summary() string {
	var words []string
	for _, id := range c.order {
		n := c.nodes[id]
		switch {
		case n.machine == nil:
			words = append(words, string(id)+" down")
		case c.acts(n):
			words = append(words, fmt.Sprintf("%s master@%d", id, n.machine.Lease().Term))
		default:
			words = append(words, fmt.Sprintf("%s %v", id, n.machine.View().Role))
		}
	}

	return strings.Join(words, ", ")
}

func (c *cluster) line(line string) {
	c.t.Helper()
	plain, named := arguments(line)
	command, words := plain[0], plain[1:]
	switch command {
	case "form":
		first := election.NodeID("")
		if len(words) > 0 {
			first = election.NodeID(words[0])
		}
		c.form(first)
	case "run":
		c.run(c.now+parseTime(c.t, words[0]), nil)
	case "skip": // time in which everything is as usual
		c.quiet = true
		c.run(c.now+parseTime(c.t, words[0]), nil)
		c.quiet = false
		c.say("  %7s %s", fmt.Sprintf("%.3f", c.now.Seconds()), c.summary())
	case "elect": // until somebody acts
		c.run(c.now+parseTime(c.t, words[0]), func() bool { return c.master() != "" })
	case "loud":
		c.loud = true
	case "soft":
		c.loud = false
	case "cut", "heal":
		c.link(words, command == "cut")
	case "keep", "deliver", "again", "lose":
		c.post(command, words)
	case "message":
		c.message(named)
	default:
		if len(words) == 0 {
			c.t.Fatalf("unknown command %q", line)
		}
		for _, id := range words {
			n := c.nodes[election.NodeID(id)]
			if n == nil {
				c.t.Fatalf("no node %q", id)
			}
			c.nodeLine(command, n, named)
		}
	}
}

// nodeLine is a command for each of the nodes that it names.
func (c *cluster) nodeLine(command string, n *member, named map[string]string) {
	c.t.Helper()
	switch command {
	case "boot":
		if named["disk"] == "lost" {
			n.disk = nil
		}
		c.start(n, true)
	case "start":
		c.start(n, false)
	case "kill": // the agent only
		n.machine, n.restAt = nil, 0
	case "power": // everything
		n.machine, n.restAt, n.record, n.serving, n.acted = nil, 0, election.Lease{}, false, false
	case "pause":
		n.paused = true
	case "wake":
		c.wakeUp(n)
	case "clock":
		n.rate = parseNumber(c.t, named["fast"])
	case "manual":
		n.manual = true
	case "fail":
		n.failing = parseNumber(c.t, named["writes"])
	case "describe":
		c.say("  %s", strings.ReplaceAll(strings.TrimSpace(n.machine.Describe()), "\n", "\n  "))
	case "why":
		view := n.machine.View()
		c.say("  %s quorate=%t proven=%t dropped=%d stale=%d: %s", n.id, view.Quorate, view.Proven, view.Dropped, view.Stale, view.Why)
	default:
		c.eventLine(command, n, named)
	}
}

// wakeUp lets a paused process go on: what waits for it comes at once, the tick last.
func (c *cluster) wakeUp(n *member) {
	waiting := n.inbox
	n.paused, n.inbox = false, nil
	for _, m := range waiting {
		c.step(n, election.Received{Message: m})
	}
	c.step(n, election.Ticked{})
}

// eventLine is a command that becomes an event of the node.
func (c *cluster) eventLine(command string, n *member, named map[string]string) {
	c.t.Helper()
	switch command {
	case "tick":
		c.step(n, election.Ticked{})
	case "acted":
		n.acted = true
		c.step(n, election.DemoteActed{})
	case "rest":
		n.serving = false
		c.step(n, election.ServingChanged{})
	case "release":
		if named["still"] != "serving" {
			n.serving = false
			c.step(n, election.ServingChanged{})
		}
		c.step(n, election.ReleaseAsked{To: election.NodeID(named["to"])})
	case "plan":
		c.step(n, election.RestartPlanned{})
	case "leave":
		n.left = true
		c.step(n, election.LeaveAsked{})
	case "join":
		n.left = false
		c.step(n, election.JoinAsked{})
	case "standing":
		n.stand = election.Standing{Qualified: named["qualified"] != "no", Up: named["up"] != "no"}
		if n.machine == nil {
			return // it will say so when it comes
		}
		c.step(n, election.StandingChanged{Standing: n.stand, Yielding: named["yielding"] == "yes"})
	case "progress":
		c.step(n, election.ProgressChanged{Progress: election.Progress{Started: true, Reached: int16(parseNumber(c.t, named["reached"])), Complete: named["complete"] == "yes", Ready: named["ready"] == "yes"}})
	case "reset":
		c.step(n, election.ResetAsked{})
	case "fenced":
		c.step(n, election.FencedAsked{Node: election.NodeID(named["node"])})
	case "configure":
		c.configure(n, named)
	default:
		c.t.Fatalf("unknown command %q", command)
	}
}

// configure gives a node another table or hash; nodes of it that are new get a place.
func (c *cluster) configure(n *member, named map[string]string) {
	c.t.Helper()
	if text, given := named["nodes"]; given {
		c.base.Nodes = nil
		for word := range strings.SplitSeq(text, ",") {
			c.base.Nodes = append(c.base.Nodes, parseNode(word))
		}
		for _, node := range c.base.Nodes {
			if c.nodes[node.ID] == nil {
				c.add(node.ID)
			}
		}
		n.config.Nodes = c.base.Nodes
	}
	if hash, given := named["hash"]; given {
		n.config.Hash = hash
	}
	if n.machine != nil {
		c.step(n, election.Configured{Config: n.config})
	}
}

// link cuts or heals: "n1" from all, "n1>n2" one way, "n1-n2" both.
func (c *cluster) link(words []string, cut bool) {
	if len(words) == 0 {
		clear(c.cuts)
	}
	for _, word := range words {
		if from, to, way := strings.Cut(word, ">"); way {
			c.cuts[[2]election.NodeID{election.NodeID(from), election.NodeID(to)}] = cut

			continue
		}
		a, b, one := strings.Cut(word, "-")
		for _, id := range c.order {
			if string(id) != a && (!one || string(id) == b) {
				c.cuts[[2]election.NodeID{id, election.NodeID(a)}], c.cuts[[2]election.NodeID{election.NodeID(a), id}] = cut, cut
			}
		}
	}
}

// post handles what the story holds back: "keep KIND FROM>TO" begins, "deliver" lets it go and
// ends the keeping, "again" delivers copies, "lose" throws it away; all, or those of one sender.
func (c *cluster) post(command string, words []string) {
	if command == "keep" {
		f := filter{kind: words[0]}
		if f.kind == "any" {
			f.kind = ""
		}
		if len(words) > 1 {
			from, to, _ := strings.Cut(words[1], ">")
			f.from, f.to = election.NodeID(from), election.NodeID(to)
		}
		c.keep = append(c.keep, f)

		return
	}
	only := filter{}
	if len(words) > 0 {
		only.from = election.NodeID(words[0])
	}
	count := 0
	var left []parcel
	for _, p := range c.kept {
		if !only.fits(p.message) {
			left = append(left, p)

			continue
		}
		count++
		if command != "lose" {
			c.say("  %7s %s hears what %s said: %s", fmt.Sprintf("%.3f", c.now.Seconds()), p.message.To, p.message.From, messageText(p.message))
			c.deliver(p.message)
		}
	}
	if command != "again" {
		c.kept, c.keep = left, nil
	}
	if count == 0 {
		c.say("!! nothing is kept")
	}
}

// message forges one.
func (c *cluster) message(named map[string]string) {
	c.t.Helper()
	number := func(key string) uint64 {
		if named[key] == "" {
			return 0
		}
		var value uint64
		if _, err := fmt.Sscan(named[key], &value); err != nil {
			c.t.Fatal(err)
		}

		return value
	}
	m := election.Message{
		Kind: parseKind(c.t, named["kind"]), From: election.NodeID(named["from"]), To: election.NodeID(named["to"]),
		Term: election.Term(number("term")), Round: election.Round(number("round")), Released: election.Term(number("released")),
		Hash: c.base.Hash, Standing: election.Standing{Qualified: true, Up: true}, Target: election.NodeID(named["target"]),
		Serial: number("serial"), MasterTerm: election.Term(number("master")),
	}
	if lease := named["lease"]; lease != "" {
		m.Lease = parseTime(c.t, lease)
	}
	if hash := named["hash"]; hash != "" {
		m.Hash = hash
	}
	for range int(number("changes")) {
		m.Changes = append(m.Changes, -time.Hour)
	}
	c.deliver(m)
}
