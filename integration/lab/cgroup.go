package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
