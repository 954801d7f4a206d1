package units

import (
	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/levels"
)

// systemd stamps units with microseconds of CLOCK_MONOTONIC, which stands still in
// suspend; the rest of cssc counts nanoseconds of CLOCK_BOOTTIME.
type monotonic uint64

const nanosPerMicro = 1000

func readClock(id int32) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(id, &now); err != nil {
		panic("units: clock_gettime: " + err.Error()) // cannot happen on Linux
	}

	return now.Nano()
}

func monotonicNow() monotonic {
	return monotonic(readClock(unix.CLOCK_MONOTONIC) / nanosPerMicro)
}

// monotonicOf converts an instant of this boot. A suspend after the instant makes
// the result earlier than it was, never later, so that what was started at or after
// the instant always compares as such.
func monotonicOf(instant levels.Instant) monotonic {
	// Read in this order, the offset comes out too large by the time between the two.
	mono := readClock(unix.CLOCK_MONOTONIC)
	boot := readClock(unix.CLOCK_BOOTTIME)

	return shift(instant, boot-mono)
}

func shift(instant levels.Instant, offset int64) monotonic {
	nanos := int64(instant) - offset
	if nanos < 0 {
		return 0
	}

	return monotonic(nanos / nanosPerMicro)
}
