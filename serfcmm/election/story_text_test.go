package election_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// worthTelling leaves out what is said all the time: renewals, the promises that answer them,
// and the questions who is there. What is refused again and again is told once.
func worthTelling(m election.Message) bool {
	switch m.Kind {
	case election.KindRenew, election.KindProbe, election.KindReport:
		return false
	case election.KindPromise:
		return m.Refusal != election.RefusalNone
	default:
		return true
	}
}

// messageText is one message as a line.
func messageText(m election.Message) string {
	text := fmt.Sprintf("%v %d", m.Kind, m.Term)
	add := func(holds bool, format string, args ...any) {
		if holds {
			text += fmt.Sprintf(" "+format, args...)
		}
	}
	switch m.Kind {
	case election.KindPreVoteReply, election.KindVoteReply, election.KindPromise:
		add(m.Refusal == election.RefusalNone, "yes")
		add(m.Refusal != election.RefusalNone, "no, %v", m.Refusal)
		add(m.Remaining == election.Endless, "for ever")
		add(m.Remaining != election.Endless && m.Remaining > 0, "for %v", m.Remaining)
	default:
	}
	add(m.Released != 0, "released=%d", m.Released)
	add(m.Target != "", "target=%s", m.Target)
	add(m.Vice != "", "vice=%s", m.Vice)

	return text
}

func stateText(s *election.State) string {
	if s == nil {
		return "nothing"
	}
	text := fmt.Sprintf("term %d", s.Term)
	if s.Vote != "" {
		text += " vote " + string(s.Vote)
	}
	if s.MasterTerm != 0 {
		text += fmt.Sprintf(", master %s@%d", s.Master, s.MasterTerm)
	}
	if s.Promised != "" {
		hold := s.Hold.String()
		if s.Hold == election.Endless {
			hold = "ever"
		}
		text += fmt.Sprintf(", promised %s@%d for %s", s.Promised, s.PromisedTerm, hold)
	}

	return text
}

func roleText(r election.RoleDecided) string {
	text := r.Role.String()
	if r.Lost {
		text = "lost"
	}
	text = fmt.Sprintf("role %s, term %d", text, r.Term)
	if r.Master != "" {
		text += ", master " + string(r.Master)
	}
	if r.Vice != "" {
		text += ", vice " + string(r.Vice)
	}

	if r.Provisional {
		text += ", who is vice comes next"
	}

	return text + " (" + r.Reason + ")"
}

func untilText(until, now election.Instant) string {
	if until == election.Forever {
		return "ever"
	}

	return until.Sub(now).String()
}

// arguments tells plain words from key=value ones.
func arguments(line string) (plain []string, named map[string]string) {
	named = map[string]string{}
	for word := range strings.FieldsSeq(line) {
		if key, value, found := strings.Cut(word, "="); found {
			named[key] = value
		} else {
			plain = append(plain, word)
		}
	}

	return plain, named
}

func parseTime(t *testing.T, text string) time.Duration {
	t.Helper()
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}

	return duration
}

func parseNumber(t *testing.T, text string) int {
	t.Helper()
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}

	return number
}

// parseNode reads an entry of the node table: n1 votes and may be master, n1:witness votes,
// n1:spare may be master, n1:guest neither.
func parseNode(text string) election.Node {
	id, kind, _ := strings.Cut(text, ":")

	return election.Node{ID: election.NodeID(id), Vote: kind == "" || kind == "witness", Eligible: kind == "" || kind == "spare"}
}

// parseKind reads a message's kind.
func parseKind(t *testing.T, text string) election.Kind {
	t.Helper()
	for kind := election.KindUnknown; kind <= election.KindReport; kind++ {
		if kind.String() == text {
			return kind
		}
	}

	return election.Kind(parseNumber(t, text))
}
