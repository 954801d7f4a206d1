package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// fakeSystem is a world without bus, terminal and systemd.
func fakeSystem(out, complaints *bytes.Buffer) system {
	return system{
		in: strings.NewReader(""), out: out, err: complaints, getenv: func(string) string { return "" },
		width: func() int { return 0 }, height: func() int { return 0 }, boot: bootClock, lease: new(lease.Clock).Now, now: time.Now,
		dial:       func(context.Context, string) (agentPort, error) { return nil, errNoBus },
		serve:      func(context.Context, string) (servicePort, error) { return nil, errNoBus },
		attach:     func(context.Context, string, []levels.Target) ([]string, error) { return nil, nil },
		detach:     func(context.Context, string) error { return nil },
		attachable: func() []string { return []string{"db.service", "web.service"} },
		attached:   func() []string { return []string{"db.service"} },
		levels:     func() levels.Config { return levels.DefaultConfig("n1") },
		limits:     func(context.Context) systemLimits { return systemLimits{} },
		graph:      func(units.Ladders) []finding { return nil },
		host: func(context.Context, hostQuestion) (doctor.Host, doctor.Known[[]doctor.Member]) {
			host := doctor.Host{}
			host.Mute("this is a test")

			return host, doctor.Known[[]doctor.Member]{}
		},
	}
}

// TestAttachSaysWhatItDid gives every way to name a target, and compares what systemd
// is asked for and what a person reads.
func TestAttachSaysWhatItDid(t *testing.T) {
	t.Parallel()
	var out, complaints bytes.Buffer
	sys := fakeSystem(&out, &complaints)
	var asked []levels.Target
	sys.attach = func(_ context.Context, unit string, targets []levels.Target) ([]string, error) {
		asked = targets

		return []string{unit + " is also enabled in multi-user.target"}, nil
	}
	args := []string{
		"attach", "web", "--init", "3,last", "--shut", "0", "--role", "master", "--level", "2", "--ready",
	}
	if code := run(args, sys); code != exitOK {
		t.Fatalf("exit status %d: %s", code, complaints.String())
	}
	want := "[init-3 init-last shut-0 master-2 ready]"
	if got := fmt.Sprint(asked); got != want {
		t.Errorf("attached to %s, want %s", got, want)
	}
	if got, want := out.String(), "web takes part in init-3, init-last, shut-0, master-2, ready\n"; !strings.HasPrefix(got, want) {
		t.Errorf("output %q, want it to begin with %q", got, want)
	}
	if got, want := complaints.String(), "warning: web is also enabled in multi-user.target\n"; got != want {
		t.Errorf("warnings %q, want %q", got, want)
	}
	out.Reset()
	if run([]string{"attach", "web", "--role", "spare", "--json"}, sys) != exitOK ||
		!strings.Contains(out.String(), `"spare"`) || !strings.Contains(out.String(), `"warnings"`) {
		t.Errorf("JSON output %q", out.String())
	}
	out.Reset()
	if run([]string{"detach", "web"}, sys) != exitOK || !strings.Contains(out.String(), "it was not stopped") {
		t.Errorf("detach says %q", out.String())
	}
}

// TestAttachRefusals keeps the status and the text of what systemd would not do.
func TestAttachRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{fmt.Errorf("attach web: %w: there is no such unit", levels.ErrInvalid), exitRefused, "cssc: attach web: invalid argument: there is no such unit\n"},
		{units.ErrNoBus, exitUnreachable, "cssc: attach web: "},
		{context.DeadlineExceeded, exitTimeout, "cssc: attach web: "},
		{errors.New("disk full"), exitFailed, "cssc: attach web: disk full\n"},
	} {
		var out, complaints bytes.Buffer
		sys := fakeSystem(&out, &complaints)
		sys.attach = func(context.Context, string, []levels.Target) ([]string, error) { return nil, c.err }
		if code := run([]string{"attach", "web", "--init", "1"}, sys); code != c.code || !strings.HasPrefix(complaints.String(), c.text) {
			t.Errorf("%v: status %d, text %q; want %d, %q", c.err, code, complaints.String(), c.code, c.text)
		}
	}
}

// TestVerifyOfTheSystemLooksAtLimitsAndGraph checks what a file alone cannot show.
func TestVerifyOfTheSystemLooksAtLimitsAndGraph(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(configDir); err == nil {
		t.Logf("%s exists here; its findings are mixed with those of the test", configDir)
	}
	var out, complaints bytes.Buffer
	sys := fakeSystem(&out, &complaints)
	sys.limits = func(context.Context) systemLimits {
		return systemLimits{window: 5 * time.Second, stopTimeout: time.Second}
	}
	sys.graph = func(units.Ladders) []finding {
		return checkedGraph([]units.Finding{{Kind: units.FindingCycle, Unit: "a.service", Text: "After=b.service, which is of level 5"}})
	}
	if code := run([]string{"verify"}, sys); code != exitFailed {
		t.Errorf("exit status %d, want %d", code, exitFailed)
	}
	for _, want := range []string{
		"error: InhibitDelayMaxSec: logind waits 5s", "error: TimeoutStopSec: ",
		"warning: cycle: a.service: After=b.service, which is of level 5\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("verify says\n%s\nwithout %q", out.String(), want)
		}
	}
	out.Reset()
	sys.limits = func(context.Context) systemLimits { return systemLimits{unknown: []string{"not checked, no logind"}} }
	if run([]string{"verify"}, sys); !strings.Contains(out.String(), "warning: not checked, no logind\n") {
		t.Errorf("verify is silent about what it could not check: %s", out.String())
	}
}

// TestExitStatusOfEveryError walks every sentinel that can come from the agent, the
// bus or the client, bare and wrapped.
func TestExitStatusOfEveryError(t *testing.T) {
	t.Parallel()
	table := map[error]int{
		dbusapi.ErrNoBus: exitUnreachable, dbusapi.ErrNoAgent: exitUnreachable,
		dbusapi.ErrAccessDenied: exitRefused, dbusapi.ErrInteractionNeeded: exitRefused, levels.ErrNoSuchNode: exitRefused,
		dbusapi.ErrLimit: exitRefused, dbusapi.ErrTimeout: exitTimeout, dbusapi.ErrUnknownCall: exitFailed,
		units.ErrNoBus: exitUnreachable, levels.ErrInvalid: exitRefused, levels.ErrAlreadyRegistered: exitRefused,
		levels.ErrNoSuchRegistration: exitRefused, levels.ErrNoSuchInvocation: exitRefused, levels.ErrNotYours: exitRefused,
		levels.ErrOperationInProgress: exitRefused, levels.ErrRefused: exitRefused, levels.ErrNotHeld: exitRefused,
		levels.ErrTryAgain: exitRefused, levels.ErrBusy: exitRefused, context.DeadlineExceeded: exitTimeout,
		errors.New("anything else"): exitFailed, usage("wrong"): exitUsage,
	}
	for err, want := range table {
		for _, form := range []error{err, fmt.Errorf("around it: %w", err)} {
			if got, _ := classify(form); got != want {
				t.Errorf("%v: exit status %d, want %d", form, got, want)
			}
		}
	}
}

// TestEditDistance compares a few words by hand.
func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     int
	}{{"", "", 0}, {"json", "json", 0}, {"jsno", "json", 2}, {"jon", "json", 1}, {"", "abc", 3}, {"reboot", "rebot", 1}} {
		if got := editDistance(c.from, c.to); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.from, c.to, got, c.want)
		}
		if editDistance(c.from, c.to) != editDistance(c.to, c.from) {
			t.Errorf("editDistance(%q, %q) is not symmetric", c.from, c.to)
		}
	}
}

// TestLastLineIsTheReason writes standard error in pieces of every size.
func TestLastLineIsTheReason(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		"one\n":                     "one",
		"one\ntwo":                  "two",
		"one\ntwo\n\n  \n":          "two",
		"a\x1b[31mred\n":            "a [31mred",
		"broken \xff utf8\n":        "broken ? utf8",
		strings.Repeat("x", 5000):   strings.Repeat("x", maxReason),
		strings.Repeat("y\n", 5000): "y",
	} {
		for _, size := range []int{1, 3, 4096} {
			last := &lastLine{}
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				if written, err := last.Write(rest[:n]); written != n || err != nil {
					t.Fatalf("Write: %d, %v", written, err)
				}
				rest = rest[n:]
			}
			if got := last.String(); got != want {
				t.Errorf("%.20q in pieces of %d: %.40q, want %.40q", text, size, got, want)
			}
		}
	}
}

// TestSpanSpeaksLikePeople has one case for each unit.
func TestSpanSpeaksLikePeople(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", time.Microsecond: "1ms", 40 * time.Millisecond: "40ms", 1400 * time.Millisecond: "1.4s",
		12 * time.Second: "12s", 3*time.Minute + 5*time.Second: "3m 5s", 130 * time.Minute: "2h 10m", 76 * time.Hour: "3d 4h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

// TestVerifyOfAFileLeavesNothingBehind looks at the folder for temporary files.
func TestVerifyOfAFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	file := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(file, []byte("[cluster]\nname = \"a\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	if code := run([]string{"verify", file}, fakeSystem(&out, &complaints)); code != exitOK {
		t.Errorf("exit status %d: %s%s", code, out.String(), complaints.String())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// TestPlainValuesReadBack draws values of every kind: each is one field without
// control characters, is told apart from nothing, and reads back as it was.
func TestPlainValuesReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a- \"'=\\\t\x1b\u202e\u0085é")))).Draw(t, "value")
		text := quoted(value)
		back := text
		switch {
		case text == "-":
			back = ""
		case strings.HasPrefix(text, `"`):
			var err error
			if back, err = strconv.Unquote(text); err != nil {
				t.Fatalf("quoted(%q) = %s: %v", value, text, err)
			}
		case strings.ContainsAny(text, " =\""):
			t.Fatalf("quoted(%q) = %s, which is not one word", value, text)
		}
		if back != value {
			t.Fatalf("quoted(%q) = %s, which reads back as %q", value, text, back)
		}
		if printable(text) != text {
			t.Fatalf("quoted(%q) = %q holds control characters", value, text)
		}
	})
}
