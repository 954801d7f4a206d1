package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryBugCanBePlanted: the old text of each occurs exactly once in the code as it is
// now, so that a change of the code cannot quietly leave a planted bug behind; names are
// unique, and each says why.
func TestEveryBugCanBePlanted(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutants() {
		text, err := os.ReadFile(filepath.Join("../../../serfcmm/election", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: the old text occurs %d times in %s, want once: %q", m.name, n, m.file, m.old)
		}
		if m.old == m.new || m.why == "" || seen[m.name] {
			t.Errorf("%s: nothing is changed, nothing is said, or the name is taken", m.name)
		}
		seen[m.name] = true
	}
	if len(seen) < 70 {
		t.Errorf("%d planted bugs, there were more", len(seen))
	}
}
