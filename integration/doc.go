// Package integration proves the whole thing where it runs: on nodes with a real systemd, a
// real system bus and a real logind (package lab), and on the source tree itself.
//
// # Model
//
// A test of this package makes a node of each suite, installs what "make install" installs,
// puts recorder services on it (integration/cmd/probe and units that write down when they
// start and stop), boots it and judges the order from what the services themselves wrote.
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
// Tests are parallel; each has a lab of its own.
//
// # Errors
//
// A failing test prints the end of the journal of each of its nodes.
//
// # Testing
//
// Start with boot_test.go. To look around in a node by hand:
// go run ./integration/cmd/lab up.
package integration
