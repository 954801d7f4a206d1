package units

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

// maxResults bounds what is remembered of ended jobs. Beyond it all is forgotten: the
// units' states tell the same, a little less exactly.
const maxResults = 16384

// board remembers how jobs ended, while any work is open, and wakes the works.
// Safe for concurrent use; heard is called from the connection's reading goroutine.
type board struct {
	mu      sync.Mutex
	works   map[*work]struct{}
	results map[uint32]string
}

func newBoard() *board {
	return &board{works: map[*work]struct{}{}, results: map[uint32]string{}}
}

func (b *board) open(w *work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.works[w] = struct{}{}
}

func (b *board) close(w *work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.works, w)
	if len(b.works) == 0 {
		clear(b.results)
	}
}

// removed notes the end of a job and says whether a work is about that unit.
func (b *board) removed(job uint32, unit, result string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.works) == 0 {
		return false
	}
	if len(b.results) >= maxResults {
		clear(b.results)
	}
	b.results[job] = result
	known := false
	for w := range b.works {
		known = known || w.target == unit
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}

	return known
}

// result says how a job ended, if that was heard.
func (b *board) result(job uint32) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	result, ok := b.results[job]

	return result, ok && job != 0
}

// affected is one job that PID 1 made for a request.
type affected struct {
	id   uint32
	unit string
}

// jobInfo is one element of the answer of EnqueueUnitJob, a(uosos).
type jobInfo struct {
	ID       uint32
	Job      dbus.ObjectPath
	Unit     string
	UnitPath dbus.ObjectPath
	Type     string
}

// enqueueRequest asks for a job and all jobs that go with it.
func enqueueRequest(unit, verb, mode string) request {
	return request{manager(), systemdManager + ".EnqueueUnitJob", []any{unit, verb, mode}}
}

// enqueued reads the answer: the job asked for first. The error is errLost when it
// is not known whether there is a job now, or a *UnitError.
func (s *session) enqueued(ctx context.Context, unit string, call *dbus.Call) ([]affected, error) {
	var first jobInfo
	var others []jobInfo
	err := call.Store(&first.ID, &first.Job, &first.Unit, &first.UnitPath, &first.Type, &others)
	switch {
	case err == nil:
		jobs := make([]affected, 0, len(others)+1)
		for _, job := range append([]jobInfo{first}, others...) {
			jobs = append(jobs, affected{job.ID, job.Unit})
		}

		return jobs, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.broken(err):
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	remote, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return nil, &UnitError{Unit: unit, Message: err.Error()}
	}

	return nil, &UnitError{Unit: unit, Name: remote.Name, Message: remote.Error()}
}

func (s *session) enqueue(ctx context.Context, unit, verb, mode string) ([]affected, error) {
	r := enqueueRequest(unit, verb, mode)

	return s.enqueued(ctx, unit, s.call(ctx, r.to, r.method, r.args...))
}

// sortedUnits lists the keys of a set of parts.
func sortedUnits[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }
