package units

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

const (
	loginName    = "org.freedesktop.login1"
	loginManager = loginName + ".Manager"

	// A pause: inhibitPause is the time between two tries to take a lost inhibitor again.
	inhibitPause = time.Second
)

func login() object { return object{loginName, "/org/freedesktop/login1"} }

// System is logind and PID 1 as far as the end of a boot is concerned. Make it with
// NewSystem and keep Run running. Safe for concurrent use.
type System struct {
	link *link
	// announced has capacity 1: the first announcement counts. Never closed.
	announced chan levels.Mode
	// taking has capacity 1 and is full while an inhibitor is being taken, so that
	// nobody takes a second one meanwhile. Never closed.
	taking chan struct{}

	mu sync.Mutex
	// wanted says whether the inhibitor is to be held; lock is it, nil while it is not.
	wanted bool
	lock   *os.File
	// stale: the lock is from before a restart of logind or of the bus.
	stale bool
	// kind is what PrepareForShutdownWithMetadata told, for the signal that follows it.
	kind string
}

// NewSystem returns a System that is not connected yet.
func NewSystem(options Options) *System {
	s := &System{link: newLink(options, loginName), announced: make(chan levels.Mode, 1), taking: make(chan struct{}, 1)}
	s.link.heard = s.heard
	s.link.ready = s.renew
	for _, member := range []string{"PrepareForShutdown", "PrepareForShutdownWithMetadata"} {
		s.link.matches = append(s.link.matches, []dbus.MatchOption{
			dbus.WithMatchSender(loginName), dbus.WithMatchInterface(loginManager), dbus.WithMatchMember(member),
		})
	}

	return s
}

// Run keeps the connection, and the inhibitor once it was taken, until ctx ends; then
// it gives the inhibitor back and returns nil.
func (s *System) Run(ctx context.Context) error {
	defer func() { _ = s.Release() }()
	again, stop := context.WithCancel(ctx)
	var retry sync.WaitGroup
	retry.Go(func() { s.retake(again) })
	err := s.link.run(ctx)
	stop()
	retry.Wait()

	return err
}

// ShutdownAnnounced receives the kind of ending when logind prepares for shutdown.
// Capacity 1, never closed. The logind of systemd 252 announces without the kind, and it
// is asked for it; without an answer within a second it is taken for a reboot. Whatever is
// told, logind carries out the right one.
func (s *System) ShutdownAnnounced() <-chan levels.Mode { return s.announced }

// heard takes a signal of logind; wrong types are nothing.
func (s *System) heard(signal *dbus.Signal) {
	begins, ok := argument[bool](signal, 0)
	if !ok {
		return
	}
	switch signal.Name {
	case loginManager + ".PrepareForShutdownWithMetadata":
		kind := ""
		if metadata, ok := argument[map[string]dbus.Variant](signal, 1); ok && begins {
			kind, _ = metadata["type"].Value().(string)
		}
		s.mu.Lock()
		s.kind = kind
		s.mu.Unlock()
	case loginManager + ".PrepareForShutdown":
		if begins {
			s.announce()
		}
	}
}

func (s *System) announce() {
	s.mu.Lock()
	kind := s.kind
	s.mu.Unlock()
	if kind != "" {
		s.tell(modeOf(kind))

		return
	}
	// The reading goroutine may not wait for an answer.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), scheduledTimeout)
		defer cancel()
		s.tell(modeOf(s.scheduled(ctx)))
	}()
}

// scheduledTimeout bounds the question that delays an announcement.
const scheduledTimeout = time.Second

func (s *System) tell(mode levels.Mode) {
	select {
	case s.announced <- mode:
	default:
	}
}

// scheduled reads what kind of shutdown logind has been told to do at some time.
func (s *System) scheduled(ctx context.Context) string {
	session, err := s.link.session(ctx)
	if err != nil {
		return ""
	}
	value, err := loginProperty[[]any](ctx, session, "ScheduledShutdown")
	if err != nil || len(value) == 0 {
		return ""
	}
	kind, _ := value[0].(string)

	return kind
}

// modeOf translates logind's word. Everything that comes back by itself is a reboot.
func modeOf(kind string) levels.Mode {
	switch kind {
	case "poweroff", "dry-poweroff":
		return levels.ModePoweroff
	case "halt", "dry-halt":
		return levels.ModeHalt
	default:
		return levels.ModeReboot
	}
}

// PreparingForShutdown says whether a shutdown is under way.
func (s *System) PreparingForShutdown(ctx context.Context) (bool, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return false, fmt.Errorf("ask logind for a shutdown under way: %w", err)
	}

	return loginProperty[bool](ctx, session, "PreparingForShutdown")
}

// Window is logind's InhibitDelayMaxUSec as in force now.
func (s *System) Window(ctx context.Context) (time.Duration, error) {
	session, err := s.link.session(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask logind for its window: %w", err)
	}
	usec, err := loginProperty[uint64](ctx, session, "InhibitDelayMaxUSec")

	return time.Duration(min(usec, uint64(math.MaxInt64/time.Microsecond))) * time.Microsecond, err
}

func loginProperty[T any](ctx context.Context, s *session, name string) (T, error) {
	return property[T](ctx, s, login(), loginManager, name)
}

// Inhibit takes the delay inhibitor and holds it until Release, over a restart of
// logind or of the bus too. It is idempotent. An error means that it is not held yet; it is
// tried again in the background until Release.
func (s *System) Inhibit(ctx context.Context) error {
	s.mu.Lock()
	s.wanted = true
	s.mu.Unlock()
	if !s.missing() {
		return nil
	}
	session, err := s.link.session(ctx)
	if err != nil {
		return fmt.Errorf("take the delay inhibitor: %w", err)
	}

	return s.take(ctx, session)
}

// missing says whether an inhibitor is wanted and not held, or held from a logind that may
// have forgotten it.
func (s *System) missing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.wanted && (s.lock == nil || s.stale)
}

// take asks for an inhibitor, unless somebody else just took it, and gives an old one
// back when it has a new one.
func (s *System) take(ctx context.Context, session *session) error {
	select {
	case s.taking <- struct{}{}:
		defer func() { <-s.taking }()
	case <-ctx.Done():
		return fmt.Errorf("take the delay inhibitor: %w", ctx.Err())
	}
	if !s.missing() {
		return nil
	}
	var fd dbus.UnixFD
	err := session.call(ctx, login(), loginManager+".Inhibit",
		"shutdown", "cssc", "cluster services are stopped in order first", "delay").Store(&fd)
	if err != nil {
		return fmt.Errorf("take the delay inhibitor: %w", err)
	}
	lock := os.NewFile(uintptr(fd), "inhibitor")
	s.mu.Lock()
	old := s.lock
	if s.wanted {
		s.lock, s.stale = lock, false
	} else {
		old = lock
	}
	s.mu.Unlock()
	if old != nil {
		_ = old.Close() // nothing can be done about a pipe that does not close
	}

	return nil
}

// Release gives the inhibitor back. It is idempotent.
func (s *System) Release() error {
	s.mu.Lock()
	lock := s.lock
	s.wanted, s.lock = false, nil
	s.mu.Unlock()
	if lock == nil {
		return nil
	}
	if err := lock.Close(); err != nil {
		return fmt.Errorf("release the delay inhibitor: %w", err)
	}

	return nil
}

// renew takes the inhibitor anew on a new connection or from a new logind. Without an
// answer the old one stays: a logind that is only off the bus still honours it.
func (s *System) renew(ctx context.Context, session *session) error {
	s.mu.Lock()
	s.kind, s.stale = "", true
	s.mu.Unlock()
	if !s.missing() {
		return nil
	}
	if err := s.take(ctx, session); err != nil {
		s.link.options.logger().WarnContext(ctx, "inhibitor not renewed", slog.Any("error", err))
	}

	return nil
}

// retake tries again to take an inhibitor that is wanted and not held, or held from a
// logind that may have forgotten it.
func (s *System) retake(ctx context.Context) {
	ticker := time.NewTicker(inhibitPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !s.missing() {
			continue
		}
		if session, err := s.link.session(ctx); err == nil {
			_ = s.take(ctx, session) // tried again at the next tick
		}
	}
}

// The steps of an ending, as told to report.
const (
	stepLogin  = "login1"
	stepTarget = "target"
	stepForce  = "force"

	loginTimeout  = 3 * time.Second
	targetTimeout = 5 * time.Second
)

// End carries out the ending: it asks logind, when that does not answer well within
// three seconds PID 1 for the orderly target, and when that refuses PID 1 for the end
// without stopping anything. It returns nil when one of them accepted; each step that was
// tried is told to report with its error or nil. It returns levels.ErrInvalid for a mode
// that ends nothing.
func (s *System) End(ctx context.Context, mode levels.Mode, report func(step string, err error)) error {
	ending, ok := endingOf(mode)
	if !ok {
		return fmt.Errorf("%w: end the system by %s, want reboot, poweroff, halt or standalone", levels.ErrInvalid, mode)
	}
	if report == nil {
		report = func(string, error) {}
	}
	steps := []struct {
		name  string
		limit time.Duration
		do    func(ctx context.Context, session *session) error
	}{
		{stepLogin, loginTimeout, func(ctx context.Context, session *session) error {
			return accepted(session.call(ctx, login(), loginManager+"."+ending.login, uint64(0)).Err)
		}},
		{stepTarget, targetTimeout, func(ctx context.Context, session *session) error {
			return session.call(ctx, manager(), systemdManager+".StartUnit", ending.target, "replace-irreversibly").Err
		}},
		{stepForce, targetTimeout, func(ctx context.Context, session *session) error {
			return session.call(ctx, manager(), systemdManager+"."+ending.force).Err
		}},
	}
	var errs []error
	for _, step := range steps {
		err := s.step(ctx, step.limit, step.do)
		report(step.name, err)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
	}

	return fmt.Errorf("%s: %w", mode, errors.Join(errs...))
}

func (s *System) step(ctx context.Context, limit time.Duration, do func(ctx context.Context, session *session) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	session, err := s.link.session(ctx)
	if err != nil {
		return err
	}

	return do(ctx, session)
}

// accepted takes the answer that a shutdown is under way already for a yes.
func accepted(err error) error {
	if remote, ok := errors.AsType[dbus.Error](err); ok && remote.Name == loginName+".OperationInProgress" {
		return nil
	}

	return err
}

// ending names the three ways to one end.
type ending struct{ login, target, force string }

func endingOf(mode levels.Mode) (ending, bool) {
	switch mode {
	case levels.ModeReboot, levels.ModeStandalone:
		return ending{"RebootWithFlags", "reboot.target", "Reboot"}, true
	case levels.ModePoweroff:
		return ending{"PowerOffWithFlags", "poweroff.target", "PowerOff"}, true
	case levels.ModeHalt:
		return ending{"HaltWithFlags", "halt.target", "Halt"}, true
	case levels.ModeNone, levels.ModeNoboot:
		return ending{}, false
	default:
		return ending{}, false
	}
}
