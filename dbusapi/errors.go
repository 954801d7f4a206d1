package dbusapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Sentinels of the bus; those of the machine are in package levels, and both
// are found with errors.Is in what Client returns.
var (
	// ErrNoBus: the message bus cannot be reached. Nothing is said about the agent.
	ErrNoBus = errors.New("message bus not reachable")
	// ErrNoAgent: nobody owns org.cssc.Agent1. Start cssc-agent.service.
	ErrNoAgent = errors.New("cssc-agent is not running")
	// ErrAccessDenied: the caller may not do this; ask as root or through polkit.
	ErrAccessDenied = errors.New("access denied")
	// ErrInteractionNeeded: it would be allowed after a person has authenticated.
	ErrInteractionNeeded = errors.New("interactive authentication required")
	// ErrLimit: a size is beyond what the interface allows.
	ErrLimit = errors.New("limit exceeded")
	// ErrClosed: the client or the server was closed by its owner.
	ErrClosed = errors.New("closed")
	// ErrNotConnected: the server has no bus connection now; it is looking for one.
	ErrNotConnected = errors.New("not connected to the message bus")
	// ErrNameTaken: another process owns org.cssc.Agent1. Stop it first.
	ErrNameTaken = errors.New("bus name is owned by another process")
	// ErrTimeout: no answer came in time. The request may have been carried out.
	ErrTimeout = errors.New("no answer in time")
	// ErrUnknownCall: no such object, interface, method or property.
	ErrUnknownCall = errors.New("unknown call")
)

// errorName is one row of the table between Go and D-Bus.
type errorName struct {
	sentinel error
	name     string
}

// errorNames is the one table; the first row that fits counts in both directions.
func errorNames() []errorName {
	return []errorName{
		{ErrLimit, standardErrors + "LimitsExceeded"},
		{levels.ErrInvalid, standardErrors + "InvalidArgs"},
		{ErrAccessDenied, standardErrors + "AccessDenied"},
		{levels.ErrNotYours, standardErrors + "AccessDenied"},
		{ErrInteractionNeeded, standardErrors + "InteractiveAuthorizationRequired"},
		{levels.ErrAlreadyRegistered, errorPrefix + "AlreadyRegistered"},
		{levels.ErrOperationInProgress, errorPrefix + "OperationInProgress"},
		{levels.ErrNoSuchRegistration, errorPrefix + "NoSuchRegistration"},
		{levels.ErrNoSuchInvocation, errorPrefix + "NoSuchInvocation"},
		{levels.ErrNoSuchNode, errorPrefix + "NoSuchNode"},
		{levels.ErrUnreachable, errorPrefix + "Unreachable"},
		{levels.ErrRefused, errorPrefix + "Refused"},
		{levels.ErrNotHeld, errorPrefix + "NotHeld"},
		{levels.ErrTryAgain, errorPrefix + "TryAgain"},
		{levels.ErrBusy, errorPrefix + "Busy"},
		{ErrTimeout, standardErrors + "Timeout"},
		{context.DeadlineExceeded, standardErrors + "Timeout"},
		{ErrNoAgent, standardErrors + "ServiceUnknown"},
		{ErrNoAgent, standardErrors + "NameHasNoOwner"},
		{ErrTimeout, standardErrors + "NoReply"},
		{ErrUnknownCall, standardErrors + "UnknownMethod"},
		{ErrUnknownCall, standardErrors + "UnknownInterface"},
		{ErrUnknownCall, standardErrors + "UnknownObject"},
		{ErrUnknownCall, standardErrors + "UnknownProperty"},
	}
}

// callError is an error that carries its D-Bus name already.
type callError struct {
	name string
	text string
}

func (e *callError) Error() string { return e.text }

// standardError makes an error of the bus's own set.
func standardError(name, format string, arguments ...any) error {
	return &callError{name: standardErrors + name, text: fmt.Sprintf(format, arguments...)}
}

// wireError is how an error looks on the bus.
func wireError(err error) (name, text string) {
	if own, ok := errors.AsType[*callError](err); ok {
		return own.name, own.text
	}
	for _, row := range errorNames() {
		if errors.Is(err, row.sentinel) {
			return row.name, err.Error()
		}
	}

	return standardErrors + "Failed", err.Error()
}

// remoteError is an error of the agent as the client sees it.
type remoteError struct {
	name     string
	text     string
	sentinel error
}

// Error is the agent's text.
func (e *remoteError) Error() string { return e.text }

// Unwrap is the sentinel that the D-Bus name stands for, nil for an unknown name.
func (e *remoteError) Unwrap() error { return e.sentinel }

// fromWire is the inverse of wireError, for what a call returned.
func fromWire(err error) error {
	remote, ok := errors.AsType[dbus.Error](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return err
	case !ok:
		return fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	text := remote.Error()
	for _, row := range errorNames() {
		if row.name != remote.Name {
			continue
		}
		// Of an agent that is not there the bus speaks, and not in words of ours.
		if text == "" || text == remote.Name || errors.Is(row.sentinel, ErrNoAgent) {
			text = row.sentinel.Error()
		}

		return &remoteError{name: remote.Name, text: text, sentinel: row.sentinel}
	}
	if remote.Name == standardErrors+"Disconnected" {
		return fmt.Errorf("%w: %s", ErrNoBus, text)
	}

	return &remoteError{name: remote.Name, text: text}
}
