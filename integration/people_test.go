//go:build integration

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/integration/terminal"
)

// TestShellsCompleteWhatThereIs: bash and zsh, with a person at the key, and fish offer the nodes,
// runs, units and components of a node by the files that "make install" puts there. When the
// agent is stopped, the key does nothing.
func TestShellsCompleteWhatThereIs(t *testing.T) {
	t.Parallel()
	onEachSuiteWith(t, lab.NodeConfig{Extra: lab.WithShells}, func(t *testing.T, n *stage) {
		n.member("database", "cssc-init-1.target")
		n.caller("naming", "init:1", "shut:0")
		n.WriteFile(t, "/etc/systemd/system/zlater.service", "[Service]\nExecStart=/bin/sleep infinity\n")
		n.WriteFile(t, "/etc/zsh/zshrc", "autoload -Uz compinit && compinit -u\n")
		n.bootUp()
		const forget = "\x15" // what stands in the line
		for _, shell := range []string{"bash -li", "zsh -i"} {
			p := terminal.Start(t, n.Command(t.Context(), 0, append([]string{"env", "TERM=xterm"}, strings.Fields(shell)...)...))
			p.Types("echo rea''dy\n")
			p.Shows(`^ready`)
			for keys, offered := range map[string]string{
				"cssc status \t":                          `cssc status n1`,
				"cssc memb\tdata\t":                       `cssc members database\.service`,
				"cssc attach zl\t--rol\tma\t--level la\t": `cssc attach zlater\.service --role master --level last`,
				"cssc run-callback --component nam\t":     `cssc run-callback --component naming`,
				"cssc plot \t":                            `cssc plot 1`,
			} {
				p.Offers(forget+keys, offered)
			}
		}
		lab.Eventually(t, upLimit, "fish to offer the node", func() error {
			if got := n.Run(t, "fish", "-c", `complete -C "cssc status "`); !strings.Contains(got, "n1\tmaster, up") {
				return fmt.Errorf("it offers %q, want n1 and that it is the master", got)
			}

			return nil
		})
		n.Run(t, "kill", "-STOP", n.agentPID())
		lab.Eventually(t, upLimit, "the key while the agent is stopped", func() error {
			if got := n.Run(t, "cssc", "__complete", "status", ""); got != ":4\n" {
				return fmt.Errorf("the shell is offered %q, want nothing", got)
			}

			return nil
		})
		n.Run(t, "kill", "-CONT", n.agentPID())
	})
}

// sendEntries gives logger one entry after the other; they are separated by empty lines.
const sendEntries = `entry=
while IFS= read -r line; do
  if test -n "$line"; then entry="$entry$line
"; else printf %s "$entry" | logger --journald; entry=; fi
done </var/tmp/entries`

// TestJournalExplainsEveryMessage: the catalogue that systemd itself has compiled knows each of
// our identifiers, and "journalctl -x" shows subject and text under a message of it, its fields
// filled in. Method: the catalogues are read, and a message of each kind is written by logger.
func TestJournalExplainsEveryMessage(t *testing.T) {
	t.Parallel()
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})\nSubject: (.+)$`)
	field := regexp.MustCompile(`@(CSSC_[A-Z_]+)@`)
	var subjects []string
	var entries, ids strings.Builder
	files, _ := filepath.Glob(filepath.Join(top, "contrib/dist/catalog/*.catalog")) // none fails below
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range entry.FindAllStringSubmatch(string(text), -1) {
			subjects = append(subjects, field.ReplaceAllStringFunc(match[2], func(ref string) string { return "VALUE-OF" + strings.Trim(ref, "@") }))
			ids.WriteString(match[1] + "\n")
			entries.WriteString("MESSAGE_ID=" + match[1] + "\nMESSAGE=test\nSYSLOG_IDENTIFIER=explained\n")
			seen := map[string]bool{}
			for _, ref := range field.FindAllStringSubmatch(string(text), -1) {
				if !seen[ref[1]] {
					entries.WriteString(ref[1] + "=VALUE-OF" + ref[1] + "\n")
				}
				seen[ref[1]] = true
			}
			entries.WriteString("\n")
		}
	}
	if len(subjects) < 45 {
		t.Fatalf("only %d entries in the catalogues", len(subjects))
	}
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.WriteFile(t, "/var/tmp/entries", entries.String())
		n.Boot(t)
		n.Run(t, "journalctl", "--update-catalog")
		n.Run(t, "/bin/sh", "-c", sendEntries)
		shown := n.Journal(t, "-x", "-t", "explained")
		for _, subject := range subjects {
			if !strings.Contains(shown, "Subject: "+subject) {
				t.Errorf("journalctl -x does not show %q", subject)
			}
		}
		if left := field.FindString(shown); left != "" {
			t.Errorf("%s is not filled in:\n%s", left, shown)
		}
		listed := n.Run(t, "journalctl", "--list-catalog")
		for id := range strings.FieldsSeq(ids.String()) {
			if !strings.Contains(listed, id+" cssc: ") {
				t.Errorf("journalctl --list-catalog has no %s", id)
			}
		}
	})
}
