package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/integration/privatebus"
	"github.com/cssc-ha/cssc/levels"
)

// text is a buffer that several goroutines write to.
type text struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write appends.
func (b *text) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buffer.Write(data)
}

// String returns what was written so far.
func (b *text) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buffer.String()
}

// life is one run of the program.
type life struct {
	stop   context.CancelFunc
	code   chan int // capacity 1
	errors *text
}

func begin(t *testing.T, bus, dir string) *life {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &life{stop: stop, code: make(chan int, 1), errors: &text{}}
	args := []string{"--bus", bus, "--config-dir", dir + "/etc", "--state-dir", dir + "/var", "--run-dir", dir + "/run"}
	go func() { l.code <- run(ctx, args, l.errors, l.errors) }()

	return l
}

// end stops the program as SIGTERM does and returns the exit status.
func (l *life) end(t *testing.T) int {
	t.Helper()
	l.stop()
	select {
	case code := <-l.code:
		return code
	case <-time.After(20 * time.Second):
		t.Fatalf("the agent does not stop:\n%s", l.errors)

		return 0
	}
}

// status asks the agent until it answers.
func status(t *testing.T, bus string, l *life) *dbusapi.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{Address: bus})
		if err == nil {
			answer, statusErr := client.Status(ctx)
			if err = statusErr; err == nil {
				_ = client.Close()

				return answer
			}
			_ = client.Close()
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no status: %v\n%s", err, l.errors)
		case <-tick.C:
		}
	}
}

// Goal: a wrong command line is told with status 2 and nothing is started; help
// and version are not errors. Method: the lines and what they print.
func TestCommandLine(t *testing.T) {
	cases := []struct {
		args      []string
		code      int
		out, errs string
	}{
		{[]string{"--version"}, 0, "cssc-agent " + version, ""},
		{[]string{"--help"}, 0, "", "folder of cssc.toml"},
		{[]string{"--colour"}, 2, "", "cssc-agent: flag provided but not defined: -colour; see \"cssc-agent --help\"\n"},
		{[]string{"--bus"}, 2, "", "flag needs an argument"},
		{[]string{"stop"}, 2, "", "unknown argument \"stop\", allowed is \"leave\""},
		{[]string{"leave", "now"}, 2, "", "unknown argument \"now\""},
	}
	for _, c := range cases {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, &out, &errs)
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) {
			t.Errorf("%q: status %d, out %q, err %q; want %d, %q, %q", c.args, code, out.String(), errs.String(), c.code, c.out, c.errs)
		}
	}
}

// Goal: the program owns its name, takes registrations, stops without an error
// and knows them again when it is back. Method: two lives on a private bus.
func TestAgentServesAndRemembers(t *testing.T) {
	bus, dir := privatebus.Start(t, privatebus.Open).Address(), t.TempDir()
	l := begin(t, bus, dir)
	if got := status(t, bus, l); got.State != levels.StateJoining || got.Version != version {
		t.Errorf("status %+v, want joining: there is no systemd on this bus", got)
	}
	client, err := dbusapi.Connect(t.Context(), dbusapi.ClientOptions{Address: bus})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	err = client.Register(t.Context(), dbusapi.Registration{Component: "naming", Sequence: levels.Init, Level: 2},
		func(context.Context, dbusapi.Invocation) {})
	if err != nil {
		t.Fatal(err)
	}
	second := begin(t, bus, t.TempDir())
	if code := <-second.code; code != 1 || !strings.Contains(second.errors.String(), dbusapi.ErrNameTaken.Error()) {
		t.Errorf("a second agent: status %d\n%s\nwant 1 and that the name is taken", code, second.errors)
	}
	if code := l.end(t); code != 0 {
		t.Errorf("stopped with status %d\n%s", code, l.errors)
	}
	l = begin(t, bus, dir)
	got := status(t, bus, l)
	if len(got.Registrations) != 1 || got.Registrations[0].Component != "naming" {
		t.Errorf("registrations %+v after the restart, want naming", got.Registrations)
	}
	if code := l.end(t); code != 0 {
		t.Errorf("stopped with status %d\n%s", code, l.errors)
	}
}

// Goal: a configuration that cannot be used, and a cluster of several without a key, end
// the program with the reason. Method: a file for each.
func TestUnusableConfigurations(t *testing.T) {
	bus := privatebus.Start(t, privatebus.Open).Address()
	for file, want := range map[string]string{
		"[cluster]\nnames = \"x\"\n": `cssc.toml:2:1: cluster.names: unknown key; did you mean "name"?`,
		"[local]\nnode = \"a\"\n[[node]]\nname = \"a\"\naddress = \"x\"\n[[node]]\nname = \"b\"\naddress = \"y\"\n": "a cluster of more than one node needs a key, or security.insecure = true in so many words",
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(dir+"/etc", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/etc/cssc.toml", []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		l := begin(t, bus, dir)
		if code := <-l.code; code != 1 || !strings.Contains(l.errors.String(), want) {
			t.Errorf("status %d\n%s\nwant 1 and %q", code, l.errors, want)
		}
	}
}

// Goal: leave does nothing, and says so with status 0, when the system is not
// going down. Method: a bus without systemd, and none at all.
func TestLeaveIsHarmless(t *testing.T) {
	for _, bus := range []string{privatebus.Start(t, privatebus.Open).Address(), "unix:path=/nonexistent"} {
		var errs text
		code := run(t.Context(), []string{"--bus", bus, "leave"}, &errs, &errs)
		if code != 0 || !strings.Contains(errs.String(), "nothing to do") {
			t.Errorf("leave on %s: status %d, %q; want 0 and nothing done", bus, code, errs.String())
		}
	}
}

// Goal: a journal that takes nothing costs messages, not time. Method: a queue
// that nobody empties, and a flush of it.
func TestStalledJournalDoesNotBlock(t *testing.T) {
	queue := newJournalQueue()
	var failed error
	for i := range queueSize + 5 {
		if err := queue.put(6, fmt.Sprint(i), nil); err != nil {
			failed = err
		}
	}
	if failed == nil || !strings.Contains(failed.Error(), "5 are lost") {
		t.Errorf("put into a full queue = %v, want how many are lost", failed)
	}
	begin := time.Now()
	if queue.flush(); time.Since(begin) > 5*flushTimeout {
		t.Errorf("flush took %s, want at most %s", time.Since(begin), flushTimeout)
	}
}
