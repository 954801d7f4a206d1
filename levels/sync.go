package levels

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// sync starts what is missing at levels already reached, one target after the
// other, in the order in which they came up. Asked for while one is in progress,
// another one follows it.
func (m *Machine) sync() error {
	switch {
	case m.s.Run != nil:
		return fmt.Errorf("sync: %w: %v is in progress; ask again after it", ErrBusy, m.s.Run.Sequence)
	case m.s.Sync != nil:
		m.s.Sync.Again = true
	default:
		m.s.Sync = &SyncState{Again: true}
		m.syncNext()
	}

	return nil
}

// compareSync orders init before roles and plain targets behind both.
func compareSync(a, b Target) int {
	rank := func(t Target) int {
		switch {
		case t.Group == Init.String():
			return 0
		case !t.Plain:
			return 1
		default:
			return 2
		}
	}
	if rank(a) != rank(b) {
		return rank(a) - rank(b)
	}

	return compareTargets(a, b)
}

// syncNext starts the next target that misses something.
func (m *Machine) syncNext() {
	sync := m.s.Sync
	for len(sync.Queue) > 0 || sync.Again {
		if len(sync.Queue) == 0 {
			sync.Again = false
			sync.Queue = slices.SortedFunc(maps.Keys(m.up), compareSync)

			continue
		}
		target := sync.Queue[0]
		sync.Queue = sync.Queue[1:]
		units, all := m.lacking(target)
		if len(units) == 0 {
			if m.lost[target] && target.Plain {
				m.startPlain(target)
			}

			continue
		}
		named := units
		if all {
			named = nil
		}
		limit := grace
		for _, unit := range units {
			limit = max(limit, m.syncLimit(unit)+grace)
		}
		sync.Work = Work{ID: m.nextWork(), Target: target, Units: named, Since: m.now, Deadline: m.now.Add(limit)}
		m.lasting(target)
		m.emit(StartUnits{Work: sync.Work.ID, Target: target, Units: named, Since: m.now})

		return
	}
	m.s.Sync = nil
}

// syncLimit is the time limit that the unit has in init.
func (m *Machine) syncLimit(unit string) time.Duration {
	if limit := m.s.Config.Components[unit].Timeout; limit > 0 {
		return limit
	}

	return m.s.Config.Sequences[Init].Timeout
}

// lacking lists the members of a target that are not known to be up; all says
// that the target itself is not.
func (m *Machine) lacking(target Target) (units []string, all bool) {
	if m.lost[target] {
		return m.members[target], true
	}
	for _, unit := range m.members[target] {
		if !good(m.outcomes[memberKey{target, unit}].Outcome) {
			units = append(units, unit)
		}
	}

	return units, len(units) == len(m.members[target])
}

// syncFinished notes how the members came out and goes on.
func (m *Machine) syncFinished(ev WorkFinished) {
	work := m.s.Sync.Work
	named := map[string]bool{}
	for _, member := range ev.Members {
		named[member.Unit] = true
		m.note(work.Target, member)
	}
	if reason := strings.TrimSpace(ev.Err); reason != "" {
		m.emit(TellDropped{Reason: fmt.Sprintf("sync of %v: %s", work.Target, reason)})
	}
	for _, unit := range work.Units {
		if !named[unit] {
			m.note(work.Target, Member{Unit: unit, Outcome: OutcomeFailed, Reason: "not accounted for by systemd"})
		}
	}
	m.noteStarted(work, ev)
	m.syncNext()
}
