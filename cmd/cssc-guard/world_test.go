package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/units"
)

// TestGroupsAreKilledByTheKernel: the file is written, a group that is gone is no error, one
// that cannot be killed is, and never the root. Method: plain files in the place of groups.
func TestGroupsAreKilledByTheKernel(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	group := filepath.Join(root, "system.slice/db.service")
	err := errors.Join(os.MkdirAll(group, 0o755), os.MkdirAll(filepath.Join(root, "old"), 0o755),
		os.WriteFile(filepath.Join(root, "cgroup.procs"), nil, 0o600), os.WriteFile(filepath.Join(root, "cgroup.kill"), nil, 0o600),
		os.WriteFile(filepath.Join(group, "cgroup.kill"), nil, 0o600),
		os.WriteFile(filepath.Join(group, "cgroup.events"), []byte("populated 1\nfrozen 0\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	g := findGroups(root)
	if g.root != root || !g.populated("/system.slice/db.service") || g.populated("/gone") {
		t.Errorf("root %q, populated %v %v", g.root, g.populated("/system.slice/db.service"), g.populated("/gone"))
	}
	if err := errors.Join(g.kill("/system.slice/db.service"), g.kill("/gone")); err != nil {
		t.Errorf("kill: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(group, "cgroup.kill")); string(text) != "1" || err != nil {
		t.Errorf("wrote %q, %v; want 1", text, err)
	}
	for _, bad := range []string{"", "/", "//", "/..", "/old"} {
		if g.kill(bad) == nil {
			t.Errorf("kill %q: no error", bad)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(root, "cgroup.kill")); len(text) > 0 {
		t.Error("the root was killed")
	}
}

// TestWaitingManagerIsSeen: PID 1 sleeps and a child of its own in the group, or below it, has
// not called exec. Method: plain files in the place of groups and processes.
func TestWaitingManagerIsSeen(t *testing.T) {
	t.Parallel()
	const (
		asleep, awake = "1 (systemd) D 0 1 1 0 -1 4194560 9", "1 (systemd) S 0 1 1 0 -1 4194560 9"
		unborn, born  = "7 (a) b ) c) S 1 1 1 0 -1 4194368 9", "7 (sd-executor) S 1 1 1 0 -1 4194560 9"
		grandchild    = "7 (worker) S 5 1 1 0 -1 4194368 9"
	)
	for _, c := range []struct {
		manager, child, group string
		want                  bool
	}{
		{asleep, unborn, "/ip.service", true},
		{asleep, unborn, "/ip.service/.control", true},
		{awake, unborn, "/ip.service", false},
		{asleep, born, "/ip.service", false},
		{asleep, grandchild, "/ip.service", false},
		{asleep, unborn, "/other.service", false},
		{asleep, "", "/ip.service", false},
		{"", unborn, "/ip.service", false},
	} {
		g := groups{t.TempDir(), t.TempDir()}
		err := errors.Join(os.MkdirAll(g.root+"/ip.service/.control", 0o755), os.MkdirAll(g.root+c.group, 0o755),
			os.WriteFile(g.root+c.group+"/cgroup.procs", []byte("7\n"), 0o600),
			os.Mkdir(g.processes+"/1", 0o755), os.Mkdir(g.processes+"/7", 0o755),
			os.WriteFile(g.processes+"/1/stat", []byte(c.manager), 0o600), os.WriteFile(g.processes+"/7/stat", []byte(c.child), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if got := g.awaited("/ip.service"); got != c.want {
			t.Errorf("%+v: awaited %v", c, got)
		}
	}
}

// TestTroubleOfBothDesksIsOneLine, because a field of a message is one.
func TestTroubleOfBothDesksIsOneLine(t *testing.T) {
	t.Parallel()
	c := newClerk(filepath.Join(t.TempDir(), "members"), func() int64 { return 5 })
	if got := c.trouble(); got != "" {
		t.Errorf("without trouble: %q", got)
	}
	c.lists.failed, c.orders.failed = errors.New("no list"), errors.Join(errors.New("no stop"), errors.New("no kill"))
	if got := c.trouble(); got != "no list; no stop; no kill" {
		t.Errorf("got %q", got)
	}
}

// TestNotifierNeverWaits: what systemd takes arrives; a socket that is full or gone costs
// nothing.
func TestNotifierNeverWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	n := newNotifier(path)
	n.send("WATCHDOG=1")
	buffer := make([]byte, 64)
	if length, err := listener.Read(buffer); string(buffer[:length]) != "WATCHDOG=1" || err != nil {
		t.Errorf("got %q, %v", buffer[:length], err)
	}
	for range 5000 {
		n.send("WATCHDOG=1")
	}
	_ = listener.Close()
	n.send("WATCHDOG=1")
	newNotifier("").send("WATCHDOG=1")
}

// TestWaitEndsAtTheInstantOrWithTheProcess: the timer of the kernel, a past instant, and an
// end in the middle of an hour.
func TestWaitEndsAtTheInstantOrWithTheProcess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := newKernel(ctx, settings{record: filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	until := w.now() + int64(20*time.Millisecond)
	w.wait(until)
	if now := w.now(); now < until {
		t.Errorf("woke %v early", time.Duration(until-now))
	}
	w.wait(1)
	w.wait(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		newGuard(w, 2*time.Hour).run(ctx)
	}()
	w.active.Go(func() { <-ctx.Done(); _ = w.timer.SetReadDeadline(time.Unix(1, 0)) })
	cancel()
	<-done
	w.close()
}

// TestCatalogueFitsTheMessages: an identifier of its own for each kind, an entry for each, and
// nothing that nobody sends.
func TestCatalogueFitsTheMessages(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../contrib/dist/catalog/cssc-guard.catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: cssc$`).FindAllStringSubmatch(string(text), -1)
	if len(entries) != int(messageCount)-1 {
		t.Errorf("%d entries, want one for each of %d kinds", len(entries), messageCount-1)
	}
	seen := map[string]bool{}
	for kind := msgUnknown + 1; kind < messageCount; kind++ {
		id := kind.describe().id
		if seen[id] || !strings.Contains(string(text), "-- "+id+"\n") {
			t.Errorf("%q: identifier %s used twice or without an entry", kind.describe().text, id)
		}
		seen[id] = true
	}
}

// TestNextGuardKnowsTheMembers: the list outlives the process.
func TestNextGuardKnowsTheMembers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "members")
	now := func() int64 { return 5 }
	members := []units.Doomed{{Unit: "db.service", Group: "/system.slice/db.service", Up: true}}
	first := newClerk(file, now)
	if list := first.latest.Load(); list.since != 0 || list.members != nil {
		t.Errorf("without a file: %+v", list)
	}
	first.save(members)
	next := newClerk(file, now)
	if list := next.latest.Load(); list.since != 1 || !reflect.DeepEqual(list.members, members) {
		t.Errorf("the next guard has %+v, want %+v", list, members)
	}
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list := newClerk(file, now).latest.Load(); list.since != 0 {
		t.Errorf("from rubbish: %+v", list)
	}
}

// TestCommandLine: what is wrong is told with status 2, help and version are no errors.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--version"}, 0, "cssc-guard devel\n"},
		{[]string{"--help"}, 0, "-record"},
		{[]string{"now"}, 2, `unknown argument "now"`},
		{[]string{"--nonsense"}, 2, "nonsense"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%v: status %d, %q; want %d and %q", c.args, code, out.String(), c.code, c.text)
		}
	}
}

// TestJournalNeverWaits: messages that find no room are lost, the others come in order.
func TestJournalNeverWaits(t *testing.T) {
	t.Parallel()
	j := newJournal()
	var sent []string
	j.send = func(e entry) { sent = append(sent, e.text()) }
	for i := range 3 * queueSize {
		j.put(msgGone, []field{{"term", number(uint64(i))}, {"note", "two words"}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j.run(ctx)
	if len(sent) < queueSize || sent[1] != `no member of the master runs any more: term=1 note="two words"` {
		t.Errorf("%d messages, the second is %q", len(sent), sent[1])
	}
}
