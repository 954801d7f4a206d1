//go:build integration

package integration_test

import (
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// cast puts services on four levels and callbacks of shut beside them.
func cast(n *stage) {
	n.caller("naming", "cssc-init-0.target", "init:1", "shut:0", "shut:2")
	n.member("a1", "cssc-init-1.target")
	n.member("b1", "cssc-init-1.target")
	n.member("a4", "cssc-init-4.target")
	n.member("z", "cssc-init-last.target")
	n.member("farewell", "cssc-shut-1.target")
}

// reversed fails unless the services of cast stopped from the highest level down.
func reversed(n *stage) {
	n.t.Helper()
	n.inOrder(
		group("z stopping"), group("z stop"),
		group("a4 stopping"), group("a4 stop"),
		group("a1 stopping", "b1 stopping"), group("a1 stop", "b1 stop"),
		group("naming terminated"),
	)
}

// TestShutdownStopsInReverseAndEnds: whoever asks, and by whichever door, services stop in
// reverse order, the callbacks of shut are asked, the node ends as told, and a node that
// reboots comes back complete.
func TestShutdownStopsInReverseAndEnds(t *testing.T) {
	doors := []struct {
		name      string
		command   []string
		exit      lab.Exit
		callbacks bool // whether the agent gets to ask the callbacks of shut
	}{
		{"cssc shutdown", []string{"cssc", "shutdown", "--yes", "--no-wait"}, lab.Rebooted, true},
		{"cssc shutdown poweroff", []string{"cssc", "shutdown", "--poweroff", "--yes", "--no-wait"}, lab.PoweredOff, true},
		{"cssc shutdown halt", []string{"cssc", "shutdown", "--halt", "--yes", "--no-wait"}, lab.PoweredOff, true},
		{"reboot", []string{"reboot"}, lab.Rebooted, true},
		{"poweroff", []string{"systemctl", "poweroff"}, lab.PoweredOff, true},
		{"reboot target", []string{"systemctl", "--no-block", "start", "reboot.target"}, lab.Rebooted, true},
		{"dead agent", []string{"sh", "-c", "systemctl kill -s KILL cssc-agent; systemctl --no-block start reboot.target"}, lab.Rebooted, false},
	}
	t.Parallel()
	for _, door := range doors {
		t.Run(door.name, func(t *testing.T) {
			t.Parallel()
			onEachSuite(t, func(t *testing.T, n *stage) {
				cast(n)
				n.bootUp()
				n.forget()
				n.end(door.command...)
				if got := n.WaitExit(t); got != door.exit {
					t.Fatalf("%v: the node %v, want %v; story: %q", door.command, got, door.exit, n.told())
				}
				reversed(n)
				if door.callbacks {
					n.inOrder(group("naming answered shut:0"), group("naming answered shut:2"), group("a1 stopping", "b1 stopping"))
				}
				if door.exit == lab.Rebooted {
					n.forget()
					n.bootUp()
					n.inOrder(group("a1 start", "b1 start"), group("a4 start"), group("z start"))
				}
			})
		})
	}
}

// TestNobootStopsTheServicesAndStartBringsThemBack: the node itself stays up all the time.
func TestNobootStopsTheServicesAndStartBringsThemBack(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		cast(n)
		n.bootUp()
		n.forget()
		n.Run(t, "cssc", "shutdown", "--noboot", "--yes")
		n.await("State", "down")
		reversed(n)
		if !n.Running() || n.active("a1.service") || n.active("cssc-init-0.target") {
			t.Fatalf("after noboot: running %v, a1 active %v, level 0 active %v; want true, false, false",
				n.Running(), n.active("a1.service"), n.active("cssc-init-0.target"))
		}
		n.forget()
		n.Run(t, "cssc", "start")
		n.await("State", "up")
		n.inOrder(group("naming registered"), group("naming answered init:1", "a1 start", "b1 start"), group("a4 start"), group("z start"))
	})
}

// TestStandaloneKeepsTheNextBootOutOfTheClusterOnce: one boot without agent and members,
// the boot after it is complete again.
func TestStandaloneKeepsTheNextBootOutOfTheClusterOnce(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		cast(n)
		n.bootUp()
		n.forget()
		n.end("cssc", "shutdown", "--standalone", "--yes", "--no-wait")
		if got := n.WaitExit(t); got != lab.Rebooted {
			t.Fatalf("the node %v, want %v", got, lab.Rebooted)
		}
		reversed(n)
		n.forget()
		n.Boot(t)
		if n.active("cssc-agent.service") || n.active("a1.service") {
			t.Fatal("the stand-alone boot has the agent or its members")
		}
		if story := n.told(); len(story) != 0 {
			t.Fatalf("the stand-alone boot has a story: %q", story)
		}
		n.Reboot(t)
		n.await("State", "up")
		n.inOrder(group("a1 start", "b1 start"), group("a4 start"), group("z start"))
	})
}

// TestRestartingTheAgentTouchesNoService: stop is not leave.
func TestRestartingTheAgentTouchesNoService(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		cast(n)
		n.bootUp()
		n.forget()
		before := n.agentPID()
		n.Run(t, "systemctl", "restart", "cssc-agent.service")
		n.await("State", "up")
		n.Run(t, "systemctl", "stop", "cssc-agent.service")
		n.Run(t, "systemctl", "start", "cssc-agent.service")
		n.await("State", "up")
		if after := n.agentPID(); after == before {
			t.Fatalf("the agent's process is still %s", after)
		}
		if story := n.told(); len(story) != 0 {
			t.Fatalf("restarts of the agent made a story: %q", story)
		}
		n.end("reboot")
		n.WaitExit(t)
		reversed(n)
	})
}
