// Package agent is the owner of one node: a single loop that feeds two pure machines,
// that of the levels and that of the election, with what happens, makes durable what must
// be before anybody acts on it, and carries out what they decide through ports.
//
// # Model
//
//	requests ─┐                                  ┌─ Bus: callbacks, status, signals
//	peers  ───┤   one turn:                      ├─ Units: start and stop targets
//	units  ───┼─▶ persist → step → record →  ────┼─ Peers: messages, gossip
//	logind ───┤   engage → publish → answer →    ├─ System: inhibitor, endings
//	timer ────┘   conclude                       └─ Store: /run, /var/lib
//
// The election is stepped as soon as a message, the time or a change asks for it, with the
// clock of that moment: lease record first, then the disk, then what it sends. What it
// decides goes into the next turn as events, in its order; after each turn it hears what
// the node is now and whether anything of its mastership still serves.
//
// A turn takes all that waits, up to a limit, and pays once for it with one write.
// It is published at most every few milliseconds; Fresh publishes now for a reader
// who must see what was answered. The state of the machine is never written by itself; it is
// the newest snapshot and the events since, stepped again after a restart with
// their actions discarded, and then told Resumed, on which the machine issues
// again what was outstanding.
//
// Agents ask each other, one JSON document each way (protocol.go, answer.go): for operations,
// what became of them, status and history. An operation on another node is that node's; here it
// is followed, has a number of its own, and is in no log (remote.go, remotefollow.go).
//
// What concerns several nodes goes by a third machine, fleet: a request is stepped into levels when
// fleet has its turn (fleet.go). Its plan is in the durable state. The last part of the shutdown of
// a whole cluster, in which a node stays a voter, is in linger.go.
//
// # Guarantees
//
// What was acknowledged survives kill -9 at any instruction. An event is in the
// boot log before its actions are begun; a term and the qualified attribute are
// in the durable state before anybody hears of them. The loop blocks on nothing
// but its select and its own writes; the watchdog is pinged from it, after the
// machine has checked its invariants. What only a master may do is begun only after the
// lease was compared with the clock of that moment. A reader that calls Fresh sees everything
// that was answered before. Stopping the agent stops no service, and while systemd is
// stopping everything by itself no unit is touched. Run returns after all its
// goroutines have.
//
// # What is not guaranteed
//
// With a full or read-only /run requests are refused and observations are kept in
// memory only; with a read-only /var a term may repeat after a reboot. Both are
// standing problems in the status. Notices of a turn that was cut off by kill -9
// are not sent again; the state that they tell is. A disk that hangs stalls the
// loop, and the watchdog ends it.
//
// # Concurrency
//
// Run owns everything; Agent's other methods may be called from any goroutine.
// Works run in goroutines of their own, each with a deadline, and report back
// by message. The cluster has a goroutine of its own.
//
// # Errors
//
// Requests return the sentinels of levels. DamagedError and NewerError tell what
// is wrong with saved state. Operating errors become problems in the status and
// never stop the agent; a broken invariant of the core does, with its state in
// the journal.
//
// # Testing
//
// world_test.go and fakes_test.go hold a small world around the agent, in which the
// whole of it runs in a bubble of fake time with the real machine. Read crash_test.go
// first: it kills the agent just before and just after every write to the log.
package agent
