package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// netRules let every frame pass but those from one node to another that are in the set.
const netRules = `table bridge lab {
  set cut { type ifname . ifname; }
  chain forward { type filter hook forward priority 0; policy accept;
    iifname . oifname @cut drop
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

// Cut drops every frame from one node to the other; the way back stays open.
func (l *Lab) Cut(t TB, from, to *Node) {
	t.Helper()
	l.network(t, "add", "element", "bridge", "lab", "cut",
		fmt.Sprintf("{ %q . %q }", from.link(), to.link()))
}

// Part cuts both ways between two nodes.
func (l *Lab) Part(t TB, one, other *Node) {
	t.Helper()
	l.Cut(t, one, other)
	l.Cut(t, other, one)
}

// Lose drops the percentage of all frames at random; 0 ends it.
func (l *Lab) Lose(t TB, percent int) {
	t.Helper()
	l.network(t, "flush", "chain", "bridge", "lab", "forward")
	l.network(t, "add", "rule", "bridge", "lab", "forward", "iifname . oifname @cut drop")
	if percent > 0 {
		l.network(t, "add", "rule", "bridge", "lab", "forward", fmt.Sprintf("numgen random mod 100 < %d drop", percent))
	}
}

// Heal ends every cut.
func (l *Lab) Heal(t TB) {
	t.Helper()
	l.network(t, "flush", "set", "bridge", "lab", "cut")
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
