package levels

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The explorer runs the real Step breadth-first over every order in which the
// answers, failures, cancellations and late answers of a small system may come:
// two levels, two or three participants. In every state it checks every
// invariant; at the end it demands that each rare state of the table was met.

// world is one state of the exploration: the machine and what is under way around it.
type world struct {
	machine *Machine
	now     Instant
	// works are open at the owner, whether the machine still waits for them or not.
	works []openWork
	// releasing: ReleaseRole is unanswered.
	releasing bool
	// spent counts how often each budgeted move was made.
	spent map[string]int
	// tags that were open once, for late answers.
	tags []Tag
	path []string
}

// move is one thing that may happen next.
type move struct {
	name  string
	event Event
	// budget names what it costs; empty for moves that end by themselves.
	budget string
	wait   time.Duration
	done   WorkID
}

// plot is a small system.
type plot struct {
	name    string
	config  func(*Config)
	members map[Target][]string
	begin   []Event
	budgets map[string]int
	// extra moves, each costing the budget of its name.
	extra map[string]Event
	limit int
}

func TestExplore(t *testing.T) {
	t.Parallel()
	sometimes := rareStates()
	total := 0
	for _, p := range plots() {
		count := explore(t, p, sometimes)
		t.Logf("%s: %d states", p.name, count)
		total += count
	}
	t.Logf("%d states in all", total)
	for _, name := range slices.Sorted(maps.Keys(sometimes)) {
		if *sometimes[name] == 0 {
			t.Errorf("never met: %s", name)
		} else {
			t.Logf("%7d × %s", *sometimes[name], name)
		}
	}
}

func plots() []plot {
	at := func(component string, sequence Sequence, level Level) Event {
		return Registered{Registration{Component: component, Client: ":1", Position: Position{sequence, level}, Unit: component + ".service"}}
	}
	master := RoleChanged{Role: RoleMaster, Term: 1, Master: "n1"}
	spare := RoleChanged{Role: RoleSpare, Term: 1, Master: "n2"}
	standby := RoleChanged{Role: RoleMaster, Term: 1, Master: "n1", Vice: "n2"}
	lost := RoleChanged{Role: RoleSpare, Term: 2, Master: "n2", Lost: true}
	again := RoleChanged{Role: RoleMaster, Term: 3, Master: "n1"}
	complete := MasterProgress{Master: "n2", Complete: true}
	shutdown := OperationRequested{Kind: OperationShutdown, By: "uid 0"}
	forced := OperationRequested{Kind: OperationShutdown, By: "logind"}
	disqualify := OperationRequested{Kind: OperationDisqualify, By: "uid 0"}

	return []plot{
		{
			name:    "init that holds",
			members: map[Target][]string{{Group: "init", Level: 0}: {"m.service"}, {Group: "master", Level: 0}: {"r.service"}},
			begin:   []Event{CancellationSubscribed{":2"}, at("a", Init, 0), at("b", Init, Last), spare, complete},
			budgets: map[string]int{"fail": 1, "time": 1, "elected": 1, "shutdown": 1},
			extra:   map[string]Event{"elected": RoleChanged{Role: RoleMaster, Term: 2, Master: "n1"}, "shutdown": shutdown},
			limit:   30000,
		},
		{
			name:    "init whose clients go and come",
			members: map[Target][]string{{Group: "master", Level: 0}: {"r.service"}},
			begin:   []Event{at("a", Init, 0), at("b", Init, Last), master},
			budgets: map[string]int{"fail": 1, "time": 2, "vanish": 1, "register": 1, "skip": 1},
			extra:   map[string]Event{"vanish": ClientVanished{":1"}, "register": at("a", Init, 0)},
			limit:   30000,
		},
		{
			name:    "init of two callbacks on one level",
			begin:   []Event{at("a", Init, 0), at("b", Init, 0), master},
			budgets: map[string]int{"fail": 2, "time": 1, "retry": 2, "abort": 1, "buslost": 1, "register": 1, "shutdown": 1, "late": 1},
			extra:   map[string]Event{"buslost": BusLost{}, "register": at("a", Init, 0), "shutdown": shutdown},
			limit:   30000,
		},
		{
			name:    "members that hang under continue",
			config:  func(c *Config) { c.Sequences[Init].OnFailure = PolicyContinue },
			members: map[Target][]string{{Group: "init", Level: 0}: {"m.service", "n.service"}},
			begin:   []Event{at("a", Init, 0), master},
			budgets: map[string]int{"time": 4, "shutdown": 1, "late": 1},
			extra:   map[string]Event{"shutdown": forced},
			limit:   30000,
		},
		{
			name:    "promote that aborts",
			members: map[Target][]string{{Group: "master", Level: 0}: {"r.service"}},
			begin: []Event{
				spare, complete, at("a", Promote, 0), at("b", Promote, Last), at("b", Demote, 0),
				RoleChanged{Role: RoleMaster, Term: 2, Master: "n1"},
			},
			budgets: map[string]int{"fail": 1, "lost": 1, "again": 1, "shutdown": 1, "vanish": 1},
			extra: map[string]Event{
				"lost": RoleChanged{Role: RoleSpare, Term: 3, Master: "n2", Lost: true}, "again": RoleChanged{Role: RoleMaster, Term: 4, Master: "n1"},
				"shutdown": shutdown, "vanish": ClientVanished{":1"},
			},
			limit: 30000,
		},
		{
			name:    "planned demote",
			members: map[Target][]string{{Group: "master", Level: 0}: {"r.service"}},
			begin:   []Event{standby, at("a", Demote, 0), at("b", Disqualify, Last), disqualify},
			budgets: map[string]int{"fail": 1, "lost": 1, "again": 1, "shutdown": 1, "refuse": 1},
			extra:   map[string]Event{"lost": lost, "again": again, "shutdown": shutdown},
			limit:   30000,
		},
		{
			name:    "planned demote that holds",
			config:  func(c *Config) { c.Sequences[Demote].OnFailure = PolicyHold },
			members: map[Target][]string{{Group: "master", Level: 0}: {"r.service"}},
			begin:   []Event{standby, at("a", Demote, 0), disqualify},
			budgets: map[string]int{"fail": 1, "time": 1, "lost": 1, "shutdown": 1, "abort": 1, "retry": 1},
			extra:   map[string]Event{"lost": lost, "shutdown": shutdown},
			limit:   30000,
		},
		acrossSwitchover(at), acrossLock(at), acrossVice(at), acrossPromote(at), acrossFlicker(),
		{
			name:    "shut that holds",
			config:  func(c *Config) { c.Sequences[Shut].OnFailure = PolicyHold },
			members: map[Target][]string{{Group: "init", Level: 0}: {"m.service"}},
			begin:   []Event{master, at("a", Shut, 0), at("b", Shut, Last), shutdown},
			budgets: map[string]int{"fail": 2, "time": 2, "retry": 1, "skip": 1, "force": 1},
			extra:   map[string]Event{"force": forced},
			limit:   30000,
		},
	}
}

// explore visits every state of a plot once and returns how many there are.
func explore(t *testing.T, p plot, sometimes map[string]*int) int {
	t.Helper()
	config := DefaultConfig("n1")
	for _, sequence := range Sequences() {
		config.Sequences[sequence].Ladder.Top = 0
		config.Sequences[sequence].Timeout = 20 * time.Second
	}
	if p.config != nil {
		p.config(&config)
	}
	first := &world{
		machine: New(Start{Config: config, FirstTag: 100, Qualified: true}), now: Instant(time.Second), spent: map[string]int{},
	}
	quiet := map[string]*int{}
	for _, event := range append([]Event{MembersObserved{p.members}}, p.begin...) {
		first.apply(t, move{name: fmt.Sprintf("%T", event), event: event}, p, quiet)
		for first.machine.s.State == StateInitializing && event == p.begin[0] && len(first.works) > 0 && !strings.HasPrefix(p.name, "init") &&
			!strings.HasPrefix(p.name, "members") { // come up first
			first.apply(t, first.finish(first.works[0], OutcomeDone), p, quiet)
		}
	}
	seen := map[uint64]bool{}
	seed := maphash.MakeSeed()
	queue := []*world{first}
	for len(queue) > 0 {
		here := queue[0]
		queue = queue[1:]
		moves := here.moves(p)
		here.neverStuck(t, p, moves)
		for _, next := range moves {
			there := here.fork()
			if refused := there.apply(t, next, p, sometimes); refused {
				continue // and nothing changed
			}
			key := there.key(t, seed)
			if seen[key] {
				continue
			}
			seen[key] = true
			if len(seen) > p.limit {
				t.Fatalf("%s: more than %d states; is it finite?\n%s", p.name, p.limit, strings.Join(there.path, "\n"))
			}
			queue = append(queue, there)
		}
	}

	return len(seen)
}

// neverStuck demands that a run for which nothing is open ends by itself, is held,
// waits with a reason, or has a time limit (L2).
func (w *world) neverStuck(t *testing.T, p plot, moves []move) {
	t.Helper()
	run := w.machine.s.Run
	open := slices.ContainsFunc(moves, func(m move) bool { return m.budget == "" })
	if run == nil || open || w.machine.wake() > w.now {
		return
	}
	if (run.Phase == PhaseHeld || run.Phase == PhaseWaiting) && run.Reason != "" {
		return
	}
	t.Fatalf("%s: stuck after %s\n%s", p.name, strings.Join(w.path, ", "), w.machine.Describe())
}

func (w *world) fork() *world {
	machine := &Machine{s: w.machine.Save()}
	machine.index()

	return &world{
		machine: machine, now: w.now, works: slices.Clone(w.works), releasing: w.releasing,
		spent: maps.Clone(w.spent), tags: slices.Clone(w.tags), path: slices.Clone(w.path),
	}
}

func (w *world) key(t *testing.T, seed maphash.Seed) uint64 {
	t.Helper()
	saved := w.canonical()
	text, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	var hash maphash.Hash
	hash.SetSeed(seed)
	_, _ = hash.Write(text)
	var open []string
	for _, work := range w.works { // forgotten ones are all alike
		awaited := w.machine.s.Run != nil && slices.ContainsFunc(w.machine.s.Run.Works, func(o Work) bool { return o.ID == work.id })
		open = append(open, fmt.Sprint(work.name(), work.units, work.stop, awaited))
	}
	_, _ = fmt.Fprint(&hash, open, w.releasing, w.spent, len(w.tags) > 0)

	return hash.Sum64()
}

// canonical is the machine without what only counts or dates: two states that
// differ in nothing else go on alike.
func (w *world) canonical() Saved {
	saved := w.machine.Save()
	saved.Config, saved.Operations, saved.Outcomes = Config{}, nil, nil
	saved.NextTag, saved.NextRun, saved.NextWork, saved.NextRegistration, saved.NextOperation = 0, 0, 0, 0, 0
	for i := range saved.Registrations {
		saved.Registrations[i].ID = 0
	}
	left := func(at *Instant) {
		if *at != 0 {
			*at -= w.now
		}
	}
	if saved.Release != nil {
		left(&saved.Release.Deadline)
	}
	if saved.Bar != nil {
		left(&saved.Bar.Until)
		saved.Bar.Reason = ""
	}
	if saved.Operation != nil && saved.Operation.Await != nil {
		left(&saved.Operation.Await.Until)
		left(&saved.Operation.Await.GoneUntil)
	}
	if saved.Failed != nil {
		*saved.Failed = Failure{Sequence: saved.Failed.Sequence}
	}
	if saved.Operation != nil {
		saved.Operation.ID, saved.Operation.Started = 0, 0
	}
	run := saved.Run
	if run == nil {
		return saved
	}
	owned := saved.Operation != nil && run.Op != 0
	run.Op, run.Number, run.Levels, run.Started, run.Entered, run.Info, run.Cause, run.Reason = 0, 0, nil, 0, 0, Info{}, "", ""
	run.Noboot = owned // a free bit that counts here
	left(&run.Wake)
	left(&run.WaitUntil)
	number := map[WorkID]WorkID{}
	for i := range run.Works {
		work := &run.Works[i]
		number[work.ID] = WorkID(i + 1)
		work.ID, work.Since = WorkID(i+1), 0
		left(&work.Deadline)
	}
	for i := range run.Parts {
		part := &run.Parts[i]
		part.Registration.ID, part.Started, part.Ended, part.Reason, part.Work = 0, 0, 0, "", number[part.Work]
		part.Tag = min(part.Tag, 1)
		left(&part.Deadline)
	}

	return saved
}

// moves lists what may happen next.
func (w *world) moves(p plot) []move {
	var list []move
	may := func(m move) {
		if m.budget == "" || w.spent[m.budget] < p.budgets[m.budget] {
			list = append(list, m)
		}
	}
	view := w.machine.View()
	for _, open := range view.Pending {
		client := open.Registration.Client
		may(move{name: fmt.Sprint("done ", open.Tag), event: CallbackDone{Tag: open.Tag, Client: client, OK: true}})
		may(move{name: fmt.Sprint("error ", open.Tag), event: CallbackDone{Tag: open.Tag, Client: client, Message: "no"}, budget: "fail"})
	}
	for _, work := range w.works {
		may(w.finish(work, OutcomeDone))
		bad := w.finish(work, OutcomeFailed)
		bad.budget = "fail"
		may(bad)
	}
	if w.releasing {
		may(move{name: "released", event: RoleReleased{}})
		may(move{name: "refused", event: RoleReleased{Err: "no quorum"}, budget: "refuse"})
	}
	if wake := w.machine.wake(); wake > w.now {
		may(move{name: "tick", event: Ticked{}, wait: wake.Sub(w.now), budget: "time"})
	}
	if view.Run != nil {
		sequence := view.Run.Sequence
		may(move{name: "retry", event: RetryRequested{sequence}, budget: "retry"})
		may(move{name: "skip", event: SkipRequested{sequence}, budget: "skip"})
		may(move{name: "abort", event: AbortRequested{sequence}, budget: "abort"})
	}
	if len(w.tags) > 0 {
		last := w.tags[len(w.tags)-1]
		if !slices.ContainsFunc(view.Pending, func(i InvocationView) bool { return i.Tag == last }) {
			may(move{name: fmt.Sprint("late ", last), event: CallbackDone{Tag: last, Client: ":1", OK: true}, budget: "late"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.extra)) {
		may(move{name: name, event: p.extra[name], budget: name})
	}

	return list
}

func (w *world) finish(work openWork, outcome Outcome) move {
	finished := WorkFinished{Work: work.id}
	for _, unit := range work.units {
		finished.Members = append(finished.Members, Member{Unit: unit, Outcome: outcome})
	}

	return move{name: fmt.Sprintf("finish %d %v", work.id, outcome), event: finished, done: work.id}
}

// apply makes a move, follows what it started, and checks the machine.
func (w *world) apply(t *testing.T, next move, p plot, sometimes map[string]*int) (refused bool) {
	t.Helper()
	w.path = append(w.path, next.name)
	if next.budget != "" {
		w.spent[next.budget]++
	}
	w.now = w.now.Add(next.wait)
	before := w.look()
	result := w.machine.Step(w.now, next.event)
	if next.done != 0 {
		w.works = slices.DeleteFunc(w.works, func(o openWork) bool { return o.id == next.done })
	}
	if _, answered := next.event.(RoleReleased); answered {
		w.releasing = false
	}
	for _, action := range result.Actions {
		switch action := action.(type) {
		case Invoke:
			w.tags = append(w.tags, action.Tag)
		case StartUnits:
			w.begin(action.Work, action.Target, action.Units, p, false)
		case StopUnits:
			w.begin(action.Work, action.Target, action.Units, p, true)
		case ReleaseRole:
			w.releasing = true
		default:
		}
	}
	if err := w.machine.Check(); err != nil {
		t.Fatalf("%s: %v\nafter %s\n%s", p.name, err, strings.Join(w.path, ", "), w.machine.Describe())
	}
	meet(sometimes, before, next, result, w)
	meetAcross(sometimes, before, next, result, w)

	return result.Err != nil
}

func (w *world) begin(id WorkID, target Target, units []string, p plot, stop bool) {
	if len(units) == 0 {
		units = p.members[target]
	}
	if len(units) == 0 {
		return // a plain target without members: nobody waits for it
	}
	w.works = append(w.works, openWork{id, target, units, stop})
}
