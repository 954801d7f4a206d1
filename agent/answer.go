package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	// A limit: answersAtOnce bounds the questions of other nodes that are answered at a time.
	answersAtOnce = 16
	// A wait: answerTimeout bounds what answering one may take; its asker waits no longer.
	answerTimeout = 8 * time.Second
)

// handlers is the table of the questions that this node answers.
func (a *Agent) handlers() map[string]handler {
	return map[string]handler{
		askOperation:      understood(a.answerOperation),
		askOperationState: understood(a.answerState),
		askForTurn:        understood(a.answerTurn),
		askTurnOver:       understood(a.answerOver),
		askIdle:           understood(a.answerIdle),
		askStatus:         understood(a.answerStatus),
		askHistory:        understood(a.answerHistory),
	}
}

// answerAll answers what other nodes ask until ctx ends.
func (a *Agent) answerAll(ctx context.Context, way Peers) {
	handlers := a.handlers()
	slots := make(chan struct{}, answersAtOnce)
	var work sync.WaitGroup
	defer work.Wait()
	for {
		question, err := way.Asked(ctx)
		if err != nil {
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		work.Go(func() {
			defer func() { <-slots }()
			bounded, cancel := context.WithTimeout(ctx, answerTimeout)
			defer cancel()
			_ = question.Answer(a.reply(bounded, handlers, question)) // the asker learns it by waiting in vain
		})
	}
}

// reply finds the handler of a question.
func (a *Agent) reply(ctx context.Context, handlers map[string]handler, question Question) []byte {
	var asked questionText
	if err := json.Unmarshal(question.Data, &asked); err != nil {
		return writeAnswer(nil, fmt.Errorf("%w: the question cannot be read: %s", levels.ErrInvalid, err.Error()))
	}
	handle := handlers[asked.Ask]
	if handle == nil || asked.Version != protocolVersion {
		return writeAnswer(nil, fmt.Errorf("%w: its cssc-agent is of version %s and does not know the question %.40q (%d)",
			levels.ErrRefused, a.options.Version, asked.Ask, asked.Version))
	}

	return writeAnswer(handle(ctx, question.From, asked.Body))
}

// answerOperation begins an operation for another node, as far as the configuration lets it.
func (a *Agent) answerOperation(ctx context.Context, from levels.NodeID, asked operationQuestion) (any, error) {
	if c := a.config.Load(); !slices.Contains(c.Security.RemoteOperations, asked.Kind) {
		return nil, fmt.Errorf("%w: %s is not what other nodes may ask of this one; "+
			"see security.remote_operations in its configuration", levels.ErrRefused, asked.Kind)
	}
	for _, text := range []string{asked.Reason, asked.By, string(asked.To), asked.Key} {
		if text != clean(text) {
			return nil, fmt.Errorf("%w: a text of the request is longer than %d bytes or holds control characters", levels.ErrInvalid, textLimit)
		}
	}
	key := asked.Key
	if key != "" {
		key = string(from) + " " + key
	}
	orderer := levels.NodeID("")
	if asked.Part {
		orderer = from
	}
	id, plan, err := a.operate(ctx, levels.OperationRequested{
		Kind: asked.Kind, Mode: asked.Mode, To: asked.To, Force: asked.Force, Reason: asked.Reason,
		By: fmt.Sprintf("%s on %s", asked.By, from), Linger: asked.Linger, DryRun: asked.DryRun,
	}, request{key: key, orderer: orderer})

	return operationAnswer{ID: id, Incarnation: a.options.Incarnation, Plan: plan}, err
}

// answerState tells of an operation.
func (a *Agent) answerState(ctx context.Context, _ levels.NodeID, asked stateQuestion) (any, error) {
	a.Fresh(ctx)
	var answer stateAnswer
	status := a.Status()
	if status == nil {
		return answer, nil
	}
	at := slices.IndexFunc(status.Operations, func(o levels.OperationView) bool { return o.ID == asked.ID })
	// One on the whole cluster goes on over a boot of its coordinator.
	if at >= 0 && (asked.Incarnation == a.options.Incarnation || status.Operations[at].Kind.OfCluster()) {
		answer = stateAnswer{Known: true, Operation: status.Operations[at]}
	}

	return answer, nil
}

// answerStatus tells everything; lists that are too long are left out, and it says so.
func (a *Agent) answerStatus(ctx context.Context, _ levels.NodeID, _ statusQuestion) (any, error) {
	document, err := a.statusDocument(ctx)
	if err == nil && len(document) > answerLimit {
		short := a.timed(a.Status())
		short.Registrations, short.Members, short.Pending = nil, nil, nil
		short.Problems = append(slices.Clone(short.Problems), "registrations, members and invocations are too many to be told to another node: ask there")
		document, err = a.options.Document(short)
	}

	return statusAnswer{Status: document}, err
}

// statusDocument is what this node's own GetStatus tells, and its clocks.
func (a *Agent) statusDocument(ctx context.Context) ([]byte, error) {
	a.Fresh(ctx)
	status := a.Status()
	if status == nil {
		return nil, fmt.Errorf("%w: the agent has just started", levels.ErrTryAgain)
	}

	return a.options.Document(a.timed(status))
}

// timed is a copy of the status with the clocks as they are now.
func (a *Agent) timed(status *Status) *Status {
	timed := *status
	timed.Clock = &levels.ClockView{CalendarUSec: time.Now().UnixMicro(), Lease: int64(a.options.Ports.LeaseClock())}

	return &timed
}

// answerHistory tells of the newest runs that fit.
func (a *Agent) answerHistory(ctx context.Context, _ levels.NodeID, asked historyQuestion) (any, error) {
	records, err := a.History(ctx, max(0, asked.Limit))
	if err != nil {
		return nil, err
	}
	answer, size := historyAnswer{Records: []json.RawMessage{}}, len(`{"records":[]}`)
	for _, record := range records {
		if size += len(record) + 1; size > answerLimit {
			break
		}
		answer.Records = append(answer.Records, json.RawMessage(record))
	}

	return answer, nil
}
