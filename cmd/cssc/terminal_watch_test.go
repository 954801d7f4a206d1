package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// TestWatchTakesTheWholeTerminal changes the cluster under a watch and looks at what is on the
// screen: the nodes, a run with its ladder and participants, the events; keys select a node,
// explain it, and show the keys; at the end the terminal is as it was.
func TestWatchTakesTheWholeTerminal(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioCluster(), []string{"NO_COLOR=1", "TZ=UTC"}, "watch")
	r.Shows(`(?s)^plant-7  master n1 ready · vice n2 · term 12 · quorum 4 of 4 *$.*NODE +ROLE.*^  n1 +master.*^▸ n2 +vice.*^── events ─+$`)
	r.Shows(`\d\d:\d\d:\d\d\.\d{3}  init failed, run 7`) // the past
	r.Shows(`^q end   ↑↓ node   Enter why`)

	position := levels.Position{Sequence: levels.Promote, Level: 3}
	r.stage.agent.change(func(status *report) {
		status.Master, status.Vice, status.Term, status.Role, status.MasterReady = "n2", "n3", 13, levels.RoleMaster, false
		status.Run = &levels.RunView{
			Run: 9, Sequence: levels.Promote, Level: 3, Top: 10, Phase: levels.PhaseRunning, Cause: "elected", Term: 13, Started: ago(2 * time.Second),
			Participants: []levels.Participant{{
				Kind: levels.KindMember, Name: "db.service", Position: position, Outcome: levels.OutcomeRunning, Started: ago(time.Second),
			}},
		}
	})
	r.Shows(`(?s)master n2 not ready yet · vice n3 · term 13.*^promote level 3 running  run 9, elected, since .*levels  ✓ 0…2  ▸ 3  · 4…10, last.*… db\.service +member +running`)

	r.Types("\x1b[A\x1b[A") // up, and no further than the first
	r.Shows(`(?s)^▸ n1 .*^● n2 `)
	r.Types("\x1b[B") // down
	r.Shows(`(?s)^  n1 .*^▸ n2 `)
	r.Types("\r")
	r.Shows(`(?s)^── why n2 is as it is ─.*node +n2 is up, init is complete.*it waits for db\.service`)
	r.Types("j")
	r.Shows(`(?s)^▸ n3 .*^── why n3 is as it is ─.*as n3 itself tells it.*node +n3 is initializing`)
	r.Types("?")
	r.Shows(`(?s)^── keys ─.*PgUp PgDn`)
	r.Types("e")
	r.Shows(`^── events ─`)
	r.Types("q")
	r.Exits(exitOK)
	r.Sees(`\x1b\[\?1049l`) // the other screen is back
	if shown := r.Sent(); regexp.MustCompile(`\x1b\[[0-9;]*3[0-7]m`).MatchString(shown) {
		t.Errorf("colour, although it is not wanted: %q", shown)
	}
}

// TestWatchGoesOnOverARestartOfTheAgent: it says that the agent is away, keeps what was so
// before, and goes on when it is back.
func TestWatchGoesOnOverARestartOfTheAgent(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioCluster(), []string{"NO_COLOR=1"}, "watch")
	r.Shows(`master n1 ready`)
	r.stage.stopAgent()
	r.Shows(`(?s)^cssc-agent is not running since .*, tried again.*n1 +master.*the agent of this node is away`)
	if err := r.stage.startAgent("unix:path=" + r.stage.path); err != nil {
		t.Fatal(err)
	}
	r.Shows(`(?s)^plant-7  master n1 ready.*the agent of this node is back`)
	r.Types("\x03")
	r.Exits(exitOK)
}

// TestWatchFitsIntoEveryWindow gives a cluster of more nodes than the window has lines, and makes
// the window small, tiny and large: the selected node is in view, and no line is wrapped.
func TestWatchFitsIntoEveryWindow(t *testing.T) {
	t.Parallel()
	status := scenarioCluster()
	for i := range 40 {
		status.Nodes = append(status.Nodes, levels.NodeView{
			Node: levels.NodeID(fmt.Sprintf("m%02d", i)), Alive: true, InStep: true, Eligible: true, Qualified: true, State: levels.StateUp, Role: levels.RoleSpare,
		})
	}
	r := onTerminal(t, status, []string{"NO_COLOR=1"}, "watch")
	r.Shows(`(?s)^  n1 .*^▸ n2 .*of 44 nodes, ↑↓ for the others`)
	r.Types("G")
	r.Shows(`^▸ m39 `)
	for _, size := range []struct{ rows, columns int }{{12, 40}, {5, 30}, {3, 10}, {50, 120}} {
		r.Resize(size.columns, size.rows)
		if size.rows >= 12 {
			r.Shows(`(?s)^plant-7 .*^▸ m39 .*^q end`)
		}
		r.Shows(`^q end`)
	}
	r.Types("q")
	r.Exits(exitOK)
}

// TestWatchGivesTheTerminalBack when its time is over, and when it is told to end.
func TestWatchGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioCluster(), nil, "watch", "--timeout", "5s")
	r.Shows(`master n1 ready`)
	r.Exits(exitOK)
	r.Sees(`\x1b\[\?1049l`)
	r = onTerminal(t, scenarioCluster(), nil, "watch")
	r.Shows(`master n1 ready`)
	r.Signal(syscall.SIGTERM)
	r.Exits(exitOK)
	r.Sees(`\x1b\[\?1049l`)
}

// TestDoctorOnATerminal shows a verdict, what was found, and behind arrows what to do.
func TestDoctorOnATerminal(t *testing.T) {
	t.Parallel()
	got := screenOf(t, scenarioCutOff(), exitAttention, "doctor")
	for _, want := range []string{
		"PASS agent           cssc-agent 1.2.3 answers: n2 is spare, up\n",
		"FAIL quorum          no quorum: 1 of 4 voters are heard, 3 are needed\n                     → start the agent on the nodes that are missing, or repair the network to them\n",
		"SKIP logind          logind's window not checked: systemd does not answer\n",
		" checks passed, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the screen is\n%s\nwithout %q", got, want)
		}
	}
}

// TestWatchOnADumbTerminalPrintsLines: where the cursor cannot be moved nothing is drawn.
func TestWatchOnADumbTerminalPrintsLines(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioCluster(), []string{"TERM=dumb"}, "watch")
	r.Sees(`Z cluster plant-7 master=n1 |cluster plant-7 master=n1 `)
	r.Signal(syscall.SIGTERM)
	r.Exits(exitOK)
}
