package units

import (
	"fmt"
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// Ladders is the number of levels of each sequence, indexed by it.
type Ladders [7]levels.Ladder

// LaddersOf takes the ladders out of a configuration.
func LaddersOf(config levels.Config) Ladders {
	var ladders Ladders
	for _, sequence := range levels.Sequences() {
		ladders[sequence] = config.Sequences[sequence].Ladder
	}

	return ladders
}

// role is the ladder of the role targets: a role is taken in init or in promote, and
// the longer of the two decides.
func (l Ladders) role() levels.Ladder {
	return levels.Ladder{Top: max(l[levels.Init].Top, l[levels.Promote].Top)}
}

// rung is one target to be generated.
type rung struct {
	target levels.Target
	// after are the targets that come before this one, and whose stop waits for it.
	after []levels.Target
	// later are the lasting targets that come after it: everything they want stops before
	// what this one wants. Nearest first.
	later       []levels.Target
	description string
}

// rungs lists every target of the ladders, in the order of their names' parts.
func (l Ladders) rungs() []rung {
	plain := func(names ...string) []levels.Target {
		targets := make([]levels.Target, len(names))
		for i, name := range names {
			targets[i] = levels.PlainTarget(name)
		}

		return targets
	}
	initLadder, roleLadder := sequenceLadder(l[levels.Init], levels.Init), roleLadderOf(l.role())
	var out []rung
	for _, sequence := range levels.Sequences() {
		targets := sequenceLadder(l[sequence], sequence)
		for i, target := range targets {
			r := rung{target: target, after: targets[max(0, i-1):i], description: fmt.Sprintf("CSSC %s level %s", sequence, target.Level)}
			if sequence == levels.Init {
				r.later = append(r.later, targets[i+1:]...)
				r.later = append(r.later, plain("ready", "spare", "offline")...)
				r.later = append(r.later, roleFrom(roleLadder, levels.RoleMaster, l[levels.Init], target.Level)...)
				r.later = append(r.later, roleFrom(roleLadder, levels.RoleVice, l[levels.Init], target.Level)...)
			}
			out = append(out, r)
		}
	}
	for _, role := range []levels.Role{levels.RoleMaster, levels.RoleVice} {
		targets := roleLadder[role]
		for i, target := range targets {
			r := rung{target: target, after: targets[max(0, i-1):i], description: fmt.Sprintf("CSSC %s role level %s", role, target.Level)}
			if _, ok := l[levels.Init].Index(target.Level); ok {
				r.after = append(slices.Clip(r.after), levels.SequenceTarget(levels.Position{Sequence: levels.Init, Level: target.Level}))
			}
			r.later = append(append(r.later, targets[i+1:]...), levels.PlainTarget(role.String()))
			out = append(out, r)
		}
		last := targets[len(targets)-1]
		out = append(out, rung{
			target: levels.PlainTarget(role.String()), after: []levels.Target{last},
			description: fmt.Sprintf("CSSC %s role complete", role),
		})
	}
	for _, name := range []string{"ready", "spare", "offline"} {
		out = append(out, rung{
			target: levels.PlainTarget(name), after: initLadder[len(initLadder)-1:],
			description: "CSSC node is " + name,
		})
	}

	return out
}

func sequenceLadder(ladder levels.Ladder, sequence levels.Sequence) []levels.Target {
	var out []levels.Target
	for level := range ladder.All() {
		out = append(out, levels.SequenceTarget(levels.Position{Sequence: sequence, Level: level}))
	}

	return out
}

func roleLadderOf(ladder levels.Ladder) map[levels.Role][]levels.Target {
	out := map[levels.Role][]levels.Target{}
	for _, role := range []levels.Role{levels.RoleMaster, levels.RoleVice} {
		for level := range ladder.All() {
			out[role] = append(out[role], levels.RoleTarget(role, level))
		}
	}

	return out
}

// roleFrom lists a role's targets from the given init level up: they stop before it.
func roleFrom(ladders map[levels.Role][]levels.Target, role levels.Role, initLadder levels.Ladder, level levels.Level) []levels.Target {
	targets := ladders[role]
	from := len(targets) - 1
	if index, ok := initLadder.Index(level); ok && level != levels.Last {
		from = index
	}

	return append(slices.Clip(targets[from:]), levels.PlainTarget(role.String()))
}
