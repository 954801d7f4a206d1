//go:build integration

package integration_test

import (
	"strings"
	"testing"
)

// TestFailedMemberHoldsInitUntilRetrySucceeds: the level holds, says who and why, starts
// nothing further; after the repair "cssc sequence retry" goes on.
func TestFailedMemberHoldsInitUntilRetrySucceeds(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.member("good", "cssc-init-1.target")
		n.memberThat("bad", "cssc-init-1.target", "ExecStartPre=/usr/bin/test -e /etc/repaired")
		n.member("after", "cssc-init-2.target")
		n.Boot(t)
		n.await("Phase", "held")
		if reason, err := n.property("Reason"); err != nil || !strings.Contains(reason, "bad.service") {
			t.Errorf("property Reason: got %q (%v), want bad.service in it", reason, err)
		}
		n.awaitTold("good start")
		n.never("after starting")
		if status, _, err := n.Try("cssc", "status"); err != nil || !strings.Contains(status, "bad.service") || !strings.Contains(status, "retry") {
			t.Errorf("cssc status while held: got\n%s\n(%v) want bad.service and what to type", status, err)
		}
		if journal := n.Journal(t, "-x", "-u", "cssc-agent"); !strings.Contains(journal, "░░") || !strings.Contains(journal, "cssc sequence retry") {
			t.Errorf("journalctl -x does not explain what to do:\n%s", journal)
		}
		n.WriteFile(t, "/etc/repaired", "")
		n.Run(t, "cssc", "sequence", "retry")
		n.await("State", "up")
		n.inOrder(group("good start"), group("bad start"), group("after start"))
		if got := count(n.told(), "good starting"); got != 1 {
			t.Errorf("the good member was started %d times, want 1", got)
		}
	})
}

// TestSkipGoesOnWithoutTheFailedMember leaves it failed and comes up.
func TestSkipGoesOnWithoutTheFailedMember(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.memberThat("bad", "cssc-init-1.target", "ExecStartPre=/bin/false")
		n.member("after", "cssc-init-2.target")
		n.Boot(t)
		n.await("Phase", "held")
		n.Run(t, "cssc", "sequence", "skip", "init")
		n.await("State", "up")
		n.awaitTold("after start")
		n.never("bad starting")
	})
}

// TestFailedCallbackIsAskedAgainByRetry: Done(error) holds init; retry invokes it again
// with a new tag.
func TestFailedCallbackIsAskedAgainByRetry(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.caller("naming", "init:1=fail:1")
		n.member("after", "cssc-init-2.target")
		n.Boot(t)
		n.await("Phase", "held")
		if reason, err := n.property("Reason"); err != nil || !strings.Contains(reason, "naming") {
			t.Errorf("property Reason: got %q (%v), want naming in it", reason, err)
		}
		n.never("after starting")
		n.Run(t, "cssc", "sequence", "retry")
		n.await("State", "up")
		if got := count(n.told(), "naming begin init:1"); got != 2 {
			t.Errorf("naming was invoked %d times, want 2", got)
		}
	})
}

// TestHangingParticipantsRunIntoTheirTimeLimit: a callback that never answers and a member
// that never gets ready are failed by their own limits, one after the other.
func TestHangingParticipantsRunIntoTheirTimeLimit(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.config("[sequence.init.level.1]\ntimeout = \"2s\"\n[sequence.init.level.2]\ntimeout = \"2s\"\n")
		n.caller("naming", "init:1=hang")
		n.memberThat("stuck", "cssc-init-2.target", "ExecStartPre=/bin/sleep infinity")
		n.member("after", "cssc-init-3.target")
		n.Boot(t)
		for _, who := range []string{"naming", "stuck.service"} {
			n.await("Phase", "held")
			if reason, err := n.property("Reason"); err != nil || !strings.Contains(reason, who) {
				t.Fatalf("property Reason: got %q (%v), want %s in it", reason, err, who)
			}
			n.never("after starting")
			n.Run(t, "cssc", "sequence", "skip")
		}
		n.await("State", "up")
		n.awaitTold("after start")
	})
}

// TestDyingClientFailsItsCallback: the process vanishes with the invocation open; systemd
// restarts it, it registers again, and is asked again.
func TestDyingClientFailsItsCallback(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.callerThat("naming", "Restart=on-failure\nRestartSec=100ms", "init:1=die")
		n.member("after", "cssc-init-2.target")
		n.Boot(t)
		n.awaitTold("naming begin init:1")
		n.awaitTold("naming end init:1")
		n.await("State", "up")
		n.inOrder(group("naming end init:1"), group("after starting"))
		if got := count(n.told(), "naming begin init:1"); got != 2 {
			t.Errorf("naming was invoked %d times, want 2: before and after its death", got)
		}
	})
}

// TestSkippedAndMaskedMembersDoNotHold: an unmet condition is "skipped" in the account, a
// masked unit takes no part; both let the level pass.
func TestSkippedAndMaskedMembersDoNotHold(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.unit("conditional.service", "[Unit]\nConditionPathExists=/nowhere\n[Service]\nType=oneshot\nExecStart=/usr/bin/probe record "+
			storyFile+" conditional start\n[Install]\nWantedBy=cssc-init-1.target\n")
		n.unit("masked.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/probe record "+storyFile+
			" masked start\n[Install]\nWantedBy=cssc-init-1.target\n")
		n.WriteFile(t, "/etc/systemd/system/masked.service", "")
		n.member("after", "cssc-init-2.target")
		n.bootUp()
		n.awaitTold("after start")
		n.never("conditional start")
		n.never("masked start")
		if members := n.Run(t, "cssc", "members"); !strings.Contains(members, "skipped") {
			t.Errorf("cssc members: got\n%s\nwant conditional.service as skipped", members)
		}
	})
}
