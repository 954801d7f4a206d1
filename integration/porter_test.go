//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// porterFolder is where the example service is, once in each language.
const porterFolder = "contrib/examples/porter"

// porterNote is the note that keeps the doors of a node closed.
const porterNote = "/etc/porter/closed"

func porterLanguages() []string { return []string{"c", "go", "python", "shell"} }

// porters is a cluster of two nodes, one of each suite, with the example service in every
// language on both.
type porters struct {
	*lab.Cluster

	t *testing.T
	// want is what each porter of a node must have written so far, the same in every language.
	want map[string][]string
}

func newPorters(t *testing.T) *porters {
	t.Helper()
	p := &porters{lab.NewCluster(t, lab.ClusterConfig{Size: 2, Extra: lab.WithPython}), t, map[string][]string{}}
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	inC := filepath.Join(top, porterFolder, "c")
	if output, err := exec.CommandContext(t.Context(), "make", "-s", "-C", inC).CombinedOutput(); err != nil {
		t.Fatalf("make -C %s: %v\n%s", inC, err, output)
	}
	programs := map[string]string{
		"porter-c":      filepath.Join(top, "build/porter/porter-c"),
		"porter-go":     lab.BuildProgram(t, "./"+porterFolder+"/go"),
		"porter-python": filepath.Join(top, porterFolder, "python/porter-python"),
		"porter-shell":  filepath.Join(top, porterFolder, "shell/porter-shell"),
	}
	for _, node := range p.Members() {
		node.Copy(t, filepath.Join(top, "build/porter/libcssc/libcssc.so.0"), "/usr/lib/libcssc.so.0")
		for name, program := range programs {
			node.Copy(t, program, "/usr/local/bin/"+name)
		}
		for _, language := range porterLanguages() {
			unit := "porter-" + language + ".service"
			node.Copy(t, filepath.Join(top, porterFolder, language, unit), "/etc/systemd/system/"+unit)
			if err := lab.Enable(node, unit); err != nil {
				t.Fatal(err)
			}
		}
	}

	return p
}

// tells waits until every porter of a node has written these lines, after those before, and
// nothing else; and says whether the doors are open with that term, 0 for closed.
func (p *porters) tells(node *lab.Node, open int, lines ...string) {
	p.t.Helper()
	p.want[node.Name] = append(p.want[node.Name], lines...)
	want, wantDoor := strings.Join(p.want[node.Name], "\n")+"\n", ""
	if open != 0 {
		wantDoor = fmt.Sprintf("term %d\n", open)
	}
	for _, language := range porterLanguages() {
		lab.Eventually(p.t, settleLimit, node.Name+": the porter in "+language, func() error {
			story := node.ReadFile(p.t, "/var/lib/porter-"+language+"/story")
			door := node.ReadFile(p.t, "/run/porter-"+language+"/open")
			if story != want || door != wantDoor {
				return fmt.Errorf("got door %q and story\n%swant door %q and story\n%s", door, story, wantDoor, want)
			}

			return nil
		})
	}
}

// awaits waits until a node's agent says so of itself.
func (p *porters) awaits(node *lab.Node, what string, is func(lab.View) bool) {
	p.t.Helper()
	lab.Eventually(p.t, settleLimit, node.Name+" "+what, func() error {
		view, err := node.View(p.t.Context())
		if err == nil && !is(view) {
			err = fmt.Errorf("it is %+v", view)
		}

		return err
	})
}

// settled waits until a node leads, the other one is up beside it, and the master has heard of it.
func (p *porters) settled(master, vice *lab.Node) {
	p.t.Helper()
	for node, role := range map[*lab.Node]string{master: "master", vice: "vice"} {
		p.awaits(node, "is up as the "+role, func(view lab.View) bool {
			return view.Role == role && view.State == "up" && view.Sequence == ""
		})
	}
	lab.Eventually(p.t, settleLimit, master.Name+" to have heard of it", func() error { return heard(p.t.Context(), master, p.Members()) })
}

// keepClosed puts the note that keeps the doors of a node closed.
func (p *porters) keepClosed(node *lab.Node, reason string) {
	p.t.Helper()
	node.WriteFile(p.t, porterNote, reason+"\nand more\n")
}

// allow takes the note away.
func (p *porters) allow(node *lab.Node) {
	p.t.Helper()
	node.Run(p.t, "rm", porterNote)
}

// registered waits until all porters of a node are registered at all their levels.
func (p *porters) registered(node *lab.Node) {
	p.t.Helper()
	lab.Eventually(p.t, settleLimit, node.Name+": registrations", func() error {
		output, _, err := node.Try("cssc", "registrations")
		// A line a registration, with the name in it twice: of the component and of its unit.
		if got := strings.Count(output, "\tporter-") / 2; err == nil && got < 6*len(porterLanguages()) {
			err = fmt.Errorf("only %d\n%s", got, output)
		}

		return err
	})
}

// TestPorterIsTheSameInEveryLanguage takes the example service, in C, Go, Python and shell at
// the same time on both suites, through init, a failure and its retry, restarts of agent, bus
// and service, switchovers, a promote that fails, and a shutdown. All write the same story.
func TestPorterIsTheSameInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := newPorters(t)
	n1, n2 := p.Members()[0], p.Members()[1]
	p.keepClosed(n1, "the floor is wet")
	p.Boot(t)
	p.tells(n2, 0, "init 0 vice 1 done", "init last vice 1 done") // the vice waits for no master
	p.initFails(n1)
	p.tells(n1, 1, "init 0 master 1 done", "init last master 1 done")
	p.settled(n1, n2)

	// The agent restarts on one node, the bus on the other: everybody is registered again.
	n1.Run(t, "systemctl", "restart", agentUnit)
	n2.Run(t, "systemctl", "restart", "dbus.service")
	p.settled(n1, n2)
	p.registered(n1)
	p.registered(n2)

	n1.Run(t, "cssc", "switchover", "--yes")
	p.tells(n2, 2, "promote 0 master 2 done", "promote last master 2 done")
	p.tells(n1, 0, "demote 0 master 1 done", "promote 0 vice 2 done", "promote last vice 2 done")
	p.settled(n2, n1)

	// A porter that is killed opens again when it is back.
	for _, language := range porterLanguages() {
		n2.Signal(t, "porter-"+language+".service", "KILL")
	}
	p.tells(n2, 2, "start master 2 done")
	p.registered(n2)

	p.promoteFails(n2, n1)

	n1.Run(t, "cssc", "shutdown", "--noboot", "--yes")
	p.awaits(n1, "is down", func(view lab.View) bool { return view.State == "down" })
	p.alike(n1, false, "shut 0")
}

// initFails lets all fail on a node, kills the agent meanwhile, and retries.
func (p *porters) initFails(node *lab.Node) {
	p.t.Helper()
	p.tells(node, 0, "init 0 master 1 failed: the floor is wet")
	p.awaits(node, "is held", func(view lab.View) bool { return view.Phase == "held" })
	told := node.Run(p.t, "cssc", "status")
	for _, language := range porterLanguages() {
		if !strings.Contains(told, "porter-"+language) || !strings.Contains(told, "the floor is wet") {
			p.t.Errorf("cssc status does not say that porter-%s failed and why:\n%s", language, told)
		}
	}
	node.Signal(p.t, agentUnit, "KILL")
	p.allow(node)
	lab.Eventually(p.t, settleLimit, "retry", func() error {
		output, code, err := node.Try("cssc", "sequence", "retry")
		if err == nil && code != 0 {
			err = errors.New(output)
		}

		return err
	})
}

// promoteFails lets the next master refuse: the old one takes over again. The first failure
// cancels what the others were asked for, so that not all of them write that they failed.
func (p *porters) promoteFails(master, other *lab.Node) {
	p.t.Helper()
	p.keepClosed(other, "painting")
	output, code, err := master.Try("cssc", "switchover", "--yes")
	if err != nil || code != 1 || !strings.Contains(output, "gave it up") {
		p.t.Errorf("cssc switchover: status %d (%v), want a failure that says where:\n%s", code, err, output)
	}
	if told := master.Run(p.t, "cssc", "explain", other.Name); !strings.Contains(told, "painting") {
		p.t.Errorf("cssc explain %s does not say why:\n%s", other.Name, told)
	}
	p.awaits(master, "leads again", func(view lab.View) bool { return view.Role == "master" && view.Ready && view.Sequence == "" })
	p.alike(master, true, "demote 0 master ", "promote last master ")
	p.alike(other, false, "demote 0 master ")
	p.allow(other)
}

// maybe are the lines of a promote that fails which some porters write and others do not: who is
// in the middle of a level when the run is canceled, and the vice's run when it is elected again.
var maybe = regexp.MustCompile(`(?m)^(.* failed: painting|promote (0|last) vice [34] done)\n`)

// alike waits until every porter of a node has written the same, with more lines than before
// that begin so, and until all their doors are open, or closed.
func (p *porters) alike(node *lab.Node, open bool, begins ...string) {
	p.t.Helper()
	lab.Eventually(p.t, settleLimit, node.Name+": the same in all languages", func() error {
		stories := map[string]string{}
		for _, language := range porterLanguages() {
			story := node.ReadFile(p.t, "/var/lib/porter-"+language+"/story")
			stories[maybe.ReplaceAllString(story, "")] = language
			if is := node.ReadFile(p.t, "/run/porter-"+language+"/open") != ""; is != open {
				return fmt.Errorf("the door of porter-%s is open: %v, want %v; stories by language: %v", language, is, open, stories)
			}
		}
		if len(stories) != 1 {
			return fmt.Errorf("the stories differ: %v", stories)
		}
		for story := range stories {
			lines := strings.Split(strings.TrimSuffix(story, "\n"), "\n")
			fresh := lines[min(len(p.want[node.Name]), len(lines)):]
			for _, begin := range begins {
				if find(fresh, strings.TrimSpace(begin), 0) < 0 {
					return fmt.Errorf("no line %q in %q", begin, fresh)
				}
			}
			p.t.Logf("%s: %q", node.Name, fresh)
			p.want[node.Name] = lines
		}

		return nil
	})
}
