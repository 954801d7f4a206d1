package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// markSize is how many characters of its hash a setting has in a fingerprint, which must
// fit into a gossip tag beside other things.
const markSize = 2

// setting is one thing that all nodes must agree on, under the name that an operator
// knows it by.
type setting struct {
	name  string
	value string
	// follows: it is derived from the lease where nobody sets it.
	follows bool
}

const leaseKey = "mastership.lease"

// settings lists what must be the same on every node before one of them may take a role.
// The order of the nodes is among it: it ranks the candidates. A setting that is added
// belongs at the end, so that the fingerprints of two versions can still be compared.
func settings(c *Config) []setting {
	m := c.Mastership
	list := []setting{
		{name: "cluster.name", value: c.Levels.Cluster},
		{name: "cluster.gate_vice", value: fmt.Sprint(c.Levels.GateVice)},
		{name: "node.name", value: ofNodes(c, func(n Node) any { return n.Name })},
		{name: "node.address", value: ofNodes(c, func(n Node) any { return n.Address })},
		{name: "node.eligible", value: ofNodes(c, func(n Node) any { return n.Eligible })},
		{name: "node.vote", value: ofNodes(c, func(n Node) any { return n.Vote })},
		{name: leaseKey, value: m.Lease.String()},
		{name: "mastership.clock_error_permille", value: fmt.Sprint(m.ClockErrorPermille)},
		{name: "mastership.restart_grace", value: m.RestartGrace.String()},
		{name: "mastership.formation_timeout", value: m.FormationTimeout.String()},
		{name: "mastership.two_node", value: m.TwoNode},
		{name: "mastership.self_fence", value: m.SelfFence},
		{name: "mastership.renew_every", value: m.RenewEvery.String(), follows: true},
		{name: "mastership.cease_after", value: m.CeaseAfter.String(), follows: true},
		{name: "mastership.kill_margin", value: m.KillMargin.String(), follows: true},
		{name: "mastership.stagger", value: m.Stagger.String(), follows: true},
		{name: "mastership.flap_limit", value: fmt.Sprint(m.FlapLimit)},
		{name: "mastership.flap_window", value: m.FlapWindow.String()},
	}
	for _, sequence := range levels.Sequences() {
		list = append(list, setting{
			name: "sequence." + sequence.String() + ".levels", value: fmt.Sprint(c.Levels.Sequences[sequence].Ladder.Top),
		})
	}

	return list
}

// ofNodes is one key of all [[node]] entries, in their order.
func ofNodes(c *Config, key func(Node) any) string {
	var text strings.Builder
	for _, node := range c.Nodes {
		fmt.Fprintf(&text, "%q\n", fmt.Sprint(key(node)))
	}

	return text.String()
}

// agreed makes Hash and Fingerprint. The first decides whether two nodes agree; a
// difference that the second does not show is possible and harmless.
func agreed(c *Config) (hash, fingerprint string) {
	sum := sha256.New()
	var marks strings.Builder
	for _, s := range settings(c) {
		_, _ = io.WriteString(sum, fmt.Sprintf("%s %q\n", s.name, s.value))
		mark := sha256.Sum256([]byte(s.value))
		marks.WriteString(base64.RawURLEncoding.EncodeToString(mark[:])[:markSize])
	}

	return hex.EncodeToString(sum.Sum(nil))[:16], marks.String()
}

// Differences names the settings in which the nodes with these two fingerprints differ,
// like "mastership.lease", in the order of cssc.toml(5). What follows from the lease is not
// named beside it. Neither needs to be this node's, or a fingerprint at all: what cannot be
// compared is "the version of cssc".
func Differences(a, b string) []string {
	var names []string
	for i, s := range settings(&Config{}) {
		from, to := i*markSize, (i+1)*markSize
		if len(a) < to || len(b) < to {
			break
		}
		if a[from:to] != b[from:to] && (!s.follows || !slices.Contains(names, leaseKey)) {
			names = append(names, s.name)
		}
	}
	if len(a) != len(b) {
		names = append(names, "the version of cssc")
	}

	return names
}
