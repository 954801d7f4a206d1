package units

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// maxUnitFiles bounds how many unit files are read in search of ordering cycles.
const maxUnitFiles = 1024

// maxUnitFileSize bounds what is read of one unit file.
const maxUnitFileSize = 1 << 20

// Installed is what the unit files say about the level targets' members.
type Installed struct {
	// Wanted lists, for the unit name of a level target, the units it wants, sorted.
	Wanted map[string][]string
	// Before lists, for a unit, those that start after it, by whoever said so. It
	// covers the members and what they are ordered against.
	Before map[string][]string
	// Missing are wanted units without a unit file.
	Missing []string

	tree *tree
}

// Scan reads the unit search path below root ("" or "/" for the system's own): who wants
// to be a member, and in what order the members and their neighbours start. What cannot
// be read is left out.
func Scan(root string) *Installed {
	t := openTree(root)
	found := &Installed{Wanted: map[string][]string{}, Before: map[string][]string{}, tree: t}
	queue := []string{agentUnit}
	for _, folder := range t.folderNames() {
		target := strings.TrimSuffix(folder, filepath.Ext(folder))
		if _, ok := ParseTargetUnit(target); !ok || found.Wanted[target] != nil {
			continue
		}
		if members := t.wanted(target); len(members) > 0 {
			found.Wanted[target] = members
			queue = append(queue, members...)
		}
	}
	seen := map[string]bool{"sysinit.target": true, "basic.target": true}
	found.order("sysinit.target", "basic.target")
	for len(queue) > 0 && len(seen) < maxUnitFiles {
		name := queue[0]
		queue = queue[1:]
		if _, own := ParseTargetUnit(name); own || seen[name] {
			continue
		}
		seen[name] = true
		queue = append(queue, found.read(name)...)
	}
	for name := range found.Before {
		slices.Sort(found.Before[name])
		found.Before[name] = slices.Compact(found.Before[name])
	}
	slices.Sort(found.Missing)

	return found
}

func (i *Installed) order(earlier, later string) {
	i.Before[earlier] = append(i.Before[earlier], later)
}

// read notes the order of one unit and returns the units it names.
func (i *Installed) read(name string) []string {
	file := i.tree.unit(name)
	if !file.exists {
		if name != agentUnit {
			i.Missing = append(i.Missing, name)
		}

		return nil
	}
	after := file.after
	if !file.noDefaults {
		switch unitType(name) {
		case "service":
			after = append(after, "sysinit.target", "basic.target")
		case "socket", "timer", "path":
			after = append(after, "sysinit.target")
		case "target":
			after = append(after, i.tree.wanted(name)...)
		}
	}
	var next []string
	for _, earlier := range after {
		earlier = i.tree.canonical(earlier)
		i.order(earlier, name)
		next = append(next, earlier)
	}
	for _, later := range file.before {
		later = i.tree.canonical(later)
		i.order(name, later)
		next = append(next, later)
	}
	// A neighbour that is not installed orders nothing; only wanted units are missing.
	return slices.DeleteFunc(next, func(unit string) bool { return !i.tree.has(unit) })
}

// tree is the unit search path, listed once.
type tree struct {
	root string
	dirs []string
	// files and folders: name → the directories that have it, in order of precedence.
	files, folders map[string][]string
}

func searchPath() []string {
	return []string{
		"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system",
	}
}

func openTree(root string) *tree {
	t := &tree{root: root, files: map[string][]string{}, folders: map[string][]string{}}
	var known []fs.FileInfo
	for _, dir := range searchPath() {
		dir = filepath.Join(root, dir)
		info, err := os.Stat(dir)
		if err != nil || slices.ContainsFunc(known, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			continue
		}
		known = append(known, info)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		t.dirs = append(t.dirs, dir)
		for _, entry := range entries {
			if kind := filepath.Ext(entry.Name()); kind == ".wants" || kind == ".requires" || kind == ".upholds" || kind == ".d" {
				t.folders[entry.Name()] = append(t.folders[entry.Name()], dir)
			} else {
				t.files[entry.Name()] = append(t.files[entry.Name()], dir)
			}
		}
	}

	return t
}

func (t *tree) folderNames() []string { return sortedUnits(t.folders) }

// wanted lists what a target wants: the links in its folders, and its drop-ins' lines.
func (t *tree) wanted(target string) []string {
	found := map[string]struct{}{}
	for _, kind := range []string{".wants", ".requires", ".upholds"} {
		for name, path := range t.listing(target + kind) {
			if strings.Contains(name, ".") && !t.masks(path) {
				found[t.canonical(name)] = struct{}{}
			}
		}
	}
	lines, _ := t.lines(target)
	for _, name := range lines.wants {
		found[t.canonical(name)] = struct{}{}
	}

	return sortedUnits(found)
}

// listing lists a folder over the whole search path: name → the path that counts.
func (t *tree) listing(folder string) map[string]string {
	out := map[string]string{}
	for _, dir := range t.folders[folder] {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if _, shadowed := out[entry.Name()]; !shadowed {
				out[entry.Name()] = filepath.Join(dir, folder, entry.Name())
			}
		}
	}

	return out
}

// masks says whether a link points to nothing on purpose.
func (t *tree) masks(path string) bool {
	link, err := os.Readlink(path)

	return err == nil && link == os.DevNull
}

func (t *tree) has(name string) bool {
	return len(t.files[name]) > 0 || len(t.files[template(name)]) > 0
}

// template is "foo@.service" for "foo@bar.service", else "".
func template(name string) string {
	prefix, rest, found := strings.Cut(name, "@")
	if !found {
		return ""
	}

	return prefix + "@" + rest[max(0, strings.LastIndexByte(rest, '.')):]
}

// path finds the file of a unit, its template's when it has none of its own.
func (t *tree) path(name string) (path string, ok bool) {
	for _, candidate := range []string{name, template(name)} {
		if dirs := t.files[candidate]; len(dirs) > 0 {
			return filepath.Join(dirs[0], candidate), true
		}
	}

	return "", false
}

// canonical resolves an alias: a unit file that is a link to one of another name.
func (t *tree) canonical(name string) string {
	for range 4 {
		if len(t.files[name]) == 0 {
			return name
		}
		link, err := os.Readlink(filepath.Join(t.files[name][0], name))
		target := filepath.Base(link)
		if err != nil || link == os.DevNull || target == name || !hasUnitType(target) || strings.Contains(target, "@.") {
			return name
		}
		name = target
	}

	return name
}

// unitFile is the part of a unit's files that orders it.
type unitFile struct {
	exists     bool
	noDefaults bool
	after      []string
	before     []string
	wants      []string
}

func (t *tree) unit(name string) unitFile {
	file, ok := t.lines(name)
	file.exists = ok

	return file
}

// lines reads a unit's file and its drop-ins; ok is false without a file.
func (t *tree) lines(name string) (file unitFile, ok bool) {
	path, ok := t.path(name)
	if ok {
		file.add(t.read(path))
	}
	dropIns := t.listing(name + ".d")
	if parent := template(name); parent != "" {
		for base, path := range t.listing(parent + ".d") {
			if _, own := dropIns[base]; !own {
				dropIns[base] = path
			}
		}
	}
	for _, base := range sortedUnits(dropIns) {
		if strings.HasSuffix(base, ".conf") {
			file.add(t.read(dropIns[base]))
		}
	}

	return file, ok
}

// read opens a unit file; absolute links are followed inside the root.
func (t *tree) read(path string) []*unit.UnitOption {
	for range 8 {
		link, err := os.Readlink(path)
		if err != nil {
			break
		}
		if filepath.IsAbs(link) {
			path = filepath.Join(t.root, link)
		} else {
			path = filepath.Join(filepath.Dir(path), link)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}

	return parseUnitFile(io.LimitReader(file, maxUnitFileSize))
}

// parseUnitFile returns the options of a unit file; of one that stops making sense at
// some line, those before it. PID 1 is more forgiving, but warns of such a line.
func parseUnitFile(text io.Reader) []*unit.UnitOption {
	options, _ := unit.DeserializeOptions(text)

	return options
}

func (f *unitFile) add(options []*unit.UnitOption) {
	for _, option := range options {
		if option.Section != "Unit" {
			continue
		}
		switch option.Name {
		case "After":
			f.after = appendNames(f.after, option.Value)
		case "Before":
			f.before = appendNames(f.before, option.Value)
		case "Wants", "Requires", "BindsTo", "Upholds":
			f.wants = appendNames(f.wants, option.Value)
		case "DefaultDependencies":
			f.noDefaults = slices.Contains([]string{"no", "false", "0", "off", "n", "f"}, strings.ToLower(option.Value))
		}
	}
}

// appendNames adds the names of one line. Dependencies cannot be taken back by an
// empty line, and names with specifiers are not known here.
func appendNames(names []string, text string) []string {
	for name := range strings.FieldsSeq(text) {
		if !strings.Contains(name, "%") {
			names = append(names, strings.Trim(name, `"'`))
		}
	}

	return names
}
