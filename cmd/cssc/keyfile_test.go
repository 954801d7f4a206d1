package main

import (
	"path/filepath"
	"testing"

	"github.com/cssc-ha/cssc/serfcmm"
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
		ring, err := serfcmm.LoadKeyring(path)
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
