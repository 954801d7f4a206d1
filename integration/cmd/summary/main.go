// Command summary reads "go test -json" and prints what a person wants to know: one line
// per package as it ends, the whole output of what failed, the slowest tests, and last the
// line "N passed, N failed, N skipped" counted from the tests themselves.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Stdin, os.Stdout)) }

// record is one line of "go test -json"; see "go doc test2json".
type record struct {
	Action     string
	Package    string
	ImportPath string // build output carries this instead of Package
	Test       string
	Elapsed    float64
	Output     string
}

type test struct{ pkg, name string }

type summary struct {
	into                    *bufio.Writer
	passed, failed, skipped int
	output                  map[test]*strings.Builder
	slow                    []record
	// failures are the names of failed tests, each with the first lines of what it said.
	failures []string
}

// saying finds where a test says something. Of each test that fails the last lines of the run
// repeat that much, for those who see no more of it.
var saying = regexp.MustCompile(`(?m)^ +\w+_test\.go:\d+: .*(\n {8}.*)?`)

const (
	repeated     = 8
	repeatedText = 400
)

func run(from io.Reader, into io.Writer) int {
	buffered := bufio.NewWriter(into)
	s := &summary{into: buffered, output: map[test]*strings.Builder{}}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			s.line("%s", lines.Text()) // not of the tests: the go command itself
			continue
		}
		s.add(r)
		if err := s.into.Flush(); err != nil {
			return 1
		}
	}
	s.end()
	if err := errors.Join(lines.Err(), s.into.Flush()); err != nil || s.failed > 0 || s.passed == 0 {
		return 1
	}

	return 0
}

func (s *summary) add(r record) {
	key := test{cmp.Or(r.Package, r.ImportPath), r.Test}
	switch r.Action {
	case "output", "build-output":
		if s.output[key] == nil {
			s.output[key] = &strings.Builder{}
		}
		s.output[key].WriteString(r.Output)
	case "build-fail":
		s.text(s.output[key])
	case "pass", "fail", "skip":
		if r.Test == "" {
			s.pkg(r, key)
		} else {
			s.test(r, key)
		}
	}
}

func (s *summary) test(r record, key test) {
	switch r.Action {
	case "pass":
		s.passed++
		s.slow = append(s.slow, r)
	case "skip":
		s.skipped++
		s.line("SKIP %s %s", r.Package, r.Test)
		s.text(s.output[key])
	default:
		s.failed++
		s.line("FAIL %s %s", r.Package, r.Test)
		s.text(s.output[key])
		s.keep(key)
	}
	delete(s.output, key)
}

func (s *summary) pkg(r record, key test) {
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "-   "}[r.Action]
	s.line("%s %-60s %7.2fs", word, r.Package, r.Elapsed)
	if r.Action == "fail" {
		// A package can fail without a failing test: build, panic, time limit.
		for other, output := range s.output {
			if other.pkg == r.Package && other.name != "" {
				s.line("UNFINISHED %s %s", other.pkg, other.name)
				s.text(output)
				s.keep(other)
				s.failed++
			}
		}
		s.text(s.output[key])
		s.failed = max(s.failed, 1)
	}
	delete(s.output, key)
}

func (s *summary) keep(key test) {
	s.failures = append(s.failures, fmt.Sprintf("%s %s", key.pkg, key.name))
	if s.output[key] == nil {
		return
	}
	for _, said := range saying.FindAllString(s.output[key].String(), repeated) {
		s.failures = append(s.failures, said[:min(len(said), repeatedText)])
	}
}

func (s *summary) end() {
	if len(s.failures) > 0 {
		s.line("failed:")
	}
	for _, failure := range s.failures {
		s.line("  %s", failure)
	}
	slices.SortFunc(s.slow, func(a, b record) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	s.line("slowest:")
	for _, r := range s.slow[:min(len(s.slow), 8)] {
		s.line("  %6.2fs %s", r.Elapsed, r.Test)
	}
	s.line("%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
}

// line and text write into the buffer, whose Flush tells of errors.
func (s *summary) line(format string, args ...any) {
	_, _ = fmt.Fprintf(s.into, format+"\n", args...)
}

func (s *summary) text(output *strings.Builder) {
	if output != nil {
		_, _ = s.into.WriteString(output.String())
	}
}
