package doctor

import (
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
)

// logind says whether its window is long enough for a shutdown.
func logind(f Facts) []Result {
	switch {
	case !f.Host.Window.ok():
		return []Result{skip("logind's window", f.Host.Window.Why)}
	case !f.Config.ok():
		return []Result{skip("logind's window", noConfig(f))}
	}
	for _, problem := range config.Verify(f.Config.Value, f.Host.Window.Value, 0) {
		if problem.Key == "InhibitDelayMaxSec" {
			return []Result{fail("a plain reboot is cut off: "+problem.Text, "which file says so: grep -r InhibitDelayMaxSec /etc/systemd /run/systemd /usr/lib/systemd")}
		}
	}

	return []Result{pass("logind waits %v for a shutdown, which may take %v", f.Host.Window.Value, f.Config.Value.Shutdown.Timeout+f.Config.Value.Shutdown.Margin)}
}

// unitGraph passes on what cssc verify finds.
func unitGraph(f Facts) []Result {
	if !f.Config.ok() {
		return []Result{skip("the graph of the units", noConfig(f))}
	}
	var results []Result
	for _, unit := range f.Units {
		results = append(results, warn(unit.Name+": "+unit.Text, "more: cssc verify"))
	}
	if len(results) == 0 {
		results = append(results, pass("nothing but its level starts a member, and no order contradicts the levels"))
	}

	return results
}

// guard says whether the dead-man is there, and what comes after it.
func guard(f Facts) []Result {
	switch {
	case !f.Config.ok():
		return []Result{skip("the guard", noConfig(f))}
	case f.Config.Value.ClusterOfOne():
		return []Result{pass("a cluster of one needs none")}
	case !f.Config.Value.Levels.Eligible:
		return []Result{pass("this node never holds a role, so it needs none")}
	case !f.Host.GuardActive.ok():
		return []Result{skip("the guard", f.Host.GuardActive.Why)}
	case f.Host.GuardActive.Value != "active":
		return []Result{fail(fmt.Sprintf("%s is %s: when the agent hangs, nobody ends what only a master may run", guardUnit, f.Host.GuardActive.Value),
			"systemctl daemon-reload; systemctl start "+guardUnit, "look at it: systemctl status "+guardUnit)}
	}
	results := []Result{pass("%s runs", guardUnit)}
	switch watchdog := f.Host.GuardWatchdog; {
	case !watchdog.ok():
		results = append(results, skip("the guard's own watchdog", watchdog.Why))
	case watchdog.Value == 0 || watchdog.Value > f.Config.Value.Mastership.Lease:
		results = append(results, warn(fmt.Sprintf("the guard's watchdog (%v) does not go with the lease of %v", watchdog.Value, f.Config.Value.Mastership.Lease),
			"let cssc-generator write it: systemctl daemon-reload; systemctl restart "+guardUnit))
	}
	if f.Config.Value.Mastership.SelfFence != "reboot" {
		results = append(results, pass("self_fence is off: services that SIGKILL does not end are told of, and the node stays up"))
	} else {
		results = append(results, pass("self_fence reboots the node when SIGKILL does not end its services"))
	}

	return results
}

// watchdog says who watches the agent, and who watches PID 1.
func watchdog(f Facts) []Result {
	var results []Result
	switch agent := f.Host.AgentWatchdog; {
	case !agent.ok():
		results = append(results, skip("the agent's watchdog", agent.Why))
	case agent.Value == 0:
		results = append(results, warn("systemd does not notice an agent that hangs (WatchdogSec= of "+agentUnit+" is off)", "systemctl revert "+agentUnit))
	default:
		results = append(results, pass("systemd watches the agent (%v)", agent.Value))
	}
	switch hardware := f.Host.HardwareWatchdog; {
	case !hardware.ok():
		results = append(results, skip("the hardware watchdog", hardware.Why))
	case hardware.Value > 0:
		results = append(results, pass("a hardware watchdog watches PID 1 (%v)", hardware.Value))
	case f.Config.ok() && !f.Config.Value.ClusterOfOne() && f.Config.Value.Levels.Eligible:
		results = append(results, warn("nothing resets this node when its kernel or PID 1 hangs",
			"with a watchdog device: RuntimeWatchdogSec=20 in /etc/systemd/system.conf.d/watchdog.conf, then systemctl daemon-reexec"))
	default:
		results = append(results, pass("no hardware watchdog is set, and this node holds nobody up"))
	}

	return results
}

// bus says whether D-Bus and polkit know of us.
func bus(f Facts) []Result {
	var results []Result
	switch policy := f.Host.BusPolicy; {
	case !policy.ok():
		results = append(results, skip("the bus policy", policy.Why))
	case !policy.Value:
		results = append(results, fail("the bus policy org.cssc.Agent1.conf is not installed: the agent cannot own its name, or anybody could",
			"install the package again, then: systemctl reload dbus"))
	default:
		results = append(results, pass("the bus policy is installed"))
	}
	switch {
	case !f.Host.Polkit.ok():
		return append(results, skip("polkit", f.Host.Polkit.Why))
	case !f.Host.Polkit.Value:
		return append(results, pass("no polkit: only root may steer the cluster"))
	case !f.Host.PolkitActions.ok() || !f.Host.PolkitActions.Value:
		return append(results, warn("polkit is there, and does not know the actions of cssc: only root may steer the cluster",
			"install the package again: /usr/share/polkit-1/actions/org.cssc.agent1.policy"))
	default:
		return append(results, pass("polkit says who besides root may steer the cluster"))
	}
}

const (
	mib = 1 << 20
	// With less than this the next record of votes or levels may not fit.
	scarce = 4 * mib
	// With less than this somebody should look.
	little    = 64 * mib
	fewInodes = 64
)

// state says whether the agent can remember.
func state(f Facts) []Result {
	var results []Result
	for _, file := range f.Host.Damaged {
		results = append(results, warn("a damaged state file was set aside: "+file, "look why (disk, power), then remove it; if this node does not vote: cssc voter reset"))
	}
	for _, place := range []struct {
		path  string
		space Known[Space]
	}{{"/var/lib/cssc", f.Host.StateSpace}, {"/run/cssc", f.Host.RunSpace}} {
		space := place.space.Value
		switch {
		case !place.space.ok():
			results = append(results, skip("the space of "+place.path, place.space.Why))
		case space.FreeBytes < scarce || (space.Inodes && space.FreeInodes < fewInodes):
			results = append(results, fail(fmt.Sprintf("%s is full: %d MiB and %d inodes are left; the agent keeps what it has and takes nothing new",
				place.path, space.FreeBytes/mib, space.FreeInodes), "make room on that file system: df -h "+place.path))
		case space.FreeBytes < little:
			results = append(results, warn(fmt.Sprintf("%s is nearly full: %d MiB are left", place.path, space.FreeBytes/mib), "make room on that file system: df -h "+place.path))
		}
	}
	if len(results) == 0 {
		return []Result{pass("state can be kept: %d MiB are left in /var/lib/cssc", f.Host.StateSpace.Value.FreeBytes/mib)}
	}

	return results
}

// journal says whether there is something to read after a crash.
func journal(f Facts) []Result {
	switch kept := f.Host.PersistentJournal; {
	case !kept.ok():
		return []Result{skip("the journal", kept.Why)}
	case !kept.Value:
		return []Result{warn("the journal does not outlive a boot: why a node went down cannot be read afterwards",
			"mkdir -p /var/log/journal; systemctl restart systemd-journald")}
	default:
		return []Result{pass("the journal outlives a boot")}
	}
}

// Gossip fills packets up to gossipSize; IPv6 and UDP need their headers beside it.
const (
	gossipSize = 1400
	headers    = 48
)

// network says whether the gossip fits into packets.
func network(f Facts) []Result {
	switch {
	case !f.Config.ok():
		return []Result{skip("the size of packets", noConfig(f))}
	case f.Config.Value.ClusterOfOne():
		return []Result{pass("a cluster of one talks to nobody")}
	case !f.Host.MTU.ok():
		return []Result{skip("the size of packets", f.Host.MTU.Why)}
	case f.Host.MTU.Value < gossipSize+headers:
		return []Result{warn(fmt.Sprintf("the MTU of the interface is %d: gossip fills packets up to %d, which are taken apart on the way; firewalls like to drop the pieces",
			f.Host.MTU.Value, gossipSize), fmt.Sprintf("raise the MTU to at least %d, on the way too", gossipSize+headers))}
	default:
		return []Result{pass("gossip fits into the packets of the interface (MTU %d)", f.Host.MTU.Value)}
	}
}

// Calendars that differ by more than this make journals and histories hard to read together.
const muchAhead = time.Second

// clock compares calendars, which only people need, and the rates of the lease clocks, which
// safety needs.
func clock(f Facts) []Result {
	var results []Result
	switch synchronized := f.Host.Synchronized; {
	case !synchronized.ok():
		results = append(results, skip("whether the calendar is kept right", synchronized.Why))
	case !synchronized.Value:
		results = append(results, warn("nothing keeps this node's calendar right; leases do not need it, journals and certificates do",
			"timedatectl set-ntp true, or run chrony"))
	default:
		results = append(results, pass("the calendar is kept right"))
	}
	for _, other := range f.Others {
		if other.Why == "" {
			results = append(results, clockOf(f, other)...)
		}
	}

	return results
}

func clockOf(f Facts, other Other) []Result {
	if !other.Clock.ok() {
		return []Result{skip("the clocks of "+string(other.Node), other.Clock.Why)}
	}
	c := other.Clock.Value
	var results []Result
	if allowed := f.Config.Value.Mastership.ClockErrorPermille; f.Config.ok() && max(c.Rate, -c.Rate)-c.RateError > float64(allowed) {
		results = append(results, fail(fmt.Sprintf("the lease clock of %s goes wrong by %.1f permille beside this one's, more than the %d of clock_error_permille: leases are not safe",
			other.Node, c.Rate, allowed), "repair the clock source of one of the two: cat /sys/devices/system/clocksource/clocksource0/current_clocksource",
			"until then keep one of them from roles: cssc lock "+string(other.Node)))
	}
	if max(c.Ahead, -c.Ahead)-c.Error > muchAhead {
		word, by := "ahead of", c.Ahead
		if by < 0 {
			word, by = "behind", -by
		}
		results = append(results, warn(fmt.Sprintf("the calendar of %s is %v %s this node's", other.Node, by.Round(time.Millisecond), word),
			"on the one that is wrong: timedatectl; leases do not need it"))
	}
	if f.Config.ok() && c.RateError > float64(f.Config.Value.Mastership.ClockErrorPermille) {
		results = append(results, skip("the lease clock of "+string(other.Node), fmt.Sprintf("its answers took too long to see less than %.1f permille", c.RateError)))
	}
	if len(results) == 0 {
		results = append(results, pass("%s: calendar within %v, lease clock within %.1f permille", other.Node,
			(max(c.Ahead, -c.Ahead)+c.Error).Round(time.Millisecond), max(c.Rate, -c.Rate)+c.RateError))
	}

	return results
}
