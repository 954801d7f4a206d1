package history

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The words of records. Those of recorders come first.
const (
	Start = "start" // the process runs
	Clash = "clash" // the kernel's lock of its duty was taken when it started
	Term  = "term"  // which mastership it belongs to, asked of the agent
	Beat  = "beat"  // the process still runs
	Stop  = "stop"  // it was told to stop

	Mark   = "mark"   // a fault begins; text is its name
	Heal   = "heal"   // the fault ends
	Pause  = "pause"  // every process of the node was stopped
	Resume = "resume" // they are about to go on
)

// Duties.
const (
	Lead   = "lead"   // bound to the master's targets: at most one at any instant
	Second = "second" // bound to the vice's
)

// Record is one line of the file.
type Record struct {
	// At is the kernel's CLOCK_MONOTONIC.
	At time.Duration
	// Life names the process that wrote it, "test" for the test itself.
	Life string
	Node string
	// Duty is Lead or Second, "-" for the test's records.
	Duty string
	Word string
	Text string
}

// String is the line without its end.
func (r Record) String() string {
	return strings.TrimRight(fmt.Sprintf("%d %s %s %s %s %s", r.At.Microseconds(), r.Life, r.Node, r.Duty, r.Word, r.Text), " ")
}

// Parse reads a line.
func Parse(line string) (Record, error) {
	parts := strings.SplitN(strings.TrimSpace(line), " ", 6)
	if len(parts) < 5 {
		return Record{}, fmt.Errorf("record %q: want time, life, node, duty, word", line)
	}
	at, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("record %q: time: %w", line, err)
	}
	r := Record{At: time.Duration(at) * time.Microsecond, Life: parts[1], Node: parts[2], Duty: parts[3], Word: parts[4]}
	if len(parts) == 6 {
		r.Text = parts[5]
	}

	return r, nil
}

// Read reads a file in its order.
func Read(from io.Reader) ([]Record, error) {
	var records []Record
	lines := wholeLines(from)
	for lines.Scan() {
		r, err := Parse(lines.Text())
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}

	return records, lines.Err()
}
