package units

import (
	"path/filepath"
	"strings"
)

// Attachable lists the units with a unit file of their own that could be attached to a level,
// sorted: no template, no alias, nothing that is masked, and no part of cssc itself. It reads
// folders only; what cannot be read is left out.
func (a Attacher) Attachable() []string {
	t := openTree(a.Root)
	found := map[string]struct{}{}
	for name := range t.files {
		path, _ := t.path(name)
		template := strings.Contains(name, "@.")
		if hasUnitType(name) && !template && !strings.HasPrefix(name, unitPrefix) && !t.masks(path) && t.canonical(name) == name {
			found[name] = struct{}{}
		}
	}

	return sortedUnits(found)
}

// Attached lists the units that Detach would take out of a level, sorted.
func (a Attacher) Attached() []string {
	found := map[string]struct{}{}
	dropIns, _ := filepath.Glob(a.dropIn("*")) // the pattern is a good one
	for _, path := range dropIns {
		found[strings.TrimSuffix(filepath.Base(filepath.Dir(path)), ".d")] = struct{}{}
	}
	for _, path := range a.links() {
		found[filepath.Base(path)] = struct{}{}
	}

	return sortedUnits(found)
}
