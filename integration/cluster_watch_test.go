//go:build integration

package integration_test

import (
	"fmt"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/integration/terminal"
)

// holding is the file that, with the name of a node behind it, lets slow.service of that node wait.
const holding = "/lab/holding"

// watching starts cssc watch on a terminal of the node.
func watching(t *testing.T, node *lab.Node) *terminal.Terminal {
	t.Helper()

	return terminal.Start(t, node.Command(t.Context(), 0, "env", "TERM=xterm-256color", "cssc", "watch"))
}

// watched follows a switchover on the screens of the old and of the new master: both show the runs of
// both, level by level, with what is at work; keys explain a node; an agent that is restarted is
// said to be away and back.
func (f *fleet) watched() {
	f.t.Helper()
	for _, node := range f.Members() {
		n := &stage{node, f.t}
		wait := "/bin/sh -c 'while test -e " + holding + ".%H; do sleep 0.1; done'\n" // until the screens have shown it
		n.unit("slow.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart="+wait+"ExecStop="+wait+"[Install]\nWantedBy=cssc-master-3.target\n")
		sh(f.t, node, "systemctl daemon-reload; cssc sync")
	}
	before := f.calm()
	old, heir := before.master, before.vice
	here, there := watching(f.t, old), watching(f.t, heir)
	for _, screen := range []*terminal.Terminal{here, there} {
		screen.Shows(fmt.Sprintf(`(?s)^lab  master %s ready · vice %s · term \d+ · quorum 3 of 3.*NODE +ROLE.*── events ─`, old.Name, heir.Name))
	}
	f.fault("switchover under a watch")
	f.touch(holding + "." + old.Name)
	f.touch(holding + "." + heir.Name)
	switchover := old.Background(f.t, "cssc", "switchover", "--yes")
	here.Shows(`(?s)^demote level 8 .*levels  ✓ 0…7  ▸ 8  · 9…10, last.*slow\.service +member +running.*demote begins, run `)
	there.Shows(fmt.Sprintf(`(?s)^%s  demote level 8 .*slow\.service +member +running`, old.Name))
	f.remove(holding + "." + old.Name)
	there.Shows(`(?s)^promote level 3 .*slow\.service +member +running.*promote begins, run `)
	here.Shows(fmt.Sprintf(`(?s)^%s  promote level 3 .*slow\.service +member +running`, heir.Name))
	f.remove(holding + "." + heir.Name)
	for _, screen := range []*terminal.Terminal{here, there} {
		screen.Shows(fmt.Sprintf(`(?s)^lab  master %s ready · vice %s .*%s is master and ready, term %d`, heir.Name, old.Name, heir.Name, before.term+1))
	}
	if output, code := switchover.Wait(f.t); code != 0 {
		f.t.Errorf("the switchover ends with status %d: %s", code, output)
	}
	f.settled()
	here.Types("g\r")
	here.Shows(`(?s)^── why n1 is as it is ─.*✓ node +n1 is up, init is complete`)
	here.Types("\x1b[B")
	here.Shows(`(?s)^▸ n2 .*^── why n2 is as it is ─.*✓ node +n2 is up, init is complete`)
	here.Types("e")
	old.Run(f.t, "systemctl", "stop", "cssc-agent.service")
	here.Shows(`(?s)^cssc-agent is not running since .*the agent of this node is away`)
	old.Run(f.t, "systemctl", "start", "cssc-agent.service")
	here.Shows(`(?s)^lab  master .*the agent of this node is back`)
	here.Types("q")
	there.Types("\x03")
	here.Exits(0)
	there.Exits(0)
	f.settled()
}

// withoutRights runs what everybody may run, as nobody: it says what only root could have seen.
func (f *fleet) withoutRights(node *lab.Node) {
	f.t.Helper()
	results := f.examinedAs(65534, node)
	for _, want := range []string{"agent pass ", "quorum pass quorum 3 of 3", "keys skip the keyring file not checked: only root may read it", "keys skip the keys of the other nodes not checked: "} {
		f.wants(results, want)
	}
	output, code, err := node.TryAs(f.t.Context(), 65534, "cssc", "report", "/tmp/nobody.tar.gz")
	if err != nil || code != 0 {
		f.t.Errorf("%s: a report as nobody ends with %d, %v: %s", node.Name, code, err, output)
	}
}
