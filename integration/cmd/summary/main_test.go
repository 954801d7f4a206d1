package main

import (
	"strings"
	"testing"
)

// TestSummaryCountsTestsAndShowsFailures feeds a run with every kind of ending.
func TestSummaryCountsTestsAndShowsFailures(t *testing.T) {
	t.Parallel()
	in := `{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":0.5}
{"Action":"output","Package":"p","Test":"TestBad","Output":"    x_test.go:7: why\n    lab.go:9: a journal\n"}
{"Action":"fail","Package":"p","Test":"TestBad","Elapsed":0.1}
{"Action":"skip","Package":"p","Test":"TestLater"}
{"Action":"fail","Package":"p","Elapsed":1}
`
	var out strings.Builder
	if code := run(strings.NewReader(in), &out); code != 1 {
		t.Errorf("exit status: got %d, want 1", code)
	}
	for _, want := range []string{"FAIL p TestBad\n    x_test.go:7: why\n", "failed:\n  p TestBad\n      x_test.go:7: why\nslowest:", "SKIP p TestLater", "1 passed, 1 failed, 1 skipped\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output: got\n%s\nwant a part %q", &out, want)
		}
	}
}

// TestSummaryFailsWithoutAnyTest: no tests, a broken build and a crash are failures.
func TestSummaryFailsWithoutAnyTest(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"nothing": "",
		"build":   `{"Action":"build-output","ImportPath":"p","Output":"x.go:1: no\n"}` + "\n" + `{"Action":"build-fail","ImportPath":"p"}` + "\n" + `{"Action":"fail","Package":"p"}`,
		"crash":   `{"Action":"pass","Package":"p","Test":"A"}` + "\n" + `{"Action":"output","Package":"p","Test":"B","Output":"panic\n"}` + "\n" + `{"Action":"fail","Package":"p"}`,
	} {
		var out strings.Builder
		if code := run(strings.NewReader(in), &out); code != 1 {
			t.Errorf("%s: exit status: got %d, want 1; output\n%s", name, code, &out)
		}
	}
}
