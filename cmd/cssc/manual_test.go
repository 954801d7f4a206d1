package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// TestManualNamesEveryCommandAndFlag walks the command tree: every command must
// stand in cssc(1) in bold with its whole name, every flag as *--flag*, and no
// flag may stand there that no command has.
func TestManualNamesEveryCommandAndFlag(t *testing.T) {
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	flags := map[string]bool{"help": true}
	walkCommands((&app{}).rootCommand(), func(cmd *cobra.Command) {
		if !strings.Contains(text, "*"+cmd.CommandPath()) {
			t.Errorf("cssc(1) does not name the command %q", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			flags[flag.Name] = true
			if !strings.Contains(text, "*--"+flag.Name+"*") {
				t.Errorf("cssc(1) does not name --%s of %q", flag.Name, cmd.CommandPath())
			}
		})
	})
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\n*[],;:.", r) }) {
		if name, isFlag := strings.CutPrefix(word, "--"); isFlag && name != "" && !flags[name] {
			t.Errorf("cssc(1) names --%s, which no command has", name)
		}
	}
}

// TestManualExplainsFlagsWithTheirCommand: a flag stands below its own command, with a line of
// its own, or among those that many commands have. Cobra's own are explained by "cssc help".
func TestManualExplainsFlagsWithTheirCommand(t *testing.T) {
	t.Parallel()
	text := readText(t, manual)
	_, common, _ := strings.Cut(text, "\n# COMMANDS THAT CHANGE THE NODE\n")
	common, _, _ = strings.Cut(common, "\n*cssc ")
	sections := map[string]string{}
	for _, part := range strings.Split(text, "\n*cssc ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		name, _, _ := strings.Cut(heading, "*")
		body, _, _ = strings.Cut(body, "\n# ")
		sections["cssc "+name] += strings.ReplaceAll(heading, " *--", "\n*--") + "\n" + body
	}
	walkCommands((&app{}).rootCommand(), func(cmd *cobra.Command) {
		if !cmd.HasParent() {
			return
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
			explained := regexp.MustCompile(`(?m)(^|, )\t*(\*-\w\*, )?\*--` + flag.Name + `\*|\*--` + flag.Name + `\* _`)
			if !explained.MatchString(sections[cmd.CommandPath()]) && !explained.MatchString(common) {
				t.Errorf("cssc(1), %s: --%s is not explained there", cmd.CommandPath(), flag.Name)
			}
		})
	})
}

// TestManualListsThePlainStatus compares the kinds of lines and their keys, in their order, with
// what is printed of nodes in every state that the scenarios have.
func TestManualListsThePlainStatus(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readText(t, manual), "\n# PLAIN OUTPUT\n")
	section, _, _ = strings.Cut(section, "\n# ")
	key := regexp.MustCompile(`([a-z_]+)=`)
	documented := map[string]string{} // the keys by the kind of the line
	for _, match := range regexp.MustCompile(`(?m)^\t\*([a-z]+)\*(.*)$`).FindAllStringSubmatch(section, -1) {
		documented[match[1]] = strings.Join(key.FindAllString(match[2], -1), " ")
	}
	printed := map[string]string{"source": ""} // by another function, of another node
	held := scenarioHeld()
	held.Operations = []levels.OperationView{{ID: 7, Kind: levels.OperationShutdown, Node: "n1", Result: levels.ResultRunning, Step: "shut level 3"}}
	for _, status := range []*report{held, scenarioTrouble(), scenarioCluster(), scenarioDrift(), scenarioCutOff()} {
		for line := range strings.Lines((&app{system: system{boot: bootClock, now: time.Now}}).statusLines(status)) {
			line = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllString(line, "-")
			kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			keys := strings.Join(key.FindAllString(rest, -1), " ")
			if len(keys) > len(printed[kind]) {
				printed[kind] = keys
			} else if _, known := printed[kind]; !known {
				printed[kind] = ""
			}
		}
	}
	if !maps.Equal(documented, printed) {
		t.Errorf("cssc(1), PLAIN OUTPUT: got\n%q\nwant what is printed\n%q", documented, printed)
	}
}

// TestEveryCommandHasHelp keeps each command's help complete: a short text and,
// where it can be used by itself, an example.
func TestEveryCommandHasHelp(t *testing.T) {
	walkCommands((&app{}).rootCommand(), func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q, want a phrase without a full stop", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.HasSubCommands() && cmd.Example == "" {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
	})
}

// TestManualOfExitStatusIsComplete looks for every status that the program can
// end with, in the section that a person would look in.
func TestManualOfExitStatusIsComplete(t *testing.T) {
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "# EXIT STATUS")
	section, _, _ = strings.Cut(section, "\n# ")
	for _, status := range []string{"*0*", "*1*", "*2*", "*3*", "*4*", "*5*", "*6*", "*130*"} {
		if !strings.Contains(section, "\n"+status+"\n") {
			t.Errorf("cssc(1), EXIT STATUS: %s is missing", status)
		}
	}
}

func walkCommands(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walkCommands(child, visit)
	}
}

// TestManualNamesEveryConfigurationKey asks the loader itself which keys each table
// may hold, by way of a key that does not exist, and compares both ways with the
// sections of cssc.toml(5).
func TestManualNamesEveryConfigurationKey(t *testing.T) {
	data, err := os.ReadFile("../../contrib/man/cssc.toml.5.scd")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(data)
	sections := map[string]string{ // heading of the manual by table of the message
		"cluster": "[cluster]", "node[1]": "[[node]]", "sequence.init": "[sequence.NAME]",
		"sequence.init.level.1": "[sequence.NAME.level.LEVEL]", "component[1]": "[[component]]",
		"mastership": "[mastership]", "security": "[security]", "shutdown": "[shutdown]",
		"limits": "[limits]", "local": "[local]", "endpoints": "[endpoints]",
	}
	dir := t.TempDir()
	text := "x = 1\n[cluster]\nx = 1\n[[node]]\nname = \"a\"\nx = 1\n[sequence.init]\nx = 1\n[sequence.init.level.1]\nx = 1\n" +
		"[[component]]\nname = \"c\"\nx = 1\n[mastership]\nx = 1\n[security]\nx = 1\n[shutdown]\nx = 1\n[limits]\nx = 1\n[local]\nx = 1\n[endpoints]\nx = 1\n"
	if err := os.WriteFile(filepath.Join(dir, "cssc.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(dir)
	invalid, ok := errors.AsType[*config.InvalidError](err)
	if !ok {
		t.Fatalf("unknown keys are taken: %v", err)
	}
	if got, want := len(invalid.Problems), len(sections)+1; got != want {
		t.Errorf("%d problems, want one for each of %d tables and one for the root:\n%v", got, want, err)
	}
	for _, problem := range invalid.Problems {
		table := strings.TrimSuffix(strings.TrimSuffix(problem.Key, "x"), ".")
		_, list, _ := strings.Cut(problem.Text, "allowed are ")
		allowed := strings.Split(list, ", ")
		if table == "" {
			for _, name := range allowed {
				if !strings.Contains(manual, "["+name) {
					t.Errorf("cssc.toml(5) has no section of %s", name)
				}
			}

			continue
		}
		heading, known := sections[table]
		if !known {
			t.Errorf("table %s is not known to this test", table)

			continue
		}
		compareKeys(t, manual, heading, slices.DeleteFunc(allowed, func(key string) bool { return key == "level" }))
	}
}

func compareKeys(t *testing.T, manual, heading string, allowed []string) {
	t.Helper()
	_, section, found := strings.Cut(manual, "\n# "+heading+"\n")
	if !found {
		t.Errorf("cssc.toml(5) has no section %s", heading)

		return
	}
	section, _, _ = strings.Cut(section, "\n# ")
	for _, key := range allowed {
		if !strings.Contains(section, "*"+key+"*") {
			t.Errorf("cssc.toml(5), %s: the key %s is missing", heading, key)
		}
	}
	for line := range strings.Lines(section) {
		if key, isKey := strings.CutPrefix(strings.TrimSpace(line), "*"); isKey && strings.HasPrefix(line, "*") {
			if key, isKey = strings.CutSuffix(key, "*"); isKey && !slices.Contains(allowed, key) {
				t.Errorf("cssc.toml(5), %s: there is no key %s", heading, key)
			}
		}
	}
}

// TestManualOfTheAgentNamesItsFlags reads the flags from the program's own help.
func TestManualOfTheAgentNamesItsFlags(t *testing.T) {
	source, err := os.ReadFile("../cssc-agent/settings.go")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../contrib/man/cssc-agent.8.scd")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`flags\.\w+Var\(&s\.\w+, "([a-z-]+)"`).FindAllSubmatch(source, -1)
	if len(found) < 5 {
		t.Fatalf("only %d flags found in settings.go", len(found))
	}
	for _, flag := range found {
		if !strings.Contains(string(manual), "*--"+string(flag[1])+"*") {
			t.Errorf("cssc-agent(8) does not name --%s", flag[1])
		}
	}
}
