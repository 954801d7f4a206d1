//go:build integration

package election_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The model of the lease rule is model/lease.m, which explains itself; rumur checks it. It is not
// part of a package of its own, because go takes that file for Objective-C.

// values replace constants of the model.
type values map[string]int

// TestModelHolds: no order of events, within the bounds of each configuration, breaks an
// invariant, every rare state named by a "cover" is met, and nothing is left to explore. The first
// has all of the network and fine clocks for two masterships, the second three masterships,
// the third a planned restart.
func TestModelHolds(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]values{
		"two masterships":   {"CYCLE": 3, "TERMS": 2},
		"three masterships": {"CYCLE": 2, "TERMS": 3, "STALE": 0, "SEEN": 0},
		"a planned restart": {"CYCLE": 2, "TERMS": 2, "PLANNED": 1, "STALE": 0, "SEEN": 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, err := checkModel(t, set, "-O3")
			if err != nil || !strings.Contains(said, "No error found.") {
				t.Fatalf("with %v: %v\n%s", set, err, said)
			}
			explored := regexp.MustCompile(`\d+ states, \d+ rules fired in \d+s`).FindString(said)
			if explored == "" {
				t.Fatalf("with %v it does not say that it came to an end:\n%s", set, said)
			}
			t.Log(explored)
		})
	}
}

// TestModelFindsPlantedBugs: each bug that the model lists is found as the violation that it
// must cause. Where it takes long to see two masters, the cause of it will do: somebody counts
// on what is not promised.
func TestModelFindsPlantedBugs(t *testing.T) {
	t.Parallel()
	two := "I1 one master at most"
	fall := "I2 terms of masters do not fall"
	holders := "I2 one holder of each term"
	support := "I8 support is promised"
	fine := values{"CYCLE": 3, "TERMS": 2, "LEMMA": 0}
	cause := values{"CYCLE": 3, "TERMS": 3}
	planned := values{"CYCLE": 2, "TERMS": 2, "PLANNED": 1}
	bugs := map[string]struct {
		set   values
		found string
	}{
		"MAJORITY_SHORT":            {fine, holders},
		"PROMISE_WITHOUT_DRIFT":     {fine, two},
		"LEASE_WITHOUT_DRIFT":       {fine, two},
		"LEASE_FROM_RECEIPT":        {fine, two},
		"LEASE_TAKEN_BACK":          {fine, fall},
		"VOTE_TWICE":                {fine, holders},
		"VOTE_WHILE_PROMISED":       {fine, two},
		"RENEWAL_WHILE_PROMISED":    {cause, support},
		"RENEWAL_LEAVES_PROMISE":    {cause, support},
		"CANDIDATE_WHILE_PROMISED":  {fine, two},
		"RESTART_FORGETS_PROMISE":   {fine, two},
		"RESTART_FORGETS_VOTE":      {fine, fall},
		"RESTART_FORGETS_LENGTH":    {planned, support},
		"SHORT_PROMISE_CUTS_LONG":   {planned, support},
		"RELEASE_BEFORE_STOP":       {fine, two},
		"RELEASE_OF_OLDER_TERM":     {cause, support},
		"RELEASE_COUNTS_AS_VOTE":    {fine, holders},
		"ABANDON_NOT_FINAL":         {fine, two},
		"STALE_RENEWAL_LOWERS_TERM": {cause, support},
		"GIVEN_BACK_OUT_OF_ORDER":   {planned, support},
		"GIVEN_BACK_AFTER_RESTART":  {planned, support},
		"GIVEN_BACK_BUT_USED":       {planned, support},
	}
	listed := plantedBugs(t)
	if names := slices.Sorted(maps.Keys(listed)); !slices.Equal(names, slices.Sorted(maps.Keys(bugs))) {
		t.Fatalf("the model lists %v, this test looks for %v", names, slices.Sorted(maps.Keys(bugs)))
	}
	for name, bug := range bugs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := maps.Clone(bug.set)
			set["BUG"] = listed[name]
			said, err := checkModel(t, set, "-O1")
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(said, bug.found) {
				t.Fatalf("with %v: %v, want a violation of %q\n%s", set, err, bug.found, said)
			}
		})
	}
}

// model is its text.
func model(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("model/lease.m")
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// plantedBugs reads the list of bugs: name and number.
func plantedBugs(t *testing.T) values {
	t.Helper()
	_, list, found := strings.Cut(model(t), "-- Planted bugs.")
	list, _, ended := strings.Cut(list, "\ntype\n")
	if !found || !ended {
		t.Fatal("lease.m has no list of planted bugs")
	}
	bugs := values{}
	for _, match := range regexp.MustCompile(`(?m)^  ([A-Z_]+): (\d+);$`).FindAllStringSubmatch(list, -1) {
		number := 0
		if _, err := fmt.Sscan(match[2], &number); err != nil {
			t.Fatal(err)
		}
		bugs[match[1]] = number
	}

	return bugs
}

// checkModel checks the model with some constants replaced, and returns what the checker said. One
// thread, so that the shortest violation is found first.
func checkModel(t *testing.T, set values, optimise string) (string, error) {
	t.Helper()
	source := model(t)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		constant := regexp.MustCompile(`(?m)^  ` + name + `: \d+;$`)
		if len(constant.FindAllString(source, -1)) != 1 {
			t.Fatalf("lease.m has no constant %s, or several", name)
		}
		source = constant.ReplaceAllString(source, fmt.Sprintf("  %s: %d;", name, set[name]))
	}
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	if err := os.WriteFile(file("lease.m"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	compile := []string{"-std=c11", "-w", optimise, file("lease.c"), "-o", file("lease"), "-lpthread"}
	if runtime.GOARCH == "amd64" {
		compile = append(compile, "-mcx16")
	}
	for _, command := range []*exec.Cmd{
		exec.CommandContext(t.Context(), "rumur", "--threads", "1", "--deadlock-detection", "off", "--scalarset-schedules", "off",
			"--pack-state", "off", "--counterexample-trace", "full", "--output", file("lease.c"), file("lease.m")),
		exec.CommandContext(t.Context(), "cc", compile...),
	} {
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, said)
		}
	}
	said, err := exec.CommandContext(t.Context(), file("lease")).CombinedOutput()

	return string(said), err
}
