package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of waits.
const (
	bootLimit = 60 * time.Second
	exitLimit = 120 * time.Second
	killLimit = 10 * time.Second
)

// Exit says how a node's life ended. The zero value is unknown.
type Exit uint8

// The endings.
const (
	ExitUnknown Exit = iota
	Rebooted         // the node asked to be started again
	PoweredOff       // poweroff or halt; a container cannot tell them apart
	Killed           // a power cut, or PID 1 crashed
)

// String returns the word.
func (e Exit) String() string {
	return [...]string{"unknown", "rebooted", "powered off", "killed"}[min(e, Killed)]
}

// incarnation is one life of a node, from boot to exit.
type incarnation struct {
	process *exec.Cmd
	pid     int // of the node's PID 1, as the host counts
	// exited is closed by the goroutine that waits for the process; exit is valid then.
	exited chan struct{}
	exit   Exit
	// output is systemd-nspawn's own, for messages.
	output *output
}

// output keeps what a process writes and can be read meanwhile.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write appends.
func (o *output) Write(text []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.text.Write(text)
}

// String returns all of it so far.
func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.text.String()
}

// Boot starts the node and waits until its systemd has finished the boot (running or
// degraded). A node that ran before starts again with the disk it left.
func (n *Node) Boot(t TB) {
	t.Helper()
	n.PowerOn(t)
	n.WaitBoot(t)
}

// PowerOn starts the node and returns as soon as its PID 1 runs.
func (n *Node) PowerOn(t TB) {
	t.Helper()
	if err := n.Start(context.Background()); err != nil {
		t.Fatalf("boot node %s: %v", n.Name, err)
	}
}

// Start is PowerOn without a test.
func (n *Node) Start(ctx context.Context) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.run != nil && !n.run.ended() {
		return errors.New("it is running already")
	}
	group, err := os.Open(n.group)
	if err != nil {
		return err
	}
	defer func() { _ = group.Close() }()
	written := &output{}
	process := exec.CommandContext(context.WithoutCancel(ctx), "nsenter", "--net=/run/netns/"+n.lab.name,
		"systemd-nspawn", "--quiet", "--boot", "--directory="+n.Root(), "--register=no", "--keep-unit",
		"--machine="+n.machine, "--hostname="+n.Name, "--network-bridge=br0", "--link-journal=no",
		"--bind="+n.lab.Shared()+":/lab", "--resolv-conf=off", "--timezone=off", "--console=pipe")
	process.Env = []string{"PATH=" + os.Getenv("PATH"), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"}
	process.Stdout, process.Stderr = written, written
	// Into a control group and a session of its own: an interrupt of the test does not reach it.
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err = process.Start(); err != nil {
		return err
	}
	run := &incarnation{process: process, exited: make(chan struct{}), output: written}
	go run.wait()
	n.run = run
	err = Await(ctx, bootLimit, func() error { return run.findInit() })
	if err != nil {
		_ = killGroup(n.group)

		return err
	}

	return nil
}

func (r *incarnation) wait() {
	_ = r.process.Wait()
	switch r.process.ProcessState.ExitCode() {
	case 133:
		r.exit = Rebooted
	case 0:
		r.exit = PoweredOff
	default:
		r.exit = Killed
	}
	close(r.exited)
}

func (r *incarnation) ended() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// findInit looks for the process below systemd-nspawn that is PID 1 of its own namespace
// and has become systemd.
func (r *incarnation) findInit() error {
	if r.ended() {
		return nil // WaitBoot tells why
	}
	parent := r.process.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		return err
	}
	for child := range strings.FieldsSeq(string(children)) {
		name, _ := os.ReadFile(filepath.Join("/proc", child, "comm"))
		status, _ := os.ReadFile(filepath.Join("/proc", child, "status"))
		if strings.TrimSpace(string(name)) != "systemd" || !first(string(status)) {
			continue
		}
		r.pid, err = strconv.Atoi(child)

		return err
	}

	return errors.New("systemd has not started in the container")
}

// first says whether /proc/…/status is that of a PID 1 in a namespace of its own.
func first(status string) bool {
	for line := range strings.Lines(status) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			fields := strings.Fields(numbers)

			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}

	return false
}

// WaitBoot waits until systemd says that the boot is over.
func (n *Node) WaitBoot(t TB) {
	t.Helper()
	if err := n.AwaitBoot(context.Background()); err != nil {
		t.Fatalf("boot node %s: %v", n.Name, err)
	}
}

// AwaitBoot is WaitBoot without a test.
func (n *Node) AwaitBoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	run := n.current()
	err := Await(ctx, bootLimit, func() error {
		if run.ended() {
			return nil
		}
		_, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/systemd/private", run.pid))

		return err
	})
	if err != nil {
		return err
	}
	answer, code, err := n.TryContext(ctx, "systemctl", "is-system-running", "--wait")
	if state := strings.TrimSpace(answer); err == nil && (state == "running" || state == "degraded") {
		return nil
	}
	if run.ended() {
		return fmt.Errorf("it ended while booting (%v, systemd-nspawn with %v): %s", run.exit, run.process.ProcessState, run.output)
	}

	return errors.Join(fmt.Errorf("is-system-running says %q (exit status %d); systemd-nspawn says %q", answer, code, run.output), err)
}

// current is the present or last life of the node; a node never booted has an ended one.
func (n *Node) current() *incarnation {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.run == nil {
		exited := make(chan struct{})
		close(exited)

		return &incarnation{exited: exited, output: &output{}}
	}

	return n.run
}

// PID is the node's PID 1 as the host counts.
func (n *Node) PID() int { return n.current().pid }

// Running says whether the node is powered on.
func (n *Node) Running() bool { return !n.current().ended() }

// Exited is closed when the present life of the node has ended.
func (n *Node) Exited() <-chan struct{} { return n.current().exited }

// WaitExit waits for the end of the node's life and says how it ended.
func (n *Node) WaitExit(t TB) Exit {
	t.Helper()

	return n.WaitExitWithin(t, exitLimit)
}

// WaitExitWithin is WaitExit with a limit of its own.
func (n *Node) WaitExitWithin(t TB, limit time.Duration) Exit {
	t.Helper()
	run := n.current()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-run.exited:
	case <-timer.C:
		t.Fatalf("node %s still runs after %v", n.Name, limit)
	}

	return run.exit
}

// PowerCut kills everything in the node at the same instant, and waits until it is gone.
// Its PID 1 alone would take the others with it only once it is scheduled, which on a busy
// machine is tens of milliseconds later.
func (n *Node) PowerCut(t TB) {
	t.Helper()
	run := n.current()
	if err := syscall.Kill(run.pid, syscall.SIGKILL); err != nil {
		t.Fatalf("cut the power of node %s: %v", n.Name, err)
	}
	// Not cgroup.kill: what the next boot starts in a group of the same name dies, too.
	for _, process := range groupProcesses(n.group, run.process.Process.Pid) {
		_ = syscall.Kill(process, syscall.SIGKILL) // most are on their way already
	}
	if exit := n.WaitExit(t); exit != Killed {
		t.Fatalf("cut the power of node %s: it %v first", n.Name, exit)
	}
}

// Reboot asks the node to reboot, waits for it to end and boots it again.
func (n *Node) Reboot(t TB) {
	t.Helper()
	n.Run(t, "systemctl", "reboot")
	if exit := n.WaitExit(t); exit != Rebooted {
		t.Fatalf("reboot node %s: it %v", n.Name, exit)
	}
	n.Boot(t)
}

// kill ends the node without asking; used when the lab is closed. PID 1 first, so that
// systemd-nspawn reaps it and tidies up after itself.
func (n *Node) kill() {
	n.busMutex.Lock()
	n.closeBus()
	n.busMutex.Unlock()
	run := n.current()
	if run.pid != 0 && !run.ended() {
		_ = syscall.Kill(run.pid, syscall.SIGKILL)
		select {
		case <-run.exited:
		case <-time.After(killLimit):
		}
	}
	_ = killGroup(n.group)
	select {
	case <-run.exited:
	case <-time.After(killLimit):
	}
}

// Freeze stops every process of the node; Thaw lets them go on.
func (n *Node) Freeze(t TB) {
	t.Helper()
	if err := freezeGroup(n.group, true); err != nil {
		t.Fatalf("freeze node %s: %v", n.Name, err)
	}
}

// Thaw ends Freeze.
func (n *Node) Thaw(t TB) {
	t.Helper()
	if err := freezeGroup(n.group, false); err != nil {
		t.Fatalf("thaw node %s: %v", n.Name, err)
	}
}
