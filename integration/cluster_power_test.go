//go:build integration

package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// TestPowerCutOfEachRole: the vice takes over from a master that is gone; a vice that is gone
// is replaced; nobody misses a spare. Each comes back without a change of master: no
// fail-back.
func TestPowerCutOfEachRole(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	for range trials() {
		f.powerCut("master", func(s standing) *lab.Node { return s.master })
		f.powerCut("vice", func(s standing) *lab.Node { return s.vice })
		f.powerCut("spare", func(s standing) *lab.Node { return f.spares(s)[0] })
	}
}

// powerCut cuts the power of the node in that role and boots it again.
func (f *fleet) powerCut(role string, which func(standing) *lab.Node) {
	f.t.Helper()
	before := f.calm()
	victim := which(before)
	f.fault("power cut of the %s", role)
	victim.PowerCut(f.t)
	after := f.settled(f.without(victim)...)
	if victim == before.master {
		after = f.takenOver(before, f.without(victim))
	} else if after.master != before.master || after.term != before.term {
		f.t.Errorf("power cut of the %s: %s leads in term %d, want %s in term %d still", role, after.master.Name, after.term, before.master.Name, before.term)
	}
	f.Boot(f.t, victim)
	f.write(history.Heal, "-", "")
	if back := f.settled(); back.master != after.master || back.term != after.term {
		f.t.Errorf("the return of the %s: %s leads in term %d, want %s in term %d still", role, back.master.Name, back.term, after.master.Name, after.term)
	}
}

// TestAllNodesCutReturnOneByOne: the first to come back alone is a minority and leads
// nothing, however long it waits; with the second there is a master, in a higher term.
func TestAllNodesCutReturnOneByOne(t *testing.T) {
	f := form(t, 3, 2*time.Second)
	for range trials() {
		before := f.settled()
		order := slices.Clone(f.Members())
		f.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		f.fault("all nodes cut, back are %s", names(order))
		f.CutPower(t, f.Members()...)
		starts := f.starts()
		f.Boot(t, order[0])
		f.pass(3)
		if got := f.starts(); got != starts {
			t.Errorf("%d masterships began on %s alone, want none", got-starts, order[0].Name)
		}
		f.Boot(t, order[1])
		after := f.settled(order[:2]...)
		if after.term <= before.term {
			t.Errorf("term after the return: got %d, want more than %d", after.term, before.term)
		}
		f.Boot(t, order[2])
		f.write(history.Heal, "-", "")
		if all := f.settled(); all.master != after.master || all.term != after.term {
			t.Errorf("the return of the last: %s leads in term %d, want %s in term %d still", all.master.Name, all.term, after.master.Name, after.term)
		}
	}
}

// starts counts the masterships that ever began.
func (f *fleet) starts() int {
	f.t.Helper()

	return history.Check(f.records(), history.Rules{}).Starts
}

// TestFrozenMasterWakesUpDeposed: every process of the master's node stops for a while, as a
// virtual machine does that is paused while its clock runs on. For a part of the
// lease it changes nothing. Longer, somebody else leads when it wakes up, and what still runs of its
// mastership ends at once: nothing on the node could know before.
func TestFrozenMasterWakesUpDeposed(t *testing.T) {
	f := form(t, 3, time.Second)
	for range trials() {
		for _, leases := range stopsInLeases() {
			before, lives := f.calm(), f.lives()
			f.fault("the master's node is frozen for %v leases", leases)
			before.master.Freeze(t)
			f.write(history.Pause, before.master.Name, "")
			f.pass(leases)
			f.write(history.Resume, before.master.Name, "")
			before.master.Thaw(t)
			f.write(history.Heal, "-", "")
			f.changedIfLong(leases, before, lives)
		}
	}
}
