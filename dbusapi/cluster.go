package dbusapi

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// keyRow is one row of Keys, as it looks on the bus.
type keyRow struct {
	Key            string
	Primary        bool
	Nodes, Missing []string
}

// keyName is the length of a key's name, see levels.KeyView.
const keyName = 12

func (s *Server) planKeys(c *call) (plan, error) {
	request, err := parseKeys(c.body)
	if err != nil {
		return plan{}, fmt.Errorf("keys: %w", err)
	}

	return plan{
		action:  actionKeys,
		details: map[string]string{"operation": request.Verb.String(), "key": request.Key},
		run: func(ctx context.Context) ([]any, error) {
			request.By = callerText(ctx)
			keys, err := s.backend.Keys(ctx, request)
			if err != nil {
				return nil, err
			}
			rows := make([]keyRow, len(keys))
			for index, key := range keys {
				rows[index] = keyRow{key.Key, key.Primary, nodeNames(key.Nodes), nodeNames(key.Missing)}
			}

			return []any{rows}, nil
		},
	}, nil
}

// parseKeys reads the arguments of Keys, types checked before.
func parseKeys(body []any) (levels.KeyRequest, error) {
	var request levels.KeyRequest
	word, key, flags := body[0].(string), body[1].(string), body[2].(uint64)
	verb, err := levels.ParseKeyVerb(word)
	switch {
	case err != nil:
		return request, fmt.Errorf("verb %s: %w", quote(word), err)
	case verb == levels.KeysRemove && !isKeyName(key):
		return request, fmt.Errorf("remove: %w: %s is not the name of a key, want its %d hexadecimal digits", levels.ErrInvalid, quote(key), keyName)
	case verb != levels.KeysRemove && key != "":
		return request, fmt.Errorf("%s: %w: key %s, only remove takes one", verb, levels.ErrInvalid, quote(key))
	}

	return levels.KeyRequest{Verb: verb, Key: key}, checkFlags(flags, 0)
}

func isKeyName(text string) bool {
	for index := range len(text) {
		if c := text[index]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}

	return len(text) == keyName
}

func nodeNames(nodes []levels.NodeID) []string {
	names := make([]string, len(nodes))
	for index, node := range nodes {
		names[index] = string(node)
	}

	return names
}

func (s *Server) planResetVoter(c *call) (plan, error) {
	if err := checkFlags(c.body[0].(uint64), 0); err != nil {
		return plan{}, fmt.Errorf("reset voter: %w", err)
	}

	return plan{
		action:  actionVoter,
		details: map[string]string{"operation": "reset"},
		run:     func(ctx context.Context) ([]any, error) { return nil, s.backend.ResetVoter(ctx, callerText(ctx)) },
	}, nil
}

func (s *Server) planFailover(c *call) (plan, error) {
	fenced, flags, given := c.body[0].(string), c.body[1].(uint64), c.body[2].(map[string]dbus.Variant)
	values, err := decodeOptions(given, []option{{"reason", "s"}})
	if err == nil {
		err = checkFlags(flags, 0)
	}
	if err != nil {
		return plan{}, fmt.Errorf("failover: %w", err)
	}
	request := levels.FailoverRequest{Fenced: levels.NodeID(fenced)}
	request.Reason, _ = values["reason"].(string)
	if err = checkText("option reason", request.Reason, MaxMessage); err != nil {
		return plan{}, fmt.Errorf("failover: %w", err)
	}
	now, err := s.status()
	if err != nil {
		return plan{}, err
	}
	if find(now.Nodes, func(n *levels.NodeView) bool { return n.Node == request.Fenced }) == nil {
		return plan{}, fmt.Errorf("failover: %w: %s", levels.ErrNoSuchNode, quote(fenced))
	}

	return plan{
		action:  actionFailover,
		details: map[string]string{"operation": "failover", "node": fenced},
		run: func(ctx context.Context) ([]any, error) {
			request.By = callerText(ctx)

			return nil, s.backend.Failover(ctx, request)
		},
	}, nil
}
