package timeline

import (
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Run is one finished run of one node.
type Run struct {
	levels.RunRecord

	// Incarnation names the boot in which it ran; operations are counted anew in each.
	Incarnation string
	// Begin and End are by the calendar clock of the node. A clock that was set back may
	// give an End before Begin, which counts as Begin.
	Begin, End time.Time
}

// At is the calendar time of an instant of the record, kept within the run.
func (r Run) At(then levels.Instant) time.Time {
	at := r.Begin.Add(then.Sub(r.Started))
	switch {
	case at.Before(r.Begin):
		return r.Begin
	case at.After(r.end()):
		return r.end()
	default:
		return at
	}
}

// Took is how long the run took, by the clock that never jumps; not below zero.
func (r Run) Took() time.Duration { return max(0, r.Ended.Sub(r.Started)) }

func (r Run) end() time.Time {
	if r.End.Before(r.Begin) {
		return r.Begin
	}

	return r.End
}

// target is the role to which the run leads. Records of older agents do not tell of a
// demote's.
func (r Run) target() levels.Role {
	if r.To == levels.RoleUnknown && r.Sequence != levels.Demote {
		return r.Role
	}

	return r.To
}

// leads says that the run makes its node the master.
func (r Run) leads() bool {
	return (r.Sequence == levels.Init || r.Sequence == levels.Promote) && r.target() == levels.RoleMaster
}

// demotesMaster says that the run is to take the mastership from its node, cedes that it
// did: one that failed did not.
func (r Run) demotesMaster() bool { return r.Sequence == levels.Demote && r.Role == levels.RoleMaster }
func (r Run) cedes() bool         { return r.demotesMaster() && r.Outcome != "failed" }

// cause is the run's, with the reason that was given for its operation.
func (r Run) cause() string {
	if r.OperationReason == "" {
		return r.Cause
	}

	return r.Cause + ": " + r.OperationReason
}

// shutdown says of what kind the shutdown is that the run belongs to: of the node alone, or
// a part of what all nodes do, which then is what the reason begins with.
func (r Run) shutdown() levels.OperationKind {
	if r.OperationKind != levels.OperationShutdown {
		return levels.OperationUnknown
	}
	word, _, _ := strings.Cut(r.OperationReason, " ")
	if kind, err := levels.ParseOperationKind(word); err == nil && kind.OfCluster() {
		return kind
	}

	return levels.OperationShutdown
}

// gap is the time between two runs, zero when they overlap.
func gap(a, b Run) time.Duration {
	if b.Begin.Before(a.Begin) {
		a, b = b, a
	}

	return max(0, b.Begin.Sub(a.end()))
}
