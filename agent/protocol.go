package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/levels/fleet"
)

// The agents of two nodes ask each other with one JSON document each way. A question has a word
// and a body of its own type; a node that does not know the word, or a field of the body,
// refuses it in so many words, so that nodes of different versions work together where they
// can.

const (
	protocolVersion = 1
	// A limit: answerLimit keeps an answer below that of the network.
	answerLimit = 250 << 10
	// A limit: textLimit bounds one text of another node that is shown here, in bytes; a refusal may name much that is in the way.
	textLimit = 4 << 10
	// A limit: planLimit bounds the lines of a plan.
	planLimit = 512
)

// clean makes a text of another node fit to be shown, saved and sent over the bus: valid, one
// line, and no longer than textLimit.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return ' '
		}

		return r
	}, text[:min(len(text), textLimit)])
}

// questionText is a question as it travels.
type questionText struct {
	Version int             `json:"version"`
	Ask     string          `json:"ask"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// answerText is an answer as it travels: a body, or a refusal.
type answerText struct {
	Version int             `json:"version"`
	Refusal *refusalText    `json:"refusal,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// refusalText is an error as it travels.
type refusalText struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// The words of the questions; each has one type for its body and one for its answer below.
const (
	askOperation      = "operation"
	askOperationState = "operation-state"
	askForTurn        = "turn"
	askTurnOver       = "turn-over"
	askIdle           = "idle"
	askStatus         = "status"
	askHistory        = "history"
)

// operationQuestion asks for an operation there, or with DryRun what it would do.
type operationQuestion struct {
	Kind   levels.OperationKind `json:"kind"`
	Mode   levels.Mode          `json:"mode,omitempty"`
	To     levels.NodeID        `json:"to,omitempty"`
	Force  bool                 `json:"force,omitempty"`
	Reason string               `json:"reason,omitempty"`
	// By is who asks, without the node.
	By     string `json:"by"`
	Linger bool   `json:"linger,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
	// Part: it belongs to an operation on the whole cluster that the asker coordinates.
	Part bool `json:"part,omitempty"`
	// Key names the request: asked again with it, it is not carried out again.
	Key string `json:"key"`
}

type operationAnswer struct {
	ID levels.OperationID `json:"id,omitempty"`
	// Incarnation is the boot in which the ID means something.
	Incarnation string   `json:"incarnation"`
	Plan        []string `json:"plan,omitempty"`
}

// stateQuestion asks what has become of an operation.
type stateQuestion struct {
	ID          levels.OperationID `json:"id"`
	Incarnation string             `json:"incarnation"`
}

type stateAnswer struct {
	// Known is false when the node has forgotten the operation, or has booted since.
	Known     bool                 `json:"known"`
	Operation levels.OperationView `json:"operation"`
}

// turnQuestion asks the master for the turn.
type turnQuestion struct {
	Kind levels.OperationKind `json:"kind"`
	// By is who asked for the operation.
	By string `json:"by"`
}

type turnReply struct {
	Outcome fleet.TurnOutcome `json:"outcome"`
	Turn    fleet.TurnID      `json:"turn"`
	// Text says who has it instead.
	Text string `json:"text,omitempty"`
}

// overQuestion tells the master that a turn, or an operation without one, has ended.
type overQuestion struct {
	Turn   fleet.TurnID       `json:"turn"`
	Number levels.OperationID `json:"number"`
}

type overReply struct{}

// idleQuestion is that of a new master, which has to know what is in progress.
type idleQuestion struct {
	// Term is that of the mastership.
	Term levels.Term `json:"term"`
}

type idleReply struct {
	// Idle: nothing is in progress there.
	Idle bool `json:"idle"`
	// Number is the newest operation that is over there.
	Number levels.OperationID `json:"number,omitempty"`
}

type statusQuestion struct{}

type statusAnswer struct {
	// Status is the document of GetStatus.
	Status json.RawMessage `json:"status"`
}

type historyQuestion struct {
	// Limit is how many runs at most; 0 = all that fit.
	Limit int `json:"limit"`
}

type historyAnswer struct {
	// Records are the newest runs that fit, newest first.
	Records []json.RawMessage `json:"records"`
}

// refusalKind is one row of the table between errors and what travels.
type refusalKind struct {
	kind     string
	sentinel error
}

func refusalKinds() []refusalKind {
	return []refusalKind{
		{"invalid", levels.ErrInvalid},
		{"operation-in-progress", levels.ErrOperationInProgress},
		{"refused", levels.ErrRefused},
		{"not-held", levels.ErrNotHeld},
		{"no-such-node", levels.ErrNoSuchNode},
		{"unreachable", levels.ErrUnreachable},
		{"try-again", levels.ErrTryAgain},
		{"busy", levels.ErrBusy},
		{"try-again", context.DeadlineExceeded},
		{"try-again", errStopped},
	}
}

// refusal puts an error into words for another node.
func refusal(err error) *refusalText {
	for _, row := range refusalKinds() {
		if errors.Is(err, row.sentinel) {
			return &refusalText{Kind: row.kind, Text: err.Error()}
		}
	}

	return &refusalText{Kind: "failed", Text: err.Error()}
}

// nodeError is what another node said instead of an answer.
type nodeError struct {
	node     levels.NodeID
	text     string
	sentinel error
}

// Error names the node.
func (e *nodeError) Error() string { return fmt.Sprintf("%s: %s", e.node, e.text) }

// Unwrap is the sentinel that the node meant; nil for an error without one.
func (e *nodeError) Unwrap() error { return e.sentinel }

// errorOf is the inverse of refusal.
func errorOf(node levels.NodeID, r *refusalText) error {
	told := &nodeError{node: node, text: clean(r.Text)}
	for _, row := range refusalKinds() {
		if row.kind == r.Kind {
			told.sentinel = row.sentinel

			break
		}
	}

	return told
}

// writeQuestion makes a question.
func writeQuestion(word string, body any) ([]byte, error) {
	inner, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the question %s: %w", word, err)
	}

	return json.Marshal(questionText{Version: protocolVersion, Ask: word, Body: inner})
}

// readAnswer takes an answer apart.
func readAnswer[A any](node levels.NodeID, data []byte) (A, error) {
	var outer answerText
	var body A
	if err := json.Unmarshal(data, &outer); err != nil {
		return body, fmt.Errorf("read the answer of %s: %w", node, err)
	}
	if outer.Refusal != nil {
		return body, errorOf(node, outer.Refusal)
	}
	if err := json.Unmarshal(outer.Body, &body); err != nil {
		return body, fmt.Errorf("read the answer of %s: %w", node, err)
	}

	return body, nil
}

// writeAnswer makes an answer of what a handler returned; one that is too long becomes a
// refusal.
func writeAnswer(body any, err error) []byte {
	outer := answerText{Version: protocolVersion}
	if err == nil {
		outer.Body, err = json.Marshal(body)
	}
	if err == nil && len(outer.Body) > answerLimit {
		err = fmt.Errorf("%w: the answer has %d bytes, limit %d", levels.ErrRefused, len(outer.Body), answerLimit)
	}
	if err != nil {
		outer.Refusal, outer.Body = refusal(err), nil
	}
	text, err := json.Marshal(outer)
	if err != nil {
		return nil // it has only texts
	}

	return text
}

// handler answers one kind of question. It may wait until ctx ends, a few seconds.
type handler func(ctx context.Context, from levels.NodeID, body []byte) (any, error)

// understood makes a handler of a function with a type of its own for the question.
func understood[Q any](answer func(ctx context.Context, from levels.NodeID, question Q) (any, error)) handler {
	return func(ctx context.Context, from levels.NodeID, body []byte) (any, error) {
		var question Q
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields() // better refused than half understood
		if err := decoder.Decode(&question); err != nil {
			return nil, fmt.Errorf("%w: the question is not understood: %s; do the nodes run different versions?", levels.ErrRefused, err.Error())
		}

		return answer(ctx, from, question)
	}
}
