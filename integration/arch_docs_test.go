package integration_test

import (
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryBusMemberIsInTheManPage: what the XML declares, org.cssc.Agent1(5) explains.
// That the XML and the code agree is a test of dbusapi.
func TestEveryBusMemberIsInTheManPage(t *testing.T) {
	t.Parallel()
	page := read(t, "contrib/man/org.cssc.Agent1.5.scd")
	files := glob(t, "contrib/dist/dbus-1/interfaces/*.xml")
	for _, file := range files {
		for _, member := range members(t, file) {
			if !regexp.MustCompile(`\b` + member + `\b`).MatchString(page) {
				t.Errorf("%s declares %s, contrib/man/org.cssc.Agent1.5.scd does not explain it", filepath.Base(file), member)
			}
		}
	}
}

// members lists the methods, signals and properties that an introspection file declares.
func members(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type named struct {
		Name string `xml:"name,attr"`
	}
	var node struct {
		Interfaces []struct {
			Methods    []named `xml:"method"`
			Signals    []named `xml:"signal"`
			Properties []named `xml:"property"`
		} `xml:"interface"`
	}
	if err := xml.Unmarshal(text, &node); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var all []string
	for _, i := range node.Interfaces {
		for _, member := range slices.Concat(i.Methods, i.Signals, i.Properties) {
			all = append(all, member.Name)
		}
	}
	if len(all) == 0 {
		t.Errorf("%s declares nothing", file)
	}

	return all
}

// TestCatalogueExplainsEveryMessage: the ids in the agent's code and the entries of the
// journal catalogue are the same set.
func TestCatalogueExplainsEveryMessage(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`"([0-9a-f]{32})"`)
	entry := regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})`)
	code, catalogue := map[string]bool{}, map[string]bool{}
	for _, file := range slices.Concat(glob(t, "agent/*.go"), glob(t, "cmd/cssc-agent/*.go"), glob(t, "cmd/cssc-guard/*.go")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range id.FindAllStringSubmatch(string(text), -1) {
			code[match[1]] = !strings.HasSuffix(file, "_test.go") || code[match[1]]
		}
	}
	for _, file := range glob(t, "contrib/dist/catalog/*.catalog") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range entry.FindAllStringSubmatch(string(text), -1) {
			catalogue[match[1]] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(catalogue)), slices.Sorted(maps.Keys(code)); !slices.Equal(got, want) {
		t.Errorf("message ids: got\n%v\nin the catalogue, want those of the code:\n%v", got, want)
	}
}

// TestUnitFilesNameWhatIsInstalled: programs and man pages that units mention exist in the
// install tree.
func TestUnitFilesNameWhatIsInstalled(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	program := regexp.MustCompile(`/usr/s?bin/(cssc[a-z-]*)`)
	page := regexp.MustCompile(`man:([A-Za-z0-9.-]+)\(([0-9])\)`)
	for _, file := range glob(t, "contrib/dist/systemd/system/*.service") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range program.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(makefile, strings.TrimPrefix(match[0], "/usr")) {
				t.Errorf("%s runs %s, which make install does not install", file, match[0])
			}
		}
		for _, match := range page.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(top, "contrib/man", match[1]+"."+match[2]+".scd")); err != nil {
				t.Errorf("%s refers to man page %s(%s): %v", file, match[1], match[2], err)
			}
		}
	}
}

// TestEveryMakeTargetHasHelp keeps "make help" complete.
func TestEveryMakeTargetHasHelp(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(read(t, "Makefile")) {
		name, found := strings.CutPrefix(line, ".PHONY: ")
		name = strings.TrimSpace(name)
		if !found || name == "deps" || name == "lab" {
			continue
		}
		if !regexp.MustCompile(`(?m)^` + name + `:.*## \w`).MatchString(read(t, "Makefile")) {
			t.Errorf("make target %s has no ## help", name)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(top, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}

	return files
}
