package fleet

import (
	"fmt"
	"slices"

	"github.com/cssc-ha/cssc/levels"
)

// Check names the first invariant that does not hold; nil when all do. It is meant for after
// a step.
func (m *Machine) Check() error {
	for _, invariant := range []struct {
		name  string
		holds bool
	}{
		{"turn-of-master: only a master gives the turn", m.turn == nil || m.cluster.Leading},
		{"plan-has-turn: no turn is given beside an operation on the whole cluster", m.turn == nil || m.turn.plan == (m.plan != nil)},
		{"bounded: no list grows beyond its limit", len(m.asks) <= maxAsks && len(m.questions) <= maxQuestions && len(m.ended) <= keptOperations},
		{"order: a group is begun when those before it have come to rest", m.plan == nil || m.plan.inOrder()},
		{"one-down: a rolling reboot has one node at a time", m.plan == nil || m.plan.Kind != levels.OperationRollingReboot || m.plan.begun() <= 1},
		{"master-last: nothing comes after the coordinator", m.plan == nil || m.plan.Items[len(m.plan.Items)-1].Node == m.config.Self},
	} {
		if !invariant.holds {
			return fmt.Errorf("invariant %s: %s", invariant.name, m.Describe())
		}
	}

	return nil
}

// begun counts the items that are under way.
func (p *Plan) begun() int {
	count := 0
	for i := range p.Items {
		if p.Items[i].State == StateOrdered || p.Items[i].State == StateTaken {
			count++
		}
	}

	return count
}

func (p *Plan) inOrder() bool {
	_, to := p.group()
	if to == 0 {
		return true
	}

	return !slices.ContainsFunc(p.Items[to:], func(i Item) bool { return i.State != StateWaiting })
}
