package main

import (
	"bytes"
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
