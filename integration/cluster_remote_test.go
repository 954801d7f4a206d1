//go:build integration

package integration_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// asks runs cssc on a node and wants its exit status, and its output to match.
func (f *fleet) asks(node *lab.Node, code int, pattern string, args ...string) {
	f.t.Helper()
	begin := time.Now()
	output, got, err := node.Try(append([]string{"cssc"}, args...)...)
	if err != nil || got != code || !regexp.MustCompile(pattern).MatchString(output) {
		f.t.Fatalf("cssc %s on %s: exit status %d, %v:\n%s\nwant %d and %s", strings.Join(args, " "), node.Name, got, err, output, code, pattern)
	}
	f.t.Logf("cssc %s on %s: %v", strings.Join(args, " "), node.Name, time.Since(begin).Round(time.Millisecond))
}

// answers waits until cssc on a node ends with the exit status.
func (f *fleet) answers(node *lab.Node, want int, args ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, "cssc "+strings.Join(args, " "), func() error {
		output, code, err := node.Try(append([]string{"cssc"}, args...)...)
		if err == nil && code != want {
			err = fmt.Errorf("exit status %d, want %d: %s", code, want, output)
		}

		return err
	})
}

// TestOperationsAskedOnTheSpare: lock, unlock, switchover and shutdown of the other nodes of a
// cluster of both suites, all typed on the spare: each is planned and done by the other node,
// followed here to its end, and listed on both with who asked. A node that is gone, one that
// does not let others ask and one that is nobody are told apart.
func TestOperationsAskedOnTheSpare(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	s := f.calm()
	spare, master, vice := f.spares(s)[0], s.master, s.vice

	f.fault("lock and unlock of the vice")
	f.asks(spare, 0, `disqualify`, "lock", vice.Name, "--dry-run")
	f.asks(spare, 0, `✓ `+vice.Name+` is locked after .*cssc unlock `+vice.Name, "lock", vice.Name, "--reason", "repair")
	f.asks(spare, 4, vice.Name+`: disqualify: refused: .*disqualified already`, "lock", vice.Name)
	f.asks(spare, 0, `(?s)^source `+vice.Name+`\n.*node `+vice.Name+` self=yes role=offline`, "status", vice.Name)
	f.asks(spare, 0, `is locked: it takes no role`, "explain", vice.Name)
	f.asks(vice, 0, `disqualify\s+`+vice.Name+`\s+-\s+.*uid 0 on `+spare.Name+`.*done`, "operations")
	f.asks(spare, 0, `✓ `+vice.Name+` is unlocked after `, "unlock", vice.Name)
	f.settled()

	f.fault("switchover to the vice")
	target := f.calm().vice
	f.asks(spare, 0, `✓ `+master.Name+` has handed the mastership over to `+target.Name, "switchover", "--to", target.Name)
	if after := f.settled(); after.master != target {
		t.Fatalf("master is %s, want %s", after.master.Name, target.Name)
	}

	f.fault("shutdown of the old master, without a reboot")
	f.asks(spare, 0, `✓ `+master.Name+` has left the cluster after .*back with: on `+master.Name+`: cssc start`, "shutdown", master.Name, "--noboot", "--yes")
	f.answers(spare, 3, "status", master.Name) // it is still on its way out
	f.asks(spare, 3, `this is what `+spare.Name+` knows of it`, "status", master.Name)
	f.answers(spare, 3, "lock", master.Name)
	f.asks(spare, 3, `disqualify on `+master.Name+`: nothing was asked of it: .*cannot be reached`, "lock", master.Name)
	f.asks(master, 0, `is back in the cluster`, "start")
	before := f.calm()

	f.fault("reboot of the master, typed on a spare")
	spare = f.spares(before)[0]
	f.asks(spare, 0, `✓ `+before.master.Name+` has left the cluster and reboots now`, "shutdown", before.master.Name, "--reboot", "--yes")
	if exit := before.master.WaitExit(t); exit != lab.Rebooted {
		t.Errorf("%s ended %v, want a reboot", before.master.Name, exit)
	}
	f.Boot(t, before.master)
	f.settled()

	f.asks(spare, 4, `no such node: "n9"`, "lock", "n9")
	other := f.settled().master
	file := "/etc/cssc/conf.d/here.toml"
	other.WriteFile(t, file, "[security]\nremote_operations = [\"qualify\"]\n")
	other.Run(t, "cssc", "reload")
	if other != spare {
		f.asks(spare, 4, other.Name+`: refused: shutdown is not what other nodes may ask of this one; see security.remote_operations`, "shutdown", other.Name, "--yes")
	}
	f.noProblems()
}

// TestNodeDiesWhileItDoesWhatAnotherAsked: the master loses its power in the middle of a lock that
// was typed on the spare. There the command ends as failed with what the master did last, and
// the cluster goes on with the vice. Before that its agent is only restarted, which ends nothing.
func TestNodeDiesWhileItDoesWhatAnotherAsked(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	before := f.calm()
	spare, master := f.spares(before)[0], before.master
	master.Background(t, "cssc", "run-callback", "--component", "slow", "--demote", "1", "--", "sleep", "60")
	lab.Eventually(t, settleLimit, "the component is registered", func() error {
		if list := master.Run(t, "cssc", "registrations"); !strings.Contains(list, "slow") {
			return fmt.Errorf("only %s", list)
		}

		return nil
	})
	typed := spare.Background(t, "cssc", "lock", master.Name)
	during := func() {
		t.Helper()
		lab.Eventually(t, settleLimit, "the lock is followed on the spare", func() error {
			if list := spare.Run(t, "cssc", "operations"); !regexp.MustCompile(`disqualify\t` + master.Name + `\t.*demote level 1\n`).MatchString(list) {
				return fmt.Errorf("only %s", list)
			}

			return nil
		})
	}
	during()
	master.Run(t, "systemctl", "restart", "cssc-agent.service")
	during()
	f.fault("power cut of the master in the middle of a lock that the spare asked for")
	master.PowerCut(t)
	if after := f.settled(f.without(master)...); after.master != before.vice { // after the promise of the restart
		t.Errorf("%s leads, want the vice %s", after.master.Name, before.vice.Name)
	}
	output, code := typed.Wait(t)
	want := master.Name + ` was lost while it did this: demote level 1; what it did so far stays`
	if code != 1 || !strings.Contains(output, want) {
		t.Errorf("cssc lock %s ended with %d:\n%s\nwant 1 and %q", master.Name, code, output, want)
	}
	f.Boot(t, master)
	f.settled()
}
