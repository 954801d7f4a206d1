// Package dbusapi is the bus interface org.cssc.Agent1: the server inside the
// agent, and the client for services and commands.
//
// A service begins with [Connect] and [Client.Register]; its [Handler] is told when and in
// which role, and [Client.Done] says that it is done. One that starts late reads
// [Client.Status], one that follows the master [Client.MasterReady] and [Client.Events]. The
// examples are whole services in small; contrib/examples/porter is one with its unit, and
// contrib/doc/tutorial.md the way there.
//
// # Model
//
//	bus ─▶ reader ─▶ inbox (a queue for each client, in turns) ─▶ workers ─▶ Backend
//	                                                   │
//	                              polkit, asked beside the queue, puts the call back
//	bus ◀─ sender ◀─ outbox ◀── replies, signals ◀─────┴── Publish, Invoke, NotifyCanceled
//
// The XML files of contrib/dist/dbus-1/interfaces say what the interface is; they
// are embedded, served by Introspect, and compared by a test with the tables of
// methods and properties here and with the man page org.cssc.Agent1(5).
//
// What can be read comes from a snapshot (Status) that the agent publishes; what
// changes something goes to the Backend. Objects of nodes, operations and
// registrations are found in the snapshot; nothing is exported at run time.
//
// # Guarantees
//
// Calls of one connection reach the Backend in the order of the wire, and the end
// of a connection comes behind all of them. Connections take turns: a flood of one
// delays another by no more than the call in hand. Queues are limited; beyond the
// limit a call is answered with Busy at once. No client can make the agent build a
// message beyond MaxCall, hold a descriptor open, or panic it.
//
// Publish, Invoke and NotifyCanceled never block. Changed properties are signalled
// before the notices of the same publication. BusLost is told after every call of
// the lost connection has come to its end; a bus that ends in order is a lost bus,
// and no client of it has vanished.
//
// Nobody but root changes anything unless polkit says yes; a polkit that is
// absent, refuses or hangs is a no. What comes in is checked before polkit is
// asked and before the agent hears of it.
//
// The client obeys the owner of the agent's name alone. It delivers an invocation
// once for each tag, keeps registrations over a restart of the agent and of the
// bus, and repeats Done until somebody has taken it.
//
// # What is not guaranteed
//
// Signals are hints: without a bus, or with a stuck one, they are lost, and the
// properties are not. A callback may be asked for twice under two tags when the
// bus restarts; work must be idempotent by term, sequence and level. ErrTimeout does
// not say that nothing was done. A local user who sends millions of calls and reads
// no answer can make dbus-daemon hold back our messages; after writeTimeout the
// connection is given up and made again. Events can be read by every local user.
//
// # Concurrency
//
// Server and Client are safe for concurrent use. Each connection has one reader
// (which never blocks), the server one sender and a few workers; a handler of the
// client runs on one goroutine, in the order of the agent. Run and Close return
// when every goroutine has.
//
// # Errors
//
// The table in errors.go maps the sentinels of package levels and of this package
// to D-Bus names and back; errors.Is works on both sides of the bus. Texts are the
// agent's own, without control characters.
//
// # Testing
//
// Everything runs on a private dbus-daemon, without root: manager_test.go (each
// method, each bad input), flood_test.go (order, limits, fairness), polkit_test.go,
// policy_test.go (the installed policy, as another user when run by root),
// restart_test.go and session_test.go (restarts of agent and bus, forgeries).
package dbusapi
