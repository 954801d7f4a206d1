package lease

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A reading: readings taken further apart than closeBy say nothing exact of each other.
	closeBy = 10 * time.Microsecond
	// Tries: a machine that interrupts every one of closeTries gets the last of them.
	closeTries = 100
)

// Clock is the lease clock of this node: the nanoseconds of CLOCK_MONOTONIC_RAW, which no
// time service speeds up or slows down, and those that the node was suspended since it has
// booted. It never goes back, cannot be set, and is the same in every process to within
// 10 µs; only right after a resume, on a machine that is too busy to read two clocks in a
// row, it may be behind for longer, until the next reading. Instants of different boots have
// nothing to do with each other. The zero value is ready, and safe for concurrent use.
type Clock struct {
	// suspended is the longest time in suspend that a reading has shown, in nanoseconds.
	suspended atomic.Int64
}

// Now takes a microsecond or two.
func (c *Clock) Now() int64 {
	asleep := inSuspend(readClock)
	known := c.suspended.Load()
	for asleep > known && !c.suspended.CompareAndSwap(known, asleep) {
		known = c.suspended.Load()
	}

	return readClock(unix.CLOCK_MONOTONIC_RAW) + max(asleep, known)
}

// inSuspend is how long the node was suspended, or a little less: by the time that has
// passed between the readings of two clocks of which only one goes on in suspend.
func inSuspend(read func(id int32) int64) int64 {
	least := int64(0)
	for range closeTries {
		before := read(unix.CLOCK_MONOTONIC)
		boot := read(unix.CLOCK_BOOTTIME)
		after := read(unix.CLOCK_MONOTONIC)
		least = max(least, boot-after)
		if after-before <= int64(closeBy) {
			break
		}
	}

	return least
}

func readClock(id int32) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(id, &now); err != nil {
		panic(fmt.Sprintf("lease: read clock %d: %v", id, err)) // every kernel since 2.6.39 has all of them
	}

	return now.Nano()
}
