package main

import (
	"fmt"

	"github.com/cssc-ha/cssc/levels"
)

// lookAtAll shows an operation on the whole cluster: each of its steps once.
func (f *follower) lookAtAll(operation levels.OperationView) {
	if operation.Step != f.step {
		f.step = operation.Step
		f.screen.stay("  " + printable(f.step))
	}
	p := f.app.paint()
	f.screen.live(fmt.Sprintf("%s %s  %s", p.warn(f.screen.sign()), printable(operation.Step), p.dim(f.app.since(operation.Started))))
}

// partGoesDown says that this node goes down as a part of the operation.
func (f *follower) partGoesDown() bool {
	return f.last != nil && (f.last.State == levels.StateShuttingDown || f.last.State == levels.StateLeaving)
}

// partIsDown ends the watch on a node that goes down as a part of it: the rest cannot be seen
// from here.
func (f *follower) partIsDown() error {
	if f.remote {
		f.say("this node goes down as a part of it; %s goes on with what is left", f.node)

		return f.document(levels.ResultRunning, "")
	}
	f.say("this node goes down as the last one; what came of it is seen here after its boot: cssc operations")

	return f.document(levels.ResultRunning, "")
}

// without names the nodes that an operation has gone on without.
func without(operation levels.OperationView) string {
	if operation.Error == "" {
		return ""
	}

	return ", " + operation.Error
}
