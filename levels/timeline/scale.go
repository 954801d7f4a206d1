package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spanText is a duration with three digits that matter, at most: 0s, 480µs, 3.2ms, 85ms,
// 1.25s, 12.3s, 3m05s, 2h10m, 3d04h.
func spanText(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", max(1, d.Microseconds()))
	case d < time.Second:
		return digits(d, time.Millisecond, "ms")
	case d < time.Minute:
		return digits(d, time.Second, "s")
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// digits writes d in a unit with as many decimals as leave three digits, but no zeros at
// the end of them.
func digits(d, unit time.Duration, name string) string {
	decimals := 0
	switch {
	case d < 10*unit:
		decimals = 2
	case d < 100*unit:
		decimals = 1
	}
	text := strconv.FormatFloat(float64(d)/float64(unit), 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}

	return text + name
}

// tick is one mark of the axis.
type tick struct {
	at   time.Duration
	text string
}

// ticks marks the axis at round times, no more than count of them beside the first.
func ticks(total time.Duration, count int) []tick {
	step := tickStep(total, count)
	var marks []tick
	for at, left := time.Duration(0), total/step; left >= 0; at, left = at+step, left-1 {
		marks = append(marks, tick{at, spanText(at)})
	}

	return marks
}

// tickStep is the smallest round step that gives no more than count of them.
func tickStep(total time.Duration, count int) time.Duration {
	for decade := time.Microsecond; decade < 10*time.Second; decade *= 10 {
		for _, step := range []time.Duration{decade, 2 * decade, 5 * decade} {
			if total/step <= time.Duration(count) {
				return step
			}
		}
	}
	for _, step := range []time.Duration{
		10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if total/step <= time.Duration(count) {
			return step
		}
	}
	step := 24 * time.Hour
	for total/step > time.Duration(count) {
		step *= 2
	}

	return step
}
