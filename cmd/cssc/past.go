package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// pastEvents turns records into the events that they were made of, oldest first.
func pastEvents(records []record) []event {
	var list []event
	for _, r := range slices.Backward(records) {
		start, err := time.Parse(time.RFC3339Nano, r.StartedAt)
		if err != nil {
			continue
		}
		at := func(then levels.Instant) string {
			return start.Add(then.Sub(r.Started)).Format(time.RFC3339Nano)
		}
		list = append(list, event{Name: "SequenceStarted", At: r.StartedAt, Fields: map[string]any{
			"sequence": r.Sequence.String(), "run": uint64(r.Run), "term": uint64(r.Term), "cause": r.Cause,
		}})
		list = append(list, levelEvents(r, at)...)
		list = append(list, event{Name: "SequenceFinished", At: r.EndedAt, Fields: map[string]any{
			"sequence": r.Sequence.String(), "run": uint64(r.Run), "outcome": r.Outcome, "reason": r.Reason,
		}})
	}

	return list
}

func levelEvents(r record, at func(levels.Instant) string) []event {
	var list []event
	for _, level := range r.Levels {
		participants := slices.Clone(level.Participants)
		slices.SortStableFunc(participants, func(x, y levels.Participant) int { return cmp.Compare(x.Ended, y.Ended) })
		for _, participant := range participants {
			if !participant.Broke() {
				continue
			}
			list = append(list, event{Name: "ComponentFailed", At: at(participant.Ended), Fields: map[string]any{
				"component": participant.Name, "sequence": r.Sequence.String(),
				"level": level.Level.String(), "reason": participant.Reason,
			}})
		}
		if level.Reached != 0 && len(level.Participants) > 0 { // no signal tells of an empty one
			list = append(list, event{Name: "LevelReached", At: at(level.Reached), Fields: map[string]any{
				"sequence": r.Sequence.String(), "level": level.Level.String(), "run": uint64(r.Run),
			}})
		}
	}

	return list
}
