package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// A rest: plainRest is how long the start of a target that nobody waits for, and that says of a
// node that it does not lead, waits for what is urgent on this node and the others.
const plainRest = 50 * time.Millisecond

// plains is what the loop knows of empty plain targets, which are started and stopped in the
// order in which that was decided, while nobody waits.
type plains struct {
	// A chain: lastPlain is closed when the last work on one has ended.
	lastPlain chan struct{}
	// resting are the newest starts that may not have begun yet.
	resting map[levels.Target]*restingStart
}

// restingStart is a start that a stop may still make needless: a master that hands over is a
// spare for a moment before it is the vice. Safe for concurrent use.
type restingStart struct {
	until *time.Timer
	// taken is set by the first of the two, the start or the stop; dropped is closed by the stop.
	taken   atomic.Bool
	dropped chan struct{}
}

// rest begins the rest of a start; nil when it has none.
func (l *loop) rest(target levels.Target) *restingStart {
	if !l.emptyPlain(target) || target == levels.ReadyTarget() || target == levels.PlainTarget(levels.RoleMaster.String()) {
		return nil
	}
	if l.resting == nil {
		l.resting = map[levels.Target]*restingStart{}
	}
	r := &restingStart{until: time.NewTimer(plainRest), dropped: make(chan struct{})}
	l.resting[target] = r

	return r
}

// needless drops a start that did not begin, and says whether its stop has nothing to do then.
func (l *loop) needless(target levels.Target) bool {
	r := l.resting[target]
	delete(l.resting, target)
	if r == nil || !r.taken.CompareAndSwap(false, true) {
		return false
	}
	close(r.dropped)

	return l.emptyPlain(target)
}

func (l *loop) emptyPlain(target levels.Target) bool {
	return target.Plain && len(l.members[target]) == 0
}

// over waits for the end of the rest; false = the start is not wanted any more, or ctx has ended.
func (r *restingStart) over(ctx context.Context) bool {
	if r == nil {
		return true
	}
	defer r.until.Stop()
	select {
	case <-r.until.C:
		return r.taken.CompareAndSwap(false, true)
	case <-r.dropped:
		return false
	case <-ctx.Done():
		return false
	}
}
