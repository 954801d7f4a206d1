package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

const (
	stateDir    = "/var/lib/cssc"
	runDir      = "/run/cssc"
	agentUnit   = "cssc-agent.service"
	guardUnit   = "cssc-guard.service"
	leaveUnit   = "cssc-leave.service"
	markerUnit  = "cssc-standalone.service"
	mostMembers = 500 // whose limits are read
)

// hostQuestion is what has to be known to look at the host: the units that take part, and where
// the others reach this node.
type hostQuestion struct {
	members []levels.MemberView
	address string
}

// lookAtHost reads what the operating system under the agent tells. It asks systemd and logind
// over D-Bus and reads files; nothing is started.
func lookAtHost(ctx context.Context, asked hostQuestion) (doctor.Host, doctor.Known[[]doctor.Member]) {
	ctx, cancel := context.WithTimeout(ctx, 2*limitSystem)
	defer cancel()
	system := units.NewSystem(units.Options{})
	go func() { _ = system.Run(ctx) }()
	host := doctor.Host{
		PersistentJournal: doctor.Known[bool]{Value: exists("/var/log/journal")},
		StateSpace:        spaceOf(stateDir), RunSpace: spaceOf(runDir),
		Standalone: exists(filepath.Join(stateDir, "standalone")),
		MTU:        mtuOf(asked.address),
	}
	host.Damaged, _ = filepath.Glob(filepath.Join(stateDir, "*.damaged-*"))
	host.BusPolicy = doctor.Known[bool]{Value: exists("/usr/share/dbus-1/system.d/org.cssc.Agent1.conf") || exists("/etc/dbus-1/system.d/org.cssc.Agent1.conf")}
	host.PolkitActions = doctor.Known[bool]{Value: exists("/usr/share/polkit-1/actions/org.cssc.agent1.policy")}
	// The first question waits for the bus; when that does not come, the others need not.
	first, done := context.WithTimeout(ctx, limitSystem/2)
	defer done()
	manager, err := system.ManagerProperties(first)
	if err != nil {
		host.Mute(err.Error())

		return host, doctor.Known[[]doctor.Member]{Why: host.Window.Why}
	}
	host.Systemd = doctor.Of(systemdVersion(manager.Text("Version")))
	host.HardwareWatchdog.Value = manager.Span("RuntimeWatchdogUSec")
	host.Window = doctor.Of(system.Window(ctx))
	host.StopTimeout = doctor.Of(system.StopTimeout(ctx, leaveUnit))
	host.Synchronized = doctor.Of(system.ClockSynchronized(ctx))
	host.Polkit = doctor.Of(system.Activatable(ctx, "org.freedesktop.PolicyKit1"))
	host.Enabled = map[string]doctor.Known[string]{}
	for _, unit := range []string{agentUnit, leaveUnit, markerUnit} {
		host.Enabled[unit] = doctor.Of(system.EnabledState(ctx, unit))
	}
	agent, err := system.UnitProperties(ctx, agentUnit)
	host.AgentWatchdog = doctor.Of(agent.Span("WatchdogUSec"), err)
	guard, err := system.UnitProperties(ctx, guardUnit)
	host.GuardWatchdog, host.GuardActive = doctor.Of(guard.Span("WatchdogUSec"), err), doctor.Of(guard.Text("ActiveState"), err)

	return host, memberLimits(ctx, system, asked.members)
}

// memberLimits reads the limits of the members, each once for each of its targets.
func memberLimits(ctx context.Context, system *units.System, members []levels.MemberView) doctor.Known[[]doctor.Member] {
	var limits []doctor.Member
	read := map[string]units.Properties{}
	for i, member := range members {
		if i == mostMembers {
			return doctor.Known[[]doctor.Member]{Value: limits}
		}
		properties, known := read[member.Unit]
		if !known {
			var err error
			if properties, err = system.UnitProperties(ctx, member.Unit); err != nil {
				return doctor.Known[[]doctor.Member]{Value: limits, Why: err.Error()}
			}
			read[member.Unit] = properties
		}
		limits = append(limits, doctor.Member{
			Name: member.Unit, Target: member.Target,
			Start: properties.Span("TimeoutStartUSec"), Stop: properties.Span("TimeoutStopUSec"),
			Job: shorter(properties.Span("JobTimeoutUSec"), properties.Span("JobRunningTimeoutUSec")),
		})
	}

	return doctor.Known[[]doctor.Member]{Value: limits}
}

// shorter is the shorter of two limits; 0 = none.
func shorter(one, other time.Duration) time.Duration {
	if one == 0 || (other != 0 && other < one) {
		return other
	}

	return one
}

// systemdVersion is the number in a version such as "257.8-1~deb13u1".
func systemdVersion(text string) (int, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsDigit(r) })
	if end < 0 {
		end = len(text)
	}
	number, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0, fmt.Errorf("systemd calls its version %q", text)
	}

	return number, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)

	return err == nil
}

func spaceOf(path string) doctor.Known[doctor.Space] {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return doctor.Known[doctor.Space]{Why: fmt.Sprintf("%s: %v", path, err)}
	}

	return doctor.Known[doctor.Space]{Value: doctor.Space{
		FreeBytes: stat.Bavail * uint64(stat.Bsize), FreeInodes: stat.Ffree, Inodes: stat.Files > 0,
	}}
}

// mtuOf finds the interface that has the address.
func mtuOf(address string) doctor.Known[int] {
	wanted, err := netip.ParseAddrPort(address)
	if err != nil {
		return doctor.Known[int]{Why: fmt.Sprintf("this node's address %q is not an IP address", address)}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return doctor.Known[int]{Why: err.Error()}
	}
	for _, card := range interfaces {
		addresses, err := card.Addrs()
		if err != nil {
			continue
		}
		for _, own := range addresses {
			if prefix, err := netip.ParsePrefix(own.String()); err == nil && prefix.Addr().Unmap() == wanted.Addr().Unmap() {
				return doctor.Known[int]{Value: card.MTU}
			}
		}
	}

	return doctor.Known[int]{Why: fmt.Sprintf("no interface has the address %s", wanted.Addr())}
}
