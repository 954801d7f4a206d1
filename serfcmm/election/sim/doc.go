// Package sim runs whole clusters of election machines through faults, in virtual time.
//
// # Model
//
// A [Plan] is a cluster and what happens to it: how many nodes, which of them vote, how
// wrong their clocks are, how bad the network is, and a list of faults with times.
// [Generate] makes one from a seed. [Runner.Run] plays it: true time is one number, each
// node has a clock of its own that is wrong by up to ρ, and an owner around each machine
// does what the agent does: Persist before Actions, lease record before acting, members
// that run from the election until the demote has ended or somebody kills them, a guard
// that kills at the recorded end of the lease whatever the agent does. After [Plan].Heal
// all faults end, and the cluster must come to a master on which all agree.
//
// After every event the invariants are checked (check.go): those of the design (I1, I2, I6,
// I7, I8), two that follow from the lease rule and show a broken one long before two masters
// meet (P1, P2), the machine's own [election.Machine.Check], and after healing L1 and L3.
//
// # Guarantees
//
//   - The same plan gives the same history: nothing depends on the time of day, on the order
//     of a map or on the number of processors.
//   - Each link and each node draws from a generator of its own, so a plan with one fault
//     less differs from the first one only by what that fault does.
//
// # What is not guaranteed
//
//   - Disks lie only within what the design promises. A disk is lost only while every
//     majority keeps a voter that has taken part and remembers; a disk is rolled back, and a voter is reset by
//     an operator, only on one node of a cluster with an even number of voters, where any
//     two majorities share another voter. What is beyond that, package election
//     says that it does not guarantee.
//   - A node that is frozen with all its processes runs none of its members meanwhile, and
//     its guard comes before them when it thaws.
//   - No forged messages: the network loses, delays, repeats and replays what was sent.
//
// # Concurrency
//
// A Runner belongs to one goroutine. Plans are values; nobody alters their slices.
//
// # Errors
//
// A broken invariant is a [ViolationError], never a panic; a panic of the machine is one too.
//
// # Testing
//
// sim_test.go runs histories by the thousand and demands that every row of the table of
// rare states (rare.go) was reached. "make sim SEEDS=n" runs more, "make mutants" shows
// which planted bugs are found.
package sim
