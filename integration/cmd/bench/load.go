package main

import (
	"os"
	"strconv"
	"strings"
)

// load is the state of all processors at the begin of a measurement.
type load struct{ idle, total float64 }

// startLoad reads the counters of the kernel; zero when there are none.
func startLoad() load {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return load{}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var l load
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			continue // the name in front
		}
		l.total += ticks
		if i == 4 || i == 5 { // idle, and waiting for a disk
			l.idle += ticks
		}
	}

	return l
}

// busy is the share of the time since then in which processors were at work, in per cent.
func (l load) busy() float64 {
	now := startLoad()
	if now.total <= l.total {
		return 0
	}

	return 100 * (1 - (now.idle-l.idle)/(now.total-l.total))
}
