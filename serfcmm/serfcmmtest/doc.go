// Package serfcmmtest is a simulated network for the nodes of package serfcmm, so that whole
// clusters run in a testing/synctest bubble: hours in seconds, with packets lost, delayed
// and cut off.
//
// # Model
//
// A [Network] connects the transports that [Network.Listen] opens. A packet passes when its
// direction is not cut and luck is with it; it arrives after a random delay, so packets
// overtake each other. A stream is a pipe that opens when both directions pass.
//
// # Guarantees
//
// Time that passes is virtual. Every goroutine ends with the transport that it serves.
//
// # What is not guaranteed
//
// Two runs with one seed need not be equal: Serf draws its own random numbers, and the
// scheduler is real. Tests assert bounds, not values.
//
// # Concurrency
//
// Everything may be called from any goroutine of the bubble.
//
// # Errors
//
// Those that real sockets would give, with their texts.
//
// # Testing
//
// The tests of package serfcmm are its tests.
package serfcmmtest
