package lease

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheLeaseClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	var clock Clock
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := clock.Now()
			for range 20_000 {
				next := clock.Now()
				if next < last {
					t.Errorf("%d after %d", next, last)
				}
				last = next
			}
		})
	}
	all.Wait()
}

// It lies between the raw clock and the raw clock with all of the suspend, as read around it.
func TestTheLeaseClockIsTheRawOneAndTheSuspend(t *testing.T) {
	t.Parallel()
	var clock Clock
	for range 1000 {
		least := readClock(unix.CLOCK_MONOTONIC_RAW) + max(0, -readClock(unix.CLOCK_MONOTONIC)+readClock(unix.CLOCK_BOOTTIME)-int64(time.Second))
		got := clock.Now()
		most := readClock(unix.CLOCK_MONOTONIC_RAW) - readClock(unix.CLOCK_MONOTONIC) + readClock(unix.CLOCK_BOOTTIME) + int64(time.Second)
		if got < least || got > most {
			t.Fatalf("%d, want it between %d and %d", got, least, most)
		}
	}
}

// clocks are a node's as a test turns them: each reading takes some time.
type clocks struct {
	mono, asleep int64
	took         []int64 // for each reading; after that nothing
}

func (c *clocks) read(id int32) int64 {
	if len(c.took) > 0 {
		c.mono += c.took[0]
		c.took = c.took[1:]
	}
	if id == unix.CLOCK_BOOTTIME {
		return c.mono + c.asleep
	}

	return c.mono
}

func TestTimeInSuspend(t *testing.T) {
	t.Parallel()
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		name   string
		asleep int64
		took   []int64
		want   int64
	}{
		{"never", 0, nil, 0},
		{"an hour", 3600 * 1000 * ms, nil, 3600 * 1000 * ms},
		{"slow readings are exact to what they took", 500 * ms, []int64{20, 30, 40}, 500*ms - 40},
		{"an interrupted reading is repeated", 500 * ms, []int64{0, 0, 7 * ms, 0, 0, 0}, 500 * ms},
		{"also one that was interrupted before", 500 * ms, []int64{0, 9 * ms, 0, 0, 0, 50}, 500 * ms},
		{"never too much", 0, []int64{0, 9 * ms, 0, 0, 9 * ms, 0}, 0},
	} {
		if got := inSuspend((&clocks{mono: 1000 * ms, asleep: c.asleep, took: c.took}).read); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// A machine that interrupts every reading still gets one, and one that is not too late.
func TestReadingsThatAreNeverClose(t *testing.T) {
	t.Parallel()
	c := clocks{asleep: int64(time.Hour)}
	for range 3 * closeTries {
		c.took = append(c.took, int64(time.Millisecond))
	}
	if got := inSuspend(c.read); got != int64(time.Hour-time.Millisecond) {
		t.Errorf("%v", time.Duration(got))
	}
}

func BenchmarkNow(b *testing.B) {
	var clock Clock
	for b.Loop() {
		clock.Now()
	}
}
