//go:build integration

package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/cplayer"
)

// playerFolder is where a node has the program and the library.
const playerFolder = "/opt/libcssc"

// cStory is a node and the programs on it that use libcssc.
type cStory struct {
	*stage
	p       *cplayer.Player // the one that takes part
	players []*cplayer.Player
}

// play starts a program in the node, as a user, behind a prefix. It was built here, and the
// library comes along.
func (c *cStory) play(uid int, prefix ...string) *cplayer.Player {
	c.t.Helper()
	p := cplayer.Start(c.t, c.Command(context.Background(), uid, append(prefix, playerFolder+"/player")...))
	c.players = append(c.players, p)

	return p
}

// invocation is the line of a callback; its group is the tag.
func invocation(position, more string) string {
	return `callback (0x[0-9a-f]+) ` + position + ` ` + more + `.*`
}

// TestLibcsscOnRealNodes takes a C program through the life of a node: init, an answer over a
// restart of the agent, a restart of the bus in the middle of a level, a shutdown that fails and
// is retried, cancellation, results; and every error of every function that its manual names.
func TestLibcsscOnRealNodes(t *testing.T) {
	t.Parallel()
	program := cplayer.Build(t, cplayer.Plain)
	onEachSuite(t, func(t *testing.T, n *stage) {
		for _, file := range []string{"player", "libcssc.so.0"} {
			n.Copy(t, filepath.Join(filepath.Dir(program), file), playerFolder+"/"+file)
		}
		n.config("[[component]]\nname = \"naming\"\nrequired = [\"init:3\"]\n")
		n.Boot(t)
		c := &cStory{stage: n}
		c.p = c.play(0)
		c.initialize()
		c.mistakes()
		c.shutdown()
		c.cancel()
		c.alone()
		c.everyError()
	})
}

// initialize: init waits for the component, which is called with what it has to know.
func (c *cStory) initialize() {
	c.t.Helper()
	p := c.p
	p.Ask("done 0x1 0", "done ENOENT .*")
	p.Ask("fail 0x1 why", "fail ENOENT .*")
	p.Ask("notify", "notify OK")
	p.Ask("notify", "notify EALREADY .*")
	p.Ask("register naming init 3 hold", "register OK")
	tag := p.Line(invocation("init 3", "flags=0 node="+c.Name+" cluster=.+ state=initializing role=master term=[1-9][0-9]* master="+c.Name+" vice="))[0]
	p.Ask("master", "master EAGAIN .*")
	p.Ask("fail "+tag+" disk-full", "fail OK")
	c.await("Phase", "held")
	if reason, err := c.property("Reason"); err != nil || !strings.Contains(reason, "disk-full") {
		c.t.Errorf("%s: property Reason: got %q (%v), want the program's own words", c.Suite, reason, err)
	}
	p.Ask("poll off", "poll OK")
	c.Run(c.t, "cssc", "sequence", "retry")
	for tag = ""; tag == ""; {
		p.Ask("readable 60000", "readable 1")
		tag = p.Ask("dispatch", invocation("init 3", "flags=0")+"|dispatch ENOMSG .*")[0]
	}
	p.Line("dispatch OK")
	p.Ask("poll on", "poll OK")
	// The agent is killed; the answer is given meanwhile, and counts.
	c.Run(c.t, "systemctl", "kill", "--signal=SIGKILL", "cssc-agent.service")
	p.Ask("done "+tag+" 0", "done OK")
	c.await("State", "up")
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("fail "+tag+" why", "fail ESRCH .*")
	p.Ask("master", "master OK "+c.Name+" [1-9][0-9]*")
	p.Ask("info", "info OK node="+c.Name+" cluster=.+ state=up role=master term=[1-9][0-9]* master="+c.Name+" vice=")
}

// mistakes: what the agent has against a call, and what the library has.
func (c *cStory) mistakes() {
	c.t.Helper()
	p := c.p
	p.Ask("register naming init 3 hold", "register EALREADY .*this process.*")
	other := c.play(0)
	other.Ask("register naming init 3 hold", "register EALREADY .*naming.*")
	p.Ask("register naming init 999 hold", "register EINVAL .*999.*")
	p.Ask("unregister naming init 4", "unregister ENOENT .*")
	p.Ask("operation one 1 nowhere 0", "operation EINVAL .*nowhere.*")
	p.Ask("operation one 1 - 0", "operation ENOTSUP .*refused.*")
	p.Ask("conf 1 15", "conf E2BIG .*")
	p.Ask("conf 1 16", "conf OK org.cssc.Agent1")
	p.Ask("conf levels init", "conf OK [0-9]+")
	p.Ask("conf 2 256", "conf OK type=.*")
	p.Ask("fd", "fd OK open")
	p.Ask("dispatch 0", "dispatch EBADF .*")
	p.Ask("wait 60000", "wait OK")
	p.Send("nulls")
	for range 11 {
		p.Line("[a-z]+ EINVAL .*")
	}
	p.Line("nulls end")
	// Nobody may read, and nothing else.
	stranger := c.play(nobody)
	stranger.Ask("register naming init 4 hold", "register EACCES .*")
	stranger.Ask("notify", "notify EACCES .*")
	stranger.Ask("operation one 3 - 1", "operation EACCES .*")
	stranger.Ask("info", "info OK .*")
	nowhere := c.play(0, "env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus")
	for _, command := range []string{"register naming init 4 hold", "notify", "info", "master", "conf 1 100", "operation one 3 - 1"} {
		nowhere.Ask(command, "[a-z]+ ENOTSUP .*bus not reachable.*")
	}
}

// shutdown: a shutdown without a reboot, asked for by the program itself; the bus is
// restarted in the middle of a level.
func (c *cStory) shutdown() {
	c.t.Helper()
	p := c.p
	p.Ask("register naming demote 0 hold", "register OK")
	p.Ask("register naming shut -1 hold", "register OK")
	p.Ask("register naming qualify 0 hold", "register OK")
	p.Ask("unregister naming qualify 0", "unregister OK")
	p.Ask("operation stop 3 - 1", "operation OK")
	tag := p.Line(invocation("demote 0", "flags=[01] .*role=master"))[0]
	p.Ask("operation again 3 - 1", "operation EALREADY .*")
	p.Ask("done "+tag+" 7", "done EINVAL .*")
	p.Ask("fail "+tag+" \xff", "fail EINVAL .*")
	p.Ask("poll off", "poll OK")
	for p.Ask("info", "info OK .*"); p.Ask("readable 0", "readable ([01])")[0] == "1"; p.Ask("info", "info OK .*") {
		p.Ask("dispatch", "dispatch ENOMSG .*")
	}
	p.Ask("dispatch", "dispatch ENOMSG .*")
	p.Ask("poll on", "poll OK")
	p.Send("fork " + tag)
	for range 12 {
		p.Line("child [a-z]+ EACCES .*")
	}
	p.Line("child end")
	c.Run(c.t, "systemctl", "restart", "dbus.service")
	next := p.Line(invocation("demote 0", "flags=[01]"))[0]
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("done "+next+" 0", "done OK")
	tag = p.Line(invocation("shut -1", "flags=1"))[0]
	c.Run(c.t, "systemctl", "restart", "cssc-agent.service")
	p.Ask("done "+tag+" 0", "done OK")
	p.Line("result stop COMPLETED ")
	c.await("State", "down")
}

// cancel: init begins again and is cancelled by a shutdown.
func (c *cStory) cancel() {
	c.t.Helper()
	p := c.p
	p.Ask("unregister naming demote 0", "unregister OK")
	c.Run(c.t, "cssc", "start", "--no-wait")
	tag := p.Line(invocation("init 3", "flags=0"))[0]
	c.Run(c.t, "cssc", "shutdown", "--noboot", "--yes", "--no-wait")
	p.Line("canceled init 3")
	next := p.Line(invocation("shut -1", "flags=1"))[0]
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("done "+next+" 0", "done OK")
	c.await("State", "down")
}

// alone: the agent is stopped; nothing is pretended.
func (c *cStory) alone() {
	c.t.Helper()
	p := c.p
	c.Run(c.t, "systemctl", "stop", "cssc-agent.service")
	p.Ask("wait 0", "wait OK")
	p.Ask("register other init 3 hold", "register EAGAIN .*")
	p.Ask("unregister naming init 3", "unregister EAGAIN .*")
	for _, command := range []string{"info", "master", "conf 1 100", "operation one 3 - 1"} {
		p.Ask(command, "[a-z]+ EAGAIN .*")
	}
	late := c.play(0)
	late.Ask("wait 0", "wait OK")
	late.Ask("notify", "notify EAGAIN .*")
	exhausted := c.play(0, "prlimit", "--nofile=32")
	exhausted.Send("exhaust")
	for range 12 {
		exhausted.Line("[a-z]+ ENOTSUP .*event loop.*")
	}
	exhausted.Line("end")
}

// functionWords are the player's words for the functions.
func functionWords() map[string]string {
	return map[string]string{
		"cssc_register": "register", "cssc_unregister": "unregister", "cssc_done": "done", "cssc_fail": "fail",
		"cssc_notify_registration": "notify", "cssc_fd": "fd", "cssc_dispatch": "dispatch", "cssc_op_request": "operation",
		"cssc_master_ready": "master", "cssc_node_info": "info", "cssc_conf_get": "conf", "cssc_set_wait": "wait",
	}
}

// everyError: what a manual page promises to return was returned to one of the programs.
func (c *cStory) everyError() {
	c.t.Helper()
	code := regexp.MustCompile(`(?m)^\*CSSC_([A-Z0-9]+)\*$`)
	for function, word := range functionWords() {
		page, err := os.ReadFile(filepath.Join(top, "contrib/man", function+".3.scd"))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, match := range code.FindAllStringSubmatch(string(page), -1) {
			heard := false
			for _, p := range c.players {
				heard = heard || p.Heard(word, match[1])
			}
			if !heard {
				c.t.Errorf("%s: %s(3) says CSSC_%s, which no program was told", c.Suite, function, match[1])
			}
		}
	}
}
