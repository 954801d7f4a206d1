//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// File of a node where everything in a node writes down what happens to it, in order.
	storyFile = "/var/log/story"
	// Bound of the way from power on, or from an operator's command, to a state.
	upLimit = 60 * time.Second
)

// stage is a node with cssc and the recorder installed.
type stage struct {
	*lab.Node
	t *testing.T
}

// onEachSuite runs a story on systemd 252 and on 257, in parallel with others.
func onEachSuite(t *testing.T, story func(t *testing.T, n *stage)) {
	t.Helper()
	onEachSuiteWith(t, lab.NodeConfig{}, story)
}

func onEachSuiteWith(t *testing.T, config lab.NodeConfig, story func(t *testing.T, n *stage)) {
	t.Helper()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := &stage{lab.New(t).Node(t, lab.NodeConfig{Suite: suite, Extra: config.Extra}), t}
			n.Install(t)
			n.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
			story(t, n)
		})
	}
}

// config writes the configuration file.
func (n *stage) config(text string) { n.WriteFile(n.t, "/etc/cssc/cssc.toml", text) }

// unit writes a unit file of /etc and enables it, in a node that runs or that is off.
func (n *stage) unit(name, text string) {
	n.t.Helper()
	n.WriteFile(n.t, "/etc/systemd/system/"+name, text)
	if n.Running() {
		n.Run(n.t, "systemctl", "enable", name)

		return
	}
	if err := lab.Enable(n.Node, name); err != nil {
		n.t.Fatalf("enable %s: %v", name, err)
	}
}

// member adds a oneshot service that records its start and its stop as "NAME start" and
// "NAME stop"; each takes a moment, so that what does not wait is seen.
func (n *stage) member(name, targets string) {
	n.t.Helper()
	n.memberThat(name, targets, "")
}

// memberThat is member with more lines for its [Service] section.
func (n *stage) memberThat(name, targets, lines string) {
	n.t.Helper()
	write := func(word string) string { return fmt.Sprintf("/usr/bin/probe record %s %s %s", storyFile, name, word) }
	n.unit(name+".service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"+
		"ExecStart="+write("starting")+"\nExecStart=/bin/sleep 0.05\nExecStart="+write("start")+"\n"+
		"ExecStop="+write("stopping")+"\nExecStop=/bin/sleep 0.05\nExecStop="+write("stop")+"\n"+
		lines+"\n[Install]\nWantedBy="+targets+"\n")
}

// momentary adds a oneshot service that records its start and is over then, as fits the
// targets of shut, promote, demote, qualify and disqualify.
func (n *stage) momentary(name, targets string) {
	n.t.Helper()
	n.unit(name+".service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/usr/bin/probe record "+storyFile+" "+name+
		" start\n[Install]\nWantedBy="+targets+"\n")
}

// caller adds a service of init level 0 that registers callbacks; see integration/cmd/probe
// for the positions.
func (n *stage) caller(name string, positions ...string) {
	n.t.Helper()
	n.callerThat(name, "", positions...)
}

// callerThat is caller with more lines for its [Service] section.
func (n *stage) callerThat(name, lines string, positions ...string) {
	n.t.Helper()
	// The bus must still be there when the service is stopped.
	n.unit(name+".service", "[Unit]\nAfter=dbus.service\nStartLimitIntervalSec=0\n"+
		"[Service]\nType=notify\nTimeoutStartSec=30s\nExecStart=/usr/bin/probe serve "+storyFile+" "+name+" "+
		strings.Join(positions, " ")+"\n"+lines+"\n[Install]\nWantedBy=cssc-init-0.target\n")
}

// told returns the story so far, without the times.
func (n *stage) told() []string {
	n.t.Helper()
	var lines []string
	for line := range strings.Lines(n.ReadFile(n.t, storyFile)) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, words)
	}

	return lines
}

// end asks the node to end, by a command whose connection may break before it answers.
func (n *stage) end(argv ...string) {
	n.t.Helper()
	output, code, err := n.Try(argv...)
	n.t.Logf("%s: %v: status %d (%v) %s", n.Suite, argv, code, err, output)
}

// forget empties the story.
func (n *stage) forget() { n.WriteFile(n.t, storyFile, "") }

// find returns the place of the first line from a place on that begins with words, -1 when
// there is none.
func find(lines []string, words string, from int) int {
	for i := max(from, 0); i < len(lines); i++ {
		if lines[i] == words || strings.HasPrefix(lines[i], words+" ") {
			return i
		}
	}

	return -1
}

// count says how many lines begin with words.
func count(lines []string, words string) int {
	number := 0
	for at := find(lines, words, 0); at >= 0; at = find(lines, words, at+1) {
		number++
	}

	return number
}

// inOrder fails unless the story has all groups in that order: everything of one group
// before anything of the next. Within a group any order is right.
func (n *stage) inOrder(groups ...[]string) {
	n.t.Helper()
	lines := n.told()
	last, where := -1, ""
	for _, group := range groups {
		highest, highestWords := last, where
		for _, words := range group {
			at := find(lines, words, 0)
			switch {
			case at < 0:
				n.t.Fatalf("story on %s: got no %q in\n%s", n.Suite, words, strings.Join(lines, "\n"))
			case at <= last:
				n.t.Fatalf("story on %s: got %q before %q, want it after; all:\n%s", n.Suite, words, where, strings.Join(lines, "\n"))
			case at > highest:
				highest, highestWords = at, words
			}
		}
		last, where = highest, highestWords
	}
}

// never fails when the story has a line that begins with words.
func (n *stage) never(words string) {
	n.t.Helper()
	lines := n.told()
	if at := find(lines, words, 0); at >= 0 {
		n.t.Fatalf("story on %s: got %q at line %d, want none; all:\n%s", n.Suite, lines[at], at+1, strings.Join(lines, "\n"))
	}
}

// property reads a property of the agent's manager object, as busctl prints it.
func (n *stage) property(name string) (string, error) {
	if !n.Running() {
		return "", errors.New("the node is off")
	}
	output, code, err := n.Try("busctl", "--timeout=5", "get-property", "org.cssc.Agent1", "/org/cssc/Agent1",
		"org.cssc.Agent1.Manager", name)
	if err == nil && code != 0 {
		err = fmt.Errorf("busctl get-property %s: %s", name, strings.TrimSpace(output))
	}
	_, value, _ := strings.Cut(strings.TrimSpace(output), " ")

	return strings.Trim(value, `"`), err
}

// await waits until a property has a value.
func (n *stage) await(name, want string) {
	n.t.Helper()
	lab.Eventually(n.t, upLimit, fmt.Sprintf("%s: property %s to be %q", n.Suite, name, want), func() error {
		got, err := n.property(name)
		if err == nil && got != want {
			err = fmt.Errorf("got %q; story:\n%s", got, strings.Join(n.told(), "\n"))
		}

		return err
	})
}

// awaitTold waits until the story has a line.
func (n *stage) awaitTold(words string) {
	n.t.Helper()
	lab.Eventually(n.t, upLimit, fmt.Sprintf("%s: %q in the story", n.Suite, words), func() error {
		lines := n.told()
		if find(lines, words, 0) < 0 {
			return fmt.Errorf("only\n%s", strings.Join(lines, "\n"))
		}

		return nil
	})
}

// active says whether systemd calls the unit active.
func (n *stage) active(unit string) bool {
	n.t.Helper()
	output, _, err := n.Try("systemctl", "is-active", unit)
	if err != nil {
		n.t.Fatal(err)
	}

	return strings.TrimSpace(output) == "active"
}

// agentPID is the main process of the agent as the node counts; 0 while there is none.
func (n *stage) agentPID() string {
	n.t.Helper()

	return strings.TrimSpace(n.Run(n.t, "systemctl", "show", "-P", "MainPID", "cssc-agent.service"))
}

// group collects lines for inOrder.
func group(words ...string) []string { return words }

// bootUp boots the node and waits until init is complete.
func (n *stage) bootUp() {
	n.t.Helper()
	n.Boot(n.t)
	n.await("State", "up")
}
