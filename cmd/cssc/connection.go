package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// connection satisfies agentPort and servicePort with the client of dbusapi. Safe
// for concurrent use, as the client is.
type connection struct{ *dbusapi.Client }

func dialAgent(ctx context.Context, address string) (agentPort, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err // not a port that holds a nil
	}

	return c, nil
}

func dialService(ctx context.Context, address string) (servicePort, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}

	return service{c.Client}, nil
}

func dial(ctx context.Context, address string) (*connection, error) {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{
		Address: address,
		// With a person at the terminal polkit may ask for a password.
		Interactive: term.IsTerminal(int(os.Stdin.Fd())),
	})
	if err != nil {
		return nil, err
	}

	return &connection{client}, nil
}

func (c *connection) Status(ctx context.Context) (*report, error) {
	text, err := c.StatusText(ctx)
	if err != nil {
		return nil, err
	}

	return readReport(text)
}

func (c *connection) NodeStatus(ctx context.Context, node string) (*report, error) {
	text, err := c.NodeStatusText(ctx, levels.NodeID(node))
	if err != nil {
		return nil, err
	}

	return readReport(text)
}

func readReport(text string) (*report, error) {
	status := &report{}
	if err := json.Unmarshal([]byte(text), status); err != nil {
		return nil, fmt.Errorf("read status: %w; is the agent of another version?", err)
	}

	return status, nil
}

func (c *connection) History(ctx context.Context, limit int) ([]record, error) {
	texts, err := c.Client.History(ctx, limit)

	return readRecords(texts, err)
}

// NodeHistory asks again while the agent has too many such questions open.
func (c *connection) NodeHistory(ctx context.Context, node string, limit int) ([]record, error) {
	if node == "" {
		return c.History(ctx, limit)
	}
	const tries = 10
	pause := time.NewTicker(limitCall / 50)
	defer pause.Stop()
	for try := 1; ; try++ {
		texts, err := c.Client.NodeHistory(ctx, levels.NodeID(node), limit)
		if try == tries || !errors.Is(err, levels.ErrBusy) {
			return readRecords(texts, err)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

func readRecords(texts []string, err error) ([]record, error) {
	if err != nil {
		return nil, err
	}
	records := make([]record, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &records[i]); err != nil {
			return nil, fmt.Errorf("read history: %w; is the agent of another version?", err)
		}
	}

	return records, nil
}

func wireRequest(r request) dbusapi.OperationRequest {
	return dbusapi.OperationRequest{
		Kind: r.Kind, Node: levels.NodeID(r.Node), Mode: r.Mode, To: levels.NodeID(r.To), Force: r.Force, Reason: r.Reason,
	}
}

func (c *connection) Plan(ctx context.Context, wanted request) ([]string, error) {
	return c.PlanOperation(ctx, wireRequest(wanted))
}

func (c *connection) Request(ctx context.Context, wanted request) (levels.OperationID, error) {
	return c.RequestOperation(ctx, wireRequest(wanted))
}

// Events drops the changes of properties, which say nothing that the status does not, but for
// one: the level that another node has reached, for which there is no signal.
func (c *connection) Events(ctx context.Context) (<-chan event, error) {
	source, err := c.Client.Events(ctx)
	if err != nil {
		return nil, err
	}
	events := make(chan event) // closed by the goroutine when the source is
	go func() {
		defer close(events)
		for happened := range source {
			told := newEvent(happened)
			if happened.Name == dbusapi.EventPropertiesChanged {
				var counts bool
				if told, counts = c.levelElsewhere(ctx, happened); !counts {
					continue
				}
			}
			select {
			case events <- told:
			case <-ctx.Done():
				return
			}
		}
	}()

	return events, nil
}

// Changes forwards every event as one word; those that come faster than they are taken
// become one.
func (c *connection) Changes(ctx context.Context) (<-chan struct{}, error) {
	source, err := c.Client.Events(ctx)
	if err != nil {
		return nil, err
	}
	changes := make(chan struct{}, 1) // closed by the goroutine when the source is
	go func() {
		defer close(changes)
		for range source {
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()

	return changes, nil
}

// levelElsewhere is the event that another node has reached a level of init; false when the
// changed properties do not say so, or the agent cannot be asked whose they are.
func (c *connection) levelElsewhere(ctx context.Context, happened dbusapi.Event) (event, bool) {
	if _, reached := reachedLevelOf(happened); !reached {
		return event{}, false
	}
	status, err := c.Status(ctx)
	if err != nil {
		return event{}, false
	}

	return levelReached(happened, status.Nodes)
}

// reachedLevelOf is the level that the changed properties of a node name.
func reachedLevelOf(happened dbusapi.Event) (level string, reached bool) {
	changed, _ := happened.Fields["changed"].(map[string]any)
	level, _ = changed["ReachedLevel"].(string)

	return level, level != "" && happened.Fields["interface"] == dbusapi.NodeInterface
}

// levelReached makes an event of the changed properties of another node.
func levelReached(happened dbusapi.Event, nodes []levels.NodeView) (event, bool) {
	level, reached := reachedLevelOf(happened)
	for _, node := range nodes {
		if reached && !node.Self && happened.Fields["path"] == string(dbusapi.NodePath(node.Node)) {
			return newEvent(dbusapi.Event{Name: "LevelReached", Fields: map[string]any{
				"node": string(node.Node), "sequence": levels.Init.String(), "level": level,
			}}), true
		}
	}

	return event{}, false
}

// newEvent gives an event its time, and its fields the form that they have in the
// status: levels as words, and the dictionary at the end of each signal unpacked.
func newEvent(happened dbusapi.Event) event {
	fields := make(map[string]any, len(happened.Fields))
	for name, value := range happened.Fields {
		number, isNumber := value.(int32)
		info, isInfo := value.(map[string]any)
		switch {
		case isNumber && (name == "level" || name == "last_level"):
			fields[name] = levels.Level(number).String()
		case isInfo && name == "info":
			maps.Copy(fields, info)
		default:
			fields[name] = value
		}
	}

	return event{Name: happened.Name, At: time.Now().Format(time.RFC3339Nano), Fields: fields}
}

// service is the other side of the interface: it is called.
type service struct{ client *dbusapi.Client }

func (s service) Close() error { return s.client.Close() }

func (s service) Done(ctx context.Context, tag levels.Tag, cause error) error {
	return s.client.Done(ctx, tag, cause)
}

func (s service) Register(ctx context.Context, wanted registration, handle func(context.Context, invocation)) error {
	return s.client.Register(ctx, dbusapi.Registration{
		Component: wanted.Component, Sequence: wanted.Position.Sequence, Level: wanted.Position.Level,
		Cookie: wanted.Cookie, Timeout: wanted.Limit, OnFailure: wanted.OnFailure,
	}, func(ctx context.Context, called dbusapi.Invocation) {
		handle(ctx, invocation{
			Tag: called.Tag, Component: called.Component,
			Position: levels.Position{Sequence: called.Sequence, Level: called.Level},
			Noboot:   called.Noboot, Cookie: called.Cookie, Info: called.Info,
		})
	})
}
