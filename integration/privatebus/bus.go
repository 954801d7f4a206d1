// Package privatebus starts message buses of their own for tests that need no systemd.
package privatebus

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const configuration = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
%s
</busconfig>
`

// Limits for tests with many clients.
const Limits = `  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_connections_per_user">2048</limit>
  <limit name="max_match_rules_per_connection">2048</limit>
`

// Open is the policy that lets everybody do everything.
const Open = `  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
`

// Bus is a private dbus-daemon that can be restarted on the same address.
type Bus struct {
	folder string

	mu      sync.Mutex
	command *exec.Cmd
}

// Start starts a private bus that ends with the test. The settings are elements of the bus'
// configuration: a policy, limits.
func Start(tb testing.TB, settings string) *Bus {
	tb.Helper()
	folder, err := os.MkdirTemp("", "cssc-bus-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		tb.Fatal(err)
	}
	// Clients of another user must reach the socket.
	if err = os.Chmod(folder, 0o755); err != nil { //nolint:gosec // a socket for everybody
		tb.Fatal(err)
	}
	b := &Bus{folder: folder}
	if err = os.WriteFile(b.file("bus.conf"), fmt.Appendf(nil, configuration, b.file("bus"), settings), 0o600); err != nil {
		tb.Fatal(err)
	}
	b.Start(tb)
	tb.Cleanup(func() {
		b.Stop()
		_ = os.RemoveAll(folder)
	})

	return b
}

func (b *Bus) file(name string) string { return filepath.Join(b.folder, name) }

// Address is what clients connect to; it stays the same over a restart.
func (b *Bus) Address() string { return "unix:path=" + b.file("bus") }

// Start starts a bus that was stopped, at the same address.
func (b *Bus) Start(tb testing.TB) {
	tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = os.Remove(b.file("bus"))
	reader, writer, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), "dbus-daemon", // until Stop
		"--nofork", "--nopidfile", "--nosyslog", "--print-address=3", "--config-file="+b.file("bus.conf"))
	command.ExtraFiles = []*os.File{writer}
	if testing.Verbose() {
		command.Stderr = os.Stderr
	}
	if err = command.Start(); err != nil {
		tb.Fatalf("start dbus-daemon (package dbus-daemon): %v", err)
	}
	_ = writer.Close()
	b.command = command
	// The address is printed when the socket listens.
	if _, err = bufio.NewReader(reader).ReadString('\n'); err != nil {
		tb.Fatalf("dbus-daemon did not start: %v", err)
	}
}

// Stop kills the bus, with all connections to it.
func (b *Bus) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.command != nil {
		_ = b.command.Process.Kill()
		_ = b.command.Wait()
		b.command = nil
	}
}

// PID is the process of a bus that runs.
func (b *Bus) PID() int {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.command.Process.Pid
}

// Restart is a bus that dies and comes back at the same address.
func (b *Bus) Restart(tb testing.TB) {
	tb.Helper()
	b.Stop()
	b.Start(tb)
}

// Connect is a bare connection to the bus that ends with the test.
func (b *Bus) Connect(tb testing.TB, options ...dbus.ConnOption) *dbus.Conn {
	tb.Helper()
	conn, err := dbus.Connect(b.Address(), options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })

	return conn
}
