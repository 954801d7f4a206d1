package sim

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Batch is a run of the plans of consecutive seeds.
type Batch struct {
	// First seed, and how many.
	First, Count uint64
	// Workers run at the same time.
	Workers int
	// Enough ends the batch early after so many broken histories; 0 = never.
	Enough int
}

// Failure is a seed whose history broke an invariant.
type Failure struct {
	Seed      uint64
	Violation *ViolationError
}

// Report is what a batch came to.
type Report struct {
	// Histories were run to their end; Steps and Masters are their sums.
	Histories, Steps, Masters uint64
	Rare                      Tally
	// Failures are in the order of their seeds.
	Failures []Failure
}

// Run plays the batch and returns when all workers have.
func (b Batch) Run() Report {
	var (
		report Report
		lock   sync.Mutex
		wait   sync.WaitGroup
		next   atomic.Uint64
		broken atomic.Int64
	)
	for range max(1, b.Workers) {
		wait.Go(func() {
			var r Runner
			var own Report
			for b.Enough == 0 || broken.Load() < int64(b.Enough) {
				i := next.Add(1) - 1
				if i >= b.Count {
					break
				}
				if own.add(b.First+i, r.Run(Generate(b.First+i))) {
					broken.Add(1)
				}
			}
			own.Rare = r.Rare
			lock.Lock()
			defer lock.Unlock()
			report.merge(&own)
		})
	}
	wait.Wait()
	slices.SortFunc(report.Failures, func(a, b Failure) int {
		if a.Seed < b.Seed {
			return -1
		}

		return 1
	})

	return report
}

// add counts an outcome, and says whether it was a failure.
func (r *Report) add(seed uint64, outcome Outcome) bool {
	r.Histories++
	r.Steps += uint64(outcome.Steps)
	r.Masters += uint64(outcome.Masters)
	if outcome.Violation != nil {
		r.Failures = append(r.Failures, Failure{seed, outcome.Violation})
	}

	return outcome.Violation != nil
}

func (r *Report) merge(other *Report) {
	r.Histories += other.Histories
	r.Steps += other.Steps
	r.Masters += other.Masters
	r.Rare.Add(&other.Rare)
	r.Failures = append(r.Failures, other.Failures...)
}
