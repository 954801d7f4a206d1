//go:build integration

package integration_test

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
)

// furnish gives a node that is off ten services that take their time: some at levels, some
// with the role, and two components with callbacks. One of these comes late, so that init
// waits for it.
func (f *fleet) furnish(node *lab.Node) {
	f.t.Helper()
	n := &stage{node, f.t}
	for name, unit := range map[string]struct {
		target      string
		start, stop string
	}{
		"clock":      {"cssc-init-0.target", "0.2", "0.1"},
		"logs":       {"cssc-init-0.target", "0.3", "0.1"},
		"storage":    {"cssc-init-2.target", "0.5", "0.3"},
		"web":        {"cssc-init-3.target", "0.4", "0.2"},
		"postgresql": {"cssc-master-3.target", "0.6", "0.4"},
		"billing":    {"cssc-master-5.target", "0.3", "0.2"},
		"reports":    {"cssc-master-5.target", "0.2", "0.1"},
		"standby":    {"cssc-vice-3.target", "0.3", "0.2"},
	} {
		n.unit(name+".service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep "+unit.start+
			"\nExecStop=/bin/sleep "+unit.stop+"\n[Install]\nWantedBy="+unit.target+"\n")
	}
	n.WriteScript(f.t, "/usr/lib/story/turn", "#!/bin/sh\nif test -e /run/fail-$CSSC_COMPONENT-$CSSC_SEQUENCE; then echo 'no space left' >&2; exit 1; fi\nexec sleep 0.25\n")
	for name, positions := range map[string]string{
		"naming": "--init 0 --init last --promote 0 --promote last --demote 0 --demote last --shut last",
		"config": "--init 1 --promote 2 --demote 0 --shut 1",
	} {
		delay := "0"
		if name == "config" {
			delay = "2"
		}
		n.unit(name+".service", "[Unit]\nAfter=cssc-agent.service\n[Service]\nType=notify\nExecStartPre=/bin/sleep "+delay+
			"\nExecStart=/usr/bin/cssc run-callback --component "+name+" "+positions+" -- /usr/lib/story/turn\n[Install]\nWantedBy=multi-user.target\n")
	}
}

// drawing is the document of cssc plot.
type drawing struct {
	Title    string `json:"title"`
	NotShown []struct {
		Node string `json:"node"`
	} `json:"not_shown"`
	Runs []levels.RunRecord `json:"runs"`
}

// text says what is in it.
func (d drawing) text() string {
	list := []string{d.Title}
	for _, run := range d.Runs {
		list = append(list, fmt.Sprintf("%s %v %s", run.Node, run.Sequence, run.Outcome))
	}
	for _, node := range d.NotShown {
		list = append(list, node.Node+" not shown")
	}

	return strings.Join(list, "; ")
}

// has says whether such a run is in it.
func (d drawing) has(node *lab.Node, sequence levels.Sequence) bool {
	return slices.ContainsFunc(d.Runs, func(run levels.RunRecord) bool {
		return string(run.Node) == node.Name && run.Sequence == sequence
	})
}

// drawn asks the node to draw the transition of its newest run of the sequence, and keeps the
// picture with the test's artifacts.
func (f *fleet) drawn(node *lab.Node, sequence levels.Sequence, name string) drawing {
	f.t.Helper()
	var runs []levels.RunRecord
	f.decode(node.Run(f.t, "cssc", "history", "-n", "0", "--json"), &runs)
	index := slices.IndexFunc(runs, func(run levels.RunRecord) bool { return run.Sequence == sequence })
	if index < 0 {
		f.t.Fatalf("%s has no run of %v in its history", node.Name, sequence)
	}
	number := strconv.FormatUint(uint64(runs[index].Run), 10)
	var document drawing
	f.decode(node.Run(f.t, "cssc", "plot", number, "--json"), &document)
	picture := node.Run(f.t, "cssc", "plot", number)
	for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			f.t.Fatalf("%s drew what is no XML: %v\n%s", node.Name, err, picture)
		}
	}
	file := filepath.Join(f.t.ArtifactDir(), name+"-by-"+node.Name+".svg")
	if err := os.WriteFile(file, []byte(picture), 0o644); err != nil {
		f.t.Fatal(err)
	}

	return document
}

func (f *fleet) decode(text string, into any) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		f.t.Fatalf("%v: %s", err, text)
	}
}

// TestTransitionsAreDrawnByEveryNode: the init of a cluster, a switchover, a take-over whose
// first candidate fails, each drawn by every node that is there: with the runs of all nodes
// that took part, the same whoever draws, and without the node that is off, which is named.
func TestTransitionsAreDrawnByEveryNode(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{
		Size: 3, More: "\n[[component]]\nname = \"config\"\nrequired = [\"init:1\"]\n",
	}, 2*time.Second)
	for _, node := range f.Members() {
		f.furnish(node)
	}
	f.Boot(t)
	first := f.calm()
	for _, node := range f.Members() {
		picture := f.drawn(node, levels.Init, "init")
		if !picture.has(first.master, levels.Init) || !picture.has(first.vice, levels.Init) || len(picture.NotShown) > 0 {
			t.Errorf("init, drawn by %s: got %s", node.Name, picture.text())
		}
	}

	f.fault("switchover")
	first.master.Run(t, "cssc", "switchover", "--yes")
	second := f.calm()
	want := ""
	for _, node := range []*lab.Node{first.master, first.vice} {
		sequence := levels.Demote
		if node == first.vice {
			sequence = levels.Promote
		}
		picture := f.drawn(node, sequence, "switchover")
		if want = cmp.Or(want, picture.text()); picture.text() != want {
			t.Errorf("switchover, drawn by %s: got %s, want as the other: %s", node.Name, picture.text(), want)
		}
		if picture.Title != fmt.Sprintf("switchover from %s to %s", first.master.Name, second.master.Name) ||
			!picture.has(first.master, levels.Demote) || !picture.has(second.master, levels.Promote) || !picture.has(second.vice, levels.Promote) ||
			picture.has(first.master, levels.Init) || picture.has(first.vice, levels.Init) {
			t.Errorf("switchover, drawn by %s: got %s", node.Name, picture.text())
		}
	}
	if blamed := second.master.Run(t, "cssc", "blame", "--all"); !strings.Contains(blamed, "postgresql.service") {
		t.Errorf("blame of the switchover: got\n%s", blamed)
	}

	f.fault("the master is lost and the vice fails")
	third := f.spares(second)[0]
	second.vice.Run(t, "touch", "/run/fail-naming-promote")
	second.master.PowerCut(t)
	lab.Eventually(t, settleLimit, third.Name+" to lead", func() error {
		view, err := third.View(t.Context())
		if err == nil && (view.Role != "master" || view.Sequence != "") {
			err = fmt.Errorf("it is %s, in sequence %q", view.Role, view.Sequence)
		}

		return err
	})
	picture := f.drawn(third, levels.Promote, "failover")
	if picture.Title != fmt.Sprintf("failover from %s to %s", second.vice.Name, third.Name) || len(picture.NotShown) != 1 {
		t.Errorf("failover, drawn by %s: got %s", third.Name, picture.text())
	}
}
