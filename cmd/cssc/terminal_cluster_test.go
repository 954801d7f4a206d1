package main

import (
	"regexp"
	"strings"
	"testing"
)

// screenOf runs a command at a terminal without colour and returns what it shows, with the
// seconds made equal.
func screenOf(t *testing.T, status *report, exit int, args ...string) string {
	t.Helper()
	r := onTerminal(t, status, []string{"NO_COLOR=1", "TZ=UTC"}, args...)
	r.Exits(exit)

	return regexp.MustCompile(`\b\d+s`).ReplaceAllString(strings.ReplaceAll(r.Sent(), "\r\n", "\n"), "Ns")
}

// TestClusterScreens compares the screens of a cluster that an operator sees: in good order,
// cut off, and with other configurations; each fits into 100 columns.
func TestClusterScreens(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status *report
		exit   int
		args   string
		want   string
	}{
		{"good", scenarioCluster(), exitOK, "status --check", `plant-7  master n1 ready · vice n2 · term 12 · quorum 4 of 4

  NODE  ROLE    STATE         LEVEL          WHY
  n1    master  up            init complete
● n2    vice    up            init complete
  n3    spare   initializing  init 4
  w     none    up            init complete  not eligible: votes only
`},
		{"cut off", scenarioCutOff(), exitAttention, "status --check", `plant-7  no master · no vice · term 12 · no quorum, 1 of 4 voters

  NODE  ROLE   STATE   LEVEL          WHY
  n1           silent                 nothing heard for Ns
● n2    spare  up      init complete
  n3           silent                 nothing heard for Ns
  w            silent                 not seen since the agent started

needs attention
  ! no master is known: no majority: 1 of 4 voters; what runs goes on, nothing new starts; more:
    cssc explain
  ! no quorum: 1 of 4 voters are heard, 3 are needed; missing: n1, n3, w
`},
		{"nodes", scenarioDrift(), exitOK, "nodes", `NODE  ROLE    STATE  LEVEL  VOTE  HEARD  CONFIG   VERSION  ADDRESS
n1    master  up     last   yes   now    same     1.2.3    192.0.2.1:7946
n2    vice    up     last   yes          same     1.2.3    192.0.2.2:7946
n3    spare   up     last   yes   now    differs  1.2.3    192.0.2.3:7946
w     none    up     last   yes   now    differs  1.2.3    192.0.2.4:7946
`},
		{"explain", scenarioCutOff(), exitOK, "explain", `✓ node           n2 is up, init is complete
✓ role           n2 is spare, and can become vice or master
✗ master         no master is known: no majority: 1 of 4 voters
✗ quorum         1 of 4 voters are heard, 3 are needed; missing: n1 (192.0.2.1:7946, silent for
                 Ns), n3 (192.0.2.3:7946, silent for Ns), w (192.0.2.4:7946, not seen since the
                 agent started)
                 → start cssc-agent on the nodes that are missing, or repair the network to them
✓ history        the last run that failed is run 7, init, 2026-11-23 01:00:00: aborted by an
                 operator
                 → cssc history 7; cssc plot 7
`},
		{"history", scenarioUp(), exitOK, "history 7", `init run 7, failed 2.Ns, term 4, 2026-11-23 01:00:00, cause: boot
  aborted by an operator
  level 3  not reached
    ✗ web.service              member    failed  1.Ns  exit status 1
drawn: cssc plot 7   the slowest first: cssc blame 7   as it is now: cssc explain
`},
		{"plot", scenarioUp(), exitOK, "plot 7", `init of n1
Ns · term 4 · 2026-11-23 01:00:00.000 UTC
cause: boot
                                                        ╷Ns        ╷500ms     ╷Ns        ╷1.Ns
n1  master
  init        ✗ failed after Ns · aborted by an opera…  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
   level 3    ✗ web.service Ns failed: exit status 1    ██████████████████████

Failures:
  n1, init: aborted by an operator
  n1, init level 3, member web.service: exit status 1
`},
		{"blame", scenarioUp(), exitOK, "blame 7", `TOOK  NODE  RUN  SEQUENCE  LEVEL  KIND    NAME         OUTCOME   REASON
1.Ns  n1    7    init      3      member  web.service  ✗ failed  exit status 1
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := screenOf(t, c.status, c.exit, strings.Fields(c.args)...)
			if got != c.want {
				t.Errorf("the screen is\n%s\nwant\n%s", got, c.want)
			}
			for line := range strings.Lines(got) {
				if width := len([]rune(strings.TrimSuffix(line, "\n"))); width > 100 {
					t.Errorf("a line of %d columns: %s", width, line)
				}
			}
		})
	}
}

// TestFailoverSaysWhatItRisksAndAsks reads the plan, says no, and then yes.
func TestFailoverSaysWhatItRisksAndAsks(t *testing.T) {
	t.Parallel()
	r := onTerminal(t, scenarioCutOff(), []string{"NO_COLOR=1"}, "failover", "--fenced", "n1")
	r.Sees(`failover from n1 will do this:`)
	r.Sees(`n1 \(192\.0\.2\.1:7946\) counts as off: silent for \d+s`)
	r.Sees(`if n1 is not off, there are two masters: switch its power off first`)
	r.Sees(`Go on\? \[y/N\] $`)
	r.Types("n\r")
	r.Exits(exitFailed)
	r.Sees(`nothing was done`)
	r = onTerminal(t, scenarioUnproven(), []string{"NO_COLOR=1"}, "voter", "reset")
	r.Sees(`then there may be two masters`)
	r.Types("y\r")
	r.Exits(exitOK)
	r.Sees(`this node votes again`)
}
