package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groupsFolder is where the lab's control groups live. Every node gets one, because
// systemd-nspawn with --keep-unit makes its payload group inside the group it is started
// in, and because a group can be frozen and killed as a whole.
func groupsFolder() (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		left, right, found := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if found && len(fields) > 4 && strings.HasPrefix(right, "cgroup2 ") && strings.HasPrefix(fields[4], "/sys/fs/cgroup") {
			return filepath.Join(fields[4], "cssc-lab"), nil
		}
	}

	return "", errors.New("no cgroup2 file system is mounted; mount one on /sys/fs/cgroup/unified")
}

// killGroup sends SIGKILL to everything in the group, nested groups included.
func killGroup(group string) error {
	err := os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}

// removeGroups kills and removes the folder of groups, deepest first.
func removeGroups(groups string) error {
	if _, err := os.Stat(groups); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := killGroup(groups); err != nil {
		return fmt.Errorf("kill the lab's processes: %w", err)
	}

	return Await(context.Background(), 10*time.Second, func() error { return removeGroup(groups) })
}

func removeGroup(group string) error {
	entries, err := os.ReadDir(group)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err = removeGroup(filepath.Join(group, entry.Name())); err != nil {
				return err
			}
		}
	}

	return os.Remove(group)
}

// freezeGroup stops or resumes every process of the group and waits until it is so.
func freezeGroup(group string, frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte(value), 0); err != nil {
		return err
	}

	return Await(context.Background(), 5*time.Second, func() error {
		events, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
		if err != nil {
			return err
		}
		if !strings.Contains(string(events), "frozen "+value) {
			return fmt.Errorf("group %s: frozen is not yet %s", group, value)
		}

		return nil
	})
}

// groupProcesses lists the processes of the group and of those below, without one.
func groupProcesses(group string, without int) (all []int) {
	_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			text, _ := os.ReadFile(path) // a group that has gone meanwhile has none
			for word := range strings.FieldsSeq(string(text)) {
				if number, err := strconv.Atoi(word); err == nil && number != without {
					all = append(all, number)
				}
			}
		}

		return nil
	})

	return all
}

// unitGroup is the control group of a unit of the running node.
func (n *Node) unitGroup(unit string) (string, error) {
	found, err := filepath.Glob(filepath.Join(n.group, "*", "system.slice", unit))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("node %s: unit %s has no process", n.Name, unit)
	}
	if err != nil {
		return "", err
	}

	return found[0], nil
}

// UnitProcesses lists the processes of a service as the host counts: to look at them or to
// signal them without a process in the node that takes time. There is an error when the
// service does not run.
func (n *Node) UnitProcesses(unit string) ([]int, error) {
	group, err := n.unitGroup(unit)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var all []int
	for word := range strings.FieldsSeq(string(text)) {
		number, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("node %s: processes of %s: %w", n.Name, unit, err)
		}
		all = append(all, number)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("node %s: unit %s has no process", n.Name, unit)
	}

	return all, nil
}

// UnitProcessor is the processor time that a service has used since it was started.
func (n *Node) UnitProcessor(unit string) (time.Duration, error) {
	group, err := n.unitGroup(unit)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "usage_usec ")
	number, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("node %s: processor time of %s: %w", n.Name, unit, err)
	}

	return time.Duration(number) * time.Microsecond, nil
}
