package serfcmm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/hashicorp/serf/serf"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

const (
	firstPause   = 500 * time.Millisecond
	longestPause = 20 * time.Second
	// This many nodes are tried one after the other; each may take streamTimeout when it
	// is off.
	perRound = 3
	// With that much for each node of the table: all nodes of a site that get power back at the
	// same moment would exchange everything at the same moment.
	joinSpread = 2 * time.Millisecond
	// How many are missing is looked at so long after the first of a storm of news: each look
	// goes over all members, and each member is news.
	lookPause = 100 * time.Millisecond
	// How often and when a node that came up says again that it has: after firstAgain, and for
	// each node of the table againSpread more, and each time later by againMore times.
	timesAgain  = 3
	firstAgain  = time.Second
	againSpread = 20 * time.Millisecond
	againMore   = 3

	stateMode    = 0o600
	largestState = 1 << 20
)

// join looks for the nodes that gossip does not know as alive, for ever and with growing
// pauses, at the addresses of the table. One node that answers brings the others along.
// Which ones are tried is left to chance: were it the order of the table, the first nodes
// of it, which are those with roles, would have to answer all others.
func (n *Node) join(ctx context.Context, s *session) {
	pause, before := firstPause, 0
	timer := time.NewTimer(n.spread())
	defer timer.Stop()
	var settled <-chan time.Time
	again := n.newRepetition()
	defer again.timer.Stop()
	for {
		due := false
		select {
		case <-timer.C:
			due = true
		case <-s.look:
			if settled == nil {
				settled = time.After(lookPause)
			}

			continue
		case <-settled:
			settled = nil
		case <-again.timer.C:
			n.sayAgain(s, again)

			continue
		case <-ctx.Done():
			return
		}
		missing := n.missing(s)
		n.remember()
		if len(missing) != before {
			before, pause = len(missing), firstPause
			timer.Reset(pause + n.spread())
		}
		if !due {
			continue
		}
		rand.Shuffle(len(missing), func(i, j int) { missing[i], missing[j] = missing[j], missing[i] })
		for _, one := range missing[:min(perRound, len(missing))] {
			if ctx.Err() != nil || n.try(s, one) {
				break
			}
		}
		timer.Reset(pause + rand.N(pause/2+1) + n.spread())
		pause = min(2*pause, longestPause)
	}
}

// repetition says when a node joins again although it is a member.
type repetition struct {
	timer *time.Timer
	pause time.Duration
	times int
}

func (n *Node) newRepetition() *repetition {
	pause := firstAgain + time.Duration(len(n.table.Load().peers))*againSpread

	return &repetition{timer: time.NewTimer(pause + n.spread()), pause: pause, times: timesAgain}
}

// sayAgain joins at anybody who is there. Serf orders joins and farewells by a clock that a new
// session has to learn from the others. What it says before does not count for who hears later
// of the farewell of the session before: this node would have left for that one for ever.
func (n *Node) sayAgain(s *session, again *repetition) {
	members := s.serf.Members()
	rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	for i := range members {
		if name := levels.NodeID(members[i].Name); name != n.options.Self && members[i].Status == serf.StatusAlive {
			n.try(s, name)

			break
		}
	}
	if again.times--; again.times > 0 {
		again.pause *= againMore
		again.timer.Reset(again.pause + n.spread())
	}
}

// spread is a random time, the longer the more nodes there are.
func (n *Node) spread() time.Duration {
	return rand.N(time.Duration(len(n.table.Load().peers)) * joinSpread)
}

// missing lists the nodes of the table that gossip does not hold for alive.
func (n *Node) missing(s *session) []levels.NodeID {
	table := n.table.Load()
	alive := make(map[string]bool, len(table.peers))
	members := s.serf.Members()
	for i := range members {
		alive[members[i].Name] = members[i].Status == serf.StatusAlive
	}
	var missing []levels.NodeID
	for _, peer := range table.peers {
		if peer.Name != n.options.Self && !alive[string(peer.Name)] && table.known[peer.Name].IsValid() {
			missing = append(missing, peer.Name)
		}
	}

	return missing
}

// try exchanges everything with one node.
func (n *Node) try(s *session, name levels.NodeID) bool {
	address, known := n.table.Load().texts[name]
	if !known {
		return false
	}
	_, err := s.serf.Join([]string{string(name) + "/" + address}, true)
	if err != nil {
		if _, strange := strangeKey(err.Error()); strange {
			n.strangeKey(address)
		}
	}

	return err == nil
}

// strangeKey notes that something cannot be decrypted.
func (n *Node) strangeKey(from string) {
	n.counters.undecryptable.Add(1)
	host := printable(hostOf(from))
	n.problems.pass("key "+host, fmt.Sprintf("%s does not have the key of this node, or the other way round; compare: cssc keys list", n.table.Load().named(host)))
}

// remember keeps the addresses of nodes that are configured by host name, for the day on
// which nobody answers for the names.
func (n *Node) remember() {
	known := n.table.Load().known
	if n.options.StateFile == "" || maps.Equal(known, n.last) {
		return
	}
	texts := map[levels.NodeID]string{}
	for name, address := range known {
		texts[name] = address.String()
	}
	text, err := json.MarshalIndent(texts, "", "  ")
	if err == nil {
		err = keyring.ReplaceFile(n.options.StateFile, text, stateMode)
	}
	if err != nil {
		n.log.to.Warn("the addresses of the other nodes were not kept", "cause", err)
	}
	n.last = maps.Clone(known)
}

// recall reads what remember wrote. A damaged file is as good as none.
func (n *Node) recall() map[levels.NodeID]netip.AddrPort {
	last := map[levels.NodeID]netip.AddrPort{}
	if n.options.StateFile == "" {
		return last
	}
	info, err := os.Stat(n.options.StateFile)
	if err != nil || info.Size() > largestState {
		return last
	}
	text, err := os.ReadFile(n.options.StateFile)
	texts := map[levels.NodeID]string{}
	if err != nil || json.Unmarshal(text, &texts) != nil {
		return last
	}
	for name, text := range texts {
		if address, err := netip.ParseAddrPort(text); err == nil {
			last[name] = address
		}
	}

	return last
}
