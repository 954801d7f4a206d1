package wire

import "errors"

var (
	// ErrSize refuses a datagram that is longer than MaxSize, or cannot hold an envelope.
	ErrSize = errors.New("datagram has an impossible size")
	// ErrForeign refuses a datagram that does not begin with Mark.
	ErrForeign = errors.New("datagram is not of this protocol")
	// ErrVersion refuses a datagram of another version: the other node runs another program.
	ErrVersion = errors.New("datagram has another version")
	// ErrMalformed refuses a datagram that is cut short, has bytes to spare, or is not in the
	// one form that Append writes.
	ErrMalformed = errors.New("datagram is malformed")
	// ErrRange refuses a message with a value that no node can mean.
	ErrRange = errors.New("message out of range")
)
