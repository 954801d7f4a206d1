package agent

import (
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// clients lists every connection that the machine knows.
func clients(machine *levels.Machine) []levels.ClientID {
	saved := machine.Save()
	known := slices.Clone(saved.Subscribed)
	for _, registration := range saved.Registrations {
		known = append(known, registration.Client)
	}
	for _, open := range machine.View().Pending {
		known = append(known, open.Registration.Client)
	}
	slices.Sort(known)

	return slices.Compact(known)
}

// standing lists the lasting targets that should be up: those of empty levels
// were never started, so that nobody can take them down.
func standing(machine *levels.Machine) []levels.Target {
	saved := machine.Save()
	var targets []levels.Target
	for _, members := range saved.Members {
		if !members.Target.Momentary() && len(members.Units) > 0 && slices.Contains(saved.Up, members.Target) {
			targets = append(targets, members.Target)
		}
	}

	return targets
}
