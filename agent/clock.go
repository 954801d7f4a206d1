package agent

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/levels"
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
