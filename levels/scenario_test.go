package levels

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cssc-ha/cssc/integration/scenario"
)

// TestScenarios replays every story of testdata: goal is that each decision of the
// machine stands in a file for a person to read. A case is one machine and a
// script; its output is what the machine did after each line, and what it is at
// the end. Invariants are checked after every step.
func TestScenarios(t *testing.T) {
	t.Parallel()
	scenario.Run(t, "testdata/scenarios", "", 460, runCase)
}

// story is a machine under a script.
type story struct {
	t       *testing.T
	machine *Machine
	config  Config
	now     Instant
	members map[Target][]string
	// works are the open works in order; works of a forgotten run stay until answered.
	works    []openWork
	releases int
	out      strings.Builder
	quiet    bool
	term     Term
	leaders  LeadersSeen
	briefing *Briefing
}

type openWork struct {
	id     WorkID
	target Target
	units  []string
	stop   bool
}

func runCase(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	s := newStory(t)
	start := Start{FirstTag: 100, Qualified: true}
	for _, arg := range d.CmdArgs[1:] {
		s.option(arg.Key, arg.Vals, &start)
	}
	start.Config = s.config
	s.machine = New(start)
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.say("> %s", line)
		s.line(line)
	}
	s.quiet = false
	s.say("= %s", strings.TrimSuffix(strings.ReplaceAll(s.machine.Describe(), "\n", "\n= "), "\n= "))

	return s.out.String()
}

func newStory(t *testing.T) *story {
	t.Helper()
	config := DefaultConfig("n1")
	for _, sequence := range Sequences() {
		config.Sequences[sequence].Ladder.Top = 1
	}

	return &story{t: t, config: config, members: map[Target][]string{}, now: Instant(time.Second), term: 1}
}

func (s *story) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(&s.out, format+"\n", args...)
	}
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) number(text string) int {
	s.t.Helper()
	number, err := strconv.Atoi(text)
	s.must(err)

	return number
}

func (s *story) line(line string) {
	s.t.Helper()
	list := scenario.Words(line)
	plain, named := scenario.Arguments(list[1:])
	first := ""
	if len(plain) > 0 {
		first = plain[0]
	}
	switch list[0] {
	case "quiet":
		s.quiet = true
	case "loud":
		s.quiet = false
	case "up": // the usual beginning of a story
		s.quiet = true
		s.line("role " + first)
		s.line("gate complete")
		s.line("auto")
		s.quiet = false
	case "auto":
		s.auto()
	case "describe":
		s.say("  %s", strings.ReplaceAll(strings.TrimSpace(s.machine.Describe()), "\n", "\n  "))
	case "register":
		s.step(Registered{s.registration(plain, named)})
	case "unregister":
		s.step(Unregistered{ID: RegistrationID(s.number(first)), Client: clientOf(named)})
	case "subscribe":
		s.step(CancellationSubscribed{Client: clientOf(named)})
	case "done":
		s.step(s.done(first, named))
	case "vanish":
		s.step(ClientVanished{Client: clientOf(named)})
	case "buslost":
		s.step(BusLost{})
	case "members":
		target, err := ParseTarget(first)
		s.must(err)
		s.members[target] = plain[1:]
		s.step(MembersObserved{Members: s.members})
	case "settle":
		s.settle(first, named)
	case "finish":
		s.finish(first, named)
	case "lost":
		target, err := ParseTarget(first)
		s.must(err)
		s.step(TargetLost{Target: target})
	case "set":
		for key, value := range named {
			s.option(key, []string{value}, &Start{})
		}
		s.step(Configured{Config: s.config})
	case "component":
		s.component(first, named)
	default:
		s.clusterLine(list[0], plain, named)
	}
}

func (s *story) clusterLine(command string, plain []string, named map[string]string) {
	s.t.Helper()
	first := ""
	if len(plain) > 0 {
		first = plain[0]
	}
	switch command {
	case "role":
		s.step(s.role(first, plain, named))
	case "headless":
		s.step(RoleChanged{Lost: first == "lost"})
	case "taken": // another node is the master of a new term, and ready
		s.term++
		s.step(s.role("spare", plain, map[string]string{"master": first, "vice": named["vice"]}))
		s.step(s.gate("complete", map[string]string{"master": first}))
	case "leader":
		s.step(s.leader(plain, named))
	case "brief":
		s.brief(first, named)
	case "gate":
		s.step(s.gate(first, named))
	case "tick", "wait":
		duration, err := time.ParseDuration(first)
		s.must(err)
		s.now = s.now.Add(duration)
		if command == "tick" {
			s.step(Ticked{})
		}
	case "operation":
		s.step(s.operation(first, plain, named))
	case "retry", "skip", "abort":
		sequence, _ := ParseSequence(first)
		s.step(map[string]Event{
			"retry": RetryRequested{sequence}, "skip": SkipRequested{sequence}, "abort": AbortRequested{sequence},
		}[command])
	case "sync":
		s.step(SyncRequested{})
	case "released":
		s.releases = 0
		s.step(RoleReleased{Err: named["err"]})
	case "resumed":
		s.step(Resumed{})
	case "save-restore":
		s.saveRestore()
	case "view":
		text, err := json.MarshalIndent(s.machine.View(), "  ", " ")
		s.must(err)
		s.say("  %s", text)
	default:
		s.t.Fatalf("unknown command %q", command)
	}
}

// settle tells early of units: settle init-0 a.service=done.
func (s *story) settle(target string, named map[string]string) {
	s.t.Helper()
	work := s.openWork(target)
	for _, unit := range slices.Sorted(maps.Keys(named)) {
		s.step(MemberSettled{Work: work.id, Member: s.member(unit, named[unit])})
	}
}

// finish ends the oldest work on a target ("units" for those without): every unit
// not named is done; unit=none leaves one out.
func (s *story) finish(target string, named map[string]string) {
	s.t.Helper()
	work := s.openWork(target)
	s.works = slices.DeleteFunc(s.works, func(w openWork) bool { return w.id == work.id })
	finished := WorkFinished{Work: work.id, Err: named["err"]}
	delete(named, "err")
	for _, unit := range work.units {
		text, given := named[unit]
		delete(named, unit)
		switch {
		case given && text != "none":
			finished.Members = append(finished.Members, s.member(unit, text))
		case !given && finished.Err == "":
			finished.Members = append(finished.Members, Member{Unit: unit, Outcome: OutcomeDone})
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(named)) { // joined lately
		finished.Members = append(finished.Members, s.member(unit, named[unit]))
	}
	s.step(finished)
}

func (s *story) openWork(target string) openWork {
	s.t.Helper()
	for _, work := range s.works {
		if work.name() == target {
			return work
		}
	}
	s.say("!! no open work on %s", target)

	return openWork{}
}

func (w openWork) name() string {
	if w.target == (Target{}) {
		return "units"
	}

	return w.target.String()
}

// auto answers everything well until nothing is open.
func (s *story) auto() {
	s.t.Helper()
	for range 10_000 {
		switch pending := s.machine.View().Pending; {
		case len(s.works) > 0:
			s.finish(s.works[0].name(), map[string]string{})
		case len(pending) > 0:
			s.step(CallbackDone{Tag: pending[0].Tag, Client: pending[0].Registration.Client, OK: true})
			if now := s.machine.View().Pending; len(now) > 0 && now[0].Tag == pending[0].Tag {
				return
			}
		case s.releases > 0:
			s.releases = 0
			s.step(RoleReleased{})
		default:
			return
		}
	}
	s.t.Fatalf("no end of work\n%s", s.out.String())
}

// saveRestore goes through the saved form as the owner writes it.
func (s *story) saveRestore() {
	s.t.Helper()
	saved := s.machine.Save()
	text, err := json.Marshal(saved)
	s.must(err)
	var read Saved
	s.must(json.Unmarshal(text, &read))
	restored, err := Restore(Config{}, read)
	s.must(err)
	again, err := json.Marshal(restored.Save())
	s.must(err)
	if string(again) != string(text) {
		s.t.Fatalf("restored machine differs:\n got %s\nwant %s", again, text)
	}
	s.machine = restored
}

// step feeds one event, prints what came of it and checks the machine.
func (s *story) step(event Event) {
	s.t.Helper()
	before := s.machine.Save()
	result := s.machine.Step(s.now, event)
	if result.Err != nil {
		s.say("  error: %v", result.Err)
		if len(result.Actions) > 0 || !reflect.DeepEqual(before, s.machine.Save()) {
			s.t.Fatalf("a refused %T changed something", event)
		}
	}
	for _, line := range result.Plan {
		s.say("  plan: %s", line)
	}
	if result.ID != 0 {
		s.say("  id %d", result.ID)
	}
	for _, action := range result.Actions {
		s.track(action)
		s.say("  %s", actionText(action))
	}
	if err := s.machine.Check(); err != nil {
		s.t.Fatalf("%v after %T\n%s%s", err, event, s.out.String(), s.machine.Describe())
	}
}

func (s *story) track(action Action) {
	switch action := action.(type) {
	case StartUnits:
		units := action.Units
		if len(units) == 0 {
			units = s.members[action.Target]
		}
		s.addWork(openWork{action.Work, action.Target, units, false})
	case StopUnits:
		units := action.Units
		if len(units) == 0 {
			units = s.members[action.Target]
		}
		s.addWork(openWork{action.Work, action.Target, units, true})
	case ReleaseRole:
		s.releases = 1
	default:
	}
}

func (s *story) addWork(work openWork) {
	if !slices.ContainsFunc(s.works, func(w openWork) bool { return w.id == work.id }) {
		s.works = append(s.works, work)
	}
}
