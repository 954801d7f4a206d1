//go:build integration

package integration_test

import (
	"strings"
	"testing"
)

// TestPowerCutInALevelLeavesNothingHalf: the next boot begins at level 0 and completes, with
// the history of before.
func TestPowerCutInALevelLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.member("a1", "cssc-init-1.target")
		n.memberThat("a2", "cssc-init-2.target", "ExecStartPre=/bin/sh -c 'until test -e /etc/go; do sleep 0.1; done'")
		n.PowerOn(t)
		n.await("Level", "2")
		n.PowerCut(t)
		n.forget()
		n.WriteFile(t, "/etc/go", "")
		n.bootUp()
		n.inOrder(group("a1 start"), group("a2 starting"), group("a2 start"))
		if problems, err := n.property("Problems"); err != nil || problems != "0" {
			t.Errorf("property Problems after the power cut: got %q (%v), want none", problems, err)
		}
		if history := n.Run(t, "cssc", "history"); !strings.Contains(history, "init") {
			t.Errorf("cssc history: got\n%s\nwant the init run", history)
		}
	})
}

// TestLostTargetIsShownAndNotFoughtOver: an operator takes a level down; the agent says so
// and does not start it again by itself.
func TestLostTargetIsShownAndNotFoughtOver(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.member("a1", "cssc-init-1.target")
		n.bootUp()
		n.Run(t, "systemctl", "stop", "cssc-init-1.target")
		n.await("LostTargets", `1 "init-1`)
		n.Run(t, "systemctl", "daemon-reload")
		n.await("LostTargets", `1 "init-1`)
		if n.active("cssc-init-1.target") {
			t.Error("the agent started the target that the operator stopped")
		}
	})
}

// TestSyncStartsMembersThatWereEnabledLater: enabling a unit for a level that is reached
// needs no reboot.
func TestSyncStartsMembersThatWereEnabledLater(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.member("a1", "cssc-init-1.target")
		n.bootUp()
		n.member("later", "cssc-init-3.target")
		n.Run(t, "cssc", "sync")
		n.awaitTold("later start")
		if got := count(n.told(), "a1 starting"); got != 1 {
			t.Errorf("a1 was started %d times, want 1", got)
		}
	})
}
