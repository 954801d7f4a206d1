package doctor

import (
	"slices"
	"strings"
)

// check is one function of the table below.
type check struct {
	name string
	look func(f Facts) []Result
}

func checks() []check {
	return []check{
		{"agent", agent},
		{"boot", boot},
		{"versions", versions},
		{"configuration", configuration},
		{"drift", drift},
		{"keys", keys},
		{"nodes", nodes},
		{"voters", voters},
		{"quorum", quorum},
		{"clock", clock},
		{"logind", logind},
		{"limits", limits},
		{"units", unitGraph},
		{"guard", guard},
		{"watchdog", watchdog},
		{"bus", bus},
		{"state", state},
		{"journal", journal},
		{"network", network},
	}
}

// Names are the checks in the order in which they are done.
func Names() []string {
	all := checks()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}

	return names
}

// Examine does every check. No result has a nil Do.
func Examine(f Facts) []Result {
	var results []Result
	for _, c := range checks() {
		for _, result := range c.look(f) {
			result.Check = c.name
			if result.Do == nil {
				result.Do = []string{}
			}
			results = append(results, result)
		}
	}

	return slices.DeleteFunc(results, func(r Result) bool { return repeated(r, results) })
}

// repeated says that the agent complains of what a check of its own tells, too.
func repeated(r Result, results []Result) bool {
	_, complaint, found := strings.Cut(r.Text, ": ")

	return found && r.Check == "agent" && r.Verdict == Warn && slices.ContainsFunc(results, func(other Result) bool {
		return other.Check != r.Check && strings.HasSuffix(other.Text, complaint)
	})
}
