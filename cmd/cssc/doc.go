// Command cssc shows and steers the cluster from any node: what is up, what is
// waiting and why, and what to type next.
//
// # Model
//
// Every command but attach, detach, verify, doctor, report and "keys generate" is a question or a
// request to the local agent's D-Bus interface, org.cssc.Agent1; cssc keeps no state of its own.
// Commands are methods of app, one file a family. The agentPort interface is all
// that they know of the agent; connection.go satisfies it with the client of
// package dbusapi.
//
//	status nodes registrations members operations history   read once, print
//	explain                                                   read once, reason about it
//	plot blame                                                read every node's history, put it together
//	events watch shutdown lock unlock start                   follow until it is over
//	sequence sync reload keys voter failover                  ask, say what happened
//	run-callback                                              a service's side of the interface
//	attach detach verify                                      local files and systemd
//	doctor report                                             all of that, as far as it is there
//
// What is pure or large has a package below this one, for this command alone: doctor (checks over
// facts), screen (the whole terminal, for watch), bundle (the archive of report).
//
// What is printed has three forms: for a person at a terminal (tables, colour,
// live progress), plain lines when the output is not a terminal, and JSON with
// --json. The plain and the JSON form are stable; see cssc(1).
//
// # Guarantees
//
// A command that changes something and cannot tell how it ended says so and
// fails. Every wait is bounded by --timeout or by the command's own limit. The
// exit status tells the kind of failure, see exit.go. No output of the agent
// reaches the terminal with its control characters.
//
// # What is not guaranteed
//
// A status is a snapshot: it may be old when it is read. A shutdown that ends
// the operating system ends the connection too; cssc then reports that the node
// went down, not that it came back. Interrupting a command that follows an
// operation does not stop the operation.
//
// # Concurrency
//
// One goroutine runs the command; the client of package dbusapi has its own. Only these start
// more: run-callback one for each command that it runs, watch one beside that of the screen,
// doctor and report some that read, each bounded in time.
//
// # Errors
//
// A failure is one line on standard error, "cssc: operation object: cause",
// followed where it helps by lines that begin with "hint:" and say what to type.
//
// # Testing
//
// Read testdata/script first: each file there is the specification of a command,
// run against the real bus server with a scripted agent on a bus of its own.
package main
