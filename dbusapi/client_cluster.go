package dbusapi

import (
	"context"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Keys asks for the cluster's keys, or changes them first, and returns what they are then.
// It may take seconds: every node is asked. The field By of the request is not sent.
func (c *Client) Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	var rows []keyRow
	if err := c.manager(ctx, "Keys", []any{request.Verb.String(), request.Key, uint64(0)}, &rows); err != nil {
		return nil, err
	}
	views := make([]levels.KeyView, len(rows))
	for index, row := range rows {
		views[index] = levels.KeyView{Key: row.Key, Primary: row.Primary, Nodes: nodeIDs(row.Nodes), Missing: nodeIDs(row.Missing)}
	}

	return views, nil
}

func nodeIDs(names []string) []levels.NodeID {
	nodes := make([]levels.NodeID, len(names))
	for index, name := range names {
		nodes[index] = levels.NodeID(name)
	}

	return nodes
}

// ResetVoter lets the agent's node vote again although its state file was lost. Only a
// person can know that it is safe: cssc(1).
func (c *Client) ResetVoter(ctx context.Context) error {
	return c.manager(ctx, "ResetVoter", []any{uint64(0)})
}

// Failover gives the agent a person's word that a node is off. The field By of the request
// is not sent.
func (c *Client) Failover(ctx context.Context, request levels.FailoverRequest) error {
	options := map[string]dbus.Variant{}
	if request.Reason != "" {
		options["reason"] = dbus.MakeVariant(request.Reason)
	}

	return c.manager(ctx, "Failover", []any{string(request.Fenced), uint64(0), options})
}
