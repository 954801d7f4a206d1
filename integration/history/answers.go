package history

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Answer is what a client was told, and by which node: that it is master of a term, or, with
// term 0, a service that only a master runs. It was made between Sent and Received.
type Answer struct {
	Sent, Received time.Duration
	Node           string
	Term           uint64
}

// String names node, term and times.
func (a Answer) String() string {
	return fmt.Sprintf("the answer of %s (term %d) to a question of %s, heard at %s", a.Node, a.Term, clock(a.Sent), clock(a.Received))
}

// ReadAnswers reads lines "sent received node term", times in microseconds of CLOCK_MONOTONIC.
func ReadAnswers(from io.Reader) ([]Answer, error) {
	var answers []Answer
	lines := wholeLines(from)
	for lines.Scan() {
		var a Answer
		var sent, received int64
		if _, err := fmt.Sscan(strings.TrimSpace(lines.Text()), &sent, &received, &a.Node, &a.Term); err != nil {
			return nil, fmt.Errorf("answer %q: %w; want sent, received, node, term", lines.Text(), err)
		}
		a.Sent, a.Received = time.Duration(sent)*time.Microsecond, time.Duration(received)*time.Microsecond
		answers = append(answers, a)
	}

	return answers, lines.Err()
}

// CheckAnswers finds the answers that cannot be: given while another node led, from before the
// question was sent until after the answer was heard; or of a lower term than somebody had been
// told before the question was sent. The records are those of recorders that lead.
func CheckAnswers(answers []Answer, records []Record) []string {
	var violations []string
	lives := Lives(records)
	first := firstHeard(answers)
	for _, a := range answers {
		for _, life := range lives {
			if life.Duty == Lead && life.Node != a.Node && life.Start <= a.Sent && life.Last >= a.Received {
				violations = append(violations, fmt.Sprintf("%v came while %v", a, life))
			}
		}
		for _, other := range first {
			if a.Term != 0 && other.Term > a.Term && other.Received < a.Sent {
				violations = append(violations, fmt.Sprintf("%v came after %v", a, other))
			}
		}
	}

	return violations
}

// firstHeard are the earliest answers of each term, in no order.
func firstHeard(answers []Answer) map[uint64]Answer {
	first := map[uint64]Answer{}
	for _, a := range answers {
		if known, found := first[a.Term]; !found || a.Received < known.Received {
			first[a.Term] = a
		}
	}

	return first
}
