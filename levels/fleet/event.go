package fleet

import "github.com/cssc-ha/cssc/levels"

//sumtype:decl

// Event is something that happened, told to Machine.Step with the time at which the owner
// took note of it.
type Event interface{ event() }

// Ticket names one request for an operation on this node. The owner gives it out and never
// twice.
type Ticket uint64

// Question names one question of another node. The owner gives it out and never twice.
type Question uint64

// Events of the whole cluster.
type (
	// Seen replaces all that is known of the cluster. Repeating it changes nothing.
	Seen struct{ Cluster Cluster }
	// Configured replaces the configuration.
	Configured struct{ Config Config }
	// Ticked says that time has passed; sent when Result.Wake is due.
	Ticked struct{}
)

// Events of the operations on this node.
type (
	// OperationAsked asks whether an operation may be begun here. It is answered, now or
	// later, by Proceed or Refuse with the same ticket.
	OperationAsked struct {
		Ticket  Ticket
		Request levels.OperationRequested
		// Orderer is the node whose operation on the whole cluster this is a part of; empty for
		// what somebody asked for by itself.
		Orderer levels.NodeID
	}
	// OperationBegun follows Proceed: the machine of levels took it under the number.
	OperationBegun struct {
		Ticket Ticket
		Number levels.OperationID
	}
	// OperationDropped follows Proceed: it was not taken.
	OperationDropped struct{ Ticket Ticket }
	// OperationEnded says how an operation on this node has ended, whoever asked for it.
	OperationEnded struct {
		Number levels.OperationID
		Result levels.OperationResult
		Error  string
	}
)

// Events of the turns that nodes ask for.
type (
	// TurnAsked is another node's question; answered by AnswerTurn, perhaps a second later.
	TurnAsked struct {
		Question Question
		From     levels.NodeID
		Kind     levels.OperationKind
		By       string
	}
	// TurnAnswered is what became of an AskTurn.
	TurnAnswered struct {
		Ticket Ticket
		From   levels.NodeID
		Answer TurnAnswer
	}
	// TurnOver is another node's word that its turn, or an operation that had none, has ended.
	TurnOver struct {
		From   levels.NodeID
		Turn   TurnID
		Number levels.OperationID
	}
	// IdleAnswered is what became of an AskIdle: Machine.Idle of the node, not idle when it did
	// not answer.
	IdleAnswered struct {
		From   levels.NodeID
		Roll   uint64
		Idle   bool
		Number levels.OperationID
	}
)

// Events of the operations on the whole cluster, which the master carries out.
type (
	// ClusterAsked asks for one, which gets the number: Result.Err, and with DryRun Result.Plan.
	ClusterAsked struct {
		Request levels.OperationRequested
		Number  levels.OperationID
	}
	// OrderAnswered says what became of an Order.
	OrderAnswered struct {
		Order  OrderID
		Answer OrderAnswer
		// Number is the operation's on its node, when it was taken, in its boot Incarnation. The
		// latter is empty when the answer did not say.
		Number      levels.OperationID
		Incarnation string
		// Error says why it was not.
		Error string
	}
	// OrderEnded says how the operation of an Order has ended on its node, when that is heard:
	// it shows in Seen, too, some seconds later.
	OrderEnded struct {
		Order  OrderID
		Result levels.OperationResult
		Error  string
	}
)

// OrderID names an Order.
type OrderID uint64

// OrderAnswer says what became of an order. The zero value is that it was taken.
type OrderAnswer uint8

// The answers.
const (
	// OrderTaken: it is under way, also when it was before.
	OrderTaken OrderAnswer = iota
	// OrderRefused: it was not begun.
	OrderRefused
	// OrderUnknown: no answer came; it may have been begun.
	OrderUnknown
)

// TurnID names a turn: its number under the master of the term. The zero value is none.
type TurnID struct {
	Term   levels.Term `json:"term"`
	Serial uint64      `json:"serial"`
}

// TurnAnswer answers a question for a turn.
type TurnAnswer struct {
	Outcome TurnOutcome
	// Turn is the one that was granted.
	Turn TurnID
	// Text says who has it instead.
	Text string
}

// TurnOutcome is the sense of a TurnAnswer. The zero value is that nobody answered.
type TurnOutcome uint8

// The outcomes.
const (
	TurnUnreachable TurnOutcome = iota
	TurnGranted
	TurnInProgress // another operation has it
	TurnNotMaster  // asked of the wrong node, or too many ask at once: ask again
)

func outcomeWords() []string { return []string{"unreachable", "granted", "in-progress", "not-master"} }

// String returns the word.
func (o TurnOutcome) String() string {
	if int(o) >= len(outcomeWords()) {
		return outcomeWords()[0]
	}

	return outcomeWords()[o]
}

// MarshalText writes the word.
func (o TurnOutcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word; what is not known reads as unreachable.
func (o *TurnOutcome) UnmarshalText(text []byte) error {
	*o = TurnUnreachable
	for value, candidate := range outcomeWords() {
		if candidate == string(text) {
			*o = TurnOutcome(value)
		}
	}

	return nil
}

func (Seen) event()             {}
func (Configured) event()       {}
func (Ticked) event()           {}
func (OperationAsked) event()   {}
func (OperationBegun) event()   {}
func (OperationDropped) event() {}
func (OperationEnded) event()   {}
func (TurnAsked) event()        {}
func (TurnAnswered) event()     {}
func (TurnOver) event()         {}
func (IdleAnswered) event()     {}
func (ClusterAsked) event()     {}
func (OrderAnswered) event()    {}
func (OrderEnded) event()       {}
