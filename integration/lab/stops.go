package lab

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// childStopped is CLD_STOPPED of <signal.h>.
const childStopped = 5

// run starts a command of a node and waits for its end.
func run(process *exec.Cmd) error {
	if err := start(process); err != nil {
		return err
	}

	return process.Wait()
}

// start starts a command of a node. A node that ends stops all its processes for a moment,
// before it tells them to end; nsenter then stops itself too, outside of the node, where
// nobody would wake it.
func start(process *exec.Cmd) error {
	if err := process.Start(); err != nil {
		return err
	}
	go wake(process.Process.Pid)

	return nil
}

// wake lets a child go on whenever it is stopped, until it ends.
func wake(pid int) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.Code != childStopped {
			return
		}
		_ = unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
		_ = unix.Kill(pid, unix.SIGCONT)
	}
}
