package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// groups is the hierarchy of control groups. Its methods need nobody but the kernel.
type groups struct{ root string }

// findGroups returns the unified hierarchy, which is a second one on systems that mount the
// old controllers too.
func findGroups(folder string) groups {
	for _, root := range []string{folder, "/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); root != "" && err == nil {
			return groups{root}
		}
	}

	return groups{"/sys/fs/cgroup"}
}

// kill sends SIGKILL to every process of the group and of those below it, as one step that
// no fork escapes. A group that is not there has none. It fails on kernels before 5.14.
func (g groups) kill(group string) error {
	if filepath.Clean("/"+group) == "/" {
		return errors.New("kill every process of the node: not by a group")
	}
	file, err := os.OpenFile(g.root+group+"/cgroup.kill", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(g.root + group); errors.Is(missing, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("kill group: %w", err)
	}
	_, err = file.WriteString("1")
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may vanish in between
		return fmt.Errorf("kill group: %w", err)
	}

	return nil
}

// freeze keeps every process of the group from running, also those that are put into it
// later, or lets them run again. SIGKILL ends a frozen process.
func (g groups) freeze(group string, on bool) {
	value := "0"
	if on {
		value = "1"
	}
	if file, err := os.OpenFile(g.root+group+"/cgroup.freeze", os.O_WRONLY, 0); err == nil {
		_, _ = file.WriteString(value) // where it cannot be, it is killed a moment later
		_ = file.Close()
	}
}

// populated says whether a process lives in the group or below it.
func (g groups) populated(group string) bool {
	text, err := os.ReadFile(g.root + group + "/cgroup.events")

	return err == nil && strings.Contains(string(text), "populated 1")
}
