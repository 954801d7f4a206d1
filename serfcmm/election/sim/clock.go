package sim

import (
	"math"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// million is both the unit of a clock's error and the fraction of a nanosecond in which
// readings are kept, so that a clock whose rate changes a thousand times is still exact.
const million = 1_000_000

// clock is one node's lease clock: straight lines of true time, each with its own rate.
type clock struct {
	from int64 // true time at which this line begins
	at   int64 // reading there, in millionths of a nanosecond
	rate int64 // millionths of a nanosecond for each nanosecond of true time
}

// newClock reads first at the true time t and is wrong by so many millionths.
func newClock(t int64, first election.Instant, wrong int64) clock {
	return clock{from: t, at: int64(first) * million, rate: million + wrong}
}

// read is what the clock says at the true time t, rounded down as clocks do.
func (c *clock) read(t int64) election.Instant {
	return election.Instant((c.at + (t-c.from)*c.rate) / million)
}

// turn changes the rate from the true time t on.
func (c *clock) turn(t, wrong int64) {
	c.at += (t - c.from) * c.rate
	c.from, c.rate = t, million+wrong
}

// when is the first true time at which the clock reads at least i; never before the last
// change of its rate. What is too far away for the arithmetic never comes.
func (c *clock) when(i election.Instant) int64 {
	if i > math.MaxInt64/million-1 {
		return math.MaxInt64
	}
	ahead := int64(i)*million - c.at
	if ahead <= 0 {
		return c.from
	}

	return c.from + (ahead+c.rate-1)/c.rate
}
