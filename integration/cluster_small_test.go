//go:build integration

package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// TestWitnessVotesAndNeverLeads: two nodes for services and a third that only votes. Either
// of the two may be lost; the witness gets no role even when it is the only one left.
func TestWitnessVotesAndNeverLeads(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{Size: 3, Witnesses: []string{"n3"}}, 2*time.Second)
	f.Boot(t)
	witness := f.Member(t, "n3")
	for range trials() {
		before, lives := f.calm(), f.lives()
		f.fault("witness isolated")
		f.Isolate(t, witness)
		f.pass(2)
		f.heal()
		f.unchanged(before, lives)

		f.fault("power cut of the master beside a witness")
		before.master.PowerCut(t)
		after := f.takenOver(before, f.without(before.master))

		f.fault("power cut of the other one")
		after.master.PowerCut(t)
		starts := f.starts()
		f.headless(witness)
		f.pass(2)
		if got := f.starts(); got != starts {
			t.Errorf("%d masterships began on the witness alone, want none", got-starts)
		}
		f.Boot(t, before.master, after.master)
		f.write(history.Heal, "-", "")
		f.settled()
	}
}

// TestTwoNodesHold: without a third voter the incumbent goes on alone and the other one never
// promotes itself, whether it is cut off or the incumbent dead: only a person who knows says
// that the other node is off.
func TestTwoNodesHold(t *testing.T) {
	f := form(t, 2, 2*time.Second)
	for range trials() {
		before := f.calm()
		f.fault("link of two nodes cut")
		f.Isolate(t, before.vice)
		f.pass(3)
		f.heal()
		f.keeps(before)

		f.fault("power cut of the vice of two")
		before.vice.PowerCut(t)
		f.pass(3)
		f.settled(before.master)
		f.Boot(t, before.vice)
		f.keeps(before)

		f.fault("power cut of the master of two")
		before.master.PowerCut(t)
		starts := f.starts()
		f.pass(4)
		if got := f.starts(); got != starts {
			t.Errorf("%d masterships began without a person's word, want none", got-starts)
		}
		f.fault("a person says that it is off")
		before.vice.Run(t, "cssc", "failover", "--fenced", before.master.Name, "--yes")
		after := f.takenOver(before, f.without(before.master))
		f.Boot(t, before.master)
		f.write(history.Heal, "-", "")
		f.keeps(after)
	}
}

// TestFailoverIsRefusedWhileTheOtherIsHeard: the word of a person is not taken against what
// the node itself sees.
func TestFailoverIsRefusedWhileTheOtherIsHeard(t *testing.T) {
	f := form(t, 2, 2*time.Second)
	before, lives := f.calm(), f.lives()
	f.fault("failover against a living master")
	output, code, err := before.vice.Try("cssc", "failover", "--fenced", before.master.Name, "--yes")
	if err != nil || code == 0 || !strings.Contains(output, before.master.Name) {
		t.Errorf("cssc failover against a living master: got status %d (%v)\n%s\nwant a refusal that names it", code, err, output)
	}
	f.unchanged(before, lives)
}
