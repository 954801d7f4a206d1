package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// check finds the relations that hold between settings, once all files are read.
func (r *reader) check() {
	r.checkLevels()
	r.checkComponents()
	r.checkNodes()
	r.checkTimes()
	core := &r.config.Levels
	if core.MaxRegistrationsPerClient > core.MaxRegistrations {
		if place, set := r.places["limits.registrations_per_client"]; set {
			r.relation(place, "limits.registrations_per_client", "%d for one client is more than the %d of the node; lower it or raise limits.registrations",
				core.MaxRegistrationsPerClient, core.MaxRegistrations)
		}
		core.MaxRegistrationsPerClient = core.MaxRegistrations
	}
}

// relation reports an impossible combination at the place of one of its parts.
func (r *reader) relation(place Problem, key, format string, args ...any) {
	place.Key, place.Text = key, fmt.Sprintf(format, args...)
	r.report(place)
}

func (r *reader) checkLevels() {
	for _, position := range slices.SortedFunc(maps.Keys(r.levels), comparePositions) {
		ladder := r.config.Levels.Sequences[position.Sequence].Ladder
		if _, ok := ladder.Index(position.Level); !ok {
			place := r.levels[position]
			r.relation(place, place.Key, "level %s does not exist, the sequence has levels = %d; raise it or remove this table",
				position.Level, ladder.Top)
		}
	}
}

func (r *reader) checkComponents() {
	for _, name := range sortedKeys(r.config.Levels.Components) {
		seen := map[levels.Position]bool{}
		for _, position := range r.config.Levels.Components[name].Required {
			place := r.components[name]
			ladder := r.config.Levels.Sequences[position.Sequence].Ladder
			switch _, ok := ladder.Index(position.Level); {
			case !ok:
				r.relation(place, place.Key, "component %q is required at %s, but sequence %s has levels = %d",
					name, position, position.Sequence, ladder.Top)
			case seen[position]:
				r.relation(place, place.Key, "component %q lists %s twice", name, position)
			}
			seen[position] = true
		}
	}
}

func (r *reader) checkNodes() {
	nodes := r.config.Nodes
	if len(nodes) == 0 {
		return
	}
	index := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == r.config.Local.Node })
	if index < 0 {
		r.relation(r.localPlace(), "local.node",
			"this node is %q, which no [[node]] names; add it there, or set [local] node to the name it has there", r.config.Local.Node)
	} else {
		r.config.Levels.Eligible = nodes[index].Eligible
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Eligible }) {
		r.relation(r.nodes[nodes[0].Name], "node", "no node is eligible, so there could never be a master; remove one eligible = false")
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Vote }) {
		r.relation(r.nodes[nodes[0].Name], "node", "no node has a vote, so there could never be a quorum; remove one vote = false")
	}
	if len(nodes) > 1 {
		r.checkCluster(nodes)
	}
}

// localPlace is where the name of this node was said, or the first node entry
// when it is the host's.
func (r *reader) localPlace() Problem {
	if place, set := r.places["local.node"]; set {
		return place
	}

	return r.nodes[r.config.Nodes[0].Name]
}

func (r *reader) checkCluster(nodes []Node) {
	for _, node := range nodes {
		if node.Address == "" {
			r.relation(r.nodes[node.Name], "node.address", "node %q has no address; a cluster of more than one node needs one for each", node.Name)
		}
	}
	if r.config.Security.Keyring == "" && !r.config.Security.Insecure {
		r.relation(r.nodes[nodes[1].Name], "security.keyring",
			"missing; a cluster of more than one node needs a key, or security.insecure = true in so many words")
	}
	voters := 0
	for _, node := range nodes {
		if node.Vote {
			voters++
		}
	}
	if voters == 2 {
		r.warn(r.nodes[nodes[1].Name], "node", "two voters cannot tell a dead peer from a broken link; add a third with eligible = false as witness")
	}
}

func (r *reader) warn(place Problem, key, text string) {
	place.Key, place.Text = key, text
	r.config.Warnings = append(r.config.Warnings, place)
}

func (r *reader) checkTimes() {
	m := r.config.Mastership
	if place, set := r.places["mastership.restart_grace"]; set && m.RestartGrace > 0 && m.RestartGrace < m.Lease {
		r.relation(place, "mastership.restart_grace", "%s is shorter than the lease of %s; want 0 or at least the lease",
			short(m.RestartGrace), short(m.Lease))
	}
	shutdown := r.config.Shutdown
	if shutdown.Margin >= shutdown.Timeout {
		place, set := r.places["shutdown.margin"]
		if !set {
			place = r.places["shutdown.timeout"]
		}
		r.relation(place, "shutdown.margin", "%s is not shorter than shutdown.timeout = %s",
			short(shutdown.Margin), short(shutdown.Timeout))
	}
	if place, set := r.places["shutdown.emergency"]; set && shutdown.Emergency > shutdown.Timeout {
		r.relation(place, "shutdown.emergency", "%s is longer than shutdown.timeout = %s",
			short(shutdown.Emergency), short(shutdown.Timeout))
	}
	for _, sequence := range endingSequences() {
		settings := r.config.Levels.Sequences[sequence]
		r.limit(keyPath(keyPath("sequence", sequence.String()), "timeout"), settings.Timeout)
		for _, level := range slices.Sorted(maps.Keys(settings.Levels)) {
			key := "sequence." + sequence.String() + ".level." + level.String() + ".timeout"
			r.limit(key, settings.Levels[level].Timeout)
		}
	}
}

// limit checks that one participant's time fits into the whole shutdown.
func (r *reader) limit(key string, timeout time.Duration) {
	if timeout <= r.config.Shutdown.Timeout {
		return
	}
	place, set := r.places[key]
	if !set {
		place, set = r.places["shutdown.timeout"]
	}
	if set {
		r.relation(place, key, "%s for one participant is longer than shutdown.timeout = %s for the whole shutdown; lower the first or raise the second",
			short(timeout), short(r.config.Shutdown.Timeout))
	}
}

// endingSequences are those that a shutdown runs.
func endingSequences() []levels.Sequence {
	return []levels.Sequence{levels.Demote, levels.Disqualify, levels.Shut}
}

func comparePositions(a, b levels.Position) int {
	return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Level, b.Level))
}

// hash covers the settings that all nodes must share before one of them may take a role.
func hash(c Config) string {
	sum := sha256.New()
	write := func(format string, args ...any) { _, _ = io.WriteString(sum, fmt.Sprintf(format, args...)) }
	write("cluster %q gate_vice %v\n", c.Levels.Cluster, c.Levels.GateVice)
	for _, node := range c.Nodes {
		write("node %q %q %v %v\n", node.Name, node.Address, node.Eligible, node.Vote)
	}
	m := c.Mastership
	write("mastership %d %d %d %q %q\n", m.Lease, m.RestartGrace, m.FormationTimeout, m.TwoNode, m.SelfFence)
	for _, sequence := range levels.Sequences() {
		write("levels %s %d\n", sequence, c.Levels.Sequences[sequence].Ladder.Top)
	}

	return hex.EncodeToString(sum.Sum(nil))[:16]
}
