// Package scenario runs the golden scenario files of the pure cores: named cases, each with
// options and a script, whose output stands in the file for a person to read. Rewrite the
// files with "go test PACKAGE -rewrite" and read the difference.
package scenario

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Case carries out one case and returns its output. The case's name is the first argument.
type Case func(t *testing.T, d *datadriven.TestData) string

// Run carries out every case of the files in a folder whose names end as said ("" = all). It
// fails when a name stands twice, when there are fewer than least cases, which keeps their
// number from shrinking unnoticed, and when an output has a line that begins with "!! ": the
// case speaks of something that was not there.
func Run(t *testing.T, folder, suffix string, least int, run Case) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]string{}
	datadriven.Walk(t, folder, func(t *testing.T, path string) {
		t.Helper()
		if !strings.HasSuffix(path, suffix) {
			return
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			if d.Cmd != "case" || len(d.CmdArgs) == 0 {
				d.Fatalf(t, "want: case NAME [option=value …]")
			}
			name := d.CmdArgs[0].Key
			mu.Lock()
			before := seen[name]
			seen[name] = path
			mu.Unlock()
			if before != "" {
				d.Fatalf(t, "case %s is told twice, in %s too", name, before)
			}
			output := run(t, d)
			if strings.HasPrefix(output, "!! ") || strings.Contains(output, "\n!! ") {
				t.Errorf("%s: case %s tells of something that was not there:\n%s", path, name, output)
			}

			return output
		})
	})
	if len(seen) < least {
		t.Errorf("%s: got %d cases, want at least %d: %v", folder, len(seen), least, slices.Sorted(maps.Keys(seen)))
	}
}

// Words splits a line at blanks; "double quotes" keep them.
func Words(line string) []string {
	var list []string
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				list = append(list, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		list = append(list, word.String())
	}

	return list
}

// Arguments tells plain words from key=value ones.
func Arguments(list []string) (plain []string, named map[string]string) {
	named = map[string]string{}
	for _, word := range list {
		if key, value, found := strings.Cut(word, "="); found {
			named[key] = value
		} else {
			plain = append(plain, word)
		}
	}

	return plain, named
}
