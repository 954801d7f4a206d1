//go:build integration

package integration_test

import (
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// cast puts services on four levels and callbacks of shut beside them.
func cast(n *stage) {
	n.caller("naming", "init:1", "shut:0", "shut:last")
	n.member("a1", "cssc-init-1.target")
	n.member("b1", "cssc-init-1.target")
	n.member("a4", "cssc-init-4.target")
	n.member("z", "cssc-init-last.target")
	n.momentary("farewell", "cssc-shut-1.target")
}

// reversed fails unless the services of cast stopped from the highest level down.
func reversed(n *stage) {
	n.t.Helper()
	for _, member := range []string{"a1", "b1"} { // of one level: either may be the first
		n.inOrder(
			group("z stopping"), group("z stop"),
			group("a4 stopping"), group("a4 stop"),
			group(member+" stopping"), group(member+" stop"),
			group("naming terminated"),
		)
	}
}

// How much of shut a shutdown gets to run.
type extent int

const (
	// Members of shut are started, callbacks asked level by level with the stops between them.
	fullShut extent = iota
	// Logind was passed by: the callbacks are asked first, then systemd stops everything alone.
	callbacksOnly
	// Nobody was there to ask.
	stopsOnly
)

// TestShutdownStopsInReverseAndEnds: whoever asks, and by whichever door, services stop in
// reverse order, the callbacks of shut are asked, the node ends as told, and a node that
// reboots comes back complete.
func TestShutdownStopsInReverseAndEnds(t *testing.T) {
	t.Parallel()
	deadAgent := "systemctl kill -s KILL cssc-agent; systemctl --no-block start reboot.target"
	doors := []struct {
		name    string
		command []string
		exit    lab.Exit
		extent  extent
	}{
		{"cssc shutdown", []string{"cssc", "shutdown", "--yes", "--no-wait"}, lab.Rebooted, fullShut},
		{"cssc shutdown poweroff", []string{"cssc", "shutdown", "--poweroff", "--yes", "--no-wait"}, lab.PoweredOff, fullShut},
		{"cssc shutdown halt", []string{"cssc", "shutdown", "--halt", "--yes", "--no-wait"}, lab.PoweredOff, fullShut},
		{"reboot", []string{"reboot"}, lab.Rebooted, fullShut},
		{"poweroff", []string{"systemctl", "poweroff"}, lab.PoweredOff, fullShut},
		{"reboot target", []string{"systemctl", "--no-block", "start", "reboot.target"}, lab.Rebooted, callbacksOnly},
		{"ctrl-alt-del", []string{"kill", "-INT", "1"}, lab.Rebooted, callbacksOnly},
		{"dead agent", []string{"sh", "-c", deadAgent}, lab.Rebooted, stopsOnly},
	}
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
				askedAs(n, door.extent)
				if door.exit == lab.Rebooted {
					n.forget()
					n.bootUp()
					n.inOrder(group("a1 start", "b1 start"), group("a4 start"), group("z start"))
				}
			})
		})
	}
}

// askedAs fails unless the callbacks and the member of shut had their turn.
func askedAs(n *stage, reach extent) {
	n.t.Helper()
	switch reach {
	case fullShut:
		n.inOrder(group("naming end shut:0"), group("z stopping"), group("farewell start"), group("a4 stopping"))
		n.inOrder(group("a1 stop", "b1 stop"), group("naming end shut:last"), group("naming terminated"))
	case callbacksOnly:
		n.inOrder(group("naming end shut:0"), group("naming end shut:last"), group("z stopping"))
		n.never("farewell start")
	case stopsOnly:
		n.never("farewell start")
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
		n.inOrder(group("naming registered"), group("naming end init:1", "a1 start", "b1 start"), group("a4 start"), group("z start"))
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
