package levels

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTextInverses: every enumeration and identifier reads back what it writes.
func TestTextInverses(t *testing.T) {
	t.Parallel()
	inverse(t, Sequences(), Sequence.String, ParseSequence)
	inverse(t, []Role{RoleMaster, RoleVice, RoleSpare, RoleOffline, RoleNone}, Role.String, ParseRole)
	inverse(t, []Policy{PolicyHold, PolicyAbort, PolicyContinue, PolicyFence}, Policy.String, ParsePolicy)
	inverse(t, []Mode{ModeReboot, ModePoweroff, ModeHalt, ModeNoboot, ModeStandalone}, Mode.String, ParseMode)
	inverse(t, []Kind{KindCallback, KindMember}, Kind.String, ParseKind)
	inverse(t, []NodeState{StateDown, StateJoining, StateInitializing, StateUp, StateShuttingDown, StateLeaving}, NodeState.String, ParseNodeState)
	inverse(t, []Outcome{
		OutcomeWaiting, OutcomeRunning, OutcomeDone, OutcomeAlready, OutcomeSkipped, OutcomeFailed, OutcomePassed,
	}, Outcome.String, ParseOutcome)
	inverse(t, []Phase{PhaseWaiting, PhaseRunning, PhaseStopping, PhaseHeld, PhaseCancelling, PhaseFinished}, Phase.String, ParsePhase)
	inverse(t, []OperationResult{ResultRunning, ResultDone, ResultFailed, ResultCanceled}, OperationResult.String, ParseOperationResult)
	inverse(t, []OperationKind{
		OperationDisqualify, OperationQualify, OperationShutdown, OperationSwitchover, OperationStart,
		OperationClusterShutdown, OperationRollingReboot,
	}, OperationKind.String, ParseOperationKind)
	inverse(t, slices.Collect(Ladder{Top: MaxLevel}.All()), Level.String, ParseLevel)
	for _, text := range []string{"", "unknown", "INIT", "-1", "100", "007", "+1", " 1", "1.0"} {
		if value, err := ParseLevel(text); err == nil {
			t.Errorf("level %q read as %v", text, value)
		}
		if value, err := ParseSequence(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("sequence %q read as %v, %v", text, value, err)
		}
	}
	for text, into := range map[string]interface{ UnmarshalText(text []byte) error }{
		"unknown": new(Phase), "none": new(Mode), "inherit": new(Policy),
	} {
		if err := into.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("saved zero value %q: %v", text, err)
		}
	}
	if text := Sequence(99).String(); text != "unknown" {
		t.Errorf("got %q for a sequence that is none", text)
	}
}

func inverse[T comparable](t *testing.T, values []T, write func(T) string, read func(string) (T, error)) {
	t.Helper()
	for _, value := range values {
		text := write(value)
		if back, err := read(text); err != nil || back != value {
			t.Errorf("%q reads back as %v, %v", text, back, err)
		}
	}
	if value, err := read("no such word"); !errors.Is(err, ErrInvalid) {
		t.Errorf("nonsense read as %v, %v", value, err)
	}
}

// TestPositionInverses: positions read back, and only true ones are read.
func TestPositionInverses(t *testing.T) {
	t.Parallel()
	var positions []Position
	for _, sequence := range Sequences() {
		for level := range (Ladder{Top: 3}).All() {
			positions = append(positions, Position{sequence, level})
		}
	}
	inverse(t, positions, Position.String, ParsePosition)
	for _, text := range []string{"", "init", "init:", ":0", "init:x", "unknown:0", "init:0:1"} {
		if position, err := ParsePosition(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q read as %v, %v", text, position, err)
		}
	}
}

// TestTargetInverses: targets read back, and only true ones are read.
func TestTargetInverses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := PlainTarget(rapid.SampledFrom([]string{"ready", "master", "vice", "spare", "offline"}).Draw(t, "plain"))
		if rapid.Bool().Draw(t, "levelled") {
			target = Target{
				Group: rapid.SampledFrom([]string{"init", "shut", "promote", "demote", "disqualify", "qualify", "master", "vice"}).Draw(t, "group"),
				Level: Level(rapid.IntRange(-1, int(MaxLevel)).Draw(t, "level")),
			}
		}
		if back, err := ParseTarget(target.String()); err != nil || back != target {
			t.Fatalf("%v reads back as %v, %v", target, back, err)
		}
	})
	for _, text := range []string{"", "init", "ready-1", "spare-0", "init-", "init-100", "master-x", "unknown-1"} {
		if target, err := ParseTarget(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q read as %v, %v", text, target, err)
		}
	}
}

// TestLadderInverses: At and Index undo each other, and Last is the last.
func TestLadderInverses(t *testing.T) {
	t.Parallel()
	for top := range MaxLevel + 1 {
		ladder, count := Ladder{Top: top}, 0
		for level := range ladder.All() {
			index, ok := ladder.Index(level)
			if !ok || index != count || ladder.At(index) != level {
				t.Fatalf("top %v: level %v has index %d, %t; want %d", top, level, index, ok, count)
			}
			count++
		}
		if count != ladder.Len() || ladder.At(count-1) != Last {
			t.Fatalf("top %v: %d levels, want %d, last at the end", top, count, ladder.Len())
		}
		if _, ok := ladder.Index(top + 1); ok {
			t.Fatalf("top %v has a level above", top)
		}
	}
}

// TestPrecedenceIsTotal: of two sequences exactly one outranks the other.
func TestPrecedenceIsTotal(t *testing.T) {
	t.Parallel()
	order := []Sequence{Shut, Demote, Disqualify, Qualify, Promote, Init, SequenceUnknown}
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Outranks(b), i < j; got != want {
				t.Errorf("%v outranks %v: got %t, want %t", a, b, got, want)
			}
		}
	}
}
