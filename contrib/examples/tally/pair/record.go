package pair

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Record is a line of a client's file: this number was acknowledged then.
type Record struct {
	At     time.Time
	Client string
	Number uint64
}

// String is the line.
func (r Record) String() string {
	return fmt.Sprintf("%s %s %d\n", r.At.UTC().Format(time.RFC3339Nano), r.Client, r.Number)
}

// ReadRecords reads a client's file. What is no record is left out: remarks, and a line that
// a power cut has torn.
func ReadRecords(name string) ([]Record, error) {
	text, err := os.ReadFile(name)
	var records []Record
	for line := range strings.Lines(string(text)) {
		var r Record
		var at string
		_, bad := fmt.Sscanf(line, "%s %s %d\n", &at, &r.Client, &r.Number)
		if bad == nil {
			r.At, bad = time.Parse(time.RFC3339Nano, at)
		}
		if bad == nil && strings.HasSuffix(line, "\n") {
			records = append(records, r)
		}
	}

	return records, err
}

// noticeable is a time without an acknowledgement that is worth a remark.
const noticeable = 200 * time.Millisecond

// Journal is the file to which a client adds its records. One goroutine uses it.
type Journal struct {
	Last Record // the newest

	file *os.File
}

// OpenJournal opens the file, or makes it.
func OpenJournal(name string) (*Journal, error) {
	records, err := ReadRecords(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	j := &Journal{}
	if len(records) > 0 {
		j.Last = records[len(records)-1]
	}
	j.file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)

	return j, err
}

// Add writes a record down, and how long it took since the last when that was noticeable.
func (j *Journal) Add(r Record) error {
	text := r.String()
	if gap := r.At.Sub(j.Last.At); gap > noticeable && j.Last.Number > 0 {
		text = fmt.Sprintf("# %.2f s without an acknowledgement\n%s", gap.Seconds(), text)
	}
	j.Last = r
	_, err := j.file.WriteString(text)

	return err
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// Verdict is what comes out of comparing records with a copy.
type Verdict struct {
	Acknowledged int
	Lost         int // acknowledged and not kept
	Disorder     int // kept twice, or behind a higher number of the same client
	// Pause is the longest time between two records, Until its end.
	Pause time.Duration
	Until time.Time
}

// Judge compares. Pauses that ended before since do not count.
func Judge(records []Record, kept []Entry, since time.Time) Verdict {
	v := Verdict{Acknowledged: len(records)}
	there, highest := map[Entry]bool{}, map[string]uint64{}
	for _, e := range kept {
		there[Entry{Client: e.Client, Number: e.Number}] = true
		if e.Number <= highest[e.Client] {
			v.Disorder++
		}
		highest[e.Client] = max(highest[e.Client], e.Number)
	}
	records = slices.SortedStableFunc(slices.Values(records), func(a, b Record) int { return a.At.Compare(b.At) })
	for i, r := range records {
		if !there[Entry{Client: r.Client, Number: r.Number}] {
			v.Lost++
		}
		if i > 0 && r.At.After(since) && r.At.Sub(records[i-1].At) > v.Pause {
			v.Pause, v.Until = r.At.Sub(records[i-1].At), r.At
		}
	}

	return v
}

// String is for a person.
func (v Verdict) String() string {
	text := fmt.Sprintf("%d acknowledged, %d lost, %d out of order", v.Acknowledged, v.Lost, v.Disorder)
	if v.Pause > 0 {
		text += fmt.Sprintf("; longest pause %.2f s, until %s", v.Pause.Seconds(), v.Until.Format("15:04:05.00"))
	}

	return text
}
