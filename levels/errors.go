package levels

import "errors"

// Sentinels that Step returns in Result.Err. A step with an error changed
// nothing: no state, no action. Texts that wrap them name the operation, what
// it was tried on, the cause and what to do.
var (
	// ErrInvalid: an argument is out of range or unknown. The caller corrects it.
	ErrInvalid = errors.New("invalid argument")
	// ErrAlreadyRegistered: the same component already holds this sequence and level.
	ErrAlreadyRegistered = errors.New("already registered")
	// ErrNoSuchRegistration: the registration never existed or is gone with its client.
	ErrNoSuchRegistration = errors.New("no such registration")
	// ErrNoSuchInvocation: the tag is not open: answered, void by cancellation, or invented.
	// It does not say that the work behind it was lost.
	ErrNoSuchInvocation = errors.New("no such invocation")
	// ErrNotYours: the invocation or registration belongs to another client.
	ErrNotYours = errors.New("belongs to another client")
	// ErrOperationInProgress: one operation runs at a time; the text names the running one.
	ErrOperationInProgress = errors.New("operation in progress")
	// ErrRefused: a named precondition of an operation does not hold.
	ErrRefused = errors.New("refused")
	// ErrNotHeld: retry, skip or abort was asked for a run that is not held.
	ErrNotHeld = errors.New("not held")
	// ErrTryAgain: the answer is not known yet; ask again after the next event.
	ErrTryAgain = errors.New("try again")
	// ErrNoSuchNode: no node of that name is in the node table.
	ErrNoSuchNode = errors.New("no such node")
	// ErrUnreachable: another node could not be asked; nothing has changed there.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrBusy: a limit is reached (registrations, inbox). Nothing was taken.
	ErrBusy = errors.New("busy")
)
