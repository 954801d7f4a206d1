package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Another node is asked how it is no more often than this.
const lookThereEvery = 500 * time.Millisecond

// lookThere shows an operation on another node: its steps as the agent here hears of them,
// and, as far as that node can be asked, what takes part in them.
func (f *follower) lookThere(ctx context.Context, operation levels.OperationView) (over bool, err error) {
	if operation.Step != f.step {
		f.step = operation.Step
		f.screen.stay(fmt.Sprintf("  %s  %s", f.node, printable(f.step)))
	}
	if now := f.app.now(); now.Sub(f.asked) >= lookThereEvery {
		f.asked = now
		f.there, _ = f.agent.NodeStatus(ctx, f.node) // the operation itself tells when the node is lost
	}
	switch {
	case f.there == nil:
		f.draw(&report{}, operation)
	case f.there.Run != nil && f.there.Run.Phase == levels.PhaseHeld:
		return true, f.held(f.there)
	default:
		f.draw(f.there, operation)
	}

	return false, nil
}
