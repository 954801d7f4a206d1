//go:build integration

package integration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// fill boots a node with a small file system under folder and fills it up.
func (n *stage) fill(folder string) {
	n.t.Helper()
	n.WriteFile(n.t, "/etc/fstab", "tmpfs "+folder+" tmpfs size=256k,mode=0755,x-systemd.before=cssc-agent.service 0 0\n")
	n.member("a1", "cssc-init-1.target")
	n.member("a2", "cssc-init-2.target")
	n.bootUp()
	n.forget()
	n.Run(n.t, "sh", "-c", "head -c 1M /dev/zero >"+folder+"/fill || :")
}

// refusesRequests waits until the agent takes no request, says why and what to do.
func (n *stage) refusesRequests(why string) {
	n.t.Helper()
	lab.Eventually(n.t, upLimit, "a refusal", func() error {
		output, code, err := n.Try("sh", "-c", "cssc lock --force --yes && cssc unlock")
		if err == nil && code == 4 && strings.Contains(output, why) && strings.Contains(output, "make room") {
			return nil
		}

		return errors.Join(errors.New(output), err)
	})
}

// takesRequests waits until the agent takes requests and has nothing to complain of.
func (n *stage) takesRequests() {
	n.t.Helper()
	lab.Eventually(n.t, upLimit, "a request to be taken again", func() error {
		output, code, err := n.Try("sh", "-c", "cssc lock --force --yes; cssc unlock")
		if err == nil && code != 0 && !strings.Contains(output, "qualified already") {
			err = errors.New(output)
		}

		return err
	})
	n.await("Problems", "0")
}

// remount changes a folder under the agent's feet, in its own mount namespace.
func (n *stage) remount(folder, option string) {
	n.t.Helper()
	agent := strings.TrimSpace(n.Run(n.t, "systemctl", "show", "--property=MainPID", "--value", "cssc-agent.service"))
	n.Run(n.t, "nsenter", "-t", agent, "-m", "mount", "-o", "remount,bind,"+option, folder)
}

// TestFullVarIsSaidAndEverythingGoesOn: what must outlive the boot cannot be written; the
// services stop and start in order all the same, and the trouble is told until it is over.
func TestFullVarIsSaidAndEverythingGoesOn(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.fill("/var/lib/cssc")
		n.Run(t, "cssc", "shutdown", "--noboot", "--yes")
		n.await("State", "down")
		n.inOrder(group("a2 stop"), group("a1 stopping"), group("a1 stop"))
		if problems, err := n.property("Problems"); err != nil || !strings.Contains(problems, "/var") {
			t.Errorf("property Problems with a full /var: got %q (%v), want it said", problems, err)
		}
		n.Run(t, "rm", "/var/lib/cssc/fill")
		n.forget()
		n.Run(t, "cssc", "start")
		n.await("State", "up")
		n.inOrder(group("a1 start"), group("a2 start"))
		n.await("Problems", "0")
	})
}

// TestFullRunRefusesWhatItCouldNotRemember: nothing new is begun that a restart would
// forget, and the refusal says what to do; what runs stays; with room again all is well.
func TestFullRunRefusesWhatItCouldNotRemember(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.fill("/run/cssc")
		n.refusesRequests("no space left")
		if state, err := n.property("State"); err != nil || state != "up" {
			t.Errorf("property State with a full /run: got %q (%v), want up", state, err)
		}
		if story := n.told(); len(story) != 0 {
			t.Errorf("a full /run made a story: %q", story)
		}
		n.Run(t, "rm", "/run/cssc/fill")
		n.takesRequests()
		n.Run(t, "cssc", "shutdown", "--noboot", "--yes")
		n.await("State", "down")
		n.inOrder(group("a2 stop"), group("a1 stopping"), group("a1 stop"))
	})
}

// TestReadOnlyVarIsSaidAndStopsNothing: the same as with a full /var, for one that became
// read-only while the agent ran.
func TestReadOnlyVarIsSaidAndStopsNothing(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.member("a1", "cssc-init-1.target")
		n.member("a2", "cssc-init-2.target")
		n.bootUp()
		n.forget()
		n.remount("/var/lib/cssc", "ro")
		n.Run(t, "cssc", "shutdown", "--noboot", "--yes")
		n.await("State", "down")
		n.inOrder(group("a2 stop"), group("a1 stopping"), group("a1 stop"))
		if problems, err := n.property("Problems"); err != nil || !strings.Contains(problems, "/var") {
			t.Errorf("property Problems with a read-only /var: got %q (%v), want it said", problems, err)
		}
		n.remount("/var/lib/cssc", "rw")
		n.Run(t, "cssc", "start")
		n.await("State", "up")
		n.await("Problems", "0")
	})
}

// TestReadOnlyRunRefusesWhatItCouldNotRemember: a node whose /run is read-only from the
// start comes up, says so and takes no request.
func TestReadOnlyRunRefusesWhatItCouldNotRemember(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		const dropIn = "/etc/systemd/system/cssc-agent.service.d/readonly.conf"
		n.WriteFile(t, dropIn, "[Service]\nReadOnlyPaths=/run/cssc\n")
		n.member("a1", "cssc-init-1.target")
		n.bootUp()
		n.refusesRequests("read-only file system")
		n.Run(t, "rm", dropIn)
		n.Run(t, "systemctl", "daemon-reload")
		n.Run(t, "systemctl", "restart", "cssc-agent.service")
		n.takesRequests()
	})
}
