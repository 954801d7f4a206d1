package main

import "testing"

// TestEventsInWords compares phrases with and without the fields that may be missing.
func TestEventsInWords(t *testing.T) {
	t.Parallel()
	for want, happened := range map[string]event{
		"demote begins, run 3: switchover": {Name: "SequenceStarted", Fields: map[string]any{"sequence": "demote", "run": uint64(3), "cause": "switchover"}},
		"n2: init level 4 reached":         {Name: "LevelReached", Fields: map[string]any{"node": "n2", "sequence": "init", "level": "4"}},
		"init level last reached":          {Name: "LevelReached", Fields: map[string]any{"sequence": "init", "level": "last", "run": uint64(1)}},
		"init completed, run 3":            {Name: "SequenceFinished", Fields: map[string]any{"sequence": "init", "run": uint64(3), "outcome": "completed", "reason": ""}},
		"a: b: c failed at init level 1":   {Name: "ComponentFailed", Fields: map[string]any{"component": "a: b: c", "sequence": "init", "level": "1"}},
		"Strange level=3 node=n1":          {Name: "Strange", Fields: map[string]any{"node": "n1", "level": "3"}},
	} {
		if got := eventWords(happened); got != want {
			t.Errorf("%+v: %q, want %q", happened, got, want)
		}
	}
}
