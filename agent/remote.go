package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

const (
	// A try: requestTimeout bounds one of the requestTries of a request to another node; together
	// they stay below what the bus gives a call.
	requestTimeout = 5 * time.Second
	requestTries   = 3
	// A limit: curious bounds the questions for a status or a history that wait at a time, because
	// everybody may ask them.
	curious = 2
)

// OperationOn begins an operation on a node, or with DryRun returns what it would do there.
// Without a node it is this one, and the master for a switchover and an operation on the whole
// cluster. What is asked of another node is followed from here: it has a number of this node, and
// ends here when it ends there.
//
// Beside what the node answers it returns levels.ErrNoSuchNode, levels.ErrUnreachable, or
// context.DeadlineExceeded when the node did not answer and may have begun.
func (a *Agent) OperationOn(
	ctx context.Context, node levels.NodeID, operation levels.OperationRequested,
) (levels.OperationID, []string, error) {
	status := a.Status()
	ofMaster := operation.Kind == levels.OperationSwitchover || operation.Kind.OfCluster()
	if node == "" && ofMaster && status != nil {
		node = status.Master
	}
	here, err := a.here(node)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", operation.Kind, err)
	}
	if here {
		return a.Operation(ctx, operation)
	}
	if operation.CallbacksOnly {
		return 0, nil, fmt.Errorf("%s: %w: callbacks-only belongs to this node", operation.Kind, levels.ErrInvalid)
	}
	if status != nil && followed(status.Operations) >= maxRemote {
		return 0, nil, fmt.Errorf("%s: %w: %d operations on other nodes are followed already", operation.Kind, levels.ErrBusy, maxRemote)
	}
	answer, err := a.requestThere(ctx, node, operation, false)
	if err != nil || operation.DryRun {
		return 0, cleanPlan(answer.Plan), err
	}
	begun := remoteBegun{view: levels.OperationView{
		Kind: operation.Kind, Node: node, Mode: operation.Mode, To: operation.To, By: operation.By, Reason: operation.Reason,
		Step: "about to begin",
	}, there: stateQuestion{ID: answer.ID, Incarnation: answer.Incarnation}, answer: make(chan levels.OperationID, 1)}
	select {
	case a.begun <- begun:
		return <-begun.answer, nil, nil
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("%s: wait for the agent: %w", operation.Kind, context.Cause(ctx))
	case <-a.done:
		return 0, nil, errStopped
	}
}

func cleanPlan(lines []string) []string {
	plan := make([]string, 0, min(len(lines), planLimit))
	for _, line := range lines[:min(len(lines), planLimit)] {
		plan = append(plan, clean(line))
	}

	return plan
}

// followed counts the operations on other nodes that have not ended.
func followed(operations []levels.OperationView) int {
	count := 0
	for i := range operations {
		if operations[i].ID >= remoteBase && operations[i].Result == levels.ResultRunning {
			count++
		}
	}

	return count
}

// here says whether a node is this one; levels.ErrNoSuchNode when it is nobody.
func (a *Agent) here(node levels.NodeID) (bool, error) {
	c := a.config.Load()
	if c == nil {
		return false, fmt.Errorf("%w: the configuration is not read yet", levels.ErrTryAgain)
	}
	if node == "" || node == c.Levels.Node {
		return true, nil
	}
	names := make([]string, 0, len(c.Nodes))
	for _, entry := range c.Nodes {
		if entry.Name == node {
			return false, nil
		}
		names = append(names, string(entry.Name))
	}
	suggestion := ""
	if near := config.Closest(string(node), names); near != "" {
		suggestion = fmt.Sprintf("; did you mean %q?", near)
	}

	return false, fmt.Errorf("%w: %q%s", levels.ErrNoSuchNode, string(node), suggestion)
}

// requestThere asks until the node has answered, with one key, so that it begins once. As a
// part it belongs to an operation on the whole cluster that this node coordinates.
func (a *Agent) requestThere(
	ctx context.Context, node levels.NodeID, operation levels.OperationRequested, part bool,
) (operationAnswer, error) {
	asked := operationQuestion{
		Kind: operation.Kind, Mode: operation.Mode, To: operation.To, Force: operation.Force, Reason: operation.Reason,
		By: operation.By, Linger: operation.Linger, DryRun: operation.DryRun, Part: part, Key: rand.Text(),
	}
	unsure := false
	var answer operationAnswer
	var err error
	for range requestTries {
		answer, err = askNode[operationAnswer](ctx, a, inquiry{node, askOperation, asked, requestTimeout})
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			break
		}
		unsure = true
	}
	if errors.Is(err, levels.ErrUnreachable) && unsure {
		err = fmt.Errorf("%w (%s)", context.DeadlineExceeded, err.Error())
	}
	switch _, told := errors.AsType[*nodeError](err); {
	case err == nil, told:
		return answer, err
	case errors.Is(err, context.DeadlineExceeded):
		return answer, fmt.Errorf("%s on %s: it does not answer and may have begun; see: cssc status %s: %w", operation.Kind, node, node, err)
	default:
		return answer, fmt.Errorf("%s on %s: nothing was asked of it: %w", operation.Kind, node, err)
	}
}

// inquiry is a question to another node, and how long it may take.
type inquiry struct {
	node  levels.NodeID
	word  string
	body  any
	limit time.Duration
}

// askNode asks another node and reads its answer. It returns what Peers.Ask does, or the error
// that the node answered with.
func askNode[A any](ctx context.Context, a *Agent, q inquiry) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, q.limit)
	defer cancel()
	var none A
	way := a.peers.Load()
	if way == nil {
		return none, levels.ErrNoSuchNode
	}
	question, err := writeQuestion(q.word, q.body)
	if err != nil {
		return none, err
	}
	data, err := (*way).Ask(ctx, q.node, question)
	if err != nil {
		return none, err
	}

	return readAnswer[A](q.node, data)
}

// NodeStatus is the document of GetStatus of any node, empty for this one.
func (a *Agent) NodeStatus(ctx context.Context, node levels.NodeID) (string, error) {
	here, err := a.here(node)
	switch {
	case err != nil:
		return "", fmt.Errorf("status of a node: %w", err)
	case here:
		document, err := a.statusDocument(ctx)

		return string(document), err
	}
	answer, err := wonder[statusAnswer](ctx, a, inquiry{node, askStatus, statusQuestion{}, requestTimeout})
	if err != nil {
		return "", fmt.Errorf("status of %s: %w", node, err)
	}

	return strings.ToValidUTF8(string(answer.Status), "?"), nil // the bus takes nothing else
}

// NodeHistory returns the newest runs of any node first, as History does; as many as one
// answer holds.
func (a *Agent) NodeHistory(ctx context.Context, node levels.NodeID, limit int) ([]string, error) {
	here, err := a.here(node)
	switch {
	case err != nil:
		return nil, fmt.Errorf("history of a node: %w", err)
	case here:
		return a.History(ctx, limit)
	}
	answer, err := wonder[historyAnswer](ctx, a, inquiry{node, askHistory, historyQuestion{Limit: limit}, requestTimeout})
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", node, err)
	}
	records := make([]string, len(answer.Records))
	for i, record := range answer.Records {
		records[i] = strings.ToValidUTF8(string(record), "?")
	}

	return records, nil
}

// wonder asks what everybody may know. Whoever is not heard is not asked, and not many at a
// time: a caller without rights must not keep others from theirs.
func wonder[A any](ctx context.Context, a *Agent, q inquiry) (A, error) {
	var none A
	if status := a.Status(); status != nil {
		at := slices.IndexFunc(status.Nodes, func(n levels.NodeView) bool { return n.Node == q.node })
		if at >= 0 && !status.Nodes[at].Alive {
			return none, fmt.Errorf("%w: %s", levels.ErrUnreachable, strings.TrimSpace("it is not heard: "+status.Nodes[at].Why))
		}
	}
	select {
	case a.curious <- struct{}{}:
		defer func() { <-a.curious }()
	default:
		return none, fmt.Errorf("%w: %d such questions wait already; ask again", levels.ErrBusy, curious)
	}

	return askNode[A](ctx, a, q)
}
