package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// check finds the relations that hold between settings, once all files are read.
func (r *reader) check() {
	r.checkLevels()
	r.checkComponents()
	r.checkNodes()
	r.checkMastership()
	r.checkTimes()
	r.checkEndpoints()
	core := &r.config.Levels
	if core.MaxRegistrationsPerClient > core.MaxRegistrations {
		if place, set := r.places["limits.registrations_per_client"]; set {
			r.relation(place, "limits.registrations_per_client", "%d for one client is more than the %d of the node; lower it or raise limits.registrations",
				core.MaxRegistrationsPerClient, core.MaxRegistrations)
		}
		core.MaxRegistrationsPerClient = core.MaxRegistrations
	}
}

// relation reports an impossible combination at the place of one of its parts.
func (r *reader) relation(place Problem, key, format string, args ...any) {
	place.Key, place.Text = key, fmt.Sprintf(format, args...)
	r.report(place)
}

func (r *reader) checkLevels() {
	for _, position := range slices.SortedFunc(maps.Keys(r.levels), comparePositions) {
		ladder := r.config.Levels.Sequences[position.Sequence].Ladder
		if _, ok := ladder.Index(position.Level); !ok {
			place := r.levels[position]
			r.relation(place, place.Key, "level %s does not exist, the sequence has levels = %d; raise it or remove this table",
				position.Level, ladder.Top)
		}
	}
}

func (r *reader) checkComponents() {
	for _, name := range sortedKeys(r.config.Levels.Components) {
		seen := map[levels.Position]bool{}
		for _, position := range r.config.Levels.Components[name].Required {
			place := r.components[name]
			ladder := r.config.Levels.Sequences[position.Sequence].Ladder
			switch _, ok := ladder.Index(position.Level); {
			case !ok:
				r.relation(place, place.Key, "component %q is required at %s, but sequence %s has levels = %d",
					name, position, position.Sequence, ladder.Top)
			case seen[position]:
				r.relation(place, place.Key, "component %q lists %s twice", name, position)
			}
			seen[position] = true
		}
	}
}

func (r *reader) checkTimes() {
	shutdown := r.config.Shutdown
	if shutdown.Margin >= shutdown.Timeout {
		place, set := r.places["shutdown.margin"]
		if !set {
			place = r.places["shutdown.timeout"]
		}
		r.relation(place, "shutdown.margin", "%s is not shorter than shutdown.timeout = %s",
			short(shutdown.Margin), short(shutdown.Timeout))
	}
	if place, set := r.places["shutdown.emergency"]; set && shutdown.Emergency > shutdown.Timeout {
		r.relation(place, "shutdown.emergency", "%s is longer than shutdown.timeout = %s",
			short(shutdown.Emergency), short(shutdown.Timeout))
	}
	for _, sequence := range endingSequences() {
		settings := r.config.Levels.Sequences[sequence]
		r.limit(keyPath(keyPath("sequence", sequence.String()), "timeout"), settings.Timeout)
		for _, level := range slices.Sorted(maps.Keys(settings.Levels)) {
			key := "sequence." + sequence.String() + ".level." + level.String() + ".timeout"
			r.limit(key, settings.Levels[level].Timeout)
		}
	}
}

// limit checks that one participant's time fits into the whole shutdown.
func (r *reader) limit(key string, timeout time.Duration) {
	if timeout <= r.config.Shutdown.Timeout {
		return
	}
	place, set := r.places[key]
	if !set {
		place, set = r.places["shutdown.timeout"]
	}
	if set {
		r.relation(place, key, "%s for one participant is longer than shutdown.timeout = %s for the whole shutdown; lower the first or raise the second",
			short(timeout), short(r.config.Shutdown.Timeout))
	}
}

// endingSequences are those that a shutdown runs.
func endingSequences() []levels.Sequence {
	return []levels.Sequence{levels.Demote, levels.Disqualify, levels.Shut}
}

func comparePositions(a, b levels.Position) int {
	return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Level, b.Level))
}
