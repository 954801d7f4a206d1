package history

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// The words of steps.
const (
	Begin    = "begin"    // a participant of a level was started
	End      = "end"      // it is done
	Canceled = "canceled" // the run was cancelled
)

// Step is one line of a story of levels: what a participant has written down itself.
type Step struct {
	// At is the kernel's CLOCK_MONOTONIC.
	At   time.Duration
	Node string
	Word string
	// Sequence and Level are where the participant was called; a cancellation names the
	// sequence only.
	Sequence string
	Level    Level
	// Part names the participant within its level: that of a unit, empty for the callback.
	Part string
	// Role, Master and Term are what the callback was told: as of the beginning of its run.
	Role, Master string
	Term         uint64
}

// Level counts from 0; the last one is above all others.
type Level int

// LastLevel is the level "last".
const LastLevel Level = math.MaxInt32

// String is the number or "last".
func (l Level) String() string {
	if l == LastLevel {
		return "last"
	}

	return strconv.Itoa(int(l))
}

// ReadSteps reads a file of lines "TIME NODE WORD SEQUENCE:LEVEL KEY=VALUE…" in its order.
// Lines with other words are left out, a callback that failed is one that did not end.
func ReadSteps(from io.Reader) ([]Step, error) {
	var steps []Step
	lines := wholeLines(from)
	for lines.Scan() {
		step, counts, err := parseStep(lines.Text())
		if err != nil {
			return nil, err
		}
		if counts {
			steps = append(steps, step)
		}
	}

	return steps, lines.Err()
}

func parseStep(line string) (Step, bool, error) {
	words := strings.Fields(line)
	if len(words) < 3 {
		return Step{}, false, fmt.Errorf("step %q: want time, node, word", line)
	}
	at, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return Step{}, false, fmt.Errorf("step %q: time: %w", line, err)
	}
	step := Step{At: time.Duration(at) * time.Microsecond, Node: words[1], Word: words[2]}
	if step.Word != Begin && step.Word != End && step.Word != Canceled {
		return Step{}, false, nil
	}
	if len(words) < 4 {
		return Step{}, false, fmt.Errorf("step %q: where?", line)
	}
	sequence, level, found := strings.Cut(words[3], ":")
	step.Sequence = sequence
	if found {
		if step.Level, err = parseLevel(level); err != nil {
			return Step{}, false, fmt.Errorf("step %q: %w", line, err)
		}
	}
	for _, word := range words[4:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "unit":
			step.Part = value
		case "role":
			step.Role = value
		case "master":
			step.Master = value
		case "term":
			step.Term, _ = strconv.ParseUint(value, 10, 64)
		case "status":
			if value != "0" {
				return Step{}, false, nil
			}
		}
	}

	return step, true, nil
}

func parseLevel(text string) (Level, error) {
	if text == "last" {
		return LastLevel, nil
	}
	number, err := strconv.Atoi(text)

	return Level(number), err
}
