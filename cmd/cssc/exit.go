package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// The exit statuses, documented in cssc(1).
const (
	exitOK          = 0
	exitFailed      = 1   // the command was carried out and ended badly
	exitUsage       = 2   // the command line is wrong; nothing was asked
	exitUnreachable = 3   // no bus, no agent, or another node could not be asked
	exitRefused     = 4   // a precondition does not hold, or no permission; nothing changed
	exitTimeout     = 5   // the time ran out; what was asked may still go on
	exitAttention   = 6   // something waits for an operator
	exitInterrupted = 130 // a signal ended the command; what was asked goes on
)

// failure is an error that knows its exit status and what to type next.
type failure struct {
	code  int
	cause error
	hints []string
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

// usage is a wrong command line.
func usage(format string, args ...any) error {
	return &failure{code: exitUsage, cause: fmt.Errorf(format, args...)}
}

// failed ends a command with a status and hints of its own.
func failed(code int, cause error, hints ...string) error {
	return &failure{code: code, cause: cause, hints: hints}
}

// quiet ends a command that has already said everything.
type quiet int

func (q quiet) Error() string { return fmt.Sprintf("exit status %d", int(q)) }

// finish prints the failure and returns the exit status.
func (a *app) finish(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[quiet](err); ok {
		return int(status)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.complain("interrupted; what was asked of the agent goes on", "see it with: cssc status")

		return exitInterrupted
	}
	code, hints := classify(err)
	text := err.Error()
	if errors.Is(err, errNoAgent) && !strings.Contains(text, errNoAgent.Error()) {
		text = errNoAgent.Error() // what the bus says of it helps nobody
	}
	a.complain(text, hints...)

	return code
}

func (a *app) complain(text string, hints ...string) {
	paint := a.errorPaint()
	a.complainf("%s %s\n", paint.bad("cssc:"), printable(text))
	for _, hint := range hints {
		a.complainf("%s %s\n", paint.dim("hint:"), printable(hint))
	}
}

// classify maps an error to its exit status and to what to do about it.
func classify(err error) (code int, hints []string) {
	if known, ok := errors.AsType[*failure](err); ok {
		return known.code, known.hints
	}
	switch {
	case errors.Is(err, errNoBus), errors.Is(err, units.ErrNoBus):
		return exitUnreachable, []string{"systemctl status dbus.service"}
	case errors.Is(err, errNoAgent):
		return exitUnreachable, []string{
			"start it:    systemctl start cssc-agent",
			"look at it:  systemctl status cssc-agent; journalctl -b -u cssc-agent",
			"what else is wrong here: cssc doctor",
		}
	case errors.Is(err, errDenied), errors.Is(err, dbusapi.ErrInteractionNeeded):
		return exitRefused, []string{"run it as root: sudo cssc …"}
	case errors.Is(err, levels.ErrOperationInProgress):
		return exitRefused, []string{"see it with: cssc operations", "wait until it has ended, then try again"}
	case errors.Is(err, levels.ErrNotHeld):
		return exitRefused, []string{"see what runs: cssc status"}
	case errors.Is(err, levels.ErrBusy), errors.Is(err, levels.ErrTryAgain):
		return exitRefused, []string{"try again in a moment"}
	case errors.Is(err, levels.ErrNoSuchNode):
		return exitRefused, []string{"the nodes are: cssc nodes"}
	case errors.Is(err, levels.ErrUnreachable):
		return exitUnreachable, []string{"how the nodes are: cssc nodes", "on that node: systemctl status cssc-agent; journalctl -b -u cssc-agent"}
	case errors.Is(err, dbusapi.ErrUnknownCall):
		return exitFailed, []string{"cssc and the agent are of different versions: cssc version"}
	case errors.Is(err, levels.ErrRefused), errors.Is(err, levels.ErrNotYours), errors.Is(err, dbusapi.ErrLimit),
		errors.Is(err, levels.ErrAlreadyRegistered), errors.Is(err, levels.ErrInvalid),
		errors.Is(err, levels.ErrNoSuchRegistration), errors.Is(err, levels.ErrNoSuchInvocation):
		return exitRefused, nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, dbusapi.ErrTimeout):
		return exitTimeout, []string{"what was asked may still go on: cssc status", "allow more time: --timeout 5m"}
	default:
		return exitFailed, nil
	}
}

// printable keeps text of other parties from steering the terminal: control
// characters become spaces, line ends and those that turn the direction included.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}

		return r
	}, text)
}

// prefixed puts the operation before an error that does not begin with it already.
func prefixed(operation string, err error) error {
	word, _, _ := strings.Cut(operation, " ")
	if text := err.Error(); strings.HasPrefix(text, word+" ") || strings.HasPrefix(text, word+":") {
		return err
	}

	return fmt.Errorf("%s: %w", operation, err)
}
