//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// The record as the agent and the guard know it.
	leaseFile = "/run/cssc/lease"
	// What the member of the master's targets writes while it lives.
	lifeFile = "/var/log/life"
	// The lease of the configuration below, of which the guard's watchdog is a quarter.
	trialLease = "2s"
	// Longest time in which anything here comes to rest.
	guardLimit = 2 * time.Minute
)

// guarded is a node of a larger cluster without an agent: the test plays the agent by
// writing the lease record.
type guarded struct{ *stage }

// newGuarded boots a node with a guard and a member that never gives up, whose sign of life
// is in a file.
func newGuarded(n *stage, life string) guarded {
	n.t.Helper()
	n.config("[security]\ninsecure = true\n[local]\nnode = \"n1\"\n[mastership]\nprofile = \"default\"\n" +
		"[[node]]\nname = \"n1\"\naddress = \"192.0.2.1\"\n[[node]]\nname = \"n2\"\naddress = \"192.0.2.2\"\n" +
		"[[node]]\nname = \"n3\"\naddress = \"192.0.2.3\"\n")
	n.WriteFile(n.t, "/etc/systemd/system/cssc-agent.service", "[Service]\nExecStart=/bin/sleep infinity\n")
	n.unit("stubborn.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/usr/bin/probe stubborn "+life+
		"\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=cssc-master-0.target\n")
	n.unit("address.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/touch /run/address\n"+
		"ExecStop=/bin/rm /run/address\n[Install]\nWantedBy=cssc-master.target\n")
	n.Boot(n.t)
	n.Run(n.t, "systemctl", "start", "cssc-guard.service")
	if got := strings.TrimSpace(n.Run(n.t, "systemctl", "show", "-P", "WatchdogUSec", "cssc-guard.service")); got != "500ms" {
		n.t.Errorf("%s: the guard's watchdog is %s, want a quarter of the lease", n.Suite, got)
	}

	return guarded{n}
}

// trial is what one lease that was not renewed looked like, in nanoseconds of the lease clock.
type trial struct{ killAt, until, last int64 }

func (r trial) String() string {
	return fmt.Sprintf("deadline → last sign of life %7.2f ms, before the end of the lease %7.2f ms",
		float64(r.last-r.killAt)/1e6, float64(r.until-r.last)/1e6)
}

// master starts the members.
func (g guarded) master() {
	g.t.Helper()
	g.WriteFile(g.t, lifeFile, "")
	g.Run(g.t, "systemctl", "start", "cssc-master-0.target", "cssc-master.target")
	lab.Eventually(g.t, guardLimit, "the member lives", func() error {
		if g.life() == 0 {
			return errors.New("no sign of life")
		}

		return nil
	})
}

// life is when the member lived last, 0 when it never did.
func (g guarded) life() int64 {
	output, code, err := g.Try("cat", lifeFile+".beat")
	if err != nil || code != 0 {
		return 0
	}
	at, _ := strconv.ParseInt(strings.TrimSpace(output), 10, 64)

	return at
}

// lease writes one lease, or shows the one in force.
func (g guarded) lease(what, length string) (r trial) {
	g.t.Helper()
	output := g.Run(g.t, "/usr/bin/probe", "lease", leaseFile, what, length)
	if _, err := fmt.Sscan(output, &r.killAt, &r.until); err != nil {
		g.t.Fatalf("write a lease: %q: %v", output, err)
	}

	return r
}

// over waits until the guard says that nothing runs any more, and judges.
func (g guarded) over(name string, r trial) {
	g.t.Helper()
	lab.Eventually(g.t, guardLimit, "the members are gone after "+name, func() error {
		for _, unit := range []string{"stubborn.service", "address.service", "cssc-master-0.target"} {
			if g.active(unit) {
				return fmt.Errorf("%s is active", unit)
			}
		}
		if _, code, _ := g.Try("test", "-e", "/run/address"); code == 0 {
			return errors.New("the member without a process was not stopped")
		}

		return nil
	})
	r.last = g.life()
	g.t.Logf("%s: %-34s %s", g.Suite, name, r)
	if r.last >= r.until {
		g.t.Errorf("%s: %s: the member lived until %d, %v after the end of the lease", g.Suite, name, r.last, time.Duration(r.last-r.until))
	}
	if starts := strings.Count(g.ReadFile(g.t, lifeFile), "start"); starts != 1 {
		g.t.Errorf("%s: %s: the member was started %d times, want once", g.Suite, name, starts)
	}
	g.Run(g.t, "/usr/bin/probe", "lease", leaseFile, "clear", "-")
}

func (g guarded) pid(unit string) string {
	g.t.Helper()

	return strings.TrimSpace(g.Run(g.t, "systemctl", "show", "-P", "MainPID", unit))
}

// TestGuardEndsWhatTheLeaseNoLongerCovers: a lease is written and not renewed, while one thing
// after the other is broken. The member, which ignores SIGTERM and is restarted always and at
// once, shows its last sign of life before the lease ends, and is not started again; a
// member without a process is stopped too.
func TestGuardEndsWhatTheLeaseNoLongerCovers(t *testing.T) { // not beside others: it uses up every processor
	onEachSuite(t, func(t *testing.T, n *stage) {
		g := newGuarded(n, lifeFile)
		t.Logf("%s: the guard is %s", n.Suite, strings.TrimSpace(n.Run(t, "systemctl", "show", "-P", "StatusText", "cssc-guard.service")))
		for _, trouble := range troubles() {
			g.master()
			r := g.lease("once", trialLease)
			undo := trouble.make(g)
			func() {
				defer undo()
				g.over(trouble.name, r)
			}()
		}
		g.bothStopped()
		g.small()
	})
}

type trouble struct {
	name string
	// make breaks something and returns what mends it.
	make func(g guarded) (undo func())
}

func troubles() []trouble {
	signal := func(word, unit string) func(g guarded) func() {
		return func(g guarded) func() {
			pid := g.pid(unit)
			g.Run(g.t, "kill", "-"+word, pid)

			return func() { _, _, _ = g.Try("kill", "-CONT", pid) }
		}
	}
	services := func(number int, lines string, argv ...string) func(g guarded) func() {
		return func(g guarded) func() {
			var names []string
			for i := range number {
				names = append(names, fmt.Sprintf("trouble-%d-%d.service", time.Now().UnixNano(), i))
				g.Run(g.t, append([]string{"systemd-run", "-q", "--unit=" + names[i], "-p", lines}, argv...)...)
			}

			return func() { _, _, _ = g.Try(append([]string{"systemctl", "kill", "-s", "KILL"}, names...)...) }
		}
	}

	return []trouble{
		{"nothing is wrong with the guard", func(guarded) func() { return func() {} }},
		{"SIGKILL of the guard", signal("KILL", "cssc-guard.service")},
		{"SIGSTOP of the guard", signal("STOP", "cssc-guard.service")},
		{"SIGSTOP of dbus-daemon", signal("STOP", "dbus.service")},
		{"PID 1 reloads all the time", services(1, "Type=exec", "/bin/sh", "-c", "while :; do systemctl daemon-reload; done")},
		{"every processor used up, nice -20", services(4, "Type=exec", "/usr/bin/probe", "spin")},
	}
}

// bothStopped stops the agent that renews, and the guard, in the same moment.
func (g guarded) bothStopped() {
	g.t.Helper()
	g.master()
	g.Run(g.t, "systemd-run", "-q", "--unit=renewer", "-p", "StandardOutput=file:/run/renewals", "/usr/bin/probe", "lease", leaseFile, "renew", trialLease)
	lab.Eventually(g.t, guardLimit, "the agent has renewed for more than a lease", func() error {
		if n := strings.Count(g.ReadFile(g.t, "/run/renewals"), "\n"); n < 16 {
			return fmt.Errorf("%d renewals", n)
		}

		return nil
	})
	if g.life() == 0 || !g.active("stubborn.service") {
		g.t.Errorf("%s: the member died while its lease was renewed", g.Suite)
	}
	g.Run(g.t, "kill", "-STOP", g.pid("renewer.service"), g.pid("cssc-guard.service"))
	r := g.lease("show", "-") // the last that was written, which need not be the last in the file
	lab.Eventually(g.t, guardLimit, "the member is gone", func() error {
		if g.active("stubborn.service") {
			return errors.New("it is active")
		}

		return nil
	})
	g.Run(g.t, "systemctl", "kill", "-s", "KILL", "renewer.service")
	g.over("SIGSTOP of agent and guard together", r)
}

// TestGuardIsNotInTheWayOfCommandsForStopping: systemd must execute the command of each of many
// members without a process after the kill, while the guard freezes whatever appears in
// their groups. A systemd that waits for each (257) is not stuck: all of them run.
func TestGuardIsNotInTheWayOfCommandsForStopping(t *testing.T) {
	t.Parallel()
	const (
		members = 8
		strikes = 3
	)
	onEachSuite(t, func(t *testing.T, n *stage) {
		for i := range members {
			n.unit(fmt.Sprintf("address-%d.service", i), fmt.Sprintf("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/touch /run/address-%[1]d\n"+
				"ExecStop=/bin/rm /run/address-%[1]d\nExecStopPost=/bin/true\n[Install]\nWantedBy=cssc-master.target\n", i))
		}
		g := newGuarded(n, lifeFile)
		for range strikes {
			g.master()
			r := g.lease("once", trialLease)
			lab.Eventually(t, guardLimit, "every command for stopping has run", func() error {
				if left := n.Run(t, "find", "/run", "-maxdepth", "1", "-name", "address-*"); left != "" {
					return fmt.Errorf("left: %s", left)
				}

				return nil
			})
			g.over("many commands for stopping", r)
		}
	})
}

// small bounds what the guard costs.
func (g guarded) small() {
	g.t.Helper()
	status := g.Run(g.t, "cat", "/proc/"+g.pid("cssc-guard.service")+"/status")
	match := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(status)
	if kilobytes, err := strconv.Atoi(match[1]); err != nil || kilobytes > 8*1024 {
		g.t.Errorf("%s: the guard has %s kB, want at most 8 MiB", g.Suite, match[1])
	}
	g.t.Logf("%s: the guard has %s kB resident", g.Suite, match[1])
}

// TestGuardRebootsTheNodeWhenSIGKILLDoesNotHelp: the member waits in the kernel for a disk
// that does not answer (a frozen file system), so that nothing can end it. With self-fence
// everything else of the node is gone soon after the end of the lease; the kernel lets the
// node itself go when the disk answers.
func TestGuardRebootsTheNodeWhenSIGKILLDoesNotHelp(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		disk := newDisk(t, n.Root()+"/mnt")
		g := newGuarded(n, "/mnt/life")
		n.Run(t, "systemctl", "start", "cssc-master-0.target")
		pid := g.pid("stubborn.service")
		lab.Eventually(t, guardLimit, "the member writes", func() error {
			_, err := os.Stat(disk.folder + "/life.beat")

			return err
		})
		disk.run(t, "fsfreeze", "-f", disk.folder)
		thaw := sync.OnceFunc(func() { disk.run(t, "fsfreeze", "-u", disk.folder) })
		defer thaw()
		lab.Eventually(t, guardLimit, "the member waits for the disk", func() error {
			// Whichever thread it is that writes.
			if status := n.Run(t, "sh", "-c", "cat /proc/"+pid+"/task/*/status"); !strings.Contains(status, "State:\tD") {
				return errors.New("it does not")
			}

			return nil
		})
		r := g.lease("fence", trialLease)
		lab.Eventually(t, guardLimit, "nothing can be started in the node", func() error {
			if _, code, err := n.Try("true"); err == nil && code == 0 {
				return errors.New("it can")
			}

			return nil
		})
		late := time.Duration(new(lease.Clock).Now() - r.until)
		t.Logf("%s: node gone %v after the end of the lease", n.Suite, late)
		if late > 3*time.Second {
			t.Errorf("%s: the node was gone %v after the end of the lease, want at most 3 s", n.Suite, late)
		}
		thaw()
		if exit := n.WaitExit(t); exit != lab.Rebooted {
			t.Errorf("%s: the node ended as %v, want a reboot", n.Suite, exit)
		}
		journal := n.Journal(t, "-u", "cssc-guard")
		for _, want := range []string{"it survives SIGKILL", "node is rebooted by force"} {
			if !strings.Contains(journal, want) {
				t.Errorf("%s: the journal of the guard lacks %q:\n%s", n.Suite, want, journal)
			}
		}
	})
}

// disk is a file system of its own that can be frozen.
type disk struct{ folder string }

func newDisk(t *testing.T, folder string) disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	d := disk{folder}
	d.run(t, "truncate", "-s", "32M", image)
	d.run(t, "mkfs.ext4", "-q", image)
	d.run(t, "mkdir", "-p", folder)
	d.run(t, "mount", "-o", "loop", image, folder)
	t.Cleanup(func() { d.run(t, "umount", "-l", folder) })

	return d
}

func (disk) run(t *testing.T, argv ...string) {
	t.Helper()
	if output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", argv, err, output)
	}
}
