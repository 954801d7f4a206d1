package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
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
}

// settings lists what must be the same on every node before one of them may take a role.
// The order of the nodes is among it: it ranks the candidates. A setting that is added
// belongs at the end, so that the fingerprints of two versions can still be compared.
func settings(c *Config) []setting {
	m := c.Mastership
	list := []setting{
		{"cluster.name", c.Levels.Cluster},
		{"cluster.gate_vice", fmt.Sprint(c.Levels.GateVice)},
		{"node.name", ofNodes(c, func(n Node) any { return n.Name })},
		{"node.address", ofNodes(c, func(n Node) any { return n.Address })},
		{"node.eligible", ofNodes(c, func(n Node) any { return n.Eligible })},
		{"node.vote", ofNodes(c, func(n Node) any { return n.Vote })},
		{"mastership.lease", m.Lease.String()},
		{"mastership.clock_error_permille", fmt.Sprint(m.ClockErrorPermille)},
		{"mastership.restart_grace", m.RestartGrace.String()},
		{"mastership.formation_timeout", m.FormationTimeout.String()},
		{"mastership.two_node", m.TwoNode},
		{"mastership.self_fence", m.SelfFence},
		{"mastership.renew_every", m.RenewEvery.String()},
		{"mastership.cease_after", m.CeaseAfter.String()},
		{"mastership.kill_margin", m.KillMargin.String()},
		{"mastership.stagger", m.Stagger.String()},
		{"mastership.flap_limit", fmt.Sprint(m.FlapLimit)},
		{"mastership.flap_window", m.FlapWindow.String()},
	}
	for _, sequence := range levels.Sequences() {
		list = append(list, setting{"sequence." + sequence.String() + ".levels", fmt.Sprint(c.Levels.Sequences[sequence].Ladder.Top)})
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
// like "mastership.lease", in the order of cssc.toml(5). Neither needs to be this node's,
// or a fingerprint at all: what cannot be compared is "the version of cssc".
func Differences(a, b string) []string {
	var names []string
	for i, s := range settings(&Config{}) {
		from, to := i*markSize, (i+1)*markSize
		if len(a) < to || len(b) < to {
			break
		}
		if a[from:to] != b[from:to] {
			names = append(names, s.name)
		}
	}
	if len(a) != len(b) {
		names = append(names, "the version of cssc")
	}

	return names
}
