//go:build integration

package integration_test

import (
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestShutdownCancelsARunningInit: what is being started is stopped, the client is told, its
// open invocation is void, what was up goes down in order, and the node reboots; the next
// boot is complete.
func TestShutdownCancelsARunningInit(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.caller("naming", "init:2=slow:60s", "shut:last")
		n.member("a1", "cssc-init-1.target")
		n.memberThat("slow", "cssc-init-2.target", "ExecStartPre=/bin/sh -c 'until test -e /etc/go; do sleep 0.1; done'")
		n.member("a3", "cssc-init-3.target")
		n.PowerOn(t)
		n.awaitTold("naming begin init:2")
		n.end("cssc", "shutdown", "--yes", "--no-wait")
		if got := n.WaitExit(t); got != lab.Rebooted {
			t.Fatalf("the node %v, want %v; story: %q", got, lab.Rebooted, n.told())
		}
		n.inOrder(group("naming begin init:2"), group("naming canceled init"), group("a1 stopping"), group("a1 stop"), group("naming end shut:last"))
		for _, words := range []string{"naming end init:2", "slow start", "a3 starting"} {
			n.never(words)
		}
		n.WriteFile(t, "/etc/go", "")
		n.forget()
		n.Boot(t)
		n.awaitTold("naming begin init:2")
		n.awaitTold("slow start")
	})
}

// TestHangingParticipantsDelayAShutdownOnlyByTheirLimit: a callback of shut that never
// answers and a service that ignores SIGTERM are left behind and killed; the rest goes on in
// order and the node ends.
func TestHangingParticipantsDelayAShutdownOnlyByTheirLimit(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.config("[sequence.shut]\ntimeout = \"2s\"\n")
		n.caller("naming", "shut:0=hang", "shut:last")
		n.member("a1", "cssc-init-1.target")
		n.unit("deaf.service", "[Service]\nTimeoutStopSec=300s\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\n"+
			"[Install]\nWantedBy=cssc-init-4.target\n")
		n.member("z", "cssc-init-last.target")
		n.bootUp()
		n.forget()
		begin := time.Now()
		n.end("reboot")
		if got := n.WaitExitWithin(t, upLimit); got != lab.Rebooted {
			t.Fatalf("the node %v, want %v; story: %q", got, lab.Rebooted, n.told())
		}
		n.inOrder(group("naming begin shut:0"), group("z stop"), group("a1 stopping"), group("a1 stop"), group("naming end shut:last"))
		if took := time.Since(begin); took < 4*time.Second {
			t.Errorf("the node ended after %v, want at least the two limits of 2 s", took)
		}
	})
}

// TestLogindWaitsForTheAgent: the inhibitor is there, and the window is as wide as shipped.
func TestLogindWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.bootUp()
		n.await("Problems", "0")
		login := []string{"busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"}
		if got := n.Run(t, append(login, "InhibitDelayMaxUSec")...); got != "t 3600000000\n" {
			t.Errorf("InhibitDelayMaxUSec: got %q, want one hour", got)
		}
		if got := n.Run(t, append(login, "DelayInhibited")...); got != "s \"shutdown\"\n" {
			t.Errorf("DelayInhibited: got %q, want shutdown", got)
		}
	})
}
