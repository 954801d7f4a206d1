//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// File that all nodes of a cluster share, where the participants of levels write down
	// when they begin and end.
	levelsFile = "/lab/levels"
	// The lease of clusters whose levels a story is about: no fault of it is a matter of
	// time, and other clusters boot beside it.
	calmLease = 3 * time.Second
)

// participant adds a oneshot service to targets that writes down its begin and end for the
// level, as "init:3"; lines are more of its [Service] section.
func (f *fleet) participant(node *lab.Node, name, position, targets, lines string) {
	f.t.Helper()
	write := func(word string) string {
		return fmt.Sprintf("/usr/bin/probe record %s %s %s %s unit=%s\n", levelsFile, node.Name, word, position, name)
	}
	n := &stage{node, f.t}
	n.unit(name+".service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"+
		"ExecStartPre="+write(history.Begin)+"ExecStartPre=/bin/sleep 0.03\n"+lines+"\nExecStart="+write(history.End)+"[Install]\nWantedBy="+targets+"\n")
}

// answerer adds a service of init level 0 that has callbacks at the positions and writes
// down what it is asked, under the node's name; see integration/cmd/probe.
func (f *fleet) answerer(node *lab.Node, positions ...string) {
	f.t.Helper()
	n := &stage{node, f.t}
	n.unit("answerer.service", "[Unit]\nAfter=dbus.service\nStartLimitIntervalSec=0\n[Service]\nType=notify\nTimeoutStartSec=30s\n"+
		"ExecStart=/usr/bin/probe serve "+levelsFile+" "+node.Name+" "+strings.Join(positions, " ")+"\n[Install]\nWantedBy=cssc-init-0.target\n")
}

// shared is the host's name of a file that every node has in /lab.
func (f *fleet) shared(path string) string {
	return filepath.Join(f.Shared(), strings.TrimPrefix(path, "/lab/"))
}

// touch makes an empty shared file; remove takes it away.
func (f *fleet) touch(path string) {
	f.t.Helper()
	if err := os.WriteFile(f.shared(path), nil, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) remove(path string) {
	f.t.Helper()
	if err := os.Remove(f.shared(path)); err != nil {
		f.t.Fatal(err)
	}
}

// levels is the story of levels so far, one line a step without the times.
func (f *fleet) levels() []string {
	f.t.Helper()
	text, err := os.ReadFile(f.shared(levelsFile))
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, words)
	}

	return lines
}

// steps is the same for the judge.
func (f *fleet) steps() []history.Step {
	f.t.Helper()
	file, err := os.Open(f.shared(levelsFile))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	steps, err := history.ReadSteps(file)
	if err != nil {
		f.t.Fatal(err)
	}

	return steps
}

// until waits until the node's agent shows what is wanted.
func (f *fleet) until(node *lab.Node, what string, is func(lab.View) bool) lab.View {
	f.t.Helper()
	var view lab.View
	lab.Eventually(f.t, settleLimit, node.Name+" to be "+what, func() error {
		var err error
		view, err = node.View(context.Background())
		if err == nil && !is(view) {
			err = fmt.Errorf("it is %+v", view)
		}

		return err
	})

	return view
}

// screen is what "cssc status" shows on a node.
func (f *fleet) screen(node *lab.Node) string {
	f.t.Helper()

	return node.Run(f.t, "cssc", "status")
}

// shows waits until "cssc status" on the node shows every one of the words.
func (f *fleet) shows(node *lab.Node, words ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, fmt.Sprintf("cssc status on %s with %q", node.Name, words), func() error {
		screen := f.screen(node)
		for _, word := range words {
			if !strings.Contains(screen, word) {
				return fmt.Errorf("no %q in\n%s", word, screen)
			}
		}

		return nil
	})
}
