// Package history judges what the services of a cluster have written down themselves: that
// a duty of which there may be one was never done by two at once.
//
// # Model
//
// A recorder is a service that runs while its node has a duty ("lead", "second"); see
// integration/cmd/probe. It writes to a file that all nodes of a lab share: when it starts,
// every few milliseconds while it runs, when it is told to stop. All nodes share the
// kernel's clock, and every record is appended in one write, so that both the times and the
// places in the file are an order of what really happened. One process of a recorder is a
// [Life].
//
// The file has the test's words too: a mark for each fault, and when a node was stopped as a
// whole and went on. [Read] gives the records, [Lives] joins them, [Check] finds what must
// never be, [Changes] measures what each fault has cost.
//
// The second story is of levels: participants of init that write down when they begin and
// end ([ReadSteps]); [CheckGates] judges their order, on each node and between a node and the
// master.
//
// # Guarantees
//
// Check finds every two lives of one duty that were both there between their first and their
// last record, every start that found the kernel's lock of its duty taken, and every
// mastership whose term is not above the one before.
//
// CheckGates finds every participant that began before all those of the level below had
// ended, on its own node, and on the master where there is a gate.
//
// # What is not guaranteed
//
// A process that was killed lived until its last record and perhaps one beat longer; that it
// is gone is known when the next one gets the lock. While a node is stopped as a whole its
// services exist and do nothing: that is not counted as running, but what they do once the
// node goes on is, see [Rules].
//
// # Concurrency
//
// Functions of values; nothing is shared.
//
// # Errors
//
// Read says which line makes no sense. Everything else cannot fail.
//
// # Testing
//
// check_test.go and gate_test.go plant each violation once.
package history
