// Package lab makes nodes with a real systemd on one machine, for tests and for the
// developer command integration/cmd/lab.
//
// # Model
//
// A suite is a Debian release whose root file system is made once by debootstrap and kept
// in ${CSSC_LAB_CACHE:-/var/cache/cssc-lab}: bookworm has systemd 252, trixie 257. A lab is
// a folder on a tmpfs, a network namespace with a bridge and no uplink, and a folder of
// control groups; it has a name of its own and an owner process. A node is a
// systemd-nspawn container of a lab: an overlay over its suite's root file system, its own
// machine-id, host name and address (192.0.2.1 and up), its own systemd as PID 1.
//
//	made ──Boot──▶ running ──reboot, poweroff, halt, PowerCut──▶ exited ──Boot──▶ running
//
// A cluster is a lab whose nodes have cssc, one configuration and one key. All nodes of a lab
// have the folder [Lab.Shared] as /lab, and the way between any two can be cut or made lossy.
//
// The overlay's upper layer lives as long as the lab, so what a node wrote to its disk is
// there after a reboot and after a power cut; /run and /tmp are not.
//
// # Guarantees
//
// Every wait is bounded and says what it waited for. Close ends every process of the lab
// and removes its mounts, its namespace and its control groups; New first does the same to
// labs whose owner process is gone. The cached root file systems are never written to, and
// appear under their final name only when complete. Nothing leaves the lab's namespace.
//
// # What is not guaranteed
//
// A node shares the kernel and the clock with the machine: no kernel panic, no clock of its
// own, no hardware watchdog. PowerCut kills processes, it does not lose writes that
// reached the page cache.
//
// # Concurrency
//
// A Lab and its nodes are safe for concurrent use by tests, except that one node is booted
// and reconfigured by one goroutine at a time.
//
// # Errors
//
// Functions that take a TB end the test with a message that names the node, the operation
// and the output; the others return errors.
//
// # Testing
//
// lab_test.go (build tag integration) boots, reboots, cuts and cleans both suites.
package lab
