//go:build integration

package integration_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// What a whole demo may take on a busy machine.
const demoLimit = 5 * time.Minute

// TestDemoTellsItsStoryToTheEnd: what a newcomer sees first works, on one node of each suite
// and on a cluster. The program checks every exit status itself; here its last words count,
// and that after each step the clients of the cluster found all that was acknowledged.
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
			ctx, cancel := context.WithTimeout(t.Context(), demoLimit)
			defer cancel()
			command := exec.CommandContext(ctx, program, args...)
			command.Env = append(os.Environ(), "CSSC_JOURNALS=yes")
			output, err := command.CombinedOutput()
			told := string(output)
			if err != nil || !strings.Contains(told, "That was all") {
				t.Errorf("demo %v: %v\n%s", args, err, told)
			}
			if name == "cluster" {
				judgePair(t, told)
			}
		})
	}
}

// judgePair looks at what "tally check" said after each step.
func judgePair(t *testing.T, told string) {
	t.Helper()
	const steps = 10
	verdicts := regexp.MustCompile(`(?m)^all: (\d+) acknowledged, (\d+) lost, (\d+) out of order.*$`).FindAllStringSubmatch(told, -1)
	if len(verdicts) < steps {
		t.Errorf("the numbers were compared %d times, want %d", len(verdicts), steps)
	}
	for _, verdict := range verdicts {
		t.Log(strings.TrimSpace(verdict[0]))
		if verdict[1] == "0" || verdict[2] != "0" || verdict[3] != "0" {
			t.Errorf("got %q, want some acknowledged, none lost, none out of order", verdict[0])
		}
	}
}
