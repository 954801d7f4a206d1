package levels

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// startWork starts units of a target (all of its members when it is the level's
// turn, some on retry) and makes them participants.
func (m *Machine) startWork(target Target, units, named []string) {
	work := m.openWork(Work{Target: target, Units: named, Since: m.now})
	m.lasting(target)
	m.employ(units, work, target, false)
	m.emit(StartUnits{Work: work, Target: target, Units: named, Since: m.now})
}

// lasting notes that a target counts as up from here on, empty or not.
func (m *Machine) lasting(target Target) {
	if !target.Momentary() {
		m.up[target] = true
	}
	delete(m.lost, target)
}

// stopWork stops units that belong to a target (or to none) and makes them
// participants. An empty work.Units stands for all members.
func (m *Machine) stopWork(target Target, work Work) {
	units := work.Units
	if len(units) == 0 {
		units = m.members[target]
	}
	work.Stop, work.Since = true, m.now
	id := m.openWork(work)
	m.employ(units, id, target, true)
	m.emit(StopUnits{Work: id, Target: work.Target, Units: work.Units, Keep: work.Keep, Kill: work.Kill})
}

// openWork numbers a work of the run.
func (m *Machine) openWork(work Work) WorkID {
	work.ID = m.nextWork()
	m.s.Run.Works = append(m.s.Run.Works, work)

	return work.ID
}

// employ makes units the busy participants of a work. A unit that is one already
// under the same target is moved over.
func (m *Machine) employ(units []string, work WorkID, target Target, stop bool) {
	run := m.s.Run
	var longest time.Duration
	for _, unit := range units {
		i, found := m.byMember[memberPart{target, unit, stop}]
		if !found {
			i = m.addPart(Part{Participant: Participant{
				Kind: KindMember, Name: unit, Position: run.position(), Target: target, Stop: stop,
			}})
		}
		m.reassign(i, work)
		limit := m.limitOf(&run.Parts[i])
		m.start(i, limit)
		longest = max(longest, limit)
	}
	if longest > 0 {
		m.workDeadline(work, longest+grace)
	}
}

func (m *Machine) workDeadline(id WorkID, limit time.Duration) {
	for i := range m.s.Run.Works {
		if work := &m.s.Run.Works[i]; work.ID == id {
			work.Deadline = m.now.Add(limit)
		}
	}
}

// reassign moves a participant to another work, and forgets the old one when
// nobody waits for it any more.
func (m *Machine) reassign(i int, work WorkID) {
	part := &m.s.Run.Parts[i]
	old := part.Work
	delete(m.byWork, workUnit{old, part.Name})
	part.Work = work
	if work != 0 {
		m.byWork[workUnit{work, part.Name}] = i
	}
	if old != 0 && !slices.ContainsFunc(m.s.Run.Parts, func(p Part) bool { return p.Work == old && p.Busy }) {
		m.closeWork(old)
	}
}

func (m *Machine) closeWork(id WorkID) {
	run := m.s.Run
	run.Works = slices.DeleteFunc(run.Works, func(w Work) bool { return w.ID == id })
	for i := range run.Parts {
		if part := &run.Parts[i]; part.Work == id {
			delete(m.byWork, workUnit{id, part.Name})
			part.Work = 0
		}
	}
}

// memberSettled takes early news of one unit.
func (m *Machine) memberSettled(work WorkID, member Member) {
	if i, bad := m.settleMember(work, member); bad {
		m.applyPolicy(i)
	}
}

// settleMember notes how one unit came out, and says whether it failed just now,
// so that its policy has to be applied.
func (m *Machine) settleMember(work WorkID, member Member) (i int, bad bool) {
	i, found := m.byWork[workUnit{work, member.Unit}]
	if !found || !m.s.Run.Parts[i].Busy {
		return i, false
	}
	part := &m.s.Run.Parts[i]
	switch {
	case part.Ending > 0 || part.Outcome != OutcomeRunning:
		m.rest(i) // it failed or was cancelled before
	case good(member.Outcome):
		m.settle(i, member.Outcome, member.Reason)
	case m.s.Run.Phase == PhaseCancelling:
		m.settle(i, OutcomePassed, reasonOf(member))
	default:
		m.setBusy(i, false)
		m.report(i, reasonOf(member))
		bad = true
	}
	m.remember(i)

	return i, bad
}

// good says that a member did its part.
func good(outcome Outcome) bool {
	return outcome == OutcomeDone || outcome == OutcomeAlready || outcome == OutcomeSkipped
}

func reasonOf(member Member) string {
	switch {
	case member.Reason != "":
		return member.Reason
	case member.Outcome == OutcomeFailed:
		return "failed without a reason"
	default:
		return fmt.Sprintf("reported as %v at the end of its work", member.Outcome)
	}
}

// remember keeps how a member came out for the view.
func (m *Machine) remember(i int) {
	part := &m.s.Run.Parts[i]
	m.note(part.Target, Member{Unit: part.Name, Outcome: part.Outcome, Reason: part.Reason})
}

func (m *Machine) note(target Target, member Member) {
	if _, wanted := slices.BinarySearch(m.members[target], member.Unit); wanted {
		m.outcomes[memberKey{target, member.Unit}] = MemberView{
			Unit: member.Unit, Target: target, Outcome: member.Outcome, Reason: member.Reason,
		}
	}
}

// workFinished ends a work: whoever it names is settled, whoever it does not
// name failed. Policies come after all are settled, so that an abort does not
// stop what is at rest.
func (m *Machine) workFinished(ev WorkFinished) {
	if m.s.Sync != nil && m.s.Sync.Work.ID == ev.Work {
		m.syncFinished(ev)

		return
	}
	work, found := m.work(ev.Work)
	if !found {
		return // forgotten since
	}
	var failed []int
	account := func(member Member) {
		if i, bad := m.settleMember(ev.Work, member); bad {
			failed = append(failed, i)
		}
	}
	for _, member := range ev.Members {
		if _, known := m.byMember[memberPart{work.Target, member.Unit, work.Stop}]; !known && len(work.Units) == 0 {
			m.adopt(work, member)
		}
		account(member)
	}
	reason := strings.TrimSpace(ev.Err)
	if reason == "" {
		reason = "not accounted for by systemd"
	}
	for i := range m.s.Run.Parts {
		if part := &m.s.Run.Parts[i]; part.Work == ev.Work && part.Busy {
			account(Member{Unit: part.Name, Outcome: OutcomeFailed, Reason: reason})
		}
	}
	m.closeWork(ev.Work)
	m.noteStarted(work, ev)
	for _, i := range failed {
		m.applyPolicy(i)
	}
}

// noteStarted remembers that a lasting target came up: systemd leaves one down
// whose member failed.
func (m *Machine) noteStarted(work Work, ev WorkFinished) {
	if work.Stop || ev.Err != "" || !m.up[work.Target] {
		return
	}
	if !slices.ContainsFunc(ev.Members, func(member Member) bool { return !good(member.Outcome) }) {
		m.started[work.Target] = true
	}
}

// adopt makes a participant of a unit that joined the target after it was last observed.
func (m *Machine) adopt(work Work, member Member) {
	if member.Unit == "" {
		return
	}
	m.addPart(Part{Participant: Participant{
		Kind: KindMember, Name: member.Unit, Position: m.s.Run.position(), Target: work.Target,
		Stop: work.Stop, Outcome: OutcomeRunning, Started: work.Since,
	}, Work: work.ID, Busy: true})
}

func (m *Machine) work(id WorkID) (Work, bool) {
	if m.s.Run == nil {
		return Work{}, false
	}
	i := slices.IndexFunc(m.s.Run.Works, func(w Work) bool { return w.ID == id })
	if i < 0 {
		return Work{}, false
	}

	return m.s.Run.Works[i], true
}

// observeMembers replaces what is known of the targets.
func (m *Machine) observeMembers(ev MembersObserved) {
	m.members = map[Target][]string{}
	for target, units := range ev.Members {
		if units = slices.Compact(slices.Sorted(slices.Values(units))); len(units) > 0 {
			m.members[target] = units
		}
	}
	maps.DeleteFunc(m.outcomes, func(key memberKey, _ MemberView) bool {
		return !slices.Contains(m.members[key.target], key.unit)
	})
	m.countUnits()
}

func (m *Machine) countUnits() {
	m.targetByUnit = map[string]int{}
	for _, units := range m.members {
		for _, unit := range units {
			m.targetByUnit[unit]++
		}
	}
}

func (m *Machine) targetLost(target Target) {
	if m.lost[target] || !m.started[target] {
		return
	}
	m.lost[target] = true
	m.emit(TellTargetLost{Target: target})
}
