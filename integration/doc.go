// Package integration proves the whole thing where it runs: on nodes with a real systemd, a
// real system bus and a real logind (package lab), and on the source tree itself.
//
// # Model
//
// A test of this package makes a node of each suite, installs what "make install" installs,
// puts recorder services on it (integration/cmd/probe and units that write down when they
// start and stop), boots it and judges the order from what the services themselves wrote.
//
// The stories of clusters (cluster_*_test.go, type fleet) boot several nodes of both suites
// with recorders bound to the master's and the vice's targets, try one fault after the other,
// and let package history judge the whole of it: two masters at once fail every story.
//
// # Guarantees
//
// arch_test.go needs neither root nor the build tag: import rules, package docs, sizes,
// forbidden calls, D-Bus XML against man page. Everything else has the build tag
// integration and needs root.
//
// # What is not guaranteed
//
// Nothing here measures speed; integration/cmd/bench does.
//
// # Concurrency
//
// Tests are parallel; each has a lab of its own. Those of clusters are not: they measure times.
//
// # Errors
//
// A failing test prints the end of the journal of each of its nodes. A story of clusters
// begins with the command that repeats it; CSSC_TRIALS tries each fault more often, CSSC_KEEP
// names a folder for the history and the agents' whole journals of a failed one.
//
// # Testing
//
// Start with boot_test.go. To look around in a node by hand:
// go run ./integration/cmd/lab up.
package integration
