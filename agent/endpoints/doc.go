// Package endpoints answers load balancers and monitoring over HTTP: who is master, who is
// vice, whether the node is ready, whether the agent lives, and figures.
//
// # Model
//
//	GET, HEAD ── gate ── handler ──▶ Snapshot, published ─┐
//	   ▲                    │                             ├─▶ 200 or 503, and why
//	   │                    └──▶ Mandate, by the clock ───┘
//	   └── the last look at the clock is before the first byte of a 200 of /master
//
// The rules are those of [judge]: /master needs the lease, checked as the agent checks it
// before everything that only a master may do, and a master whose services are up; /vice and
// /ready go by what the agent has published; /live asks the loop itself.
//
// Server.Run listens where Listen says, and again when that changes. What cannot be had now is
// tried again, and told as a problem meanwhile.
//
// # Guarantees
//
// A 200 of /master was true when it was handed to the kernel: an agent that was stopped, that
// hangs or that lost its lease does not give one. Once a term was seen, nobody who is asked
// afterwards says yes in a lower one.
//
// Nobody who asks can hold up the agent: the loop is asked by /live alone, at most so many
// times at once, and nothing is asked of it while it is busy. Connections, their rate, the
// size of a question and every wait have a limit; what is beyond it is refused and counted.
//
// # What is not guaranteed
//
// An answer may be late on its way, and is then old; a check without a time limit of its own
// believes old answers. /vice is a role, not a right. Nothing is encrypted and nobody is asked
// who he is: that is for a proxy in front, or for the network.
//
// # Concurrency
//
// Server's methods may be called from any goroutine; Run once.
//
// # Errors
//
// Run returns nil. What is wrong is told by Problem.
//
// # Testing
//
// judge_test.go has the rules as a table; server_test.go asks over real connections, with a
// source whose lease ends in between.
package endpoints
