//go:build integration

package integration_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestDemoTellsItsStoryToTheEnd: what a newcomer sees first works, on one node of each suite
// and on a cluster. The program checks every exit status itself; here its last words count.
func TestDemoTellsItsStoryToTheEnd(t *testing.T) {
	t.Parallel()
	program := lab.BuildProgram(t, "./integration/cmd/demo")
	for name, args := range map[string][]string{
		lab.Bookworm: {"-story", "node", "-suite", lab.Bookworm},
		lab.Trixie:   {"-story", "node", "-suite", lab.Trixie},
		"cluster":    {"-story", "cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(told), "That was all") {
				t.Errorf("demo %v: %v\n%s", args, err, told)
			}
		})
	}
}
