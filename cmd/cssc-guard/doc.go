// Command cssc-guard ends what a node may no longer run. The agent tells it in shared memory
// (package agent/lease) until when this node may act as master; when that time comes and no
// longer lease was written, whatever has become of the agent, every process of the members of
// the master's targets is killed, systemd is asked to stop them, and where the configuration
// says so the node is rebooted when that does not work in time.
//
//	cssc-guard [--record FILE] [--groups FOLDER]   run until SIGTERM
//
// The parts: guard.go decides, on one goroutine that never waits for anybody; strike.go is
// what it does at the end of a lease; clerk.go speaks to PID 1 on another goroutine, because
// PID 1 may be slow; world.go is the kernel.
//
// Exit status: 0 after a planned stop, 1 when it could not start, 2 for a wrong command line.
package main
