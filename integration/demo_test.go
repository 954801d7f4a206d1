//go:build integration

package integration_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestDemoTellsItsStoryToTheEnd: what a newcomer sees first works, on both suites. The
// program checks every exit status itself; here its last words count.
func TestDemoTellsItsStoryToTheEnd(t *testing.T) {
	t.Parallel()
	program := lab.BuildProgram(t, "./integration/cmd/demo")
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			told, err := exec.CommandContext(t.Context(), program, "-suite", suite).CombinedOutput()
			if err != nil || !strings.Contains(string(told), "That was all") {
				t.Errorf("demo on %s: %v\n%s", suite, err, told)
			}
		})
	}
}
