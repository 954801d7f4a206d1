// Package doctor says what is wrong, or soon will be, with a node and its cluster, and what
// to do about it.
//
// # Model
//
// Facts are what is known of the node, the cluster and the other nodes; whoever calls has
// gathered them, and of those that could not be had they hold the reason (Known). A check is
// a small function from facts to results. Examine runs them all, in a fixed order; each
// result has a verdict, a sentence, and for everything but a pass what to do.
//
//	pass  looked at, and good
//	warn  works now; it will not when something else happens, or does not do what people expect
//	fail  does not work, or is not safe
//	skip  could not be looked at, and why
//
// # Guarantees
//
// Every check gives at least one result: what was not looked at is said. Equal facts give
// equal results. Texts of other parties go into the results as they are; whoever prints them
// makes them printable.
//
// # What is not guaranteed
//
// A pass is no proof: facts are a snapshot, and what no check looks at may be broken. Nothing
// is looked at on other nodes but what their agents tell: run it there, too.
//
// # Concurrency, errors
//
// No clock, no I/O, no goroutine, no error: a fact that is missing is a skip.
//
// # Testing
//
// Read doctor_test.go first: a node in perfect health, and a table of what ails it.
package doctor
