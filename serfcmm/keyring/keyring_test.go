package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// Goal: each way in which a keyring file can be wrong is refused with file, line and cause.
// Method: files spoilt by hand.
func TestBadKeyringsAreRefused(t *testing.T) {
	t.Parallel()
	good := keyring.NewKey().Text()
	var many strings.Builder
	for range keyring.MaxKeys + 1 {
		many.WriteString(keyring.NewKey().Text() + "\n")
	}
	cases := map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"empty":          {"", 0o600, "ring: keyring: no key in it"},
		"only comments":  {"# nothing\n\n", 0o600, "ring: keyring: no key in it"},
		"not base64":     {good + "\n!!\n", 0o600, "ring: line 2: keyring: not base64"},
		"short":          {"c2hvcnQ=\n", 0o600, "ring: line 1: keyring: a key of 5 bytes, want 32"},
		"twice":          {good + "\n\n" + good, 0o600, "ring: line 3: keyring: the same key twice"},
		"too many":       {many.String(), 0o600, "keyring: more than 8 keys"},
		"large":          {strings.Repeat("#", 5000), 0o600, "ring: keyring: 5000 bytes, want at most 4096"},
		"world-readable": {good, 0o604, "ring: keyring: others may read or change it (mode 0604); chmod 0600"},
		"group-writable": {good, 0o620, "mode 0620"},
	}
	for name, c := range cases {
		path := filepath.Join(t.TempDir(), "ring")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		ring, err := keyring.Load(path)
		if !errors.Is(err, keyring.ErrKeyring) || !strings.Contains(err.Error(), c.want) || ring != nil {
			t.Errorf("%s: Load = %v, %v; want %q", name, ring, err, c.want)
		}
	}
	if _, err := keyring.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, keyring.ErrKeyring) {
		t.Errorf("no file: %v", err)
	}
	if _, err := keyring.Load(t.TempDir()); !errors.Is(err, keyring.ErrKeyring) {
		t.Errorf("a folder: %v", err)
	}
}

// Goal: what Save writes, Load reads, readable by the owner only, and no key shows in
// its text form. Method: drawn keyrings of every key size.
func TestKeyringsAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ring")
	rapid.Check(t, func(t *rapid.T) {
		var ring keyring.Ring
		sizes := []int{16, 24, 32}
		for range rapid.IntRange(1, keyring.MaxKeys).Draw(t, "keys") {
			size := rapid.SampledFrom(sizes).Draw(t, "size")
			ring = append(ring, keyring.NewKey()[:size])
		}
		if err := ring.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := keyring.Load(path)
		if err != nil || got.Text() != ring.Text() {
			t.Fatalf("Load = %v, %v; want %v", got, err, ring)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
		}
		if text := ring[0].String(); strings.Contains(ring.Text(), text) || len(text) != 12 {
			t.Fatalf("fingerprint %q of %q", text, ring.Text())
		}
	})
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("Save leaves %v behind", entries)
	}
}

// FuzzKeyring: no text makes Parse fall over, and what it accepts reads the same again.
func FuzzKeyring(f *testing.F) {
	f.Add("# comment\n" + strings.Repeat("A", 43) + "=\n")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		ring, err := keyring.Parse(text)
		if err != nil {
			return
		}
		again, err := keyring.Parse(ring.Text())
		if err != nil || again.Text() != ring.Text() {
			t.Errorf("Parse(%q) = %v, and then %v, %v", text, ring, again, err)
		}
	})
}
