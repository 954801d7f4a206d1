package integration_test

import (
	"encoding/xml"
	"io/fs"
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

// message is one kind of journal message as a program declares it: {"id", severity, "text"}.
type message struct {
	id, text string
	// loud: warning or worse.
	loud bool
}

// messages finds the tables of messages of all programs. An identifier that stands elsewhere in
// the code is an error: only tables are compared with the documents.
func messages(t *testing.T) []message {
	t.Helper()
	row := regexp.MustCompile(`\{"([0-9a-f]{32})", (\w+), "([^"]+)"\}`)
	id := regexp.MustCompile(`"[0-9a-f]{32}"`)
	quiet := []string{"info", "debug", "priorityInfo", "priorityDebug"}
	var all []message
	for _, dir := range []string{"agent", "units", "dbusapi", "serfcmm", "levels", "cmd"} {
		walk(t, filepath.Join(top, dir), func(path string) {
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rows := row.FindAllStringSubmatch(string(text), -1)
			if strays := len(id.FindAll(text, -1)) - len(rows); strays != 0 {
				t.Errorf("%s: %d message ids that are in no table {id, severity, text}", path, strays)
			}
			for _, match := range rows {
				all = append(all, message{id: match[1], text: match[3], loud: !slices.Contains(quiet, match[2])})
			}
		})
	}
	if len(all) < 40 {
		t.Fatalf("only %d messages found", len(all))
	}

	return all
}

func walk(t *testing.T, dir string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			visit(path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCatalogueExplainsEveryMessage: what the programs can say and what "journalctl -x"
// explains is the same set. Each entry is whole and leads to a man page of ours, and one of a
// warning or worse says what to type.
func TestCatalogueExplainsEveryMessage(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^([0-9a-f]{32})\nSubject: \S.*\nDefined-By: cssc\nSupport: https://\S+\nDocumentation: (man:\S.*)\n\n(?s)(.+)$`)
	page := regexp.MustCompile(`^man:([A-Za-z0-9.-]+)\(([0-9])\)$`)
	bodies := map[string]string{}
	for _, file := range glob(t, "contrib/dist/catalog/*.catalog") {
		entries := strings.Split("\n"+readFile(t, file), "\n-- ")
		for _, entry := range entries[1:] {
			parts := form.FindStringSubmatch(entry)
			if parts == nil {
				t.Errorf("%s: want an identifier, Subject, Defined-By, Support, Documentation, an empty line and a text:\n%s", filepath.Base(file), entry)

				continue
			}
			if _, twice := bodies[parts[1]]; twice {
				t.Errorf("%s: %s has two entries", filepath.Base(file), parts[1])
			}
			bodies[parts[1]] = parts[3]
			for word := range strings.FieldsSeq(parts[2]) {
				match := page.FindStringSubmatch(word)
				if match == nil {
					t.Errorf("%s: %s: documentation %q", filepath.Base(file), parts[1], word)
				} else if _, err := os.Stat(manPage(match[1], match[2])); err != nil && strings.HasPrefix(match[1], "cssc") {
					t.Errorf("%s: %s: %v", filepath.Base(file), parts[1], err)
				}
			}
		}
	}
	for _, known := range messages(t) {
		body, explained := bodies[known.id]
		delete(bodies, known.id)
		switch {
		case !explained:
			t.Errorf("no entry explains %s, %q", known.id, known.text)
		case known.loud && !regexp.MustCompile(`"(cssc|systemctl|journalctl) [^"]+"`).MatchString(body) && !strings.Contains(body, "\n  cssc "):
			t.Errorf("the entry of %q says nothing to type, such as \"cssc status\"", known.text)
		}
	}
	for id := range bodies {
		t.Errorf("the entry of %s explains no message", id)
	}
}

// TestFailureCatalogueKnowsEveryLoudMessage: the table at its end leads from each message of a
// warning or worse to a section that exists, and from nothing else.
func TestFailureCatalogueKnowsEveryLoudMessage(t *testing.T) {
	t.Parallel()
	catalogue := read(t, "contrib/failures.md")
	rows := map[string]string{}
	for _, match := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([0-9a-f]{32})` \\| ([^|]+) \\|$").FindAllStringSubmatch(catalogue, -1) {
		rows[match[2]] = match[1]
		for title := range strings.SplitSeq(match[3], " · ") {
			if !strings.Contains(catalogue, "\n## "+title+"\n") {
				t.Errorf("failures.md: the message %q leads to %q, which is no section", match[1], title)
			}
		}
	}
	for _, known := range messages(t) {
		text, listed := rows[known.id]
		delete(rows, known.id)
		switch {
		case known.loud != listed:
			t.Errorf("failures.md: message %s %q: listed %t, want %t (warning or worse)", known.id, known.text, listed, known.loud)
		case listed && text != known.text:
			t.Errorf("failures.md: message %s reads %q, want %q", known.id, text, known.text)
		}
	}
	for id, text := range rows {
		t.Errorf("failures.md: %s %q is no message", id, text)
	}
}

func manPage(name, section string) string {
	return filepath.Join(top, "contrib/man", name+"."+section+".scd")
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
			if _, err := os.Stat(manPage(match[1], match[2])); err != nil {
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

	return readFile(t, filepath.Join(top, path))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
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
