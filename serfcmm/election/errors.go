package election

import "errors"

var (
	// ErrNotMaster refuses a release by a node that is not the master.
	ErrNotMaster = errors.New("this node is not the master")
	// ErrServing refuses a release while something of the mastership still runs: demote first.
	ErrServing = errors.New("the mastership has not come to rest")
	// ErrUnknownNode refuses a node that is not in the node table.
	ErrUnknownNode = errors.New("no such node")
	// ErrNotNeeded refuses a reset of a voter that is proven, or a fence against a node that
	// is heard or that is not in the way.
	ErrNotNeeded = errors.New("not needed")
	// ErrPersist refuses what needs a state file that cannot be written.
	ErrPersist = errors.New("the state file cannot be written")
)
