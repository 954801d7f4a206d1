// Package levels decides, for one node, which level of which sequence is reached
// when: what to ask of services and units, what their answers mean, and what an
// operator may do about a failure. It is pure: plain values go in, plain values
// come out.
//
// # Model
//
// A [Machine] takes one [Event] at a time through [Machine.Step] and returns the
// [Action] values to be carried out. Nothing else goes in or out; the time is an
// argument. The node lives through these states:
//
//	joining ──RoleChanged──▶ initializing ──init──▶ up ◀─▶ promote, demote, qualify, disqualify
//	                                                 │
//	down ◀──noboot── shutting-down ◀──operation──────┘      (from joining and initializing too)
//	                        └──other endings──▶ leaving
//
// At most one run is in progress, and at most one operation. While nothing runs,
// the planner (plan.go) compares what is with what should be (the role, the steps
// of the operation) and names the next run; it is the only place that knows the
// table of role changes. The file stage.go is the only place that knows which targets belong
// to which level. A level goes through stages, each beginning when the one before
// is at rest, and an empty one costs nothing:
//
//  1. wait for required components and, in the init of everybody but the master, for the gate;
//  2. invoke every callback at the position and start the sequence's target, all in parallel;
//  3. start or stop role targets, one after the other: at init and promote those of the role
//     up to this level, at last the plain one and "ready"; at demote and shut the mirror level,
//     at last all that remain, highest first;
//  4. at shut, stop the units of components whose last shut level this is.
//
// The role changes when init or promote begins and when demote, disqualify or
// qualify ends. A run that belongs to a shutdown starts no role target.
//
// An operation that gives a role back waits for another node to take it up (await.go): a
// switchover until it is done, with a reason why not; shutdown and lock for a bounded time,
// and not when forced or when nobody could. What stands in the way of an operation is in
// precheck.go, what follows from a promote that failed in bar.go.
//
// # Guarantees
//
// Named invariants ([Machine.Check]) hold after every step. Those of general
// interest: a level is reached only after the one below (I4); an invocation is
// answered at most once and never after it was cancelled (I5); a node that is not
// qualified is neither master nor vice (I7). A refused request changes nothing.
// Every wait ends: by an answer, by a time limit, or held with a reason. Equal
// machines given equal steps give equal results, and so does a machine that was
// saved and restored in between.
//
// # What is not guaranteed
//
//   - A callback may be invoked more than once for the same term, sequence and level:
//     on retry, on registering again, and when init or demote is begun anew. It must be idempotent.
//   - A registration for a level that was passed already is kept for the next run, not invoked.
//     One for the level that is running is invoked at once.
//   - Empty levels are not told: no TellLevelReached, and an entry in the record only if they
//     waited. Their targets are not started. Only the plain ones (ready and the roles) are, right
//     after the run, so that systemd shows the truth; nobody waits for these orders.
//   - What a switchover keeps for the vice to be (kept.go) is stopped without waiting when
//     another node is the vice; an agent that dies at that very moment forgets it.
//   - Fencing ends at SIGKILL. A unit that survives is reported, given up after ten seconds
//     and passed; ending the node is the guard's duty.
//   - A forced shutdown (asked by logind or a signal, or with Force) holds and aborts nothing:
//     both count as continue. It takes over a shutdown in progress; every shutdown takes over
//     any other operation, which ends canceled. With CallbacksOnly no unit is touched from then
//     on: systemd is stopping them itself, and what was open counts as passed.
//   - An abort where there is no way back (shut, a demote whose role is gone) counts as continue,
//     or as fence when the lease is lost.
//   - Units are stopped after a component's last shut level only if they are services, not user
//     managers, scopes or members of a target; what registers during shut is not considered.
//   - A node whose init was aborted stays initializing until init is retried or its role changes.
//   - That another vice is ready is believed of gossip: late, and only to wait for it.
//   - A changed configuration counts from the next level (time limits, policies) or run (ladders).
//
// # Concurrency
//
// A machine belongs to one goroutine. [Machine.View], [Machine.Save] and the
// [Result] are copies and may go anywhere. A [Config] handed over must not be changed.
//
// # Errors
//
// Requests are refused with the sentinels of errors.go, wrapped in a text that
// names the operation, its object, the cause and what to do. Observations are never
// refused: what comes late, twice or from a forgotten work is ignored, and what
// should not have come at all is told by TellDropped. Step panics only if it does
// not come to an end, which is a mistake in this package.
//
// # Testing
//
// Read testdata/scenarios first: every decision stands there as a story with its
// transcript (go test -run TestScenarios -rewrite updates them; read the difference).
// The file history_test.go makes random histories, explore_test.go all interleavings
// of a small system.
package levels
