package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestFailureCatalogueNamesRealTests keeps contrib/failures.md honest: every section
// says what is seen, what the agent does, what to type and which test proves it, and
// every test that it names exists, and every case of a scenario, in brackets behind it.
func TestFailureCatalogueNamesRealTests(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	sections := strings.Split(readText(t, "../../contrib/failures.md"), "\n## ")[1:]
	if len(sections) < 70 {
		t.Errorf("%d sections only", len(sections))
	}
	seen := map[string]bool{}
	for _, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		body, _, _ = strings.Cut(body, "\n# ")
		if seen[title] {
			t.Errorf("failures.md: %s is there twice", title)
		}
		seen[title] = true
		for _, part := range []string{"**You see.**", "**The agent.**", "**You type.**", "**Proof.**"} {
			if strings.Count(body, part) != 1 {
				t.Errorf("failures.md, %s: %s is missing", title, part)
			}
		}
		_, proof, _ := strings.Cut(body, "**Proof.**")
		named := regexp.MustCompile("`([^`]+)`|([a-z0-9]+(?:-[a-z0-9]+)+)").FindAllStringSubmatch(proof, -1)
		if len(named) == 0 {
			t.Errorf("failures.md, %s: no test is named", title)
		}
		for _, name := range named {
			if !tests[name[1]+name[2]] {
				t.Errorf("failures.md, %s: there is no test %s", title, name[1]+name[2])
			}
		}
	}
}

// testNames are all test functions, all scripts by their names, and all cases of scenarios.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^(?:func |case )((?:Test|Fuzz)\w+|[a-z0-9]+(?:-[a-z0-9]+)+)\b`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "build"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".txtar"):
			names[entry.Name()] = true
		case strings.HasSuffix(path, "_test.go"), strings.Contains(path, "testdata") && strings.HasSuffix(path, ".txt"):
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
				names[match[1]] = true
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return names
}

// TestDocumentsNameRealCommands tries every command line that the documents and the
// explanations in the journal tell people to type: the command must exist, and have the flags.
func TestDocumentsNameRealCommands(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"README.md", "CHANGELOG.md", "contrib/failures.md", "contrib/dist/catalog/*", "contrib/man/*.scd"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	root := (&app{}).rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	tried := 0
	for _, file := range files {
		for _, line := range typedLines(readText(t, file)) {
			tried++
			if problem := wrongCommand(root, line); problem != "" {
				t.Errorf("%s: cssc %s: %s", file, line, problem)
			}
		}
	}
	if tried < 150 {
		t.Errorf("only %d commands found in the documents", tried)
	}
}

// typedLines finds what stands behind "cssc" in quotes, in bold, or at a prompt.
func typedLines(text string) []string {
	var lines []string
	for _, form := range []string{"`cssc ([^`\n]+)`", `"cssc ([^"\n]+)"`, `\*cssc ([a-z][^*\n]*)\*`, `(?m)^(?:n\d# |  +|\t)?(?:\$ )?cssc ([a-z][^\n]*)$`} {
		for _, match := range regexp.MustCompile(form).FindAllStringSubmatch(text, -1) {
			lines = append(lines, match[1])
		}
	}

	return lines
}

// wrongCommand says what is wrong with a command line as far as its command and its flags go.
func wrongCommand(root *cobra.Command, line string) string {
	line, _, _ = strings.Cut(line, " -- ") // what follows is another program's
	line, _, _ = strings.Cut(line, ">")
	var words []string
	for word := range strings.FieldsSeq(line) {
		if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(word) {
			break
		}
		words = append(words, word)
	}
	cmd, rest, err := root.Find(words)
	if err != nil || len(words) > 0 && cmd == root || cmd.HasSubCommands() && len(rest) > 0 {
		return "there is no such command"
	}
	cmd.InitDefaultHelpFlag()
	for _, flag := range regexp.MustCompile(`(?:^|[ \[(|])--([a-z][a-z-]*)`).FindAllStringSubmatch(line, -1) {
		if cmd.Flag(flag[1]) == nil {
			return "there is no flag --" + flag[1]
		}
	}

	return ""
}

// TestWrongCommandsAreFound plants what the test above looks for.
func TestWrongCommandsAreFound(t *testing.T) {
	t.Parallel()
	root := (&app{}).rootCommand()
	for line, want := range map[string]string{
		"lock n2 --force": "", "run-callback --component x -- tool --own": "", "sequence retry [SEQUENCE]": "", "": "",
		"lok n2": "there is no such command", "sequence redo": "there is no such command",
		"lock n2 --gently": "there is no flag --gently", "shutdown [NODE | --every]": "there is no flag --every",
	} {
		if got := wrongCommand(root, line); got != want {
			t.Errorf("cssc %s: %q, want %q", line, got, want)
		}
	}
	text := "`cssc a`\n\"cssc b\"\n*cssc c* *--x*\nn1# cssc d\n    cssc e --y\n\t$ *cssc f*++\nand cssc g\n"
	if got, want := strings.Join(typedLines(text), ","), "a,b,c,f,d,e --y"; got != want {
		t.Errorf("typed lines: %s, want %s", got, want)
	}
}
