package dbusapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// OperationRequest is what to ask an agent for.
type OperationRequest struct {
	Kind levels.OperationKind
	// Node is empty for the node of the agent, and for the master of a switchover or of an
	// operation on the whole cluster.
	Node levels.NodeID
	// Mode belongs to shutdown and cluster-shutdown; ModeNone there means reboot.
	Mode levels.Mode
	// To belongs to switchover.
	To     levels.NodeID
	Force  bool
	Reason string
	// CallbacksOnly belongs to shutdown: systemd is stopping the units itself.
	CallbacksOnly bool
}

func (r *OperationRequest) arguments() []any {
	options := map[string]dbus.Variant{}
	if r.Mode != levels.ModeNone {
		options["mode"] = dbus.MakeVariant(r.Mode.String())
	}
	if r.To != "" {
		options["to"] = dbus.MakeVariant(string(r.To))
	}
	if r.Force {
		options["force"] = dbus.MakeVariant(true)
	}
	if r.CallbacksOnly {
		options["callbacks-only"] = dbus.MakeVariant(true)
	}
	if r.Reason != "" {
		options["reason"] = dbus.MakeVariant(r.Reason)
	}

	return []any{r.Kind.String(), string(r.Node), flagsOf(r.Mode == levels.ModeNoboot), options}
}

// RequestOperation starts an operation and returns its number when it was accepted.
func (c *Client) RequestOperation(ctx context.Context, request OperationRequest) (levels.OperationID, error) {
	var path dbus.ObjectPath
	if err := c.manager(ctx, "RequestOperation", request.arguments(), &path); err != nil {
		return 0, err
	}
	id, valid := parseNumberedPath(path, operationPrefix)
	if !valid {
		return 0, fmt.Errorf("request %s: the agent answered with %s", request.Kind, quote(string(path)))
	}

	return levels.OperationID(id), nil
}

// PlanOperation says what an operation would do, one line a step, and changes nothing.
func (c *Client) PlanOperation(ctx context.Context, request OperationRequest) ([]string, error) {
	var steps []string
	err := c.manager(ctx, "PlanOperation", request.arguments(), &steps)

	return steps, err
}

// WaitOperation waits until an operation has ended and returns it. It waits over
// a restart of the agent; it returns ErrNoBus when the bus is lost, which is how
// the end of a node looks.
func (c *Client) WaitOperation(ctx context.Context, id levels.OperationID) (levels.OperationView, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := c.Events(watching)
	if err != nil {
		return levels.OperationView{}, err
	}
	for {
		status, err := c.Status(ctx)
		if err == nil {
			view := find(status.Operations, func(o *levels.OperationView) bool { return o.ID == id })
			if view == nil {
				return levels.OperationView{}, fmt.Errorf("wait for operation %d: the agent does not know it any more", id)
			}
			if view.Result != levels.ResultRunning {
				return *view, nil
			}
		} else if !passing(err) || errors.Is(err, ErrNoBus) {
			return levels.OperationView{}, err
		}
		if err = waitForNews(ctx, events); err != nil {
			return levels.OperationView{}, fmt.Errorf("wait for operation %d: %w", id, err)
		}
	}
}

// waitForNews waits for an event after which an operation may have ended.
func waitForNews(ctx context.Context, events <-chan Event) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-events:
			switch {
			case !open && ctx.Err() != nil:
				return context.Cause(ctx)
			case !open:
				return ErrNoBus
			case event.Name == "OperationRemoved", event.Name == EventAgentFound, event.Name == EventMissed:
				return nil
			}
		}
	}
}

// Status reads everything at once.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	text, err := c.StatusText(ctx)
	if err != nil {
		return nil, err
	}
	status := &Status{}
	if err = json.Unmarshal([]byte(text), status); err != nil {
		return nil, fmt.Errorf("read status: %w: is the agent of another version?", err)
	}

	return status, nil
}

// StatusText is the JSON document behind Status, as the agent wrote it.
func (c *Client) StatusText(ctx context.Context) (string, error) {
	var text string
	err := c.manager(ctx, "GetStatus", []any{uint64(0)}, &text)

	return text, err
}

// History reads the newest run records, newest first, each a JSON document; limit
// 0 means all that are kept.
func (c *Client) History(ctx context.Context, limit int) ([]string, error) {
	var records []string
	err := c.manager(ctx, "History", []any{uint32(max(0, min(limit, 1<<20))), uint64(0)}, &records)

	return records, err
}

// NodeStatusText is the document of StatusText of any node, as its own agent wrote it. It
// returns levels.ErrNoSuchNode, and levels.ErrUnreachable for a node that is not heard.
func (c *Client) NodeStatusText(ctx context.Context, node levels.NodeID) (string, error) {
	var text string
	err := c.manager(ctx, "NodeStatus", []any{string(node), uint64(0)}, &text)

	return text, err
}

// NodeHistory is History of any node, as much as one answer of its agent holds; errors as for
// NodeStatusText.
func (c *Client) NodeHistory(ctx context.Context, node levels.NodeID, limit int) ([]string, error) {
	var records []string
	err := c.manager(ctx, "NodeHistory", []any{string(node), uint32(max(0, min(limit, 1<<20))), uint64(0)}, &records)

	return records, err
}

// MasterReady names the master that is ready for service, or returns levels.ErrTryAgain.
func (c *Client) MasterReady(ctx context.Context) (levels.NodeID, levels.Term, error) {
	var node string
	var term uint64
	err := c.manager(ctx, "MasterReady", nil, &node, &term)

	return levels.NodeID(node), levels.Term(term), err
}

// Config reads one configuration value; unknown keys give levels.ErrInvalid.
func (c *Client) Config(ctx context.Context, key string) (any, error) {
	var value dbus.Variant
	if err := c.manager(ctx, "GetConfig", []any{key}, &value); err != nil {
		return nil, err
	}

	return plain(value), nil
}

// Retry invokes the failed participants of a held run again.
func (c *Client) Retry(ctx context.Context, sequence levels.Sequence) error {
	return c.manager(ctx, "Retry", []any{sequence.String(), uint64(0)})
}

// Skip goes on without the failed participants of a held run.
func (c *Client) Skip(ctx context.Context, sequence levels.Sequence) error {
	return c.manager(ctx, "Skip", []any{sequence.String(), uint64(0)})
}

// Abort ends a held run as failed.
func (c *Client) Abort(ctx context.Context, sequence levels.Sequence) error {
	return c.manager(ctx, "Abort", []any{sequence.String(), uint64(0)})
}

// Sync starts what is missing at levels already reached.
func (c *Client) Sync(ctx context.Context) error {
	return c.manager(ctx, "Sync", []any{uint64(0)})
}

// Reload makes the agent read its configuration again.
func (c *Client) Reload(ctx context.Context) error {
	return c.manager(ctx, "Reload", []any{uint64(0)})
}
