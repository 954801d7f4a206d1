package main

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// system is what a command needs of the world: streams, terminal, clocks and the
// way to the agent. Tests bring their own.
type system struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	// terminalIn says that a person can answer; terminalOut that one is looking.
	terminalIn, terminalOut bool
	// width returns the columns of the terminal; 0 when there is none.
	width func() int
	// height returns its lines, likewise.
	height func() int
	// boot reads CLOCK_BOOTTIME, the clock of every levels.Instant.
	boot func() levels.Instant
	// lease reads the lease clock, in nanoseconds.
	lease func() int64
	// now reads the calendar.
	now  func() time.Time
	dial func(ctx context.Context, address string) (agentPort, error)
	// serve opens a connection that stays, for run-callback.
	serve func(ctx context.Context, address string) (servicePort, error)
	// attach and detach change what systemd wants; the warnings are for a person.
	attach func(ctx context.Context, unit string, targets []levels.Target) (warnings []string, err error)
	detach func(ctx context.Context, unit string) error
	// attachable and attached are the units that a shell may offer for that.
	attachable, attached func() []string
	// levels is what the configuration of this node says of them, the defaults when it cannot
	// be read; for the shell.
	levels func() levels.Config
	// limits and graph look at the systemd under the agent, for verify.
	limits func(ctx context.Context) systemLimits
	graph  func(ladders units.Ladders) []finding
	// host looks at the operating system, for doctor.
	host func(ctx context.Context, asked hostQuestion) (doctor.Host, doctor.Known[[]doctor.Member])
}

func newSystem() system {
	return system{
		in:          os.Stdin,
		out:         os.Stdout,
		err:         os.Stderr,
		getenv:      os.Getenv,
		terminalIn:  term.IsTerminal(int(os.Stdin.Fd())),
		terminalOut: term.IsTerminal(int(os.Stdout.Fd())),
		width:       terminalWidth,
		height:      terminalHeight,
		boot:        bootClock,
		lease:       new(lease.Clock).Now,
		now:         time.Now,
		dial:        dialAgent,
		serve:       dialService,
		attach:      units.Attach,
		detach:      units.Detach,
		attachable:  units.Attacher{}.Attachable,
		attached:    units.Attacher{}.Attached,
		levels:      configuredLevels,
		limits:      readLimits,
		graph:       checkGraph,
		host:        lookAtHost,
	}
}

func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}

	return width
}

func terminalHeight() int {
	_, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}

	return height
}

func bootClock() levels.Instant {
	var spec unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &spec); err != nil {
		return 0
	}

	return levels.Instant(spec.Nano())
}
