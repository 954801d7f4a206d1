package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// The window: defaultWindow is logind's own InhibitDelayMaxSec, when it could not be read.
	defaultWindow = 5 * time.Second
	// A farewell: leaveTimeout bounds the farewell to the cluster; the peers notice anyway.
	leaveTimeout = 5 * time.Second
	// An ending: endTimeout bounds the whole escalation of an ending.
	endTimeout = 5 * time.Minute
)

// leaving is what the loop knows of the end of the node.
type leaving struct {
	greeted bool
	// announced: somebody else ends the node (logind, or systemd's own transaction);
	// the agent only has to be done before cutAt.
	announced bool
	mode      levels.Mode
	cutAt     levels.Instant
	window    time.Duration
	released  bool // the inhibitor was given back
	accepted  bool // a shutdown operation is under way or done
	waiting   bool // the request is in the queue
	bypass    bool // systemd is stopping everything: no unit is touched
}

// announce follows logind's word that the node goes down.
func (l *loop) announce(ctx context.Context, mode levels.Mode) {
	if l.announced {
		return
	}
	window := l.window
	if window <= 0 {
		window = defaultWindow
	}
	margin := min(l.config.Load().Shutdown.Margin, window/2)
	l.announced, l.mode = true, mode
	l.cutAt = l.ports.Clock().Add(window - margin)
	l.journal.tell(ctx, msgShutdownAnnounced, "mode", mode, "window", window)
}

// followShutdown asks for the shutdown that logind has announced, again and
// again while another operation is in its way.
func (l *loop) followShutdown(ctx context.Context) {
	if !l.announced || !l.open || l.accepted || l.waiting || l.released {
		return
	}
	for _, operation := range l.view.Operations {
		if operation.Result == levels.ResultRunning && operation.Kind != levels.OperationShutdown {
			return // asked again when it has ended
		}
	}
	switch l.view.State {
	case levels.StateShuttingDown, levels.StateLeaving:
		l.accepted = true

		return
	case levels.StateDown: // all is stopped already
		l.release(ctx)

		return
	case levels.StateJoining, levels.StateInitializing, levels.StateUp:
	}
	l.waiting = true
	l.pushFrom(fromLogind, levels.OperationRequested{
		Kind: levels.OperationShutdown, Mode: l.mode, By: "logind", Reason: "the operating system announced its shutdown",
	})
}

// asked learns what became of a request for a shutdown.
func (l *loop) asked(ctx context.Context, event levels.OperationRequested, from origin, err error) {
	if event.Kind != levels.OperationShutdown || event.DryRun {
		return
	}
	if from != fromLogind {
		return
	}
	l.waiting = false
	switch {
	case err == nil:
		l.accepted = true
	case errors.Is(err, levels.ErrOperationInProgress):
	default:
		l.journal.tell(ctx, msgShutdownCut, "reason", err.Error())
		l.release(ctx)
	}
}

// errAside ends the works on units when systemd has taken over.
var errAside = errors.New("left to systemd, which is stopping everything")

// standAside leaves every unit to systemd from here on: the works under way are
// given up, and later ones count as done by it. Only callbacks are still made.
func (l *loop) standAside() {
	l.bypass, l.announced, l.released, l.accepted = true, true, true, true
	l.dropUnits(errAside)
}

// leftToSystemd accounts for units that were not touched.
func leftToSystemd(units []string) []levels.Member {
	members := make([]levels.Member, len(units))
	for i, unit := range units {
		members[i] = levels.Member{Unit: unit, Outcome: levels.OutcomeSkipped, Reason: errAside.Error()}
	}

	return members
}

// deadline gives the inhibitor back before logind's patience ends: an orderly
// stop by systemd alone is better than to be cut off in the middle of it.
func (l *loop) deadline(ctx context.Context, now levels.Instant) {
	if !l.announced || l.released || now < l.cutAt {
		return
	}
	where := l.view.State.String()
	if run := l.view.Run; run != nil {
		where = fmt.Sprintf("%s level %s (%s)", run.Sequence, run.Level, run.Phase)
	}
	l.journal.tell(ctx, msgShutdownCut, "at", where, "window", l.window,
		"reason", "the time that logind waits is over, systemd stops the rest in reverse order")
	l.release(ctx)
}

// release lets logind go on.
func (l *loop) release(context.Context) {
	if l.released {
		return
	}
	l.released = true
	system := l.ports.System
	l.work(lookTimeout, func(context.Context) message {
		err := system.Release()
		if err != nil {
			err = fmt.Errorf("give the inhibitor back to logind: %w", err)
		}

		return told{what: callRelease, err: err}
	})
}

// leave carries out the end of a shutdown: out of the cluster, then the ending
// of the mode, unless somebody else ends the node already.
func (l *loop) leave(action levels.LeaveCluster) {
	if l.telling[callLeave] {
		return
	}
	l.telling[callLeave] = true
	l.left, l.mode = true, action.Mode
	peers, system, store := l.way, l.ports.System, l.ports.Store
	announced := l.announced
	if action.Mode != levels.ModeNoboot {
		l.released = true
	}
	tell := l.journal
	l.work(endTimeout, func(ctx context.Context) message {
		farewell, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		if err := peers.Leave(farewell); err != nil {
			tell.tell(ctx, msgEndingFailed, "step", "leave the cluster", "error", err.Error())
		}
		if action.Mode == levels.ModeNoboot {
			return told{what: callLeave}
		}
		if action.Mode == levels.ModeStandalone {
			if err := store.SetStandalone(); err != nil {
				tell.tell(ctx, msgEndingFailed, "step", "mark the next boot as standalone", "error", err.Error())
			}
		}
		if err := system.Release(); err != nil {
			tell.tell(ctx, msgEndingFailed, "step", "give the inhibitor back", "error", err.Error())
		}
		tell.tell(ctx, msgEnding, "mode", action.Mode, "reason", action.Reason, "announced", announced)
		if announced {
			return told{what: callLeave}
		}
		err := system.End(ctx, endingOf(action.Mode), func(step string, err error) {
			if err != nil {
				tell.tell(ctx, msgEndingFailed, "mode", action.Mode, "step", step, "error", err.Error())
			}
		})
		if err != nil {
			err = fmt.Errorf("end the node (%s): %w; nothing is left running, type \"systemctl reboot --force\"", action.Mode, err)
		}

		return told{what: callLeave, err: err}
	})
}

// endingOf is what the operating system is asked for.
func endingOf(mode levels.Mode) levels.Mode {
	if mode == levels.ModeStandalone {
		return levels.ModeReboot
	}

	return mode
}

// ended follows the ending; after noboot the agent stays and waits for a start.
func (l *loop) ended(ctx context.Context, err error) {
	if err != nil {
		l.journal.tell(ctx, msgEndingFailed, "mode", l.mode, "error", err.Error())
	}
	if l.mode == levels.ModeNoboot {
		l.accepted = false
	}
}
