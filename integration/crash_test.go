//go:build integration

package integration_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// killsPerSequence is how often the agent dies in init and in shut, on each suite.
const killsPerSequence = 20

// TestKilledAgentRunsNothingTwiceAndLosesNothing sends SIGKILL at random moments of init and
// of shut. The next agent goes on where the last one was: every callback is begun once and
// answered, every member started and stopped once, all in order. CSSC_SEED repeats a run.
func TestKilledAgentRunsNothingTwiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CSSC_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	onEachSuite(t, func(t *testing.T, n *stage) {
		t.Logf("repeat with: CSSC_SEED=%d go test -tags integration -run '%s' ./integration", seed, t.Name())
		random := rand.New(rand.NewPCG(seed, 0))
		n.caller("early", "init:1", "init:3=slow:50ms", "shut:0", "shut:last=slow:50ms")
		n.member("a1", "cssc-init-1.target")
		n.member("a2", "cssc-init-2.target")
		n.member("a3", "cssc-init-3.target")
		n.member("z", "cssc-init-last.target")
		n.momentary("bye", "cssc-shut-1.target")
		n.bootUp()
		shutTime := n.timed("down", "cssc", "shutdown", "--noboot", "--yes", "--no-wait")
		initTime := n.timed("up", "cssc", "start", "--no-wait")
		for round := range killsPerSequence {
			n.forget()
			n.killDuring(random, shutTime, "cssc", "shutdown", "--noboot", "--yes", "--no-wait")
			n.await("State", "down")
			n.afterShut(round)
			n.forget()
			n.killDuring(random, initTime, "cssc", "start", "--no-wait")
			n.await("State", "up")
			n.afterInit(round)
		}
	})
}

// timed carries out a command and says how long it took to the state.
func (n *stage) timed(state string, argv ...string) time.Duration {
	n.t.Helper()
	begin := time.Now()
	n.Run(n.t, argv...)
	n.await("State", state)

	return time.Since(begin)
}

// killDuring kills the agent at a random moment after the command has been accepted.
func (n *stage) killDuring(random *rand.Rand, span time.Duration, argv ...string) {
	n.t.Helper()
	pid := n.agentPID()
	n.Run(n.t, argv...)
	<-time.After(time.Duration(random.Int64N(int64(span)))) // the moment is the test's input
	n.Run(n.t, "kill", "-KILL", pid)
}

func (n *stage) afterInit(round int) {
	n.t.Helper()
	n.once(round, "early begin init:1", "early end init:1", "early begin init:3", "early end init:3",
		"a1 start", "a2 start", "a3 start", "z start")
	n.inOrder(
		group("early end init:1", "a1 start"),
		group("a2 starting"), group("a2 start"),
		group("early begin init:3", "early end init:3", "a3 starting", "a3 start"),
		group("z starting"), group("z start"),
	)
}

func (n *stage) afterShut(round int) {
	n.t.Helper()
	n.once(round, "early begin shut:0", "early end shut:0", "early begin shut:last", "early end shut:last",
		"a1 stop", "a2 stop", "a3 stop", "z stop", "bye start")
	n.inOrder(group("z stop"), group("a3 stopping"), group("a3 stop"), group("a2 stopping"), group("a2 stop"), group("a1 stopping"), group("a1 stop"))
	n.inOrder(group("early end shut:0"), group("z stopping"), group("bye start"), group("a1 stop"), group("early begin shut:last"), group("early terminated"))
}

// once fails unless each line stands in the story exactly once.
func (n *stage) once(round int, words ...string) {
	n.t.Helper()
	lines := n.told()
	for _, one := range words {
		if got := count(lines, one); got != 1 {
			n.t.Fatalf("%s, round %d: got %q %d times, want once; story: %q", n.Suite, round, one, got, lines)
		}
	}
}

// TestRestartsAroundTheAgentLoseNothing: daemon-reload, daemon-reexec and a restart of the
// bus while a level runs.
func TestRestartsAroundTheAgentLoseNothing(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.memberThat("slow", "cssc-init-1.target", "ExecStartPre=/bin/sh -c 'until test -e /etc/go; do sleep 0.1; done'")
		n.member("after", "cssc-init-2.target")
		n.PowerOn(t)
		n.await("Level", "1")
		n.Run(t, "systemctl", "daemon-reload")
		n.Run(t, "systemctl", "daemon-reexec")
		n.Run(t, "systemctl", "restart", "dbus.service")
		n.await("Level", "1")
		n.never("after starting")
		n.WriteFile(t, "/etc/go", "")
		n.await("State", "up")
		n.inOrder(group("slow start"), group("after starting"), group("after start"))
		n.once(0, "slow start", "after start")
	})
}
