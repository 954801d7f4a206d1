// Command cssc-agent runs the sequences of one node. It connects the owner loop
// of package agent with systemd, logind, the bus and the disk, and holds nothing
// of its own.
//
//	cssc-agent [flags]   run until SIGTERM; stopping it stops no service
//	cssc-agent leave     for cssc-leave.service: tell the callbacks that the node goes down
//
// Exit status: 0 after a planned stop, 1 when it could not start or broke, 2
// for a wrong command line.
package main
