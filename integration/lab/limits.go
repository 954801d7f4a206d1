package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	watchersFile = "/proc/sys/fs/inotify/max_user_instances"
	// A systemd node needs six of the machine's inotify instances, and the kernel gives 128 to
	// all that root runs: the PID 1 of a twentieth node ends or hangs without a word.
	leastWatchers = 1024
)

// raiseWatchers lets many nodes run at a time. The limit stays raised: other labs may run, and
// it costs nothing. A machine that does not allow it is good for some twenty nodes.
func raiseWatchers() error {
	text, err := os.ReadFile(watchersFile)
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", watchersFile, err)
	}
	if limit >= leastWatchers {
		return nil
	}
	err = os.WriteFile(watchersFile, []byte(strconv.Itoa(leastWatchers)), 0o644)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}

	return err
}
