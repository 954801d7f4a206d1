package units

import (
	"path/filepath"
	"slices"
	"strings"
)

// FindingKind says what sort of mistake a finding is.
type FindingKind string

// The kinds of findings.
const (
	// FindingCycle: the order of the levels contradicts that of the units.
	FindingCycle FindingKind = "cycle"
	// FindingDouble: something else starts a member too, perhaps before its level.
	FindingDouble FindingKind = "double"
	// FindingLevel: a unit is enabled at a level that does not exist.
	FindingLevel FindingKind = "level"
	// FindingMissing: a level wants a unit that is not installed.
	FindingMissing FindingKind = "missing"
)

// Finding is one mistake in the graph of units, for an operator.
type Finding struct {
	Kind FindingKind
	Unit string
	Text string
}

// String returns one line: kind, unit, text.
func (f Finding) String() string { return string(f.Kind) + ": " + f.Unit + ": " + f.Text }

// CheckGraph looks at the units installed below root ("" for the system's own) for what
// keeps the levels from being kept: ordering cycles, members that something else starts
// too, levels that do not exist, units that are missing. Sorted by kind and unit.
func CheckGraph(root string, ladders Ladders) []Finding {
	installed := Scan(root)
	out := Generate(ladders, installed).Findings
	members := map[string]struct{}{}
	for _, names := range installed.Wanted {
		for _, name := range names {
			members[name] = struct{}{}
		}
	}
	rivals := installed.tree.rivals()
	for _, member := range sortedUnits(members) {
		for _, rival := range rivals[member] {
			out = append(out, Finding{Kind: FindingDouble, Unit: member, Text: rival})
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return strings.Compare(string(a.Kind)+a.Unit, string(b.Kind)+b.Unit)
	})

	return out
}

// rivals says, for each unit, what starts it other than a level target.
func (t *tree) rivals() map[string][]string {
	out := map[string][]string{}
	for _, folder := range t.folderNames() {
		wanter := strings.TrimSuffix(folder, filepath.Ext(folder))
		if _, own := ParseTargetUnit(wanter); own || filepath.Ext(folder) == ".d" {
			continue
		}
		for name, path := range t.listing(folder) {
			if t.masks(path) {
				continue
			}
			name := t.canonical(name)
			out[name] = append(out[name], "also enabled in "+wanter+", which starts it without waiting for its level: systemctl disable it there")
			if service, ok := t.activates(name); ok {
				out[service] = append(out[service], name+" is enabled in "+wanter+" and starts it on demand, whatever its level: systemctl disable --now "+name)
			}
		}
	}
	for service, bus := range t.busActivated() {
		out[service] = append(out[service], "D-Bus starts it whenever somebody calls "+bus+", whatever its level: mask "+bus+" or accept it")
	}
	for name := range out {
		slices.Sort(out[name])
		out[name] = slices.Compact(out[name])
	}

	return out
}

// activates names the unit that a socket, timer or path unit starts.
func (t *tree) activates(name string) (service string, ok bool) {
	key := map[string]string{"socket": "Service", "timer": "Unit", "path": "Unit"}[unitType(name)]
	path, found := t.path(name)
	if key == "" || !found {
		return "", false
	}
	for _, option := range t.read(path) {
		if option.Name == key && option.Section != "Unit" && option.Section != "Install" {
			return t.canonical(option.Value), true
		}
	}

	return strings.TrimSuffix(name, unitType(name)) + "service", true
}

// busActivated lists the services that the system bus starts: unit → bus name.
func (t *tree) busActivated() map[string]string {
	out := map[string]string{}
	for _, dir := range []string{"/usr/local/share", "/usr/share"} {
		files, err := filepath.Glob(filepath.Join(t.root, dir, "dbus-1/system-services/*.service"))
		if err != nil {
			continue
		}
		for _, file := range files {
			for _, option := range t.read(file) {
				if option.Name == "SystemdService" {
					out[t.canonical(option.Value)] = strings.TrimSuffix(filepath.Base(file), ".service")
				}
			}
		}
	}

	return out
}
