package fleet

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/levels"
)

// watch checks, after everything that happens, what must hold of the whole cluster while
// nothing has died.
func (w *world) watch() {
	if w.faulty {
		return
	}
	if busy := w.busy(); len(busy) > 1 {
		w.fatal("%v have a turn at once", busy)
	}
}

func (w *world) downCount() int {
	down := 0
	for _, n := range w.nodes {
		if !n.voting() {
			down++
		}
	}

	return down
}

// askCluster asks the master, as an agent hands it over.
func (w *world) askCluster(kind levels.OperationKind, mode levels.Mode) error {
	master := w.node(w.master)
	if master == nil || master.machine == nil {
		return levels.ErrTryAgain
	}
	result := master.machine.Step(w.now, ClusterAsked{Request: levels.OperationRequested{Kind: kind, Mode: mode, By: "uid 0"}, Number: 1_000_000})
	for _, action := range result.Actions {
		master.carryOut(action)
	}

	return result.Err
}

// quiet runs until nothing is in progress any more and fails when that takes too long.
func (w *world) quiet() {
	for range 40 * 60 {
		w.run(time.Second)
		idle := true
		for _, n := range w.nodes {
			idle = idle && n.running == nil && n.plan == nil &&
				(n.machine == nil || n.machine.plan == nil && len(n.machine.asks) == 0 && len(n.machine.questions) == 0)
		}
		if idle {
			return
		}
	}
	text := ""
	for _, n := range w.nodes {
		if n.machine != nil {
			text += n.machine.Describe()
		}
		text += fmt.Sprintf("%s: on %t, left %t, %v, running %v, plan %v\n", n.id, n.on, n.left, n.state, n.running, n.plan)
	}
	w.fatal("something never ends:\n%s", text)
}

// Goal: with one master there is never a second transition, whoever asks for what, also when
// the master itself changes by a switchover or a shutdown. Method: random operations on
// random nodes at random moments, late cards; nobody dies.
func TestNeverTwoTurnsAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSim(t, 3+2*rapid.IntRange(0, 1).Draw(t, "size"))
		kinds := []levels.OperationKind{
			levels.OperationShutdown, levels.OperationDisqualify, levels.OperationQualify, levels.OperationSwitchover,
		}
		for range 12 {
			n := w.nodes[w.choose(len(w.nodes), "node")]
			if n.machine != nil && n.voting() {
				r := levels.OperationRequested{Kind: kinds[w.choose(len(kinds), "kind")], By: "uid 0"}
				if r.Kind == levels.OperationShutdown {
					r.Mode = levels.ModeReboot
				}
				w.note("%v asked of %s", r.Kind, n.id)
				n.request(r, "", nil)
			}
			w.run(time.Duration(w.choose(40, "pause")) * 100 * time.Millisecond)
		}
		w.quiet()
	})
}

// Goal: a rolling reboot of a healthy cluster reboots every node once, one at a time, and is
// done; whoever asks for something meanwhile is refused or waits. Method: as above.
func TestRollingRebootTakesOneAtATime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSim(t, 3+rapid.IntRange(0, 2).Draw(t, "size"))
		if err := w.askCluster(levels.OperationRollingReboot, levels.ModeNone); err != nil {
			w.fatal("asked: %v", err)
		}
		for range 300 {
			w.run(time.Second / 2)
			if w.downCount() > 1 {
				w.fatal("two nodes are down")
			}
			if n := w.nodes[w.choose(len(w.nodes), "node")]; w.choose(10, "ask") == 0 && n.machine != nil {
				n.request(levels.OperationRequested{Kind: levels.OperationDisqualify, By: "uid 7"}, "", nil)
			}
			if w.done > 0 {
				break
			}
		}
		if w.failed > 0 {
			w.fatal("it failed")
		}
		w.quiet()
		for _, n := range w.nodes {
			if n.boot != 2 {
				w.fatal("%s is in boot %d, want every node rebooted once", n.id, n.boot)
			}
		}
	})
}

// Goal: a cluster shutdown takes the vice after the others and the master after the vice, and the
// master has its majority for as long as it serves. Method: order and roles are watched.
func TestClusterShutdownEndsWithTheMaster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSim(t, 2+rapid.IntRange(0, 5).Draw(t, "size"))
		modes := []levels.Mode{levels.ModePoweroff, levels.ModeReboot, levels.ModeHalt}
		vice := w.vice()
		if err := w.askCluster(levels.OperationClusterShutdown, modes[w.choose(len(modes), "mode")]); err != nil {
			w.fatal("asked: %v", err)
		}
		for w.done+w.failed == 0 {
			w.run(50 * time.Millisecond)
			for _, n := range w.nodes {
				served := n.state != levels.StateUp
				if n.id == vice && served {
					w.stopped("the vice is stopping", vice, "n1")
				}
				if n.id == "n1" && served {
					w.stopped("the master is stopping", "n1")
				}
			}
			if w.node("n1").state == levels.StateUp && w.master != "n1" {
				w.fatal("the master has lost its majority before it was asked to stop")
			}
		}
		if w.failed > 0 {
			w.fatal("it failed")
		}
		w.quiet()
	})
}

// stopped demands that every node but some has stopped.
func (w *world) stopped(what string, but ...levels.NodeID) {
	for _, n := range w.nodes {
		excepted := false
		for _, id := range but {
			excepted = excepted || n.id == id
		}
		if !excepted && n.boot == 1 && n.voting() && n.state != levels.StateLeaving {
			w.fatal("%s, and %s is %v", what, n.id, n.state)
		}
	}
}

// Goal: whatever dies at whatever moment, every operation ends, and never are two nodes down
// by a rolling reboot. Method: an operation on the cluster, and power cuts and restarts of
// agents at random moments.
func TestEveryOperationEndsWhateverDies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newSim(t, 3+2*rapid.IntRange(0, 1).Draw(t, "size"))
		kinds := []levels.OperationKind{levels.OperationRollingReboot, levels.OperationClusterShutdown}
		kind := kinds[w.choose(2, "kind")]
		mode := levels.ModeNone
		if kind == levels.OperationClusterShutdown {
			mode = levels.ModeReboot
		}
		if err := w.askCluster(kind, mode); err != nil {
			w.fatal("asked: %v", err)
		}
		for range 1 + w.choose(3, "deaths") {
			w.run(time.Duration(w.choose(400, "moment")) * 100 * time.Millisecond)
			n := w.nodes[w.choose(len(w.nodes), "who")]
			if w.choose(2, "how") == 0 && n.on {
				n.die()
			} else {
				n.restart()
			}
		}
		w.quiet()
		if w.done+w.failed != 1 {
			w.fatal("ended %d times", w.done+w.failed)
		}
	})
}
