// Package fleet decides what concerns several nodes of a cluster at once: who may change
// something now, and the operations on all of them. It is pure, as levels is: plain values
// go in, plain values come out.
//
// # Model
//
// Every node has a [Machine]. That of the master gives out turns and carries out the
// operations on the whole cluster; the others ask it.
//
// A turn is the right to change something that the whole cluster feels: a switchover, a
// lock, an unlock, a planned shutdown. There is one. It is identified by the term and a
// number, and ends when its owner says so, when the owner's card shows the operation no
// more, when the owner has left or is lost, and at a bound. A new master waits for a
// moment, and then takes what the cards show for what is in progress; it need not wait when all
// other nodes say that they have nothing.
//
// An operation on the whole cluster is a [Plan]: items in groups, one group after the other,
// the items of one at once. It holds the turn from its beginning to its end.
//
//	cluster shutdown   members and spares │ the vice │ the master
//	rolling reboot     member │ … │ spare │ … │ the vice │ switchover │ the old master
//
// An item waits until its preconditions hold, is ordered, taken by its node, and done when the
// cluster shows it: a node has left (or, when it lingers, has come to its last step), or is
// up in another boot.
//
// # Guarantees
//
// A master gives one turn at a time, and none while an operation shows elsewhere. A rolling
// reboot takes one node down at a time, none whose loss costs the majority, and the
// master last. A cluster shutdown takes the vice down after all others have left in order, and
// the master after it; so many voters linger that the master has a majority while it serves.
// Every operation ends: done, or failed with what was done, what is under way and what was not
// begun. A refusal names the operation in the way, with its node, who asked, its age and its step.
// Equal machines given equal steps give equal results.
//
// # What is not guaranteed
//
//   - Two transitions at once are a nuisance, not a danger: roles are the election's, and it
//     has one master whatever this package does. So a turn is not a lease. It may be given twice when a
//     master is replaced and the first owner's card is later than Limits.Settle, or when a
//     node that counts as lost goes on.
//   - A shutdown that is forced, or that logind, a signal or systemd itself asks for, waits for
//     no turn. Without a reachable master a planned shutdown and an unlock go on after Limits.Try;
//     a lock and a switchover are refused.
//   - Several operations of the same node are left to its machine of levels.
//   - A coordinator that is restarted goes on within its boot; one that loses the mastership or
//     is rebooted out of turn ends its operation as failed. What was ordered goes on.
//
// # Concurrency
//
// A machine belongs to one goroutine. Results are copies and may go anywhere.
//
// # Errors
//
// Refusals wrap the sentinels of levels. Observations are never refused.
//
// # Testing
//
// Read testdata/scenarios first: every decision stands there as a story with its transcript. The file
// sim_test.go plays whole clusters through deaths at every step.
package fleet
