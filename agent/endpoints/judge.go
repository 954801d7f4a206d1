package endpoints

import (
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

// verdict is what an endpoint says.
type verdict struct {
	good bool
	// why is one line for people; it says who is master when this node is not.
	why string
}

// judge gives the verdict of /master, /vice and /ready on what was published. That of /master
// holds only as long as the lease does: leased is the check of this moment.
func judge(path string, s *Snapshot, leased bool) verdict {
	switch {
	case s == nil:
		return verdict{why: "the agent is starting"}
	case path == pathMaster:
		return judgeMaster(s, leased)
	case path == pathVice:
		return judgeVice(s)
	default:
		return judgeReady(s)
	}
}

// judgeMaster: the lease, the role, and its services up. While promote or demote runs the
// services of the master are not to be relied on, and clients have nothing to look for here.
func judgeMaster(s *Snapshot, leased bool) verdict {
	switch {
	case s.Role != levels.RoleMaster:
		return verdict{why: fmt.Sprintf("%s is %s: %s", s.Node, s.Role, whoIsMaster(s))}
	case !leased:
		return verdict{why: fmt.Sprintf("%s was master of term %d, and its lease has run out", s.Node, s.Term)}
	case !s.MasterReady:
		return verdict{why: fmt.Sprintf("%s is master of term %d and not ready for service: %s", s.Node, s.Term, doing(s))}
	default:
		return verdict{good: true, why: fmt.Sprintf("%s is master of term %d", s.Node, s.Term)}
	}
}

// judgeVice: the role while a master is known, and its services up.
func judgeVice(s *Snapshot) verdict {
	switch {
	case s.Role != levels.RoleVice:
		return verdict{why: fmt.Sprintf("%s is %s: %s", s.Node, s.Role, whoIsMaster(s))}
	case s.Master == "":
		return verdict{why: fmt.Sprintf("%s is vice: %s", s.Node, whoIsMaster(s))}
	case !s.Ready || s.State != levels.StateUp || changing(s):
		return verdict{why: fmt.Sprintf("%s is vice and not ready for service: %s", s.Node, doing(s))}
	default:
		return verdict{good: true, why: fmt.Sprintf("%s is vice: %s", s.Node, whoIsMaster(s))}
	}
}

// judgeReady: init is complete and no shutdown has begun, whatever the role.
func judgeReady(s *Snapshot) verdict {
	if !s.Ready || s.State != levels.StateUp {
		return verdict{why: fmt.Sprintf("%s is %s: %s", s.Node, s.State, doing(s))}
	}

	return verdict{good: true, why: fmt.Sprintf("%s is up, %s: %s", s.Node, s.Role, whoIsMaster(s))}
}

// changing says that the node takes up a role or gives one back.
func changing(s *Snapshot) bool {
	return s.Run != nil && (s.Run.Sequence == levels.Promote || s.Run.Sequence == levels.Demote)
}

func doing(s *Snapshot) string {
	switch {
	case s.Run != nil && s.Run.Reason != "":
		return fmt.Sprintf("%s level %s %s: %s", s.Run.Sequence, s.Run.Level, s.Run.Phase, s.Run.Reason)
	case s.Run != nil:
		return fmt.Sprintf("%s level %s %s", s.Run.Sequence, s.Run.Level, s.Run.Phase)
	case s.Why != "":
		return s.Why
	default:
		return "its state is " + s.State.String()
	}
}

func whoIsMaster(s *Snapshot) string {
	switch {
	case s.Master != "":
		return fmt.Sprintf("the master is %s, term %d", s.Master, s.Term)
	case s.Why != "":
		return "no master is known, " + s.Why
	default:
		return "no master is known"
	}
}
