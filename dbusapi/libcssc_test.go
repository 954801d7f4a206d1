package dbusapi

import (
	"os"
	"os/exec"
	"testing"

	"github.com/cssc-ha/cssc/integration/cplayer"
)

// The C library contrib/libcssc against this server, played by commands. It is built with the
// sanitizers of the compiler; one test runs it under valgrind instead, which sees what they do
// not: memory that is read before it was written.

// play starts a program on the bus.
func (b *testBus) play(tb testing.TB) *cplayer.Player {
	tb.Helper()

	return playProgram(tb, b.address, cplayer.Build(tb, cplayer.Sanitized))
}

// playProgram starts a program with its arguments.
func playProgram(tb testing.TB, address string, argv ...string) *cplayer.Player {
	tb.Helper()
	process := exec.Command(argv[0], argv[1:]...)
	process.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+address, "ASAN_OPTIONS=detect_leaks=1", "UBSAN_OPTIONS=print_stacktrace=1")

	return cplayer.Start(tb, process)
}
