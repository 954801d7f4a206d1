package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Chart is a transition laid out in rows, to be drawn by SVG or Text.
type Chart struct {
	title string
	// About are the lines below the title.
	about []string
	total time.Duration
	bands []band
	// Failures has a line for each participant that failed and each run that did not complete.
	failures []string
	// Notes say what the picture does not show.
	notes []string
}

// band is one node.
type band struct {
	node string
	// Path is what became of its role: "master → spare".
	path string
	runs []section
}

// section is one run of a band.
type section struct {
	head    row
	columns []column
	rows    []row
}

// column is the time of one level.
type column struct {
	level      string
	begin, end time.Duration
	title      string
}

// row is one bar with its label. Times count from the beginning of the transition.
type row struct {
	look       Look
	gutter     string // the sequence of a run, the level of the first row of a level
	begin, end time.Duration
	label      string
	title      string // all that is known of it, one fact a line
}

// Look is how a bar is drawn.
type Look uint8

// The looks.
const (
	LookRun      Look = iota // a run that completed
	LookBroken               // a run that failed
	LookCanceled             // a run, or a participant of one, that was cancelled
	LookCallback             // did what was asked
	LookStart                // a member that was started
	LookStop                 // a member that was stopped
	LookIdle                 // a member with nothing to do: up, or down, already, or skipped
	LookFailed               // a participant that failed
	LookWaiting              // the gate, or a component
	LookHeld                 // an operator
	looks        = int(LookHeld) + 1
)

// Lay lays the transition out. The notes are printed below it: nodes that did not answer.
func Lay(t Transition, notes []string) Chart {
	first, last := t.Terms()
	term := fmt.Sprintf("term %d", first)
	if first != last {
		term = fmt.Sprintf("term %d → %d", first, last)
	}
	chart := Chart{
		title: t.Title(),
		total: t.Took(),
		about: []string{
			fmt.Sprintf("%s · %s · %s", spanText(t.Took()), term, t.Begin().Format("2006-01-02 15:04:05.000 MST")),
			"cause: " + t.Cause(),
		},
		notes: notes,
	}
	for _, node := range t.Nodes() {
		chart.bands = append(chart.bands, bandOf(t, node, &chart.failures))
	}

	return cleaned(chart)
}

// cleaned makes whatever other nodes and services wrote fit to be shown: lines stay lines.
func cleaned(c Chart) Chart {
	c.title = oneLine(c.title)
	lines := [][]string{c.about, c.failures, slices.Clone(c.notes)}
	for _, list := range lines {
		for i := range list {
			list[i] = oneLine(list[i])
		}
	}
	c.notes = lines[2]
	tidy := func(r *row) { r.label, r.title = oneLine(r.label), clean(r.title) }
	for i := range c.bands {
		c.bands[i].node = oneLine(c.bands[i].node)
		for j := range c.bands[i].runs {
			s := &c.bands[i].runs[j]
			tidy(&s.head)
			for k := range s.rows {
				tidy(&s.rows[k])
			}
			for k := range s.columns {
				s.columns[k].title = clean(s.columns[k].title)
			}
		}
	}

	return c
}

func bandOf(t Transition, node levels.NodeID, failures *[]string) band {
	b := band{node: string(node)}
	var roles []string
	pass := func(role levels.Role) {
		if role != levels.RoleUnknown && (len(roles) == 0 || roles[len(roles)-1] != role.String()) {
			roles = append(roles, role.String())
		}
	}
	for _, run := range t.Runs {
		if run.Node != node {
			continue
		}
		pass(run.From)
		pass(run.Role)
		if run.Outcome == "completed" {
			pass(run.target())
		}
		b.runs = append(b.runs, sectionOf(t, run, failures))
	}
	b.path = strings.Join(roles, " → ")

	return b
}

func sectionOf(t Transition, run Run, failures *[]string) section {
	since := func(at time.Time) time.Duration { return at.Sub(t.Begin()) }
	s := section{head: row{
		look: LookRun, gutter: run.Sequence.String(), begin: since(run.Begin), end: since(run.end()),
	}}
	words := []string{spanText(run.Took())}
	if run.Outcome != "completed" {
		words[0] = run.Outcome + " after " + words[0]
		s.head.look = LookBroken
		if run.Outcome == "canceled" {
			s.head.look = LookCanceled
		} else {
			*failures = append(*failures, fmt.Sprintf("%s, %v: %s", run.Node, run.Sequence, cmp.Or(run.Reason, run.Outcome)))
		}
		words = append(words, run.Reason)
	} else if run.cause() != t.Cause() {
		words = append(words, run.cause())
	}
	s.head.label = strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), " · ")
	s.head.title = facts(
		fmt.Sprintf("%v run %d on %s: %s", run.Sequence, run.Run, run.Node, run.Outcome),
		when(s.head.begin, run.Took()),
		fmt.Sprintf("term %d, role %v", run.Term, run.Role),
		fact("cause", run.cause()), fact("reason", run.Reason),
	)
	for i, level := range run.Levels {
		end := run.end()
		if level.Reached != 0 {
			end = run.At(level.Reached)
		} else if i+1 < len(run.Levels) {
			end = run.At(run.Levels[i+1].Entered)
		}
		col := column{level: level.Level.String(), begin: since(run.At(level.Entered)), end: since(end)}
		state := "not reached"
		if level.Reached != 0 {
			state = "reached after " + spanText(level.Reached.Sub(level.Entered))
		}
		col.title = facts(fmt.Sprintf("%v level %v on %s: %s", run.Sequence, level.Level, run.Node, state))
		s.columns = append(s.columns, col)
		s.rows = append(s.rows, levelRows(since, run, level, failures)...)
	}

	return s
}

func levelRows(since func(time.Time) time.Duration, run Run, level levels.LevelRecord, failures *[]string) []row {
	rows := make([]row, 0, len(level.Waits)+len(level.Participants))
	for _, wait := range level.Waits {
		rows = append(rows, waitRow(since, run, level, wait))
	}
	for _, participant := range level.Participants {
		r := participantRow(since, run, participant)
		if participant.Broke() {
			*failures = append(*failures, fmt.Sprintf("%s, %v level %v, %v %s: %s", run.Node, run.Sequence, level.Level,
				participant.Kind, participant.Name, cmp.Or(participant.Reason, "failed")))
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) })
	if len(rows) > 0 {
		rows[0].gutter = "level " + level.Level.String()
	}

	return rows
}

func waitRow(since func(time.Time) time.Duration, run Run, level levels.LevelRecord, wait levels.Wait) row {
	until := wait.Until
	if until == 0 {
		until = run.Ended
	}
	took := max(0, until.Sub(wait.Since))
	r := row{begin: since(run.At(wait.Since)), end: since(run.At(until)), look: LookWaiting}
	r.label = fmt.Sprintf("%v %s", wait.Phase, spanText(took))
	if wait.Phase == levels.PhaseHeld {
		r.look = LookHeld
	}
	if wait.Phase == levels.PhaseCancelling {
		r.look = LookCanceled
	}
	if wait.Reason != "" {
		r.label += " · " + wait.Reason
	}
	r.title = facts(fmt.Sprintf("%v at %v level %v on %s", wait.Phase, run.Sequence, level.Level, run.Node),
		when(r.begin, took), fact("reason", wait.Reason))

	return r
}

func participantRow(since func(time.Time) time.Duration, run Run, p levels.Participant) row {
	ended := p.Ended
	if ended == 0 {
		ended = run.Ended
	}
	took := max(0, ended.Sub(p.Started))
	r := row{begin: since(run.At(p.Started)), end: since(run.At(ended)), look: lookOf(p), label: p.Name}
	if p.Started == 0 {
		r.begin, r.end, took = since(run.end()), since(run.end()), 0
	}
	if p.Stop {
		r.label += " stop"
	}
	r.label += " " + spanText(took)
	switch {
	case p.Broke():
		r.label += " failed: " + cmp.Or(p.Reason, "no reason given")
	case p.Outcome == levels.OutcomePassed:
		r.label += " " + p.Reason
	case p.Outcome != levels.OutcomeDone:
		r.label += " " + p.Outcome.String()
	}
	did := p.Kind.String()
	if p.Stop {
		did += " to be stopped"
	}
	target := ""
	if p.Target != (levels.Target{}) {
		target = p.Target.String()
	}
	limit := ""
	if p.Deadline > p.Started && p.Started != 0 {
		limit = spanText(p.Deadline.Sub(p.Started))
	}
	r.title = facts(fmt.Sprintf("%s, %s of %v on %s: %v", p.Name, did, p.Position, run.Node, p.Outcome),
		when(r.begin, took), fact("reason", p.Reason), fact("target", target), fact("limit", limit))

	return r
}

// lookOf says how a participant is drawn.
func lookOf(p levels.Participant) Look {
	switch {
	case p.Broke():
		return LookFailed
	case p.Outcome == levels.OutcomePassed:
		return LookCanceled
	case p.Outcome != levels.OutcomeDone:
		return LookIdle
	case p.Kind == levels.KindCallback:
		return LookCallback
	case p.Stop:
		return LookStop
	default:
		return LookStart
	}
}

func facts(lines ...string) string {
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n")
}

func fact(name, value string) string {
	if value == "" {
		return ""
	}

	return name + ": " + value
}

func when(begin, took time.Duration) string {
	return fmt.Sprintf("at +%s, for %s", spanText(begin), spanText(took))
}
