package levels

import (
	"maps"
	"slices"
	"strings"
)

// stages lists what one level of a run does, in order. It is the only place that
// knows which targets belong to which level of which sequence.
func (m *Machine) stages(run *RunState, index int) []Stage {
	level, last := run.Ladder.At(index), index == run.Ladder.Len()-1
	stages := append(m.before(run, index), Stage{Do: StageAct})
	switch run.Sequence {
	case Init, Promote:
		if run.To.Leads() {
			stages = append(stages, roleStarts(run, level)...)
		}
		if last {
			stages = append(stages, plainStart(run.To)...)
		}
		if last && run.Sequence == Init {
			stages = append(stages, start(ReadyTarget()))
		}
	case Demote:
		stages = append(stages, m.demoteStages(run, index)...)
	case Shut:
		stages = append(stages, m.shutStages(run, index)...)
	case Disqualify:
		if last && !run.Leaving {
			stages = append(stages, plainStart(RoleOffline)...)
		}
	case Qualify:
		if last {
			stages = append(stages, plainStart(RoleSpare)...)
		}
	case SequenceUnknown:
	}

	return stages
}

// before lists what comes ahead of the callbacks: the wait, and at level 0 the end
// of the targets of the role that was.
func (m *Machine) before(run *RunState, index int) []Stage {
	stages := []Stage{{Do: StageWait}}
	if index > 0 {
		return stages
	}
	stages = append(stages, m.keptStops(run)...)
	switch run.Sequence {
	case Init, Promote:
		for _, role := range []Role{RoleMaster, RoleVice, RoleSpare, RoleOffline} {
			if role == run.To {
				continue
			}
			for _, target := range m.upOf(role) {
				stages = append(stages, Stage{Do: StageStop, Target: target, Keep: run.To})
			}
		}
	case Disqualify:
		stages = append(stages, Stage{Do: StageStop, Target: PlainTarget(RoleSpare.String())})
	case Qualify:
		stages = append(stages, Stage{Do: StageStop, Target: PlainTarget(RoleOffline.String())})
	case Demote, Shut, SequenceUnknown:
	}

	return stages
}

func start(target Target) Stage { return Stage{Do: StageStart, Target: target} }

// roleStarts takes the role up to the level; last includes the levels that only
// the longer one of the init and promote ladders has.
func roleStarts(run *RunState, level Level) []Stage {
	var stages []Stage
	if level == Last {
		for above := run.Ladder.Top + 1; above <= run.RoleLadder.Top; above++ {
			stages = append(stages, start(RoleTarget(run.To, above)))
		}
	}

	return append(stages, start(RoleTarget(run.To, level)))
}

// plainStart starts the plain target of a role that has one.
func plainStart(role Role) []Stage {
	if !role.Leads() && role != RoleSpare && role != RoleOffline {
		return nil
	}

	return []Stage{start(PlainTarget(role.String()))}
}

// demoteStages stops the old role mirror-wise; at last all that remains of it,
// and then the role to come is taken up, unless the node is leaving.
func (m *Machine) demoteStages(run *RunState, index int) []Stage {
	var stages []Stage
	stop := func(target Target) {
		stages = append(stages, Stage{Do: StageStop, Target: target, Keep: run.keeps()})
	}
	if index == 0 {
		stop(PlainTarget(run.From.String()))
	}
	mirror := run.RoleLadder.Len() - 1 - index
	if index < run.Ladder.Len()-1 {
		if mirror >= 0 {
			stop(RoleTarget(run.From, run.RoleLadder.At(mirror)))
		}

		return stages
	}
	for _, target := range m.remaining(run.From.String(), run.RoleLadder, mirror) {
		stop(target)
	}
	if run.Leaving {
		return stages
	}
	if run.To.Leads() {
		for level := range run.RoleLadder.All() {
			stages = append(stages, start(RoleTarget(run.To, level)))
		}
	}

	return append(stages, plainStart(run.To)...)
}

// shutStages takes down what init brought up, mirror-wise, then the components
// whose last shut level this is.
func (m *Machine) shutStages(run *RunState, index int) []Stage {
	var stages []Stage
	stop := func(target Target) {
		stages = append(stages, Stage{Do: StageStop, Target: target})
	}
	if index == 0 {
		stop(ReadyTarget())
		for _, role := range []Role{RoleMaster, RoleVice, RoleSpare, RoleOffline} {
			stop(PlainTarget(role.String()))
		}
	}
	for _, target := range m.mirror(run, index) {
		stop(target)
	}
	var units []string
	for _, unitStop := range run.UnitStops {
		if unitStop.Index == index {
			units = append(units, unitStop.Unit)
		}
	}
	if len(units) > 0 {
		stages = append(stages, Stage{Do: StageUnits, Units: units})
	}

	return stages
}

// mirror lists the levelled targets that a shut level takes down: the role's before
// init's; at last all that remain, those outside the ladder first.
func (m *Machine) mirror(run *RunState, index int) []Target {
	var targets []Target
	groups := []string{RoleMaster.String(), RoleVice.String(), Init.String()}
	high := run.InitLadder.Len() - 1 - index
	low := max(high, 0)
	if index == run.Ladder.Len()-1 {
		low = 0
		for _, group := range groups {
			targets = append(targets, m.above(group, run.InitLadder, high)...)
		}
	}
	for at := high; at >= low; at-- {
		for _, group := range groups {
			targets = append(targets, Target{Group: group, Level: run.InitLadder.At(at)})
		}
	}

	return targets
}

// remaining lists the levelled targets of a group from the mirror level downwards,
// behind those that stand above or outside the ladder, highest first.
func (m *Machine) remaining(group string, ladder Ladder, mirror int) []Target {
	targets := m.above(group, ladder, mirror)
	for at := mirror; at >= 0; at-- {
		targets = append(targets, Target{Group: group, Level: ladder.At(at)})
	}

	return targets
}

// above lists the targets of a group that are up and that no mirror level will
// meet: the ladder changed since they were started, highest first.
func (m *Machine) above(group string, ladder Ladder, mirror int) []Target {
	var targets []Target
	for target := range m.up {
		index, inside := ladder.Index(target.Level)
		if target.Group == group && !target.Plain && (!inside || index > mirror) {
			targets = append(targets, target)
		}
	}
	slices.SortFunc(targets, func(a, b Target) int { return compareTargets(b, a) })

	return targets
}

// upOf lists the targets of a role that count as up: the plain one, then the
// levelled ones, highest first.
func (m *Machine) upOf(role Role) []Target {
	var targets []Target
	for target := range m.up {
		if target.Group == role.String() {
			targets = append(targets, target)
		}
	}
	slices.SortFunc(targets, func(a, b Target) int {
		if a.Plain != b.Plain {
			return compareTargets(a, b)
		}

		return compareTargets(b, a)
	})

	return targets
}

// roleTargets lists the non-empty targets of a role: what is kept while another
// role's are stopped.
func (m *Machine) roleTargets(role Role) []Target {
	if role == RoleUnknown {
		return nil
	}
	var targets []Target
	for target := range m.members {
		if target.Group == role.String() {
			targets = append(targets, target)
		}
	}
	slices.SortFunc(targets, compareTargets)

	return targets
}

// unitStops says after which shut level each component's unit is stopped: when the
// last of the components in it has passed its last shut level.
func (m *Machine) unitStops(ladder Ladder) []UnitStop {
	lastShut := m.lastShutLevels(ladder)
	indexOf := map[string]int{}
	for name, unit := range m.unitsOfComponents() {
		if m.targetByUnit[unit] > 0 || !stoppable(unit) {
			continue
		}
		index, shuts := lastShut[name]
		if !shuts {
			index = -1
		}
		if known, seen := indexOf[unit]; !seen || index > known {
			indexOf[unit] = index
		}
	}
	var stops []UnitStop
	for _, unit := range slices.Sorted(maps.Keys(indexOf)) {
		index := indexOf[unit]
		if index < 0 { // none of its components has a shut level
			index = ladder.Len() - 1
		}
		stops = append(stops, UnitStop{Index: index, Unit: unit})
	}

	return stops
}

// lastShutLevels has the components that registered at shut.
func (m *Machine) lastShutLevels(ladder Ladder) map[string]int {
	last := map[string]int{}
	for _, registration := range m.s.Registrations {
		index, inside := ladder.Index(registration.Position.Level)
		if inside && registration.Position.Sequence == Shut {
			last[registration.Component] = max(last[registration.Component], index)
		}
	}

	return last
}

// unitsOfComponents is what the configuration says, or else where the clients run.
func (m *Machine) unitsOfComponents() map[string]string {
	units := map[string]string{}
	for _, registration := range m.s.Registrations {
		if registration.Unit != "" {
			units[registration.Component] = registration.Unit
		}
	}
	for name, component := range m.s.Config.Components {
		if component.Unit != "" {
			units[name] = component.Unit
		}
	}

	return units
}

// stoppable spares scopes and user managers: whoever registers from a terminal
// must not lose the session.
func stoppable(unit string) bool {
	return strings.HasSuffix(unit, ".service") && !strings.HasPrefix(unit, "user@")
}
