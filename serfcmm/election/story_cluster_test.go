package election_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// cluster is a few machines with their owners, on a network where a message takes a
// millisecond, unless the story says otherwise. Everything that happens is told in out.
type cluster struct {
	t      *testing.T
	now    time.Duration // true time
	base   election.Config
	nodes  map[election.NodeID]*member
	order  []election.NodeID
	delay  time.Duration
	air    []parcel
	kept   []parcel // held back by the story
	keep   []filter
	cuts   map[[2]election.NodeID]bool
	serial int
	sent   string // by the step under way, to sentTo
	sentTo []string
	out    strings.Builder
	loud   bool
	quiet  bool
	// holders are the nodes that were elected, by term.
	holders map[election.Term]election.NodeID
}

// member is one node: machine, disk, lease record, and what runs on it.
type member struct {
	id      election.NodeID
	config  election.Config
	machine *election.Machine // nil while no agent runs
	disk    *election.State
	record  election.Lease
	vice    election.NodeID
	serving bool
	acted   bool
	left    bool
	rate    int // permille that its clock is fast
	offset  time.Duration
	boots   int
	wake    election.Instant
	paused  bool
	inbox   []election.Message
	failing int // so many more writes fail
	stand   election.Standing
	manual  bool // the story, not the member, ends what is served
	restAt  time.Duration
	said    map[string]bool // refusals and pre-votes that were told
}

// parcel is a message under way.
type parcel struct {
	at      time.Duration
	serial  int
	message election.Message
}

// filter names messages: kind, from and to; empty is any.
type filter struct {
	kind     string
	from, to election.NodeID
}

func (f filter) fits(m election.Message) bool {
	return (f.kind == "" || f.kind == m.Kind.String()) && (f.from == "" || f.from == m.From) && (f.to == "" || f.to == m.To)
}

// reading is the node's lease clock. It starts at another time in each boot, as clocks do: the
// boot lasts longer or shorter.
func (n *member) reading(now time.Duration) election.Instant {
	return election.Instant((now-n.offset)*time.Duration(1000+n.rate)/1000 + time.Duration(n.boots)*time.Second)
}

// when is the true time at which the node's clock shows the reading.
func (n *member) when(at election.Instant) time.Duration {
	local := time.Duration(at) - time.Duration(n.boots)*time.Second
	scale := time.Duration(1000 + n.rate)

	return n.offset + (local/scale)*1000 + (local%scale*1000+scale-1)/scale
}

func (c *cluster) say(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(&c.out, format+"\n", args...)
	}
}

// tell is a line of what a node does.
func (c *cluster) tell(n *member, format string, args ...any) {
	c.say("  %7s %s: %s", fmt.Sprintf("%.3f", c.now.Seconds()), n.id, fmt.Sprintf(format, args...))
}

// start brings up a node's agent, with what is on its disk and in its boot's memory.
func (c *cluster) start(n *member, boot bool) {
	if boot {
		n.boots++
		n.offset, n.record, n.serving, n.acted = c.now, election.Lease{}, false, false
	}
	now := n.reading(c.now)
	start := election.Start{
		Config: n.config, Lease: n.record, Acted: n.acted, Vice: n.vice, Serving: n.serving, Standing: n.stand, Left: n.left, Now: now,
		FirstRound: election.Round(now), FirstSerial: uint64(c.now) + 1,
	}
	if n.disk != nil {
		state := *n.disk
		start.State = &state
	}
	n.machine, n.paused, n.inbox = election.New(start), false, nil
	c.step(n, election.Ticked{})
}

// step feeds one event, carries out what is decided, and checks everything.
func (c *cluster) step(n *member, event election.Event) {
	c.t.Helper()
	result := n.machine.Step(n.reading(c.now), event)
	n.wake = result.Wake
	if err := n.machine.Check(); err != nil {
		c.t.Fatalf("%s: %v\n%s%s", n.id, err, c.out.String(), n.machine.Describe())
	}
	if result.Err != nil {
		c.tell(n, "error: %v", result.Err)
	}
	c.record(n)
	if result.Persist != nil {
		if n.failing > 0 {
			n.failing--
			c.tell(n, "disk: cannot be written")
			for _, action := range result.Actions {
				if _, message := action.(election.Send); !message {
					c.perform(n, action)
				}
			}
			c.step(n, election.PersistFailed{})

			return
		}
		c.tell(n, "disk: %s", stateText(result.Persist))
		n.disk = result.Persist
	}
	for _, action := range result.Actions {
		c.perform(n, action)
	}
	c.flush(n)
	c.check()
}

// flush tells what was sent: the same to several is one line.
func (c *cluster) flush(n *member) {
	if len(c.sentTo) > 0 {
		c.tell(n, "→ %s: %s", strings.Join(c.sentTo, " "), c.sent)
	}
	c.sentTo, c.sent = nil, ""
}

// record keeps what the guard and the next agent of this boot must know.
func (c *cluster) record(n *member) {
	lease := n.machine.Lease()
	if lease.Term != 0 && lease.Term != n.record.Term {
		if holder, held := c.holders[lease.Term]; held && holder != n.id {
			c.t.Fatalf("I2: term %d of %s is held by %s too\n%s", lease.Term, holder, n.id, c.out.String())
		}
		if newest := slices.Max(append(slices.Collect(maps.Keys(c.holders)), 0)); lease.Term < newest {
			c.t.Fatalf("I2: %s is elected in term %d after term %d\n%s", n.id, lease.Term, newest, c.out.String())
		}
		c.holders[lease.Term] = n.id
		n.serving, n.acted = true, false
	}
	n.record, n.vice = lease, n.machine.View().Vice
}

func (c *cluster) perform(n *member, action election.Action) {
	if send, message := action.(election.Send); message {
		c.send(n, send.Message)

		return
	}
	c.flush(n)
	switch action := action.(type) {
	case election.Send:
	case election.RoleDecided:
		c.tell(n, "%s", roleText(action))
		if action.Lost && !n.manual && n.serving && n.restAt == 0 {
			n.restAt = c.now + 100*time.Millisecond
		}
	case election.KillMembers:
		c.tell(n, "kill members of term %d: %s", action.Term, action.Reason)
	case election.MasterProgressed:
		if p := action.Progress; p != (election.Progress{}) {
			c.tell(n, "progress of %s@%d: started=%t reached=%d complete=%t ready=%t", action.Master, action.Term, p.Started, p.Reached, p.Complete, p.Ready)
		}
	case election.RestartGranted:
		if action.Until == 0 {
			c.tell(n, "restart not granted")
		} else {
			c.tell(n, "restart granted for %v", untilText(action.Until, n.reading(c.now)))
		}
	case election.Note:
		c.tell(n, "note %v: %s", action.Topic, action.Text)
	}
}

func (c *cluster) send(n *member, m election.Message) {
	c.saved(n, m)
	if c.loud || worthTelling(m) && !n.repeats(m) {
		if text := messageText(m); text != c.sent {
			c.flush(n)
			c.sent = text
		}
		c.sentTo = append(c.sentTo, string(m.To))
	}
	c.serial++
	p := parcel{at: c.now + c.delay, serial: c.serial, message: m}
	switch {
	case c.cuts[[2]election.NodeID{m.From, m.To}]:
	case slices.ContainsFunc(c.keep, func(f filter) bool { return f.fits(m) }):
		c.kept = append(c.kept, p)
	default:
		c.air = append(c.air, p)
	}
}

// saved is I8: what a message tells is on disk.
func (c *cluster) saved(n *member, m election.Message) {
	d := n.disk
	bad := false
	switch {
	case m.Kind == election.KindVote:
		bad = d == nil || d.Term != m.Term || d.Vote != n.id
	case m.Kind == election.KindVoteReply && m.Refusal == election.RefusalNone:
		bad = d == nil || d.Term != m.Term || d.Vote != m.To || d.Promised != m.To || d.PromisedTerm < m.Term
	case m.Kind == election.KindPromise && m.Refusal == election.RefusalNone && n.votes():
		bad = d == nil || d.Promised != m.To || d.PromisedTerm < m.Term || d.Hold < n.config.Lease
	}
	if bad {
		c.t.Fatalf("I8: %s tells %s %s, on disk is %s\n%s", n.id, m.To, messageText(m), stateText(d), c.out.String())
	}
}

// repeats says that the node has refused the same thing in the same words before.
func (n *member) repeats(m election.Message) bool {
	if m.Kind != election.KindPromise && m.Kind != election.KindPreVoteReply && m.Kind != election.KindPreVote {
		return false
	}
	if n.said == nil {
		n.said = map[string]bool{}
	}
	word := fmt.Sprint(m.Kind, m.To, m.Term, m.Refusal)
	before := n.said[word]
	n.said[word] = true

	return before && (m.Kind == election.KindPreVote || m.Refusal != election.RefusalNone)
}

func (n *member) votes() bool {
	return slices.ContainsFunc(n.config.Nodes, func(node election.Node) bool { return node.ID == n.id && node.Vote })
}

// acts says that the node is the master by its lease: by its agent's check, or by the record
// that its guard and its next agent have.
func (c *cluster) acts(n *member) bool {
	now := n.reading(c.now)
	if n.machine != nil {
		return n.machine.MayAct(now)
	}

	return n.record.Term != 0 && now < n.record.Until
}

// check is I1.
func (c *cluster) check() {
	var acting []election.NodeID
	for _, id := range c.order {
		if c.acts(c.nodes[id]) {
			acting = append(acting, id)
		}
	}
	if len(acting) > 1 {
		c.t.Fatalf("I1: %v are masters at once\n%s", acting, c.out.String())
	}
}

// run lets time pass until the end, or until done says so.
func (c *cluster) run(end time.Duration, done func() bool) {
	c.t.Helper()
	for range 200_000 {
		if done != nil && done() {
			return
		}
		at, next := c.next()
		if next == nil || at > end {
			c.now = end

			return
		}
		c.now = max(c.now, at)
		next()
	}
	c.t.Fatalf("no end of events\n%s", c.out.String())
}

// next is what happens next, and when; nil when nothing will.
func (c *cluster) next() (time.Duration, func()) {
	best, what := time.Duration(0), (func())(nil)
	consider := func(at time.Duration, do func()) {
		at = max(at, c.now)
		if what == nil || at < best {
			best, what = at, do
		}
	}
	if len(c.air) > 0 {
		p := slices.MinFunc(c.air, func(a, b parcel) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.serial, b.serial)) })
		consider(p.at, func() {
			c.air = slices.DeleteFunc(c.air, func(q parcel) bool { return q.serial == p.serial })
			c.deliver(p.message)
		})
	}
	for _, id := range c.order {
		n := c.nodes[id]
		if n.machine == nil || n.paused {
			continue
		}
		if n.wake != 0 && n.wake != election.Forever {
			consider(max(n.when(n.wake), c.now+1), func() { c.step(n, election.Ticked{}) })
		}
		if n.restAt != 0 {
			consider(n.restAt, func() { c.rest(n) })
		}
	}

	return best, what
}

// deliver hands a message to its node, unless nobody is there.
func (c *cluster) deliver(m election.Message) {
	n := c.nodes[m.To]
	switch {
	case n == nil || n.machine == nil:
	case n.paused:
		n.inbox = append(n.inbox, m)
	default:
		c.step(n, election.Received{Message: m})
	}
}

// rest is the demote of a lost mastership, all at once.
func (c *cluster) rest(n *member) {
	n.restAt = 0
	if n.machine.View().Phase == election.PhaseLeading {
		return // it was taken back
	}
	n.acted = true
	c.step(n, election.DemoteActed{})
	n.serving = false
	c.step(n, election.ServingChanged{})
	n.acted = false
}
