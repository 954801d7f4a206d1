package agent

import (
	"context"
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// A snapshot: snapshotEvery bounds the log that a restart has to replay.
	snapshotEvery = 4096
	// At idle: snapshotIdle is when a quiet moment is used for it.
	snapshotIdle = 256
)

// persist writes a batch to the boot log before anybody acts on it. When that
// does not work, requests are refused with the error that is returned, and
// observations are stepped all the same: what happened has happened.
func (l *loop) persist(ctx context.Context, now levels.Instant, batch []pending) error {
	l.fence(batch)
	events := make([]StampedEvent, 0, len(batch))
	for i := range batch {
		if dry, ok := batch[i].event.(levels.OperationRequested); ok && dry.DryRun {
			continue
		}
		if batch[i].answer == nil { // requests were made normal by ask
			if event, err := l.codec.normal(batch[i].event); err == nil {
				batch[i].event = event
			}
		}
		events = append(events, StampedEvent{Serial: l.serial + uint64(len(events)) + 1, Now: now, Event: batch[i].event})
	}
	if len(events) == 0 {
		return nil
	}
	err := l.append(now, events)
	if err != nil {
		l.runProblem(ctx, err)

		return fmt.Errorf("%w: nothing can be saved: %s; make room in /run, then ask again", levels.ErrTryAgain, err.Error())
	}

	return nil
}

// fence makes a new term durable before the machine, and with it anybody else, hears of
// it, unless the voter's memory holds it already. A term that cannot be written is used
// all the same: the election has decided what may be done with such a disk.
func (l *loop) fence(batch []pending) {
	for _, next := range batch {
		if role, ok := next.event.(levels.RoleChanged); ok && role.Term > l.durable.Term {
			l.durable.Term = role.Term
			l.saveDurable()
		}
	}
}

// append adds to the log. After a failure memory is ahead of the log, so that
// only a snapshot can bring them together again.
func (l *loop) append(now levels.Instant, events []StampedEvent) error {
	err := l.catchUp(now)
	if err == nil {
		err = l.ports.Store.Append(events)
	}
	if err != nil {
		// Refused requests leave no trace; the rest is in memory and in the next snapshot.
		// Only the first failure sets the pause: requests that come faster must not extend it.
		if !l.behind {
			l.behind, l.retryAt = true, now.Add(retryPause)
		}
		l.diskError = err

		return err
	}
	l.serial += uint64(len(events))
	l.since += len(events)

	return nil
}

// catchUp replaces a log that lacks events, at most once a second.
func (l *loop) catchUp(now levels.Instant) error {
	switch {
	case !l.behind:
		return nil
	case now < l.retryAt:
		return l.diskError
	}
	l.retryAt = now.Add(retryPause)

	return l.snapshot()
}

// snapshot writes the machine as it is now and begins a new log.
func (l *loop) snapshot() error {
	saved := l.machine.Save()
	err := l.ports.Store.Snapshot(&BootState{Incarnation: l.incarnation, Serial: l.serial, Machine: &saved})
	l.behind, l.diskError = err != nil, err
	if err == nil {
		l.since = 0
		l.problems.clear("run")
	}

	return err
}

// tidy writes a snapshot when the log has grown long, or is not short and the
// node is quiet.
func (l *loop) tidy(ctx context.Context, now levels.Instant, quiet bool) {
	if l.behind || l.since < snapshotIdle || l.since < snapshotEvery && !quiet {
		return
	}
	if err := l.snapshot(); err != nil {
		l.retryAt = now.Add(retryPause)
		l.runProblem(ctx, err)
	}
}

func (l *loop) runProblem(_ context.Context, err error) {
	l.problems.set("run", fmt.Sprintf("%v; a restart of the agent would forget what happens now: make room in /run", err))
}

// saveDurable writes /var/lib; a failure is a problem that is tried again.
func (l *loop) saveDurable() {
	state := l.durable
	err := l.ports.Store.SaveDurable(&state)
	l.unsaved = err != nil
	if err != nil {
		l.problems.set("var", fmt.Sprintf("%v; a reboot would forget term %d and qualified=%v: make /var/lib/cssc writable",
			err, state.Term, state.Qualified))

		return
	}
	l.problems.clear("var")
}

// retry tries again what could not be written.
func (l *loop) retry(ctx context.Context, now levels.Instant) {
	if !l.behind && !l.unsaved && l.unsavedVote == nil {
		return
	}
	l.retryAt = now.Add(retryPause)
	if l.behind {
		if err := l.snapshot(); err != nil {
			l.runProblem(ctx, err)
		}
	}
	if l.unsaved {
		l.saveDurable()
	}
	if l.unsavedVote != nil {
		l.saveVote(l.unsavedVote)
	}
}
