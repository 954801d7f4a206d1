// Command demo tells two stories of cssc on real nodes, with what really happens. On one
// node: services come up level by level, one of them fails and recovers, and the node shuts
// down in reverse and reboots. On three: a service pair, the example of contrib/examples/tally,
// goes through a switchover, power cut, cut off network, lock, reboot of all and shutdown of
// all, while clients write all the time and nothing is lost. "make demo" runs both, "make
// demo-cluster" the second; it needs root, ends by itself and cleans up.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// storyFile is where the services themselves write down what they do.
const storyFile = "/var/log/story"

func main() {
	suite := flag.String("suite", lab.Trixie, "the node's operating system: "+strings.Join(lab.Suites(), " or "))
	which := flag.String("story", "all", "node: one node, cluster: three of them, all: one after the other")
	flag.Parse()
	if !slices.Contains(lab.Suites(), *suite) || !slices.Contains([]string{"node", "cluster", "all"}, *which) || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: want -suite %s, -story node, cluster or all\n", strings.Join(lab.Suites(), " or "))
		os.Exit(2)
	}
	os.Exit(lab.Main(func(ctx context.Context, t lab.TB) {
		begin := time.Now()
		s := newStage(ctx, t)
		if *which != "cluster" {
			s.nodeStory(*suite)
		}
		if *which != "node" {
			s.clusterStory()
		}
		s.say("That was all, in %.0f seconds; nothing is left behind.", time.Since(begin).Seconds())
	}))
}

// nodeStory is a node's day, from power on to power off.
func (s *stage) nodeStory(suite string) {
	t := s.t
	s.chapter("A node of its own: Debian %s in a container, with cssc as \"make install\" installs it", suite)
	s.node = lab.New(t).Node(t, lab.NodeConfig{Name: "demo", Suite: suite})
	s.story, s.shown = func() string { return s.node.ReadFile(t, storyFile) }, 0
	s.node.Install(t)
	s.services()

	s.chapter("Power on: the services come up level by level")
	s.node.Boot(t)
	s.run(exitAttention, "cssc", "status", "--wait", "--check")
	s.say("web has failed, so the node stays at level 2 and says so. What the others wrote down meanwhile:")
	s.tell()

	s.chapter("Find out why, repair it, go on")
	s.run(0, "journalctl", "--no-pager", "--output=cat", "--lines=4", "--unit=web.service")
	s.say("The page that web needs is missing. The operator puts it there and says: try again.")
	s.node.WriteFile(t, "/srv/web/index.html", "hello\n")
	s.run(0, "cssc", "sequence", "retry")
	s.run(0, "cssc", "status", "--wait")
	s.run(0, "cssc", "members")
	s.run(0, "cssc", "registrations")
	s.say("The services again:")
	s.tell()

	s.chapter("Shut down: the same order backwards, then the node reboots")
	s.run(0, "cssc", "shutdown", "--dry-run")
	s.run(0, "cssc", "shutdown", "--reboot", "--yes", "--reason", "the demo says so")
	s.ends(lab.Rebooted)

	s.chapter("The node is back")
	s.node.Boot(t)
	s.run(0, "cssc", "status", "--wait")
	s.run(0, "cssc", "history")
	s.tell()

	s.chapter("Plain \"poweroff\" goes the same way")
	s.run(0, "systemctl", "poweroff")
	s.ends(lab.PoweredOff)
}

// services writes four services, as anybody would: a unit file and one line of [Install].
func (s *stage) services() {
	s.say("Four services take part. All it takes is a line in the unit file:")
	s.unit("naming", "cssc-init-0.target", "Type=notify\n"+
		"ExecStart=/usr/bin/cssc run-callback --component naming --init 1 --shut 0 -- /usr/lib/demo/naming\n")
	s.member("database", "cssc-init-1.target", "")
	s.member("web", "cssc-init-2.target", "ExecStartPre=/usr/bin/cat /srv/web/index.html\n")
	s.member("monitor", "cssc-ready.target", "")
	s.node.WriteScript(s.t, "/usr/lib/demo/naming", "#!/bin/sh\nsleep 0.5\n"+
		"echo \"naming     was called for $CSSC_SEQUENCE level $CSSC_LEVEL as $CSSC_ROLE\" >>"+storyFile+"\n")
	s.say("naming runs \"cssc run-callback\": it asks to be called at init level 1 and at shut level 0.")
	s.say("web cannot start: it needs a page that is not there. We shall see.")
}

// member is a service that takes a second and writes down when it starts and stops.
func (s *stage) member(name, target, more string) {
	write := func(what string) string {
		return fmt.Sprintf("/bin/sh -c 'sleep 1; echo \"%-10s %s\" >>%s'\n", name, what, storyFile)
	}
	s.unit(name, target, "Type=oneshot\nRemainAfterExit=yes\n"+more+"ExecStart="+write("started")+"ExecStop="+write("stopped"))
}

func (s *stage) unit(name, target, lines string) {
	text := "[Unit]\nDescription=" + name + " of the demo\n[Service]\n" + lines + "[Install]\nWantedBy=" + target + "\n"
	s.node.WriteFile(s.t, "/etc/systemd/system/"+name+".service", text)
	if err := lab.Enable(s.node, name+".service"); err != nil {
		s.t.Fatalf("enable %s: %v", name, err)
	}
	s.say("    %-10s WantedBy=%s", name, target)
}
