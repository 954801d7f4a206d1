// Command demo tells the story of cssc on one real node, with what really happens: services
// come up level by level, one of them fails and recovers, and the node shuts down in reverse
// and reboots. "make demo" runs it; it needs root, ends by itself and cleans up.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	storyFile = "/var/log/story"
	patience  = 60 * time.Second
)

func main() { os.Exit(lab.Main(story)) }

// stage is the node and how much of its story was printed.
type stage struct {
	*lab.Node
	t     lab.TB
	shown int
}

func story(ctx context.Context, t lab.TB) {
	begin := time.Now()
	chapter("A node of its own: Debian 13 with systemd 257, and cssc as \"make install\" installs it")
	n := &stage{Node: lab.New(t).Node(t, lab.NodeConfig{Name: "demo", Suite: lab.Trixie}), t: t}
	n.Install(t)
	n.services()

	chapter("Power on: the services come up level by level")
	n.PowerOn(t)
	n.followUntil("Phase", "held")

	chapter("web failed at level 2, so the node waits there, and says so")
	n.show("cssc", "status")
	say("Nothing of a higher level was started. The operator repairs web and says: again.")
	n.WriteFile(t, "/srv/web/index.html", "hello\n")
	n.show("cssc", "sequence", "retry")
	n.followUntil("State", "up")
	n.show("cssc", "status")
	n.show("cssc", "members")

	chapter("Shut down: the same order backwards, then the node reboots")
	n.show("cssc", "shutdown", "--dry-run")
	n.shutdown(ctx)

	chapter("The node is back")
	n.Boot(t)
	n.followUntil("State", "up")
	n.show("cssc", "status")
	n.show("cssc", "history")

	chapter("Plain \"poweroff\" goes the same way")
	n.Run(t, "systemctl", "poweroff")
	exit := n.WaitExit(t)
	n.tell()
	say("The node has %v. That was all, in %.0f seconds; nothing is left behind.", exit, time.Since(begin).Seconds())
}

// services writes four services, as anybody would: a unit file and one line of [Install].
func (n *stage) services() {
	say("Four services take part. All it takes is a line in the unit file:")
	n.member("database", "cssc-init-1.target", "")
	n.member("web", "cssc-init-2.target", "ExecStartPre=/usr/bin/test -e /srv/web/index.html\n")
	n.member("monitor", "cssc-init-last.target", "")
	n.WriteScript(n.t, "/usr/lib/demo/naming",
		"#!/bin/sh\necho \"naming     was called for $CSSC_SEQUENCE level $CSSC_LEVEL, as $CSSC_ROLE\" >>"+storyFile+"\n")
	n.unit("naming", "cssc-init-0.target", "Type=notify\n"+
		"ExecStart=/usr/bin/cssc run-callback --component naming --init 1 --shut 0 -- /usr/lib/demo/naming\n")
	say("naming runs \"cssc run-callback\" as well: it asks to be called at init level 1 and shut level 0.")
}

func (n *stage) member(name, target, more string) {
	write := func(what string) string {
		return fmt.Sprintf("/bin/sh -c 'echo \"%-10s %s\" >>%s; sleep 0.3'\n", name, what, storyFile)
	}
	n.unit(name, target, "Type=oneshot\nRemainAfterExit=yes\n"+more+"ExecStart="+write("starts")+"ExecStop="+write("stops"))
}

func (n *stage) unit(name, target, lines string) {
	text := "[Unit]\nDescription=" + name + " of the demo\n[Service]\n" + lines + "[Install]\nWantedBy=" + target + "\n"
	n.WriteFile(n.t, "/etc/systemd/system/"+name+".service", text)
	if err := lab.Enable(n.Node, name+".service"); err != nil {
		n.t.Fatalf("enable %s: %v", name, err)
	}
	say("  %-10s WantedBy=%s", name, target)
}

// followUntil prints the story as it grows, until a property of the agent has a value.
func (n *stage) followUntil(property, want string) {
	lab.Eventually(n.t, patience, property+" to be "+want, func() error {
		n.tell()
		output, _, err := n.Try("busctl", "get-property", "org.cssc.Agent1", "/org/cssc/Agent1", "org.cssc.Agent1.Manager", property)
		if err == nil && !strings.Contains(output, `"`+want+`"`) {
			err = errors.New(strings.TrimSpace(output))
		}

		return err
	})
	n.tell()
}

// tell prints what the story has gained.
func (n *stage) tell() {
	lines := strings.SplitAfter(n.ReadFile(n.t, storyFile), "\n")
	for ; n.shown < len(lines)-1; n.shown++ {
		fmt.Print("    │ " + lines[n.shown])
	}
}

// show runs a command in the node as a person would, with its real output.
func (n *stage) show(argv ...string) {
	fmt.Printf("\n  demo# %s\n", strings.Join(argv, " "))
	output, code, err := n.Try(argv...)
	if err != nil {
		n.t.Fatalf("%v: %v", argv, err)
	}
	for line := range strings.Lines(output) {
		fmt.Print("  " + line)
	}
	if code != 0 {
		fmt.Printf("  (exit status %d)\n", code)
	}
	fmt.Println()
}

// shutdown runs cssc shutdown with its progress and waits for the end of the node.
func (n *stage) shutdown(ctx context.Context) {
	fmt.Print("  demo# cssc shutdown --yes\n")
	process := n.Command(ctx, 0, "cssc", "shutdown", "--yes")
	process.Stdout, process.Stderr = os.Stdout, os.Stdout
	err := process.Run()
	exit := n.WaitExit(n.t)
	if exit != lab.Rebooted {
		n.t.Fatalf("cssc shutdown: the node %v (%v), want %v", exit, err, lab.Rebooted)
	}
	say("What the services themselves wrote down meanwhile:")
	n.tell()
	say("And the node %v.", exit)
}

func chapter(text string) {
	if term.IsTerminal(int(os.Stdout.Fd())) {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Printf("\n━━ %s\n\n", text)
}

func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }
