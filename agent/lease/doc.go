// Package lease is the record by which the agent tells its guard until when this node may
// act as master: one page of memory that both have mapped, written without a system call.
//
// # Model
//
//	agent ── Writer.Write ──▶ /run/cssc/lease ──▶ Reader.Inspect ── guard
//	  ▲                            │
//	  └── Writer.Last ─────────────┘  after a restart within the lease
//
// The page holds two slots, and every Write goes into the older one. A slot that is being
// written has no stamp, so a reader takes the other; a slot that a kill -9 left half written
// never gets one, so the record before it stays in force. A checksum covers the rest.
//
// What the writer owes, because mutual exclusion hangs on it:
//
//   - A longer lease is written before anything acts on it. Otherwise the guard kills
//     members of a master that is right, or the restarted agent forgets a lease it used.
//   - Held = false is written before a release is sent, and after everything that served is
//     gone. Otherwise a restarted agent takes back a lease that another node has by now.
//   - A lease that has ended is written as ended only when nothing of it runs any more.
//     Until then the guard must go on killing.
//
// # Guarantees
//
// A read gives one whole record that was written, the newest whose Write had returned when
// the read began, or a newer one. It survives the death of the writer at any instruction.
// There is one writer at a time, by a lock that the kernel takes back from a dead process.
// Write allocates nothing, makes no system call and takes less than a microsecond; the page
// is locked in memory where the limits of the process allow.
//
// # What is not guaranteed
//
// The record does not outlive the boot, and says nothing about the disk or the network. It
// outlives a soft-reboot in /run; Record.Boot tells. A process that may write the file can
// lie in it; it belongs to root, mode 0600. Whoever cuts the mapped file short ends its
// readers with SIGBUS, and whoever removes it separates them from later writers.
//
// # Concurrency
//
// A Writer is owned by one goroutine, a Reader by one too; any number of them may have the
// file open in any number of processes.
//
// # Errors
//
// ErrNone: nothing was ever written. ErrDamaged: no lease may be derived from the file;
// Open then begins anew, and a reader that knew a lease goes on with what it knew. ErrInUse:
// another process writes.
//
// # Testing
//
// lease_test.go: readers under a writer in a hurry, a writer that dies after each word, and
// bits that turn over in each.
package lease
