package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
