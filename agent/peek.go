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

// standing lists the lasting targets that should be up.
func standing(machine *levels.Machine) []levels.Target {
	var targets []levels.Target
	for _, target := range machine.Save().Up {
		if !target.Momentary() {
			targets = append(targets, target)
		}
	}

	return targets
}
