//go:build integration

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/cssc-ha/cssc/integration/lab"
)

// typed is one command of a tutorial, and what the text claims that it prints.
type typed struct {
	line    int
	node    string // "all" for each one
	command string
	claims  []string
}

// readTutorial takes the boxes of a text that are marked as console: a prompt begins a command,
// a here-document belongs to it, and all else is what it prints.
func readTutorial(text string) []typed {
	prompt := regexp.MustCompile(`^(n[0-9]+|all)# (.*)$`)
	var all []typed
	inside, until := false, ""
	for number, line := range strings.Split(text, "\n") {
		last := len(all) - 1
		switch begin := prompt.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case until != "":
			all[last].command += "\n" + line
			if line == until {
				until = ""
			}
		case begin != nil:
			all = append(all, typed{line: number + 1, node: begin[1], command: begin[2]})
			if document := regexp.MustCompile(`<<'(\w+)'$`).FindStringSubmatch(line); document != nil {
				until = document[1]
			}
		default:
			all[last].claims = append(all[last].claims, line)
		}
	}

	return all
}

// likeness makes a pattern of a claimed line: spaces, times and what the text leaves out may differ.
func likeness(claim string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.Join(strings.Fields(claim), " "))
	pattern = regexp.MustCompile(`[0-9]+(\\\.[0-9]+)?(ms|s|µs)\b`).ReplaceAllString(pattern, `[0-9.]+(ms|s|µs|m[0-9.]+s)`)
	pattern = regexp.MustCompile(`[0-9]+:[0-9]+(:[0-9]+)?(\\\.[0-9]+)?`).ReplaceAllString(pattern, `[0-9:.]+`)
	pattern = strings.ReplaceAll(pattern, " …", "( .*)?")
	pattern = strings.ReplaceAll(pattern, "…", ".*")

	return regexp.MustCompile("^" + pattern + "$")
}

// disagree says which claimed line the output does not have behind the one before.
func (c typed) disagree(output string) error {
	lines := strings.Split(output, "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	at := 0
	for _, claim := range c.claims {
		if claim = strings.TrimSpace(claim); claim == "" || claim == "…" {
			continue
		}
		found := slices.IndexFunc(lines[at:], likeness(claim).MatchString)
		if found < 0 {
			return fmt.Errorf("no line %q in\n%s", claim, output)
		}
		at += found + 1
	}

	return nil
}

// onTerminal runs a command in a node as a person does.
func onTerminal(ctx context.Context, node *lab.Node, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	process := node.Command(ctx, 0, "/bin/sh", "-c", command)
	process.Env = append(process.Env, "NO_COLOR=1")
	terminal, err := pty.StartWithSize(process, &pty.Winsize{Rows: 50, Cols: 110})
	if err != nil {
		return "", err
	}
	defer func() { _ = terminal.Close() }()
	output, err := io.ReadAll(terminal)
	if errors.Is(err, syscall.EIO) { // the last process on the terminal is gone
		err = nil
	}

	return strings.ReplaceAll(string(output), "\r\n", "\n"), errors.Join(err, process.Wait())
}

// TestTutorialIsTrue types the tutorial, on nodes of both suites, and compares what it claims.
func TestTutorialIsTrue(t *testing.T) {
	t.Parallel()
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(top, "contrib/doc/tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(t)
	for i := range 3 {
		node := l.Node(t, lab.NodeConfig{Suite: lab.Suites()[i%2], Extra: lab.WithPython})
		node.Install(t)
		// Enabling is the reader's first command.
		if err := os.Remove(filepath.Join(node.Root(), "etc/systemd/system/multi-user.target.wants/cssc-agent.service")); err != nil {
			t.Fatal(err)
		}
		node.PowerOn(t)
	}
	for _, node := range l.Nodes() {
		node.WaitBoot(t)
	}
	commands := readTutorial(string(text))
	if len(commands) < 20 {
		t.Fatalf("the tutorial has %d commands", len(commands))
	}
	for _, command := range commands {
		for _, node := range l.Nodes() {
			if command.node == "all" || command.node == node.Name {
				command.try(t, l, node)
			}
		}
	}
}

// try types the command. What only shows something may be looked at again, as a reader does.
func (c typed) try(t *testing.T, l *lab.Lab, node *lab.Node) {
	t.Helper()
	what := fmt.Sprintf("contrib/doc/tutorial.md:%d: %s# %s", c.line, node.Name, c.command)
	if from, to, copies := strings.Cut(strings.TrimPrefix(c.command, "scp "), " "); copies && strings.HasPrefix(c.command, "scp ") {
		carry(t, l, node, from, to)

		return
	}
	look := func() error {
		output, err := onTerminal(t.Context(), node, c.command)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, output)
		}
		t.Logf("%s# %s\n%s", node.Name, c.command, output)

		return c.disagree(output)
	}
	if regexp.MustCompile(`^(cat /|cssc (status|explain|members|registrations|plot))`).MatchString(c.command) {
		lab.Eventually(t, settleLimit, what, look)
	} else if err := look(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// carry is the network between the nodes that the lab lacks: "scp FILE NODE:FILE".
func carry(t *testing.T, l *lab.Lab, from *lab.Node, source, target string) {
	t.Helper()
	name, path, _ := strings.Cut(target, ":")
	for _, node := range l.Nodes() {
		if node.Name == name {
			node.WriteFile(t, path, from.ReadFile(t, source))
			node.Run(t, "chmod", "600", path)
		}
	}
}
