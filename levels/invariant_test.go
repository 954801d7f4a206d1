package levels

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// busyMachine is in the middle of init: a callback and a member at work.
func busyMachine(t *testing.T) *Machine {
	t.Helper()

	return played(t,
		MembersObserved{map[Target][]string{{Group: "init", Level: 1}: {"m.service"}}},
		Registered{Registration{Component: "a", Client: ":1", Position: Position{Init, 0}}},
		Registered{Registration{Component: "b", Client: ":2", Position: Position{Init, 1}}},
		CancellationSubscribed{":1"}, CancellationSubscribed{":2"},
		RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"},
		CallbackDone{Tag: 100, Client: ":1", OK: true},
	)
}

// played is a machine after some events, none of them refused.
func played(t *testing.T, events ...Event) *Machine {
	t.Helper()
	machine := New(Start{Config: DefaultConfig("n1"), FirstTag: 100, Qualified: true})
	for _, event := range events {
		if result := machine.Step(Instant(time.Second), event); result.Err != nil {
			t.Fatal(result.Err)
		}
	}

	return machine
}

// TestDamageIsNamed: whatever breaks an invariant in the saved state is refused by
// Restore, which names the invariant; and no invariant is without such a case.
func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	shutdown := OperationRequested{Kind: OperationShutdown, By: "uid 0"}
	master := RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"}
	cases := []struct {
		name   string
		events []Event // after those of busyMachine
		damage func(*Saved)
	}{
		{"role-qualified", nil, func(s *Saved) { s.Qualified = false }},
		{"level-in-ladder", nil, func(s *Saved) { s.Run.Index = 12 }},
		{"level-in-ladder", nil, func(s *Saved) { s.Run.Index = -1 }},
		{"level-order", nil, func(s *Saved) { s.Run.Levels[0].Level = 5 }},
		{"level-order", nil, func(s *Saved) { s.Run.Levels = append(s.Run.Levels, s.Run.Levels[0]) }},
		{"level-order", nil, func(s *Saved) { s.Run.Levels[0].Reached = 0 }},
		{"reached-in-run", nil, func(s *Saved) { s.Reached = 4 }},
		{"reached-in-run", nil, func(s *Saved) { s.ReachedAny = false }},
		{"answer-once", nil, func(s *Saved) { s.Run.Parts[0].Outcome = OutcomeDone }},
		{"answer-once", nil, func(s *Saved) { s.Run.Parts[1].Tag = 100 }},
		{"void-after-cancel", nil, func(s *Saved) { s.Run.Phase, s.Run.Ending = PhaseCancelling, outcomeCanceled }},
		{"tag-fresh", nil, func(s *Saved) { s.Run.Parts[0].Tag = 999 }},
		{"tag-fresh", nil, func(s *Saved) { s.Run.Parts[0].Tag = 7 }},
		{"tag-fresh", nil, func(s *Saved) {
			twice := s.Run.Parts[0]
			twice.Name = "c"
			s.Run.Parts = append(s.Run.Parts, twice)
		}},
		{"busy-awaits", nil, func(s *Saved) { s.Run.Parts[0].Busy = false }},
		{"busy-awaits", nil, func(s *Saved) { s.Run.Parts[1].Work, s.Run.Parts[1].Deadline = 0, 0 }},
		{"work-known", nil, func(s *Saved) { s.Run.Works = nil }},
		{"work-fresh", nil, func(s *Saved) { s.NextWork = 1 }},
		{"work-fresh", nil, func(s *Saved) { s.Run.Works = append(s.Run.Works, s.Run.Works[0]) }},
		{"held-failed", nil, func(s *Saved) { s.Run.Phase = PhaseHeld }},
		{"cancel-ends", nil, func(s *Saved) { s.Run.Ending = outcomeFailed }},
		{"cancel-ends", []Event{shutdown}, func(s *Saved) { s.Run.Ending = "" }},
		{"phase-known", nil, func(s *Saved) { s.Run.Phase = PhaseUnknown }},
		{"phase-known", nil, func(s *Saved) { s.Run.Phase = PhaseFinished }},
		{"waits-order", nil, func(s *Saved) { s.Run.Waits = []Wait{{Phase: PhaseHeld, Since: 5}} }},
		{"waits-order", nil, func(s *Saved) { s.Run.Waits = []Wait{{Phase: PhaseHeld, Since: 5, Until: 5}} }},
		{"waits-order", nil, func(s *Saved) {
			s.Run.Waits = []Wait{{Phase: PhaseHeld, Since: 5, Until: 9}, {Phase: PhaseHeld, Since: 8, Until: 12}}
		}},
		{"run-state", nil, func(s *Saved) { s.State = StateUp }},
		{"run-state", nil, func(s *Saved) { s.Run.Sequence = SequenceUnknown }},
		{"run-fresh", nil, func(s *Saved) { s.NextRun = 1 }},
		{"release-alone", nil, func(s *Saved) { s.Release = &Release{Deadline: 1} }},
		{"operation-state", nil, func(s *Saved) { s.State = StateShuttingDown }},
		{"operation-state", []Event{shutdown}, func(s *Saved) { s.Operation = nil }},
		{"operation-fresh", []Event{shutdown}, func(s *Saved) { s.NextOperation = 1 }},
		{"await-ends", []Event{shutdown}, func(s *Saved) { s.Operation.Await = &Await{Role: RoleMaster, Until: 1} }},
		{"await-ends", []Event{shutdown}, func(s *Saved) {
			s.Operation.Released, s.Operation.Await = true, &Await{Role: RoleMaster}
		}},
		{"bar-ends", nil, func(s *Saved) { s.Bar = &Bar{Active: true} }},
		{"bar-ends", nil, func(s *Saved) { s.Bar = &Bar{Failures: 1, Until: 1} }},
		{"leave-state", nil, func(s *Saved) { s.Leave = &LeaveCluster{Mode: ModeReboot} }},
		{"leave-state", nil, func(s *Saved) { s.State = StateDown }},
		{"ready-state", nil, func(s *Saved) { s.Ready = true }},
		{"registration-order", nil, func(s *Saved) { s.Registrations[0].ID = 2 }},
		{"registration-order", nil, func(s *Saved) { s.NextRegistration = 2 }},
		{"registration-order", nil, func(s *Saved) {
			s.Registrations[1].Component, s.Registrations[1].Position = "a", s.Registrations[0].Position
		}},
		{"registration-whole", nil, func(s *Saved) { s.Registrations[0].Client = "" }},
		{"registration-whole", nil, func(s *Saved) { s.Registrations[0].Position.Sequence = 77 }},
		{"subscribed-order", nil, func(s *Saved) { slices.Reverse(s.Subscribed) }},
		{"up-lasting", nil, func(s *Saved) { s.Up = append(s.Up, Target{Group: "promote", Level: 1}) }},
		{"lost-up", nil, func(s *Saved) { s.Lost = []Target{{Group: "vice", Level: 3}} }},
		{"lost-up", nil, func(s *Saved) { s.Started = []Target{{Group: "vice", Level: 3}} }},
	}
	tried := map[string]bool{"index-true": true} // see TestDerivedIsCompared
	for _, c := range cases {
		tried[c.name] = true
		machine := busyMachine(t)
		for _, event := range c.events {
			machine.Step(Instant(time.Second), event)
		}
		saved := machine.Save()
		if _, err := Restore(Config{}, saved); err != nil {
			t.Fatalf("%s: refused before the damage: %v", c.name, err)
		}
		c.damage(&saved)
		machine, err := Restore(Config{}, saved)
		if err == nil || !strings.Contains(err.Error(), "invariant "+c.name+" ") {
			t.Errorf("%s: got %v, %v", c.name, machine, err)
		}
	}
	played(t, master)
	for _, name := range invariantNames(t) {
		if !tried[name] {
			t.Errorf("no case damages %s", name)
		}
	}
}

// invariantNames reads the names out of the source, so that none is forgotten.
func invariantNames(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("invariant.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(`test\("([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		names = append(names, match[1])
		if !strings.Contains(string(source), "//\t"+match[1]+" ") {
			t.Errorf("the doc of Check does not explain %s", match[1])
		}
	}
	if len(names) < 20 {
		t.Fatalf("found only %q", names)
	}

	return names
}

// TestDerivedIsCompared: index-true notices each table that went astray.
func TestDerivedIsCompared(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*Machine){
		"busy":    func(m *Machine) { m.busy++ },
		"tag":     func(m *Machine) { clear(m.byTag) },
		"work":    func(m *Machine) { clear(m.byWork) },
		"holding": func(m *Machine) { m.held[holding{component: "x"}] = 1 },
	} {
		machine := busyMachine(t)
		if err := machine.Check(); err != nil {
			t.Fatal(err)
		}
		damage(machine)
		if err := machine.Check(); err == nil || !strings.Contains(err.Error(), "index-true") {
			t.Errorf("%s: got %v, want index-true", name, err)
		}
	}
}

// TestSavedIsACopy: what the machine does later does not change what was saved.
func TestSavedIsACopy(t *testing.T) {
	t.Parallel()
	machine := busyMachine(t)
	saved, view := machine.Save(), machine.View()
	twin, err := Restore(Config{}, saved)
	if err != nil {
		t.Fatal(err)
	}
	before := twin.Describe()
	machine.Step(Instant(time.Minute), CallbackDone{Tag: 101, Client: ":2", Message: "no"})
	machine.Step(Instant(time.Minute), OperationRequested{Kind: OperationShutdown, By: "uid 0"})
	machine.Step(Instant(time.Minute), BusLost{})
	again, err := Restore(Config{}, saved)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Describe(); got != before || twin.Describe() != before {
		t.Errorf("the saved state moved:\n got %s\nwant %s", got, before)
	}
	if view.Run.Participants[0].Outcome != OutcomeRunning || len(view.Registrations) != 2 {
		t.Errorf("the view moved: %+v", view)
	}
}

// TestReadersOfTheOwner: who matters on the bus, and what should be up.
func TestReadersOfTheOwner(t *testing.T) {
	t.Parallel()
	machine := busyMachine(t)
	if got := machine.Clients(); !slices.Equal(got, []ClientID{":1", ":2"}) {
		t.Errorf("got clients %q", got)
	}
	if got := machine.Standing(); len(got) != 0 {
		t.Errorf("got %v standing before anything has started", got)
	}
	machine.Step(Instant(time.Second), WorkFinished{Work: 1, Members: []Member{{Unit: "m.service", Outcome: OutcomeDone}}})
	if got := machine.Standing(); !slices.Equal(got, []Target{{Group: "init", Level: 1}}) {
		t.Errorf("got %v standing", got)
	}
	machine.Step(Instant(time.Second), BusLost{})
	if got := machine.Clients(); len(got) != 0 {
		t.Errorf("got clients %q without a bus", got)
	}
}

// TestGlanceIsTheViewWithoutLists: the cheap view says the same about all the rest.
func TestGlanceIsTheViewWithoutLists(t *testing.T) {
	t.Parallel()
	for name, machine := range map[string]*Machine{
		"busy":    busyMachine(t),
		"new":     played(t),
		"syncing": played(t, RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"}, MembersObserved{map[Target][]string{{Group: "init"}: {"a.service"}}}, SyncRequested{}),
	} {
		view, glance := machine.View(), machine.Glance()
		if syncing := name == "syncing"; view.Syncing != syncing {
			t.Errorf("%s: got syncing %t", name, view.Syncing)
		}
		view.Registrations, view.Members, view.Pending = []Registration{}, []MemberView{}, []InvocationView{}
		if view.Run != nil {
			view.Run.Participants = []Participant{}
		}
		if !reflect.DeepEqual(view, glance) {
			t.Errorf("%s: got %+v, want %+v", name, glance, view)
		}
	}
}
