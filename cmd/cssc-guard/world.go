package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/agent/lease"
)

// kernel is the world as it is.
type kernel struct {
	record string
	reader *lease.Reader
	timer  *os.File
	clock  lease.Clock
	groups groups
	clerk  *clerk
	notify *notifier
	log    *journal
	// resting: there is no connection to PID 1, or soon there will be none.
	resting bool
	// interval is that of the watchdog; 0 = none.
	interval time.Duration

	ctx    context.Context //nolint:containedctx // the life of the process
	cancel context.CancelFunc
	active sync.WaitGroup
}

func newKernel(ctx context.Context, s settings) (*kernel, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		interval = 0
	}
	w := &kernel{
		record: s.record, timer: os.NewFile(uintptr(fd), "timer"), groups: findGroups(s.groups),
		notify: newNotifier(os.Getenv("NOTIFY_SOCKET")), log: newJournal(), interval: interval,
	}
	w.clerk = newClerk(filepath.Join(filepath.Dir(s.record), "guard-members"), w.now)
	w.ctx, w.cancel = context.WithCancel(ctx)

	return w, nil
}

// start begins everything that runs beside the guard and tells systemd.
func (w *kernel) start() {
	grip := grip()
	w.active.Go(func() { w.clerk.run(w.ctx, w.clerk.lists) })
	w.active.Go(func() { w.clerk.run(w.ctx, w.clerk.orders) })
	w.active.Go(func() { w.log.run(w.ctx) })
	// An end of ctx ends a wait.
	w.active.Go(func() {
		<-w.ctx.Done()
		_ = w.timer.SetReadDeadline(time.Unix(1, 0))
	})
	w.rehearse()
	w.refresh() // so that there is a list when a lease begins and PID 1 does not answer
	w.notify.send("READY=1\nSTATUS=" + grip)
}

// rehearse goes through what is needed at the end of a lease, so that its code is in memory
// when the disk does not answer any more.
func (w *kernel) rehearse() {
	const nowhere = "/cssc-guard-rehearsal"
	_ = w.groups.kill(nowhere)
	_ = w.groups.populated(nowhere)
	_ = w.groups.unborn(nowhere)
}

func (w *kernel) close() {
	w.cancel()
	w.active.Wait()
	_ = w.timer.Close()
	if w.reader != nil {
		_ = w.reader.Close()
	}
}

func (w *kernel) now() int64 { return w.clock.Now() }

// wait sleeps on a timer of CLOCK_BOOTTIME: Go's own timers do not count a suspend, and there is
// none on the lease clock. A time service may make that one slower by a tenth, and the end of the wait as much
// later; no wait is longer than the eighth of a lease.
func (w *kernel) wait(until int64) {
	var boot unix.Timespec
	// First: a suspend before the next line then ends the wait at once.
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		panic(fmt.Sprintf("cssc-guard: read CLOCK_BOOTTIME: %v", err)) // every kernel since 2.6.39 has it
	}
	setting := unix.ItimerSpec{Value: unix.NsecToTimespec(max(boot.Nano()+until-w.now(), 1))}
	raw, err := w.timer.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &setting, nil) })
	}
	if err != nil {
		panic(fmt.Sprintf("cssc-guard: set the timer: %v", err)) // the arguments are right
	}
	var expirations [8]byte
	_, _ = w.timer.Read(expirations[:]) // an early return is allowed
}

// read opens the file when there is one.
func (w *kernel) read() (lease.Record, error) {
	if w.reader == nil {
		reader, err := lease.OpenReader(w.record)
		if err != nil {
			return lease.Record{}, err
		}
		w.reader = reader
	}

	return w.reader.Inspect()
}

func (w *kernel) roster() roster { return *w.clerk.latest.Load() }

func (w *kernel) refresh() {
	w.resting = false
	w.clerk.lists.order(func(o *orders) { o.refresh, o.rest = true, false })
	w.clerk.orders.order(func(o *orders) { o.meet, o.rest = true, false })
}

func (w *kernel) rest() {
	if w.resting {
		return
	}
	w.resting = true
	for _, desk := range []*desk{w.clerk.lists, w.clerk.orders} {
		desk.order(func(o *orders) { o.rest = true })
	}
}

func (w *kernel) stop(names []string) {
	w.clerk.orders.order(func(o *orders) { o.stop = merge(o.stop, names) })
}

func (w *kernel) kill(names []string) {
	w.clerk.orders.order(func(o *orders) { o.kill = merge(o.kill, names) })
}

func (w *kernel) killGroup(group string) error { return w.groups.kill(group) }
func (w *kernel) freeze(group string, on bool) { w.groups.freeze(group, on) }
func (w *kernel) populated(group string) bool  { return w.groups.populated(group) }
func (w *kernel) awaited(group string) bool    { return w.groups.awaited(group) }
func (w *kernel) trouble() string              { return w.clerk.trouble() }
func (w *kernel) ping()                        { w.notify.send("WATCHDOG=1") }

func (w *kernel) tell(kind messageKind, fields ...field) { w.log.put(kind, fields) }

// reboot asks PID 1, which writes the file systems first, and does it itself after the
// grace: nothing may keep the node from ending.
func (w *kernel) reboot(grace time.Duration) {
	w.tell(msgReboot, field{"grace", grace.String()})
	w.clerk.orders.order(func(o *orders) { o.reboot = true })
	w.active.Go(func() {
		pause := time.NewTimer(grace)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-w.ctx.Done(): // PID 1 is ending everything, or somebody stops the guard: go on
		}
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	})
}

// notifier speaks to systemd and never waits for it: a PID 1 that takes nothing would
// otherwise stop the guard. Owned by one goroutine.
type notifier struct {
	socket int
	to     unix.Sockaddr
}

func newNotifier(path string) *notifier {
	n := &notifier{socket: -1}
	if path == "" {
		return n
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		n.socket, n.to = socket, &unix.SockaddrUnix{Name: path}
	}

	return n
}

func (n *notifier) send(state string) {
	if n.socket >= 0 {
		_ = unix.Sendto(n.socket, []byte(state), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, n.to) // the next one comes soon
	}
}
