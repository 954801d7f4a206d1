package units

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// testLimit bounds every wait of these tests.
const testLimit = 20 * time.Second

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
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
  <limit name="max_replies_per_connection">128</limit>
</busconfig>
`

// testBus is a private bus that can be restarted on the same address.
type testBus struct {
	folder string

	mu      sync.Mutex
	command *exec.Cmd
}

func startBus(t *testing.T) *testBus {
	t.Helper()
	folder, err := os.MkdirTemp("", "cssc-units-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	bus := &testBus{folder: folder}
	if err := os.WriteFile(filepath.Join(folder, "bus.conf"), fmt.Appendf(nil, busConfig, filepath.Join(folder, "bus")), 0o600); err != nil {
		t.Fatal(err)
	}
	bus.start(t)
	t.Cleanup(func() {
		bus.stop()
		_ = os.RemoveAll(folder)
	})

	return bus
}

func (b *testBus) address() string { return "unix:path=" + filepath.Join(b.folder, "bus") }

func (b *testBus) start(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = os.Remove(filepath.Join(b.folder, "bus"))
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	b.command = exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--print-address=3",
		"--config-file="+filepath.Join(b.folder, "bus.conf"))
	b.command.ExtraFiles = []*os.File{writer}
	if err := b.command.Start(); err != nil {
		t.Fatalf("start dbus-daemon (package dbus-daemon): %v", err)
	}
	_ = writer.Close()
	if _, err := bufio.NewReader(reader).ReadString('\n'); err != nil { // it listens when it prints
		t.Fatalf("dbus-daemon did not start: %v", err)
	}
}

func (b *testBus) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.command != nil {
		_ = b.command.Process.Kill()
		_ = b.command.Wait()
		b.command = nil
	}
}

func (b *testBus) connect(t *testing.T, options ...dbus.ConnOption) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(b.address(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	return conn
}

// running runs something until the test ends, and waits for its end.
func running(t *testing.T, run func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)

	return ctx
}
