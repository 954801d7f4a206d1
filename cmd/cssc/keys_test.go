package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// TestTheAgentReadsTheKeyringThatIsGenerated hands the written file to the reader of the
// agent: one key of the longest size, and never the same one twice.
func TestTheAgentReadsTheKeyringThatIsGenerated(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, force := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "keyring")
		if err := writeKeyring(path, force); err != nil {
			t.Fatal(err)
		}
		ring, err := keyring.Load(path)
		if err != nil || len(ring) != 1 || len(ring[0]) != 32 {
			t.Fatalf("the agent reads %d keys, %v; want one of 32 bytes", len(ring), err)
		}
		if seen[ring[0].String()] {
			t.Error("the same key twice")
		}
		seen[ring[0].String()] = true
		if name := ring[0].String(); len(name) != 12 {
			t.Errorf("the key is named %q, want 12 digits as the bus has them", name)
		}
	}
}

// TestVerifyReadsTheKeyring: no keyring, a good one, and one that others may read.
func TestVerifyReadsTheKeyring(t *testing.T) {
	t.Parallel()
	if found := keyringFindings(""); found != nil {
		t.Errorf("without a keyring: %+v", found)
	}
	path := filepath.Join(t.TempDir(), "keyring")
	if err := writeKeyring(path, false); err != nil {
		t.Fatal(err)
	}
	if found := keyringFindings(path); found != nil {
		t.Errorf("a good keyring: %+v", found)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	found := keyringFindings(path)
	if len(found) != 1 || found[0].Severity != "error" || !strings.Contains(found[0].line, "chmod 0600") {
		t.Errorf("a keyring for everybody: %+v", found)
	}
}
