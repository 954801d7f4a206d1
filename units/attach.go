package units

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/cssc-ha/cssc/levels"
)

const (
	attachDropIn  = "50-cssc.conf"
	systemFolder  = "/etc/systemd/system"
	attachTimeout = 30 * time.Second
)

// Attach makes a unit of this system a member: see Attacher.
func Attach(ctx context.Context, name string, targets []levels.Target) ([]string, error) {
	return Attacher{}.Attach(ctx, name, targets)
}

// Detach takes a unit of this system out of all its targets: see Attacher.
func Detach(ctx context.Context, name string) error { return Attacher{}.Detach(ctx, name) }

// Attacher makes members of units that know nothing of cssc. The zero value works on
// this system. A value; each call has a connection of its own.
type Attacher struct {
	// Root is the folder below which the unit files are; empty for this system's.
	Root string
	// Address of that system's bus, as in Options.
	Address string
}

// with runs one piece of work on a connection that lives no longer than it.
func (a Attacher) with(ctx context.Context, do func(ctx context.Context, s *session) error) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	l := newLink(Options{Address: a.Address}, systemdName)
	l.ready = func(context.Context, *session) error { return nil }
	s, err := l.connect(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	defer func() { _ = s.conn.Close() }()

	return do(ctx, s)
}

// Attach makes a unit a member of the targets, in addition to those it was attached to
// before, by a drop-in with an [Install] section and by enabling it. It returns warnings for a
// person: what else starts the unit. It returns levels.ErrInvalid for a unit that does not
// exist or cannot be enabled, and for targets that no ladder has. Needs root.
func (a Attacher) Attach(ctx context.Context, text string, targets []levels.Target) (warnings []string, err error) {
	name, err := UnitName(text)
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", text, err)
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("attach %s: %w: no level named", name, levels.ErrInvalid)
	}
	err = a.with(ctx, func(ctx context.Context, s *session) error {
		if err := attachable(ctx, s, name, targets); err != nil {
			return err
		}
		all := a.attached(name)
		for _, target := range targets {
			if !slices.Contains(all, TargetUnit(target)) {
				all = append(all, TargetUnit(target))
			}
		}
		if err := a.writeDropIn(name, all); err != nil {
			return err
		}
		if err := reload(ctx, s); err != nil {
			return err
		}
		if err := a.enable(ctx, s, name, all); err != nil {
			return err
		}

		return reload(ctx, s)
	})
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", name, err)
	}

	return openTree(a.Root).rivals()[name], nil
}

// attachable says why a unit cannot be attached, or a target not attached to.
func attachable(ctx context.Context, s *session, name string, targets []levels.Target) error {
	names := []string{name}
	for _, target := range targets {
		names = append(names, TargetUnit(target))
	}
	states, err := s.readAll(ctx, names)
	if err != nil {
		return err
	}
	if _, own := ParseTargetUnit(name); own || name == agentUnit || name == leaveUnit {
		return fmt.Errorf("%w: it is a part of cssc itself", levels.ErrInvalid)
	}
	switch st := states[name]; st.loadState {
	case "loaded":
		if st.unitFileState == "generated" || st.unitFileState == "transient" {
			return fmt.Errorf("%w: its unit file is %s and cannot be enabled; write one to %s", levels.ErrInvalid, st.unitFileState, systemFolder)
		}
	case "not-found":
		return fmt.Errorf("%w: there is no such unit; see systemctl list-unit-files", levels.ErrInvalid)
	case "masked":
		return fmt.Errorf("%w: it is masked; systemctl unmask it first", levels.ErrInvalid)
	default:
		return fmt.Errorf("%w: its unit file is not valid (%s); see systemd-analyze verify", levels.ErrInvalid, firstOf(st.loadError, st.loadState))
	}
	for _, target := range names[1:] {
		if states[target].loadState != "loaded" {
			return fmt.Errorf("%w: there is no %s; the numbers of levels are set in %s", levels.ErrInvalid, target, sourcePath)
		}
	}

	return nil
}

func (a Attacher) dropIn(name string) string {
	return filepath.Join(a.Root, systemFolder, name+".d", attachDropIn)
}

// attached reads which targets the drop-in of a unit names.
func (a Attacher) attached(name string) []string {
	var out []string
	for _, option := range (&tree{root: a.Root}).read(a.dropIn(name)) {
		if option.Section == "Install" && option.Name == "WantedBy" {
			out = append(out, strings.Fields(option.Value)...)
		}
	}

	return out
}

// writeDropIn replaces the drop-in. Its first line takes back what the unit's own
// file says, so that enabling the unit again does not start it elsewhere too.
func (a Attacher) writeDropIn(name string, targets []string) error {
	options := []*unit.UnitOption{unit.NewUnitOption("Install", "WantedBy", "")}
	for _, target := range targets {
		options = append(options, unit.NewUnitOption("Install", "WantedBy", target))
	}
	var text strings.Builder
	text.WriteString("# Made by cssc attach; cssc detach removes it.\n[Install]\n")
	for _, option := range options {
		text.WriteString(option.Name + "=" + option.Value + "\n")
	}
	path := a.dropIn(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write drop-in: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write drop-in: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write drop-in: %w", err)
	}

	return nil
}

// enable links the unit to its targets: as systemctl enable does and, where that left
// a link out, as systemctl add-wants does.
func (a Attacher) enable(ctx context.Context, s *session, name string, targets []string) error {
	call := s.call(ctx, manager(), systemdManager+".EnableUnitFiles", []string{name}, false, false)
	enableErr := call.Err
	for _, target := range targets {
		if a.linked(name, target) {
			continue
		}
		err := s.call(ctx, manager(), systemdManager+".AddDependencyUnitFiles", []string{name}, target, "Wants", false, false).Err
		if err != nil {
			return fmt.Errorf("link it to %s: %w", target, errors.Join(enableErr, err))
		}
	}

	return nil
}

func (a Attacher) linked(name, target string) bool {
	_, err := os.Lstat(filepath.Join(a.Root, systemFolder, target+".wants", name))

	return err == nil
}

func reload(ctx context.Context, s *session) error {
	if err := s.call(ctx, manager(), systemdManager+".Reload").Err; err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}

	return nil
}

// Detach takes a unit out of all targets that it was attached to, and leaves every other
// way in which it is enabled as it is. It returns levels.ErrInvalid when it is in none.
func (a Attacher) Detach(ctx context.Context, text string) error {
	name, err := UnitName(text)
	if err != nil {
		return fmt.Errorf("detach %s: %w", text, err)
	}
	removed, err := a.unlink(name)
	if err != nil {
		return fmt.Errorf("detach %s: %w", name, err)
	}
	if !removed {
		return fmt.Errorf("detach %s: %w: it is attached to no level", name, levels.ErrInvalid)
	}
	if err := a.with(ctx, reload); err != nil {
		return fmt.Errorf("detach %s: its links are removed, but: %w", name, err)
	}

	return nil
}

// links are the paths at which units are linked to level targets.
func (a Attacher) links() []string {
	var paths []string
	for _, kind := range []string{"wants", "requires"} {
		folders, _ := filepath.Glob(filepath.Join(a.Root, systemFolder, unitPrefix+"*"+targetSuffix+"."+kind)) // the pattern is a good one
		for _, folder := range folders {
			if _, ours := ParseTargetUnit(strings.TrimSuffix(filepath.Base(folder), "."+kind)); !ours {
				continue
			}
			entries, _ := os.ReadDir(folder) // of a folder that cannot be read nothing can be removed
			for _, entry := range entries {
				paths = append(paths, filepath.Join(folder, entry.Name()))
			}
		}
	}

	return paths
}

// unlink removes the drop-in and every link to a level target.
func (a Attacher) unlink(name string) (removed bool, err error) {
	paths := []string{a.dropIn(name)}
	for _, path := range a.links() {
		if filepath.Base(path) == name {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		switch err := os.Remove(path); {
		case err == nil:
			removed = true
			_ = os.Remove(filepath.Dir(path)) // the folder, when it is empty now
		case !errors.Is(err, fs.ErrNotExist):
			return removed, fmt.Errorf("remove link: %w", err)
		}
	}

	return removed, nil
}
