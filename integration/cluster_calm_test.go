//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/cssc-ha/cssc/integration/lab"
)

// calm is settled for all members that are on, with nothing on its way that would change the
// answer to a request, or the cluster by itself: the master has heard by gossip what the others
// are, and the vice is the one that stays. Who was named first because it was up first makes way
// for one before it in the table after three leases.
func (f *fleet) calm() standing {
	f.t.Helper()
	nodes := slices.DeleteFunc(f.without(), func(n *lab.Node) bool { return !n.Running() })
	var found standing
	lab.Eventually(f.t, settleLimit, "a calm cluster of "+names(nodes), func() error {
		var err error
		if found, err = f.agreed(nodes); err == nil {
			err = heard(f.t.Context(), found.master, nodes)
		}
		if err == nil {
			err = firstIsVice(f.t.Context(), found.vice, nodes)
		}

		return err
	})

	return found
}

// firstIsVice says whether the vice is the first of the table that could be.
func firstIsVice(ctx context.Context, vice *lab.Node, nodes []*lab.Node) error {
	for _, node := range nodes {
		view, err := node.View(ctx)
		if err != nil {
			return err
		}
		if node == vice {
			break
		}
		if view.Role == "spare" || view.Role == "vice" {
			return fmt.Errorf("%s comes before the vice in the table, and is %s", node.Name, view.Role)
		}
	}

	return nil
}

// heard says whether the master, which plans what is asked, knows of the nodes what they say of
// themselves.
func heard(ctx context.Context, master *lab.Node, nodes []*lab.Node) error {
	all, err := master.Knows(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		view, err := node.View(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(known lab.Known) bool { return known.Name == node.Name })
		if at < 0 || !all[at].Alive || all[at].State != view.State || all[at].Role != view.Role {
			return fmt.Errorf("%s has not heard yet that %s is %s and %s, but knows %+v", master.Name, node.Name, view.State, view.Role, all)
		}
	}

	return nil
}
