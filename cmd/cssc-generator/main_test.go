package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunNeverLetsABootHang covers good, absent and bad configuration, and misuse.
func TestRunNeverLetsABootHang(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		files      int
		message    string
	}{
		{"none", "", 101, ""},
		{"good", "[sequence.init]\nlevels = 2\n", 101 - 8, ""},
		{"syntax", "[sequence.init\n", 101, "cssc.toml:1"},
		{"range", "[sequence.init]\nlevels = 1000\n", 101, "cssc.toml:2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, out := t.TempDir(), t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "etc/cssc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.text != "" {
				if err := os.WriteFile(filepath.Join(root, "etc/cssc/cssc.toml"), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var warn bytes.Buffer
			if code := run([]string{out, "/dev/null/early", "/dev/null/late"}, root, &warn); code != 0 {
				t.Errorf("exit %d", code)
			}
			units, err := filepath.Glob(filepath.Join(out, "cssc-*.target"))
			if err != nil || len(units) != c.files {
				t.Errorf("%d targets, want %d", len(units), c.files)
			}
			if got := warn.String(); (c.message == "") != (got == "") || !strings.Contains(got, c.message) {
				t.Errorf("message %q, want %q", got, c.message)
			}
			if c.message != "" && !strings.Contains(warn.String(), "daemon-reload") {
				t.Errorf("message %q does not say what to do", warn.String())
			}
		})
	}
	var warn bytes.Buffer
	if code := run(nil, "/", &warn); code != 2 || !strings.Contains(warn.String(), "systemd.generator(7)") {
		t.Errorf("without folders: exit %d, %q", code, warn.String())
	}
	if code := run([]string{"/dev/null/x", "", ""}, t.TempDir(), &warn); code != 1 {
		t.Errorf("folder that cannot be written: exit %d", code)
	}
}

// TestGuardComesWithAClusterThatMayNeedIt: more than one node, and this one may be master.
func TestGuardComesWithAClusterThatMayNeedIt(t *testing.T) {
	t.Parallel()
	nodes := "[security]\ninsecure = true\n[local]\nnode = \"%s\"\n[mastership]\nprofile = \"fast\"\n" +
		"[[node]]\nname = \"a\"\naddress = \"192.0.2.1\"\n[[node]]\nname = \"b\"\naddress = \"192.0.2.2\"\n" +
		"[[node]]\nname = \"w\"\naddress = \"192.0.2.3\"\neligible = false\n"
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"no configuration", "", false},
		{"one node", "[local]\nnode = \"a\"\n[[node]]\nname = \"a\"\naddress = \"192.0.2.1\"\n", false},
		{"eligible", fmt.Sprintf(nodes, "a"), true},
		{"witness", fmt.Sprintf(nodes, "w"), false},
		{"invalid", fmt.Sprintf(nodes, "a") + "nonsense = 1\n", false},
	} {
		root, out := t.TempDir(), t.TempDir()
		file := filepath.Join(root, "etc/cssc/cssc.toml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(c.text), 0o600)); err != nil {
			t.Fatal(err)
		}
		var warn bytes.Buffer
		if code := run([]string{out, "", ""}, root, &warn); code != 0 || (warn.Len() > 0) != (c.name == "invalid") {
			t.Errorf("%s: exit %d, %s", c.name, code, warn.String())
		}
		guard, err := os.ReadFile(filepath.Join(out, "cssc-guard.service.d/50-cssc.conf"))
		if got := err == nil; got != c.want || got && !strings.Contains(string(guard), "WatchdogSec=140ms") {
			t.Errorf("%s: guard %v (%v), want %v, with a quarter of the lease:\n%s", c.name, got, err, c.want, guard)
		}
	}
}

// TestKernelMessagesAreWarnings, one a line, and a kernel that takes none hurts nobody.
func TestKernelMessagesAreWarnings(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if n, err := (prefixed{&out}).Write([]byte("x\n")); n != 2 || err != nil || out.String() != "<4>x\n" {
		t.Errorf("got %d, %v, %q", n, err, out.String())
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	if n, err := (prefixed{closed}).Write([]byte("x\n")); n != 2 || err != nil {
		t.Errorf("broken: got %d, %v", n, err)
	}
}
