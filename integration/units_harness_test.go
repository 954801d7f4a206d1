//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// unitsLimit bounds every single order given to a node here.
const unitsLimit = 60 * time.Second

// unitsNode is a node with the generator and without the agent: the test is the agent. It
// speaks to the node's own bus through /proc, which needs no program in the node.
type unitsNode struct {
	*lab.Node
	driver *units.Driver
}

// newUnitsNode makes a node that is not booted, with the generator, a unit in the
// agent's place and the given files.
func newUnitsNode(t *testing.T, suite string, files map[string]string) *unitsNode {
	t.Helper()
	node := lab.New(t).Node(t, lab.NodeConfig{Suite: suite})
	node.Copy(t, lab.BuildProgram(t, "./cmd/cssc-generator"), "/usr/lib/systemd/system-generators/cssc-generator")
	standIn := "[Unit]\nDescription=stand-in\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
	files["cssc-agent.service"] = standIn
	files["multi-user.target.wants/cssc-agent.service"] = "-> ../cssc-agent.service"
	writeUnits(t, node, files)

	return &unitsNode{Node: node}
}

// writeUnits writes files below /etc/systemd/system; "-> x" makes a link to x, and absolute
// names are taken as they are.
func writeUnits(t *testing.T, node *lab.Node, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if !path.IsAbs(name) {
			name = path.Join("/etc/systemd/system", name)
		}
		to, link := strings.CutPrefix(text, "-> ")
		if !link {
			node.WriteFile(t, name, text)

			continue
		}
		place := filepath.Join(node.Root(), name)
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, place); err != nil {
			t.Fatal(err)
		}
	}
}

// boot boots the node and connects a driver to it.
func (n *unitsNode) boot(t *testing.T) {
	t.Helper()
	n.Boot(t)
	n.driver = n.newDriver(t)
}

func (n *unitsNode) bus() string {
	return fmt.Sprintf("unix:path=/proc/%d/root/run/dbus/system_bus_socket", n.PID())
}

// newDriver runs a driver until the test ends.
func (n *unitsNode) newDriver(t *testing.T) *units.Driver {
	t.Helper()
	driver := units.NewDriver(units.Options{Address: n.bus()})
	runUntilCleanup(t, driver.Run)

	return driver
}

func runUntilCleanup(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// start gives an order and returns the members by unit. Each must have been told early,
// once, and as in the result.
func (n *unitsNode) start(t *testing.T, order levels.StartUnits) map[string]levels.Member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
	defer cancel()
	var told []levels.Member
	members, err := n.driver.Start(ctx, order, func(member levels.Member) { told = append(told, member) })
	if err != nil {
		t.Fatalf("start %v: %v; members %v", order.Target, err, members)
	}
	if len(told) != len(members) {
		t.Errorf("start %v: told %v, want each of %v once", order.Target, told, members)
	}

	return byUnit(members)
}

func (n *unitsNode) stop(t *testing.T, order levels.StopUnits) map[string]levels.Member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
	defer cancel()
	members, err := n.driver.Stop(ctx, order)
	if err != nil {
		t.Fatalf("stop %v: %v; members %v", order.Target, err, members)
	}

	return byUnit(members)
}

func byUnit(members []levels.Member) map[string]levels.Member {
	out := map[string]levels.Member{}
	for _, member := range members {
		out[member.Unit] = member
	}

	return out
}

// show reads one property of a unit.
func (n *unitsNode) show(t *testing.T, unit, property string) string {
	t.Helper()

	return strings.TrimSpace(n.Run(t, "systemctl", "show", "--value", "-p", property, unit))
}

// eventually polls a truth of the node that has no event, for a bounded time.
func eventually(t *testing.T, what string, truth func() bool) {
	t.Helper()
	lab.Eventually(t, unitsLimit, what, func() error {
		if !truth() {
			return errors.New("not so")
		}

		return nil
	})
}

func initLevel(level levels.Level) levels.Target {
	return levels.SequenceTarget(levels.Position{Sequence: levels.Init, Level: level})
}

// oneshot is a service that runs a shell command.
func oneshot(command string, more ...string) string {
	return "[Service]\nType=oneshot\nExecStart=/bin/sh -c '" + command + "'\n" + strings.Join(more, "\n") + "\n"
}

// recorder writes down its start and its stop, each of which takes a while.
func recorder(name string) string {
	return "[Service]\nType=oneshot\nRemainAfterExit=yes\n" +
		"ExecStart=/bin/sh -c 'echo start %n >> /var/record'\n" +
		"ExecStop=/bin/sh -c 'sleep 0.2; echo stop " + name + " >> /var/record'\n"
}

// wantedBy returns the link that makes a unit a member.
func wantedBy(target levels.Target, unit string) (link, to string) {
	return units.TargetUnit(target) + ".wants/" + unit, "-> ../" + unit
}

func sortedKeys[V any](set map[string]V) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)

	return keys
}
