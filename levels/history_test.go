package levels

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history draws random events, most of them sensible, and feeds them to a machine
// and to twins of it that were saved and restored on the way.
type history struct {
	t        *rapid.T
	machine  *Machine
	twin     *Machine
	now      Instant
	term     Term
	members  map[Target][]string
	works    []openWork
	waiting  bool // for a release
	tags     map[Tag]bool
	answered map[Tag]bool
	runs     map[RunNumber]int
	open     RunNumber
	reported map[string]bool
	told     []string
}

// TestRandomHistories: whatever comes in whatever order, every invariant holds, a
// refused request changes nothing, a machine restored from JSON goes on alike, and
// once everybody answers every run ends or says why not (L2).
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := &history{
			t: t, now: Instant(time.Second), term: 1, members: map[Target][]string{}, tags: map[Tag]bool{},
			answered: map[Tag]bool{}, runs: map[RunNumber]int{}, reported: map[string]bool{},
		}
		h.machine = New(Start{Config: h.config(), FirstTag: 1000, Qualified: rapid.Bool().Draw(t, "qualified")})
		h.restore()
		for range rapid.IntRange(5, 60).Draw(t, "length") {
			h.step(h.event())
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				h.restore()
			}
		}
		h.comeToRest()
	})
}

func (h *history) config() Config {
	config := DefaultConfig("n1")
	config.RegistrationTimeout = 30 * time.Second
	config.GateVice = rapid.Bool().Draw(h.t, "gate")
	config.Eligible = rapid.IntRange(0, 9).Draw(h.t, "eligible") > 0
	for _, sequence := range Sequences() {
		settings := &config.Sequences[sequence]
		settings.Ladder.Top = Level(rapid.IntRange(0, 2).Draw(h.t, "top"))
		settings.Timeout = 20 * time.Second
		if rapid.Bool().Draw(h.t, "own policy") {
			settings.OnFailure = rapid.SampledFrom([]Policy{PolicyHold, PolicyAbort, PolicyContinue, PolicyFence}).Draw(h.t, "policy")
		}
	}
	config.Components["a"] = ComponentConfig{Unit: "a.service", Required: []Position{{Init, 0}}}
	if rapid.Bool().Draw(h.t, "nobody required") {
		config.Components = map[string]ComponentConfig{"b": {OnFailure: PolicyContinue, Timeout: 5 * time.Second}}
	}

	return config
}

func (h *history) target() Target {
	group := rapid.SampledFrom([]string{"init", "shut", "promote", "demote", "disqualify", "qualify", "master", "vice", "ready", "spare"}).Draw(h.t, "group")
	if group == "ready" || group == "spare" {
		return PlainTarget(group)
	}

	return Target{Group: group, Level: h.level()}
}

func (h *history) level() Level { return Level(rapid.IntRange(-1, 3).Draw(h.t, "level")) }

func (h *history) client() ClientID {
	return rapid.SampledFrom([]ClientID{":1", ":2"}).Draw(h.t, "client")
}

// event draws what happens next.
func (h *history) event() Event {
	switch choice := rapid.IntRange(0, 29).Draw(h.t, "choice"); {
	case choice < 5:
		return h.registered()
	case choice < 9:
		return h.done()
	case choice < 14 && len(h.works) > 0:
		return h.worked()
	case choice < 17:
		return h.role()
	case choice < 19:
		return h.observed()
	case choice < 21:
		h.now = h.now.Add(time.Duration(rapid.IntRange(0, 25).Draw(h.t, "seconds")) * time.Second)

		return Ticked{}
	case choice < 24:
		return h.requested()
	default:
		return h.rare()
	}
}

func (h *history) registered() Event {
	return Registered{Registration{
		Component: rapid.SampledFrom([]string{"a", "b", "c", ""}).Draw(h.t, "component"), Client: h.client(),
		Position:  Position{Sequence(rapid.IntRange(0, 6).Draw(h.t, "sequence")), h.level()},
		OnFailure: Policy(rapid.IntRange(0, 4).Draw(h.t, "policy")),
		Unit:      rapid.SampledFrom([]string{"", "x.service", "a.service", "s.scope"}).Draw(h.t, "unit"),
	}}
}

func (h *history) done() Event {
	done := CallbackDone{Tag: Tag(rapid.IntRange(990, 1010).Draw(h.t, "tag")), Client: h.client(), OK: rapid.IntRange(0, 3).Draw(h.t, "ok") > 0}
	if pending := h.machine.View().Pending; len(pending) > 0 && rapid.IntRange(0, 4).Draw(h.t, "true tag") > 0 {
		open := pending[rapid.IntRange(0, len(pending)-1).Draw(h.t, "open")]
		done.Tag, done.Client = open.Tag, open.Registration.Client
	}

	return done
}

func (h *history) worked() Event {
	i := rapid.IntRange(0, len(h.works)-1).Draw(h.t, "work")
	work := h.works[i]
	outcome := rapid.SampledFrom([]Outcome{OutcomeDone, OutcomeDone, OutcomeAlready, OutcomeSkipped, OutcomeFailed, OutcomeRunning})
	if rapid.Bool().Draw(h.t, "early") && len(work.units) > 0 {
		unit := work.units[rapid.IntRange(0, len(work.units)-1).Draw(h.t, "unit")]

		return MemberSettled{Work: work.id, Member: Member{Unit: unit, Outcome: outcome.Draw(h.t, "outcome")}}
	}
	h.works = slices.Delete(h.works, i, i+1)
	finished := WorkFinished{Work: work.id}
	for _, unit := range work.units {
		if rapid.IntRange(0, 9).Draw(h.t, "left out") > 0 {
			finished.Members = append(finished.Members, Member{Unit: unit, Outcome: outcome.Draw(h.t, "outcome")})
		}
	}
	if rapid.IntRange(0, 9).Draw(h.t, "trouble") == 0 {
		finished.Err = "no bus"
	}

	return finished
}

func (h *history) role() Event {
	if rapid.IntRange(0, 3).Draw(h.t, "new term") == 0 {
		h.term++
	}
	changed := RoleChanged{
		Role: Role(rapid.IntRange(0, 5).Draw(h.t, "role")), Term: h.term, Master: "n2",
		Vice: rapid.SampledFrom([]NodeID{"", "n3"}).Draw(h.t, "named"),
		Lost: rapid.IntRange(0, 4).Draw(h.t, "lost") == 0,
	}
	if changed.Role == RoleMaster {
		changed.Master, changed.Lost = "n1", false
		changed.Vice = rapid.SampledFrom([]NodeID{"", "n2"}).Draw(h.t, "vice")
	}

	return changed
}

func (h *history) observed() Event {
	h.members = maps.Clone(h.members)
	for range rapid.IntRange(1, 3).Draw(h.t, "targets") {
		h.members[h.target()] = rapid.SliceOfN(rapid.SampledFrom([]string{"a.service", "m.service", "n.socket"}), 0, 3).Draw(h.t, "units")
	}

	return MembersObserved{h.members}
}

func (h *history) requested() Event {
	request := OperationRequested{
		Kind:  OperationKind(rapid.IntRange(0, 5).Draw(h.t, "kind")),
		Mode:  rapid.SampledFrom([]Mode{ModeNone, ModeNone, ModeNoboot, ModeReboot, ModeStandalone}).Draw(h.t, "mode"),
		By:    rapid.SampledFrom([]string{"uid 0", "uid 0", "logind"}).Draw(h.t, "by"),
		Force: rapid.IntRange(0, 3).Draw(h.t, "force") == 0, DryRun: rapid.IntRange(0, 3).Draw(h.t, "dry") == 0,
		CallbacksOnly: rapid.IntRange(0, 5).Draw(h.t, "callbacks only") == 0,
	}
	if request.Kind == OperationSwitchover {
		request.To = rapid.SampledFrom([]NodeID{"", "n2", "n3"}).Draw(h.t, "to")
	}
	if rapid.Bool().Draw(h.t, "briefed") {
		request.Briefing = h.briefing()
	}

	return request
}

func (h *history) briefing() *Briefing {
	b := &Briefing{Quorate: rapid.IntRange(0, 4).Draw(h.t, "quorate") > 0, Voters: 3, VotersHeard: 2, Others: []Other{}}
	for _, node := range []NodeID{"n2", "n3"} {
		if rapid.IntRange(0, 4).Draw(h.t, "listed") > 0 {
			b.Others = append(b.Others, Other{Node: node})
		}
		if rapid.IntRange(0, 2).Draw(h.t, "hindered") == 0 && len(b.Others) > 0 {
			b.Others[len(b.Others)-1].Obstacles = []string{"it is silent; look"}
		}
	}

	return b
}

// leaders draws what gossip says of the master and the vice.
func (h *history) leaders() Event {
	leader := func(role Role) Leader {
		return Leader{
			Node: rapid.SampledFrom([]NodeID{"n2", "n3"}).Draw(h.t, "leader"), Role: role, State: StateUp,
			Doing:   rapid.SampledFrom([]Position{{}, {}, {Promote, 0}}).Draw(h.t, "doing"),
			Trouble: rapid.SampledFrom([]string{"", "held: naming failed"}).Draw(h.t, "trouble"),
		}
	}

	return LeadersSeen{Master: leader(RoleMaster), Vice: leader(RoleVice)}
}

func (h *history) rare() Event {
	sequence := Sequence(rapid.IntRange(0, 6).Draw(h.t, "sequence"))
	if run := h.machine.View().Run; run != nil && rapid.Bool().Draw(h.t, "of the run") {
		sequence = run.Sequence
	}
	switch rapid.IntRange(0, 14).Draw(h.t, "rare") {
	case 0:
		return Unregistered{ID: RegistrationID(rapid.IntRange(0, 9).Draw(h.t, "id")), Client: h.client()}
	case 1:
		return CancellationSubscribed{h.client()}
	case 2:
		return ClientVanished{h.client()}
	case 3:
		return BusLost{}
	case 4:
		return TargetLost{h.target()}
	case 5, 6:
		return RetryRequested{sequence}
	case 7:
		return SkipRequested{sequence}
	case 8:
		return AbortRequested{sequence}
	case 9:
		return SyncRequested{}
	case 10:
		return Configured{h.config()}
	case 11:
		h.waiting = false

		return RoleReleased{Err: rapid.SampledFrom([]string{"", "no quorum"}).Draw(h.t, "err")}
	case 12:
		return Resumed{}
	case 13:
		return h.leaders()
	default:
		return MasterProgress{Master: h.machine.View().Master, Term: h.term, Started: true, Reached: h.level(), Complete: rapid.Bool().Draw(h.t, "complete"), Ready: rapid.Bool().Draw(h.t, "ready")}
	}
}

// restore replaces the twin by what the saved form of the machine gives.
func (h *history) restore() {
	text, err := json.Marshal(h.machine.Save())
	if err != nil {
		h.t.Fatal(err)
	}
	var saved Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		h.t.Fatalf("%v in %s", err, text)
	}
	if h.twin, err = Restore(Config{}, saved); err != nil {
		h.t.Fatalf("%v in %s", err, text)
	}
}

// step feeds machine and twin and compares.
func (h *history) step(event Event) {
	h.told = append(h.told, fmt.Sprintf("%T%+v", event, event))
	before := h.machine.Save()
	result := h.machine.Step(h.now, event)
	other := h.twin.Step(h.now, event)
	if err := h.machine.Check(); err != nil {
		h.fatal("%v", err)
	}
	if got, want := fmt.Sprintf("%+v", other), fmt.Sprintf("%+v", result); got != want {
		h.fatal("the restored machine went another way:\n got %s\nwant %s", got, want)
	}
	got, _ := json.Marshal(h.twin.Save())
	want, _ := json.Marshal(h.machine.Save())
	if string(got) != string(want) {
		h.fatal("the restored machine is another:\n got %s\nwant %s", got, want)
	}
	if request, dry := event.(OperationRequested); result.Err != nil || dry && request.DryRun {
		if len(result.Actions) > 0 || !reflect.DeepEqual(before, h.machine.Save()) {
			h.fatal("a request that was not taken changed something")
		}
	}
	h.witness(event, result)
}

func (h *history) fatal(format string, args ...any) {
	h.t.Fatalf("%s\nafter\n%s\n%s", fmt.Sprintf(format, args...), strings.Join(h.told, "\n"), h.machine.Describe())
}

// witness keeps its own account of what may happen how often, apart from the
// machine's.
func (h *history) witness(event Event, result Result) {
	if done, ok := event.(CallbackDone); ok && result.Err == nil {
		if h.answered[done.Tag] || !h.tags[done.Tag] {
			h.fatal("tag %d was answered twice or never opened (I5)", done.Tag)
		}
		h.answered[done.Tag] = true
	}
	_, resumed := event.(Resumed)
	for _, action := range result.Actions {
		switch action := action.(type) {
		case Invoke:
			if h.tags[action.Tag] != action.Resume || action.Resume != resumed {
				h.fatal("tag %d was used before, or resumed out of nowhere", action.Tag)
			}
			h.tags[action.Tag] = true
		case StartUnits:
			h.openWork(openWork{action.Work, action.Target, action.Units, false}, resumed)
		case StopUnits:
			h.openWork(openWork{action.Work, action.Target, action.Units, true}, resumed)
		case ReleaseRole:
			h.waiting = true
		case TellSequenceStarted:
			if h.open != 0 {
				h.fatal("run %d begins before run %d ended", action.Run, h.open)
			}
			h.open = action.Run
		case TellSequenceFinished:
			if h.open != action.Record.Run {
				h.fatal("run %d ended, but %d is open", action.Record.Run, h.open)
			}
			h.open = 0
		case TellLevelReached:
			h.reached(action)
		case LeaveCluster:
			if h.open != 0 {
				h.fatal("left in the middle of run %d", h.open)
			}
		default:
		}
	}
}

// reached is I4 as an outsider sees it: levels of a run come in order.
func (h *history) reached(action TellLevelReached) {
	height := int(action.Position.Level) + 1
	if action.Position.Level == Last {
		height = int(MaxLevel) + 2
	}
	if action.Run != h.open || height <= h.runs[action.Run] {
		h.fatal("%v reached out of order (I4)", action.Position)
	}
	h.runs[action.Run] = height
}

func (h *history) openWork(work openWork, resumed bool) {
	known := slices.ContainsFunc(h.works, func(w openWork) bool { return w.id == work.id })
	if known && !resumed {
		h.fatal("work %d was used before", work.id)
	}
	if len(work.units) == 0 {
		for _, unit := range h.members[work.target] {
			if !slices.Contains(work.units, unit) {
				work.units = append(work.units, unit)
			}
		}
	}
	if !known {
		h.works = append(h.works, work)
	}
}

// comeToRest lets everybody answer and time pass.
func (h *history) comeToRest() {
	for range 3000 {
		pending := h.machine.View().Pending
		switch {
		case len(h.works) > 0:
			finished := WorkFinished{Work: h.works[0].id}
			for _, unit := range h.works[0].units {
				finished.Members = append(finished.Members, Member{Unit: unit, Outcome: OutcomeDone})
			}
			h.works = h.works[1:]
			h.step(finished)
		case h.waiting:
			h.waiting = false
			h.step(RoleReleased{})
		case len(pending) > 0 && h.machine.View().Run.Phase != PhaseHeld:
			h.step(CallbackDone{Tag: pending[0].Tag, Client: pending[0].Registration.Client, OK: true})
		case h.machine.wake() > 0 && h.unfinished():
			h.now = max(h.now, h.machine.wake())
			h.step(Ticked{})
		default:
			h.rested()

			return
		}
	}
	h.fatal("does not come to rest (L2)")
}

// unfinished says that something is under way that ends by time.
func (h *history) unfinished() bool {
	op := h.machine.s.Operation
	if run := h.machine.s.Run; run != nil && (op == nil || op.Await == nil) {
		return run.Phase != PhaseHeld
	}

	return op != nil
}

// rested demands a reason for every run that is still there.
func (h *history) rested() {
	run := h.machine.View().Run
	if op := h.machine.s.Operation; op != nil && (op.Await != nil || run == nil && op.Kind != OperationStart) {
		h.fatal("an operation neither ended nor is a run of it in progress (L2)")
	}
	if run == nil {
		return
	}
	ended := run.Phase == PhaseHeld || run.Phase == PhaseWaiting || run.Phase == PhaseFinished
	if !ended || run.Reason == "" {
		h.fatal("a run neither ended nor said why not (L2)")
	}
}
