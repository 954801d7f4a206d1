package timeline

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cssc-ha/cssc/integration/scenario"
	"github.com/cssc-ha/cssc/levels"
)

// TestTransitions draws, for each case of testdata, the transition to which the first run
// belongs, and names the runs that do not. Goal is that every rule of what belongs together
// stands in a file for a person to read. Whatever run of the transition is asked for, the
// same transition must be found. Cases marked svg are compared with the picture beside them.
func TestTransitions(t *testing.T) {
	t.Parallel()
	scenario.Run(t, "testdata", ".txt", 30, func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		name := d.CmdArgs[0].Key
		runs := parseRuns(t, d.Input)
		transition := Of(runs[0], runs)
		checkMutual(t, transition, runs)
		var notes []string
		for _, arg := range d.CmdArgs[1:] {
			if arg.Key == "not-shown" {
				notes = append(notes, arg.Vals[0]+" did not answer")
			}
		}
		chart := Lay(transition, notes)
		if d.HasArg("svg") {
			compareFile(t, filepath.Join("testdata", name+".svg"), chart.SVG())
		}

		return chart.Text(100, nil) + rest(transition, runs)
	})
}

// checkMutual finds the same transition from each of its runs, in any order of the list.
func checkMutual(t *testing.T, transition Transition, runs []Run) {
	t.Helper()
	backwards := slices.Clone(runs)
	slices.Reverse(backwards)
	for _, run := range transition.Runs {
		if got := Of(run, backwards); describe(got.Runs) != describe(transition.Runs) {
			t.Errorf("from %s run %d: got %s, want %s", run.Node, run.Run, describe(got.Runs), describe(transition.Runs))
		}
	}
}

func describe(runs []Run) string {
	var words []string
	for _, run := range runs {
		words = append(words, fmt.Sprintf("%s:%d", run.Node, run.Run))
	}

	return strings.Join(words, " ")
}

func rest(transition Transition, runs []Run) string {
	others := slices.DeleteFunc(slices.Clone(runs), func(run Run) bool { return slices.ContainsFunc(transition.Runs, run.same) })
	if len(others) == 0 {
		return ""
	}

	return "\nanother transition: " + describe(others) + "\n"
}

// compareFile compares with a golden file, or writes it with -rewrite.
func compareFile(t *testing.T, path, got string) {
	t.Helper()
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got another picture; look at it with: go test ./levels/timeline -rewrite; git diff", path)
	}
}

// The test's epoch; times of the cases count from it.
func epoch() time.Time { return time.Date(2026, 11, 26, 19, 44, 52, 0, time.UTC) }

// parseRuns reads lines of "run NODE NUMBER SEQUENCE ROLE[>ROLE] key=value …", each followed
// by its levels ("level L at=… took=…") and their "wait PHASE", "callback NAME" and "member
// NAME [stop]" with times that count from the beginning of the run.
func parseRuns(t *testing.T, text string) []Run {
	t.Helper()
	var runs []Run
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p := newPhrase(t, line)
		if p.plain[0] == "run" {
			runs = append(runs, p.run())

			continue
		}
		run := &runs[len(runs)-1]
		if p.plain[0] == "level" {
			run.Levels = append(run.Levels, p.level(run.Started))

			continue
		}
		level := &run.Levels[len(run.Levels)-1]
		if p.plain[0] == "wait" {
			level.Waits = append(level.Waits, p.wait(run.Started))
		} else {
			level.Participants = append(level.Participants, p.participant(run.Started, levels.Position{Sequence: run.Sequence, Level: level.Level}))
		}
	}

	return runs
}

// phrase is one line of a case.
type phrase struct {
	t     *testing.T
	plain []string
	named map[string]string
}

func newPhrase(t *testing.T, line string) phrase {
	t.Helper()
	p := phrase{t: t, named: map[string]string{}}
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		head, tail, _ := strings.Cut(line, " ")
		if at := strings.Index(head, `="`); at > 0 {
			text, err := strconv.QuotedPrefix(line[at+1:])
			p.must(err)
			head, tail = line[:at+1+len(text)], line[at+1+len(text):]
		}
		line = tail
		key, value, named := strings.Cut(head, "=")
		if !named {
			p.plain = append(p.plain, head)

			continue
		}
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		p.named[key] = value
	}

	return p
}

func (p phrase) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%v %v: %v", p.plain, p.named, err)
	}
}

func (p phrase) span(key string) time.Duration {
	p.t.Helper()
	if p.named[key] == "" {
		return 0
	}
	d, err := time.ParseDuration(p.named[key])
	p.must(err)

	return d
}

func (p phrase) number(text string) uint64 {
	p.t.Helper()
	number, err := strconv.ParseUint(text, 10, 64)
	p.must(err)

	return number
}

func (p phrase) run() Run {
	p.t.Helper()
	var run Run
	var err error
	run.Node, run.Run = levels.NodeID(p.plain[1]), levels.RunNumber(p.number(p.plain[2]))
	run.Sequence, err = levels.ParseSequence(p.plain[3])
	p.must(err)
	from, to, leads := strings.Cut(p.plain[4], ">")
	run.Role, err = levels.ParseRole(from)
	p.must(err)
	run.To = run.Role
	if leads {
		run.From = run.Role
		run.To, err = levels.ParseRole(to)
		p.must(err)
		if run.Sequence == levels.Promote {
			run.Role = run.To
		}
	}
	if p.named["old"] != "" { // as older agents wrote it
		run.From, run.To = levels.RoleUnknown, levels.RoleUnknown
	}
	run.Term = levels.Term(p.number(p.named["term"]))
	run.Cause, run.Reason, run.Outcome = p.named["cause"], p.named["reason"], "completed"
	if outcome := p.named["outcome"]; outcome != "" {
		run.Outcome = outcome
	}
	if kind, id, found := strings.Cut(p.named["op"], ":"); found {
		run.OperationKind, err = levels.ParseOperationKind(kind)
		p.must(err)
		run.Operation = levels.OperationID(p.number(id))
		run.Cause = fmt.Sprintf("operation %s, %s by uid 0", id, kind)
		run.OperationReason = p.named["because"]
	}
	run.LostLease = p.named["lost"] != ""
	run.Incarnation = p.named["boot"]
	run.Started = levels.Instant(time.Hour)
	run.Ended = run.Started.Add(p.span("took"))
	run.Begin = epoch().Add(p.span("at"))
	run.End = run.Begin.Add(p.span("took"))

	return run
}

func (p phrase) level(begin levels.Instant) levels.LevelRecord {
	p.t.Helper()
	level, err := levels.ParseLevel(p.plain[1])
	p.must(err)
	record := levels.LevelRecord{Level: level, Entered: begin.Add(p.span("at"))}
	if p.named["took"] != "" {
		record.Reached = record.Entered.Add(p.span("took"))
	}

	return record
}

func (p phrase) wait(begin levels.Instant) levels.Wait {
	p.t.Helper()
	phase, err := levels.ParsePhase(p.plain[1])
	p.must(err)
	since := begin.Add(p.span("at"))

	return levels.Wait{Phase: phase, Reason: p.named["reason"], Since: since, Until: since.Add(p.span("took"))}
}

func (p phrase) participant(begin levels.Instant, position levels.Position) levels.Participant {
	p.t.Helper()
	kind, err := levels.ParseKind(p.plain[0])
	p.must(err)
	who := levels.Participant{
		Kind: kind, Name: p.plain[1], Position: position, Stop: slices.Contains(p.plain, "stop"),
		Outcome: levels.OutcomeDone, Reason: p.named["reason"], Started: begin.Add(p.span("at")),
	}
	if name := p.named["name"]; name != "" {
		who.Name = name
	}
	who.Ended = who.Started.Add(p.span("took"))
	if outcome := p.named["outcome"]; outcome != "" {
		who.Outcome, err = levels.ParseOutcome(outcome)
		p.must(err)
	}
	if limit := p.span("limit"); limit > 0 {
		who.Deadline = who.Started.Add(limit)
	}

	return who
}
