//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"github.com/cssc-ha/cssc/integration/lab"
)

// person types into an interactive shell of a node and looks at what it shows.
type person struct {
	n        *stage
	terminal *os.File
	mu       sync.Mutex // guards shown
	shown    []byte
}

// sitsAt starts the shell on a terminal of its own; it ends with the test.
func (n *stage) sitsAt(shell ...string) *person {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	process := n.Command(ctx, 0, shell...)
	terminal, err := pty.StartWithSize(process, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		cancel()
		n.t.Fatalf("%v on a terminal: %v", shell, err)
	}
	p := &person{n: n, terminal: terminal}
	read := make(chan struct{})
	go func() { // until the terminal is closed
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			count, err := terminal.Read(buffer)
			p.mu.Lock()
			p.shown = append(p.shown, buffer[:count]...)
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	n.t.Cleanup(func() {
		cancel()
		_ = process.Wait()
		_ = terminal.Close()
		<-read
	})

	return p
}

// types forgets what was shown, types, and waits until the shell shows what is wanted.
func (p *person) types(keys, wanted string) {
	p.n.t.Helper()
	p.mu.Lock()
	p.shown = nil
	p.mu.Unlock()
	if _, err := p.terminal.WriteString(keys); err != nil {
		p.n.t.Fatal(err)
	}
	pattern := regexp.MustCompile(wanted)
	lab.Eventually(p.n.t, upLimit, fmt.Sprintf("%s: the shell after %q", p.n.Suite, keys), func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if shown := strings.NewReplacer("\a", "", "\r", "").Replace(string(p.shown)); !pattern.MatchString(shown) {
			return fmt.Errorf("it shows %q, want %q", shown, wanted)
		}

		return nil
	})
}

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
		const anew = "\x15" // what stands in the line is forgotten
		for _, shell := range [][]string{{"bash", "-li"}, {"zsh", "-i"}} {
			p := n.sitsAt(shell...)
			p.types("echo rea''dy\n", `ready\n`)
			p.types("cssc status \t", `cssc status n1 `)
			p.types(anew+"cssc memb\t", `cssc members $`)
			p.types("data\t", `base.service `)
			p.types(anew+"cssc attach zl\t", `cssc attach zlater.service `)
			p.types("--rol\t", `e `)
			p.types("ma\t", `ster `)
			p.types("--level la\t", `st `)
			p.types(anew+"cssc run-callback --component nam\t", `naming `)
			p.types(anew+"cssc plot \t", `cssc plot 1 `)
		}
		if got := n.Run(t, "fish", "-c", `complete -C "cssc status "`); !strings.Contains(got, "n1\tmaster, up") {
			t.Errorf("fish offers %q, want n1 and that it is the master", got)
		}
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
		n.Run(t, "journalctl", "--sync")
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
