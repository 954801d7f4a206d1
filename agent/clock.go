package agent

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// BootClock reads CLOCK_BOOTTIME, which goes on while the machine is suspended
// and cannot be set. It satisfies Clock.
func BootClock() levels.Instant {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(fmt.Sprintf("agent: read CLOCK_BOOTTIME: %v", err)) // every kernel since 2.6.39 has it
	}

	return levels.Instant(now.Nano())
}

// NewLeaseClock returns what reads the lease clock, for Ports.LeaseClock.
func NewLeaseClock() func() election.Instant {
	var clock lease.Clock

	return func() election.Instant { return election.Instant(clock.Now()) }
}
