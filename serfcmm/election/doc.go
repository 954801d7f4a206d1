// Package election decides, for one node, who is the master of the cluster: Raft's election
// without the log, with a lease instead of trust. It is pure: plain values go in, plain
// values come out.
//
// # Model
//
// A [Machine] takes one [Event] at a time through [Machine.Step], with the time of the
// node's own lease clock, and returns a [Result]: what must be on disk first, what to send,
// what role this node has. Its phases:
//
//	            majority of pre-votes    majority of votes
//	following ────────▶ pre-voting ────────▶ campaigning ────────▶ leading ◀─┐ a majority answers
//	    ▲  ▲                │ refused              │ lost             │      │ before demote acts
//	    │  └────────────────┴──────────────────────┘         0.6 L    ▼      │
//	    │                                                          ceasing ──┘
//	    │         nothing serves any more                             │ demote acts, lease ends
//	    └────────────────────────────── restoring ◀───────────────────┘
//
// A voter makes promises: for L(1+ρ) from when it received a vote or a renewal it answers no
// other node. A master acts until L(1−ρ) after it sent the newest renewal that a majority
// has answered (lease.go, all of the arithmetic). The master renews every L/8, names the
// vice in each renewal, and carries its progress with it.
//
// # Guarantees
//
//   - At any instant at most one node's [Machine.MayAct] is true, as long as clock rates are
//     within ρ, messages come from whom they say, and files keep what was synced.
//   - A term has at most one holder, and the terms of masterships rise with time.
//   - Promise, term and vote are in [Result.Persist] before the message that tells them.
//   - A node that was late (Step at or after the end of its lease) has lost the role first
//     and looks around then; it does not stand or vote before [ServingChanged] says that
//     nothing of the old mastership runs.
//   - Equal machines given equal steps give equal results.
//
// # What is not guaranteed
//
//   - A master when a majority of voters cannot be reached, nor within any time while
//     messages are lost. Once faults end there is one within three leases.
//   - Safety across a change of more than one voter at a time, or when a second change
//     begins before all nodes have the first: majorities of the two tables may not meet.
//     A voter that is restarted with such a table asks for a new proof.
//   - Anything about a clock that stands still while its machine is paused, or one faster
//     than ρ: the term is the fencing token for storage.
//   - Terms that rise, when a majority of voters has lost its state at once, or when one has
//     and the others that are there have never taken part: then nobody can tell the cluster
//     from one that forms for the first time. That no two act at once holds even so.
//   - Anything when a state file is replaced by an older one, as a restored backup does: the
//     voter has forgotten promises, and believes that it has not. Only with an even number
//     of voters does one such voter do no harm.
//   - That the vice wins. It is a preference; safety never depends on it.
//   - FencedAsked is as true as the operator who says it.
//
// # Concurrency
//
// A machine belongs to one goroutine. Results and views are copies.
//
// # Errors
//
// Requests answer in [Result.Err] with the sentinels of errors.go. Messages are never an
// error: nonsense is counted ([View.Dropped]) and told once in a while by a [Note].
//
// # Testing
//
// Read testdata first: each file is a story. The simulator
// in package sim takes whole clusters through faults, explore_test.go goes through every
// interleaving of a small one, and rumur checks the model beside them. With "make mutants"
// one sees what each of them would find.
package election
