package integration_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// functionsIn collects the first group of a pattern.
func functionsIn(t *testing.T, path, pattern string) []string {
	t.Helper()
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
		found[match[1]] = true
	}

	return slices.Sorted(maps.Keys(found))
}

// TestLibcsscDeclaresExportsAndExplainsTheSame: header, version script and man pages of the C
// library have the same functions, and each page shows the function as it is declared. That the
// library exports them is a test of dbusapi, which builds it.
func TestLibcsscDeclaresExportsAndExplainsTheSame(t *testing.T) {
	t.Parallel()
	const header = "contrib/libcssc/cssc.h"
	declared := functionsIn(t, header, `(?m)^(?:cssc_error_t |void |const char \*)(cssc_[a-z_]+)\(`)
	if exported := functionsIn(t, "contrib/libcssc/libcssc.map", `(?m)^\s+(cssc_[a-z_]+);`); !slices.Equal(exported, declared) {
		t.Errorf("libcssc.map exports\n%v\nwant what cssc.h declares:\n%v", exported, declared)
	}
	var explained []string
	for _, page := range glob(t, "contrib/man/cssc_*.3.scd") {
		explained = append(explained, strings.TrimSuffix(filepath.Base(page), ".3.scd"))
	}
	if !slices.Equal(explained, declared) {
		t.Errorf("man pages of section 3:\n%v\nwant what cssc.h declares:\n%v", explained, declared)
	}
	if listed := functionsIn(t, "contrib/man/libcssc.3.scd", `(?m)^(?:\[\[|\|)\s+\*(cssc_[a-z_]+)\*\(3\)$`); !slices.Equal(listed, declared) {
		t.Errorf("libcssc(3) lists\n%v\nwant what cssc.h declares:\n%v", listed, declared)
	}
	for _, name := range declared {
		prototype := regexp.MustCompile(`(?m)^(?:cssc_error_t |void |const char \*)` + name + `\([^;]*;`).FindString(read(t, header))
		page := strings.Join(strings.Fields(read(t, "contrib/man/"+name+".3.scd")), " ")
		if !strings.Contains(page, strings.Join(strings.Fields(prototype), " ")) {
			t.Errorf("%s(3) does not show %q", name, prototype)
		}
	}
}

// TestLibcsscExplainsEveryName: the man pages have every constant, type and field of the
// header, and no CSSC_ name that the header lacks.
func TestLibcsscExplainsEveryName(t *testing.T) {
	t.Parallel()
	var pages strings.Builder
	for _, page := range slices.Concat(glob(t, "contrib/man/cssc_*.3.scd"), glob(t, "contrib/man/libcssc.3.scd")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(text)
	}
	all := regexp.MustCompile(`\bCSSC_[A-Z0-9_]+\b`)
	header := map[string]bool{}
	for _, name := range all.FindAllString(read(t, "contrib/libcssc/cssc.h"), -1) {
		header[name] = true
	}
	delete(header, "CSSC_H")
	explained := map[string]bool{}
	for _, name := range all.FindAllString(pages.String(), -1) {
		explained[name] = true
	}
	if got, want := slices.Sorted(maps.Keys(explained)), slices.Sorted(maps.Keys(header)); !slices.Equal(got, want) {
		t.Errorf("man pages of section 3 have\n%v\nwant what cssc.h has:\n%v", got, want)
	}
	for _, name := range functionsIn(t, "contrib/libcssc/cssc.h", `\b(cssc_[a-z_]+_t)\b`) {
		if !strings.Contains(pages.String(), name) {
			t.Errorf("no man page of section 3 has %s", name)
		}
	}
}
