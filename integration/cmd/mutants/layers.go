package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is what became of one planted bug.
type result struct {
	mutant mutant
	// layer found it, by a test or an invariant; empty when it survives.
	layer, by string
	// histories were played by the simulator.
	histories uint64
	took      time.Duration
	err       error
}

// layer is a set of tests of the election package.
type layer struct {
	name string
	args []string
}

// layers of tests, the cheap ones first. The simulator comes after them.
func layers() []layer {
	return []layer{
		{"tests", []string{"-test.skip", "Scenario|Explore"}},
		{"scenarios", []string{"-test.run", "Scenario"}},
		{"explorer", []string{"-test.run", "Explore"}},
	}
}

func layerNames() []string { return []string{"tests", "scenarios", "explorer", "simulator"} }

const (
	election = "serfcmm/election"
	patience = 5 * time.Minute
)

// try plants one bug and asks the layers.
func try(ctx context.Context, o options, m mutant) (r result) {
	r.mutant = m
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		r.err = err

		return r
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := plant(dir, m)
	if err != nil {
		r.err = err

		return r
	}
	if !o.simOnly {
		if r.layer, r.by, r.err = askTests(ctx, dir, overlay); r.err != nil || r.layer != "" {
			return r
		}
	}
	r.by, r.histories, r.err = askSimulator(ctx, o, dir, overlay)
	if r.by != "" {
		r.layer = "simulator"
	}

	return r
}

// plant writes the altered file and the overlay that puts it in the place of the real one.
func plant(dir string, m mutant) (string, error) {
	original, err := filepath.Abs(filepath.Join(election, m.file))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("plant a bug: %w; run this at the top of the project", err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("the old text occurs %d times in %s, want once: %.60q", n, m.file, m.old)
	}
	altered := filepath.Join(dir, m.file)
	if err := os.WriteFile(altered, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: altered}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")

	return overlay, os.WriteFile(overlay, list, 0o600)
}

// askTests builds the package's tests with the bug and runs them layer by layer.
func askTests(ctx context.Context, dir, overlay string) (name, by string, err error) {
	binary := filepath.Join(dir, "election.test")
	if out, err := command(ctx, "", "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./"+election); err != nil {
		return "", "", fmt.Errorf("build the tests: %w: %s", err, firstLine(out))
	}
	for _, l := range layers() {
		args := append([]string{"-rapid.nofailfile", "-test.failfast", "-test.timeout", patience.String()}, l.args...)
		if by := firstFailure(ctx, binary, args); by != "" {
			return l.name, by, nil
		}
	}

	return "", "", nil
}

// askSimulator plays histories, ten times as many each time, until one breaks.
func askSimulator(ctx context.Context, o options, dir, overlay string) (by string, histories uint64, err error) {
	binary := filepath.Join(dir, "sim")
	if out, err := command(ctx, "", "go", "build", "-overlay", overlay, "-o", binary, "./integration/cmd/sim"); err != nil {
		return "", 0, fmt.Errorf("build the simulator: %w: %s", err, firstLine(out))
	}
	for first, count := uint64(1), uint64(300); first <= o.most; first, count = first+count, count*10 {
		count = min(count, o.most-first+1)
		out, err := command(ctx, "", binary, "-enough", "1", "-first", strconv.FormatUint(first, 10), "-histories", strconv.FormatUint(count, 10))
		if err == nil {
			histories = first + count - 1

			continue
		}
		seed := regexp.MustCompile(`(?m)^seed (\d+): (.*)$`).FindStringSubmatch(out)
		if seed == nil {
			return "", histories, fmt.Errorf("play histories: %w: %s", err, firstLine(out))
		}
		number, _ := strconv.ParseUint(seed[1], 10, 64)

		return seed[2], number, nil
	}

	return "", histories, nil
}

// command runs a program and returns all that it wrote.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}

	return out.String(), err
}

// firstFailure runs tests and names what failed; empty when nothing did.
func firstFailure(ctx context.Context, binary string, args []string) string {
	out, err := command(ctx, election, binary, args...)
	if err == nil {
		return ""
	}

	return failedTest(out)
}

// failedTest names the first test that failed, or what ended them all.
func failedTest(out string) string {
	if failed := regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`).FindStringSubmatch(out); failed != nil {
		return failed[1]
	}
	if panicked := regexp.MustCompile(`(?m)^panic: (.*)$`).FindStringSubmatch(out); panicked != nil {
		return "panic: " + panicked[1]
	}

	return firstLine(out)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")

	return line
}
