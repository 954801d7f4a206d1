package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// notExecuted is the bit of the kernel's flags of a process that has not called exec since it
// was forked (PF_FORKNOEXEC; it is where it was in every kernel with control groups).
const notExecuted = 0x40

// groups is the hierarchy of control groups, and the processes in them. Its methods need
// nobody but the kernel.
type groups struct{ root, processes string }

// findGroups returns the unified hierarchy, which is a second one on systems that mount the
// old controllers too.
func findGroups(folder string) groups {
	for _, root := range []string{folder, "/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); root != "" && err == nil {
			return groups{root, "/proc"}
		}
	}

	return groups{"/sys/fs/cgroup", "/proc"}
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

// awaited says whether PID 1 stands still until a process of the group has called exec: since
// systemd 256 PID 1 lets the kernel put what it starts into its group from the first
// instant, and sleeps until it is a program of its own. Older ones do not wait for that, so
// that what a process has not executed yet is no reason by itself.
func (g groups) awaited(group string) bool {
	manager, ok := g.process(1)

	return ok && manager.state == "D" && g.unborn(group)
}

// unborn says whether there is a child of PID 1 that has not called exec, in the group or
// below it.
func (g groups) unborn(group string) bool {
	found := false
	_ = filepath.WalkDir(g.root+group, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir // it may vanish in between
		case !entry.IsDir():
			return nil
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for number := range strings.FieldsSeq(string(text)) {
			pid, _ := strconv.Atoi(number)
			child, ok := g.process(pid)
			found = found || ok && child.parent == 1 && child.flags&notExecuted != 0
		}

		return nil
	})

	return found
}

// process is what the kernel tells everybody of a process.
type process struct {
	state  string
	parent int
	flags  uint64
}

func (g groups) process(pid int) (process, bool) {
	text, err := os.ReadFile(filepath.Join(g.processes, strconv.Itoa(pid), "stat"))
	// The name is in parentheses and may have any character.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if err != nil || len(fields) < 7 {
		return process{}, false
	}
	parent, _ := strconv.Atoi(fields[1])
	flags, _ := strconv.ParseUint(fields[6], 10, 64)

	return process{state: fields[0], parent: parent, flags: flags}, true
}
