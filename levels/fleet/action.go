package fleet

import "github.com/cssc-ha/cssc/levels"

//sumtype:decl

// Action is what the owner carries out, in the order of the list.
type Action interface{ action() }

type (
	// Proceed hands an operation to the machine of levels. Why says, when it goes without a
	// turn, why that is; answered by OperationBegun or OperationDropped.
	Proceed struct {
		Ticket Ticket
		Why    string
	}
	// Refuse answers the one who asked for it. Err wraps a sentinel of levels.
	Refuse struct {
		Ticket Ticket
		Err    error
	}
	// AskTurn asks the master; answered by TurnAnswered within Limits.Try.
	AskTurn struct {
		Ticket Ticket
		To     levels.NodeID
		Kind   levels.OperationKind
		By     string
	}
	// AnswerTurn answers a TurnAsked.
	AnswerTurn struct {
		Question Question
		Answer   TurnAnswer
	}
	// TellOver tells the master that an operation has ended; it may be lost.
	TellOver struct {
		To     levels.NodeID
		Turn   TurnID
		Number levels.OperationID
	}
	// AskIdle asks a node what Machine.Idle says there; answered by IdleAnswered with the same roll.
	AskIdle struct {
		To   levels.NodeID
		Term levels.Term
		Roll uint64
	}
	// Order begins an operation on a node, perhaps this one; answered by OrderAnswered.
	Order struct {
		Order   OrderID
		Node    levels.NodeID
		Request levels.OperationRequested
	}
	// Persist makes the operation on the whole cluster durable, before anything after it; nil
	// when there is none any more.
	Persist struct{ Plan *Plan }
	// TellStarted opens an operation on the whole cluster.
	TellStarted struct{ Operation levels.OperationView }
	// TellFinished closes it.
	TellFinished struct{ Operation levels.OperationView }
	// Note is for the journal.
	Note struct{ Text string }
)

func (Proceed) action()      {}
func (Refuse) action()       {}
func (AskTurn) action()      {}
func (AnswerTurn) action()   {}
func (TellOver) action()     {}
func (AskIdle) action()      {}
func (Order) action()        {}
func (Persist) action()      {}
func (TellStarted) action()  {}
func (TellFinished) action() {}
func (Note) action()         {}
