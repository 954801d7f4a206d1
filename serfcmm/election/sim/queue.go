package sim

// moment is something that is due at a true time.
type moment struct {
	at   int64
	seq  uint64 // breaks ties by the order of making
	what what
	node int8
	arg  int32  // index of a fault or of a message
	gen  uint32 // of the timer; an older one is void
}

// what says which kind of moment it is.
type what uint8

const (
	whatDeliver what = iota // a message arrives
	whatTick                // Result.Wake of a node
	whatBegin               // a fault begins
	whatEnd                 // a fault ends
	whatDemote              // the demote of a lost lease acts
	whatRested              // nothing of the mastership runs any more
	whatRelease             // the role is given back, a while later
	whatStart               // a process starts
	whatResume              // a paused process goes on
	whatHeal                // faults are over
	whatProbe               // look whether all agree
)

func (a *moment) before(b *moment) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// queue is a heap of moments, the earliest first.
type queue struct {
	heap []moment
	seq  uint64
}

func (q *queue) reset() { q.heap, q.seq = q.heap[:0], 0 }

func (q *queue) push(m moment) {
	q.seq++
	m.seq = q.seq
	q.heap = append(q.heap, m)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !m.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = m
}

func (q *queue) pop() (moment, bool) {
	if len(q.heap) == 0 {
		return moment{}, false
	}
	top, last := q.heap[0], q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	if len(q.heap) > 0 {
		q.sink(last)
	}

	return top, true
}

// sink puts m where the top was.
func (q *queue) sink(m moment) {
	i := 0
	for {
		first := 4*i + 1
		if first >= len(q.heap) {
			break
		}
		least := first
		for child := first + 1; child < min(first+4, len(q.heap)); child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if !q.heap[least].before(&m) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = m
}
