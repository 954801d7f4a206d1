package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// netRules let every frame pass but those from one node to another that are in the set, and
// those that chain loss drops at random.
const netRules = `table bridge lab {
  set cut { type ifname . ifname; }
  chain loss { }
  chain forward { type filter hook forward priority 0; policy accept;
    iifname . oifname @cut drop
    jump loss
  }
}
`

func (l *Lab) buildNetwork(ctx context.Context) error {
	if err := command(ctx, "ip", "netns", "add", l.name); err != nil {
		return err
	}
	steps := [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "add", "br0", "type", "bridge"},
		{"ip", "link", "set", "br0", "up"},
	}
	for _, step := range steps {
		if err := l.inNetwork(ctx, step...); err != nil {
			return err
		}
	}
	rules := filepath.Join(l.folder, "rules.nft")
	if err := os.WriteFile(rules, []byte(netRules), 0o600); err != nil {
		return err
	}

	return l.inNetwork(ctx, "nft", "-f", rules)
}

// inNetwork runs a tool of the host in the lab's network namespace. Not "ip netns exec":
// that remounts /sys and hides the control groups.
func (l *Lab) inNetwork(ctx context.Context, argv ...string) error {
	return command(ctx, "nsenter", append([]string{"--net=/run/netns/" + l.name}, argv...)...)
}

// Command prepares a program of the host that runs in the lab's network, with the whole of
// the host's file system; HostAddress is where it can be reached from the nodes.
func (l *Lab) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + l.name}, argv...)...)
}

// HostAddress gives the lab's network an address of the host, beside those of the nodes.
func (l *Lab) HostAddress(t TB) string {
	t.Helper()
	const address = "192.0.2.254"
	if err := l.inNetwork(context.Background(), "ip", "addr", "add", address+"/24", "dev", "br0"); err != nil {
		t.Fatalf("address of the host in the lab: %v", err)
	}

	return address
}

// way is the direction from one node to another.
type way struct{ from, to *Node }

// Cut drops every frame from one node to the other; the way back stays open.
func (l *Lab) Cut(t TB, from, to *Node) {
	t.Helper()
	l.cut(t, []way{{from, to}})
}

// Part cuts both ways between two nodes.
func (l *Lab) Part(t TB, one, other *Node) {
	t.Helper()
	l.cut(t, []way{{one, other}, {other, one}})
}

// Isolate cuts all ways from and to a node, at one instant.
func (l *Lab) Isolate(t TB, node *Node) {
	t.Helper()
	l.Split(t, node)
}

// Deafen cuts all ways to a node: it is heard and hears nothing.
func (l *Lab) Deafen(t TB, node *Node) {
	t.Helper()
	l.cut(t, ways(l.Nodes(), func(_, to int) bool { return l.Nodes()[to] == node }))
}

// Mute cuts all ways from a node: it hears and is not heard.
func (l *Lab) Mute(t TB, node *Node) {
	t.Helper()
	l.cut(t, ways(l.Nodes(), func(from, _ int) bool { return l.Nodes()[from] == node }))
}

// Split cuts the lab in two, at one instant: the named nodes, and all others.
func (l *Lab) Split(t TB, group ...*Node) {
	t.Helper()
	l.cut(t, splitWays(l.Nodes(), group))
}

// Ring leaves each node only the one before and the one after it, in the order in which they
// were made.
func (l *Lab) Ring(t TB) {
	t.Helper()
	l.cut(t, ringWays(l.Nodes()))
}

func splitWays(nodes, group []*Node) []way {
	return ways(nodes, func(from, to int) bool {
		return slices.Contains(group, nodes[from]) != slices.Contains(group, nodes[to])
	})
}

func ringWays(nodes []*Node) []way {
	return ways(nodes, func(from, to int) bool {
		apart := (to - from + len(nodes)) % len(nodes)

		return apart > 1 && apart < len(nodes)-1
	})
}

// ways are those between two different nodes that the function wants.
func ways(nodes []*Node, wanted func(from, to int) bool) []way {
	var all []way
	for i, from := range nodes {
		for j, to := range nodes {
			if i != j && wanted(i, j) {
				all = append(all, way{from, to})
			}
		}
	}

	return all
}

// cut takes the ways away in one transaction.
func (l *Lab) cut(t TB, some []way) {
	t.Helper()
	if len(some) == 0 {
		return
	}
	var pairs []string
	for _, w := range some {
		pairs = append(pairs, fmt.Sprintf("%q . %q", w.from.link(), w.to.link()))
	}
	l.network(t, "add", "element", "bridge", "lab", "cut", "{ "+strings.Join(pairs, ", ")+" }")
}

// Lose drops the percentage of all frames at random, instead of what was lost before.
func (l *Lab) Lose(t TB, percent int) {
	t.Helper()
	l.network(t, "flush", "chain", "bridge", "lab", "loss")
	l.lose(t, "", percent)
}

// LoseBetween drops the percentage of the frames between two nodes, both ways, beside
// whatever else is lost.
func (l *Lab) LoseBetween(t TB, one, other *Node, percent int) {
	t.Helper()
	for _, w := range []way{{one, other}, {other, one}} {
		l.lose(t, fmt.Sprintf("iifname %q oifname %q ", w.from.link(), w.to.link()), percent)
	}
}

func (l *Lab) lose(t TB, which string, percent int) {
	t.Helper()
	switch {
	case percent >= 100: // nft knows that a random number is never that large, and refuses
		l.network(t, "add", "rule", "bridge", "lab", "loss", which+"drop")
	case percent > 0:
		l.network(t, "add", "rule", "bridge", "lab", "loss", fmt.Sprintf("%snumgen random mod 100 < %d drop", which, percent))
	}
}

// Heal ends every cut and every loss.
func (l *Lab) Heal(t TB) {
	t.Helper()
	l.network(t, "flush", "set", "bridge", "lab", "cut")
	l.network(t, "flush", "chain", "bridge", "lab", "loss")
}

func (l *Lab) network(t TB, argv ...string) {
	t.Helper()
	if err := l.inNetwork(context.Background(), append([]string{"nft"}, argv...)...); err != nil {
		t.Fatalf("change the lab's network: %v", err)
	}
}

// Links lists the bridge's ports, one line each, for messages.
func (l *Lab) Links() string {
	output, err := exec.CommandContext(context.Background(), "nsenter", "--net=/run/netns/"+l.name,
		"ip", "-br", "link").CombinedOutput()
	if err != nil {
		return err.Error()
	}

	return strings.TrimSpace(string(output))
}
