//go:build integration

package lab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestNodeBootsRebootsPowersOffAndSurvivesAPowerCut goes once through a node's life on
// each suite: what is on the disk stays, what is in /run goes.
func TestNodeBootsRebootsPowersOffAndSurvivesAPowerCut(t *testing.T) {
	t.Parallel()
	for suite, version := range map[string]string{lab.Bookworm: "252", lab.Trixie: "257"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			n := l.Node(t, lab.NodeConfig{Suite: suite})
			n.Boot(t)
			if got := n.Run(t, "systemctl", "--version"); !strings.HasPrefix(got, "systemd "+version) {
				t.Fatalf("systemctl --version: got %q, want systemd %s", got, version)
			}
			// As at the end of a node, which stops everything for a moment.
			if got := n.Run(t, "sh", "-c", "kill -STOP $$; echo goes on"); got != "goes on\n" {
				t.Fatalf("a command that was stopped: got %q, want that it goes on", got)
			}
			if got := n.Run(t, "hostname"); got != "n1\n" {
				t.Fatalf("hostname: got %q, want n1", got)
			}
			if got := n.RunAs(t, 65534, "id", "-u"); got != "65534\n" {
				t.Fatalf("id -u as nobody: got %q, want 65534", got)
			}
			n.WriteFile(t, "/etc/kept", "disk")
			n.WriteFile(t, "/run/lost", "memory")
			if got := n.Run(t, "cat", "/etc/kept", "/run/lost"); got != "diskmemory" {
				t.Fatalf("files in the node: got %q, want diskmemory", got)
			}
			n.WriteFile(t, "/lab/note", "to all")
			if got, err := os.ReadFile(filepath.Join(l.Shared(), "note")); err != nil || string(got) != "to all" {
				t.Fatalf("the lab's shared folder: got %q (%v), want what the node wrote", got, err)
			}
			n.Reboot(t)
			if got := n.ReadFile(t, "/etc/kept") + n.ReadFile(t, "/run/lost"); got != "disk" {
				t.Fatalf("files after the reboot: got %q, want disk", got)
			}
			n.PowerCut(t)
			n.Boot(t)
			n.Run(t, "systemctl", "poweroff")
			if got := n.WaitExit(t); got != lab.PoweredOff {
				t.Fatalf("poweroff: got %v, want %v", got, lab.PoweredOff)
			}
			if got := n.Journal(t, "--list-boots"); strings.Count(got, "\n") < 3 {
				t.Fatalf("boots in the journal on disk: got\n%s\nwant at least 3", got)
			}
		})
	}
}

// TestCutIsOneWayAndHeals sends packets both ways between two nodes.
func TestCutIsOneWayAndHeals(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	one, other := l.Node(t, lab.NodeConfig{}), l.Node(t, lab.NodeConfig{Suite: lab.Trixie})
	one.Boot(t)
	other.Boot(t)
	reaches := func(from, to *lab.Node) bool {
		script := fmt.Sprintf("ip neigh flush dev host0; exec 3<>/dev/tcp/%s/9", to.Address)
		output, _, err := from.Try("timeout", "1", "bash", "-c", script)
		if err != nil {
			t.Fatalf("probe: %v", err)
		}

		return strings.Contains(output, "refused")
	}
	if !reaches(one, other) || !reaches(other, one) {
		t.Fatalf("the nodes do not reach each other before the cut; links:\n%s", l.Links())
	}
	l.Cut(t, one, other)
	if reaches(one, other) {
		t.Fatal("n1 reaches n2 through the cut")
	}
	l.Heal(t)
	if !reaches(one, other) || !reaches(other, one) {
		t.Fatal("the nodes do not reach each other after the heal")
	}
	l.LoseBetween(t, one, other, 100)
	if reaches(one, other) {
		t.Fatal("n1 reaches n2 although every frame between them is lost")
	}
	l.Heal(t)
	if !reaches(one, other) {
		t.Fatal("n1 does not reach n2 after the heal of the loss")
	}
}

// TestFrozenNodeDoesNothing freezes a node whose process counts.
func TestFrozenNodeDoesNothing(t *testing.T) {
	t.Parallel()
	n := lab.New(t).Node(t, lab.NodeConfig{})
	n.Boot(t)
	n.Run(t, "systemd-run", "--unit=count", "/bin/sh", "-c", "while :; do echo >>/count; sleep 0.01; done")
	count := func() int { return len(n.ReadFile(t, "/count")) }
	grows := func() error {
		if before := count(); lab.Await(context.Background(), 1e9, func() error {
			if count() > before {
				return nil
			}

			return os.ErrProcessDone
		}) != nil {
			return fmt.Errorf("the count stays at %d", before)
		}

		return nil
	}
	if err := grows(); err != nil {
		t.Fatal(err)
	}
	n.Freeze(t)
	if grows() == nil {
		t.Fatal("the count grows in a frozen node")
	}
	n.Thaw(t)
	if err := grows(); err != nil {
		t.Fatal(err)
	}
}

// TestClosedLabLeavesNothing looks for every kind of thing that a lab makes.
func TestClosedLabLeavesNothing(t *testing.T) {
	t.Parallel()
	l, err := lab.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := l.Node(t, lab.NodeConfig{})
	n.Boot(t)
	pid := n.PID()
	if err = l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for _, path := range []string{
		fmt.Sprintf("/proc/%d", pid), filepath.Dir(filepath.Dir(n.Root())), "/run/netns/" + l.Name(),
	} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("after close %s still exists (%v)", path, err)
		}
	}
}
