//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestOperationsEndWhenItIsTrue: a switchover to a named node, a shutdown of the vice and a
// lock of the master are asked for on the command line. When it returns the successor has
// taken its role up, although that takes its component a while; what cannot be is refused
// with every reason, in a dry run too.
func TestOperationsEndWhenItIsTrue(t *testing.T) {
	t.Parallel()
	f := roledFleet(t)
	f.Boot(t)
	a, b, c := f.inTableOrder()
	f.have(map[*lab.Node]string{a: "master", b: "vice", c: "spare"})

	f.succeeds(a, "cssc", "switchover", "--to", c.Name, "--yes")
	f.hasTakenUp(c, "master")
	f.have(map[*lab.Node]string{a: "vice", b: "spare", c: "master"})

	f.succeeds(a, "cssc", "shutdown", "--noboot", "--yes")
	f.hasTakenUp(b, "vice")
	f.succeeds(a, "cssc", "start")
	f.have(map[*lab.Node]string{a: "vice", b: "spare", c: "master"})

	f.succeeds(b, "cssc", "lock", "--yes")
	for _, dry := range []string{"--yes", "--dry-run"} {
		f.refuses(c, []string{"cssc", "switchover", "--to", b.Name, dry}, b.Name+" cannot take over", "cssc unlock "+b.Name)
		f.refuses(c, []string{"cssc", "switchover", "--to", "nobody", dry}, "nobody")
	}
	f.succeeds(b, "cssc", "unlock")

	f.succeeds(c, "cssc", "lock", "--yes")
	f.hasTakenUp(a, "master")
	f.have(map[*lab.Node]string{a: "master", b: "vice", c: "offline"})
}

// asked runs a command, again while gossip tells late of an operation that has ended.
func (f *fleet) asked(node *lab.Node, command ...string) (output string, code int) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("%v on %s", command, node.Name), func() (err error) {
		output, code, err = node.Try(command...)
		if err == nil && code != 0 && strings.Contains(output, "operation in progress") {
			err = errors.New(output)
		}

		return err
	})

	return output, code
}

// succeeds demands that a command does what it is asked.
func (f *fleet) succeeds(node *lab.Node, command ...string) {
	f.t.Helper()
	if output, code := f.asked(node, command...); code != 0 {
		f.t.Fatalf("%v on %s: exit status %d: %s", command, node.Name, code, output)
	}
}

// hasTakenUp demands that the node has the role by now and that nothing of it is under way.
func (f *fleet) hasTakenUp(node *lab.Node, role string) {
	f.t.Helper()
	view, err := node.View(f.t.Context())
	if err != nil || view.Role != role || view.Sequence != "" || !view.Ready {
		f.t.Errorf("%s is %s, %s %s, ready %v (%v); want it %s and at rest", node.Name, view.Role, view.Sequence, view.Phase, view.Ready, err, role)
	}
}

// refuses demands that a command begins nothing and says why, at the latest when gossip has
// told the node that is asked.
func (f *fleet) refuses(node *lab.Node, command []string, words ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("%v on %s to be refused", command, node.Name), func() error {
		output, code := f.asked(node, command...)
		if code == 0 {
			f.t.Fatalf("%v on %s: want it refused, got: %s", command, node.Name, output)
		}
		for _, word := range words {
			if !strings.Contains(output, word) {
				return fmt.Errorf("it says %q, want %q in it", output, word)
			}
		}

		return nil
	})
}
