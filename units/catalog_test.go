package units

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// TestMembersAreReadAgainOnlyAfterAChange counts how often the targets are read: systemd must
// say that it has read its files, with a signal or with its stamp.
func TestMembersAreReadAgainOnlyAfterAChange(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.loaded = 1
	f.target("cssc-init-0.target", map[string]*fakeUnit{"a.service": {}})
	d := newDriver(t, f)
	<-d.Changed() // the connection
	look := func(why string, reads int) map[levels.Target][]string {
		t.Helper()
		f.set(func() { f.calls = nil })
		members, err := d.Members(limited(t))
		if err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		if got := f.count("GetAll"); got != reads {
			t.Errorf("%s: %d targets were read, want %d", why, got, reads)
		}

		return members
	}
	look("at first", 1)
	delete(look("once more", 0), level(0)) // what is handed out is the caller's
	f.set(func() { f.units["cssc-init-0.target"].state.wants = []string{"a.service", "b.service"} })
	f.emit(systemdManager + ".UnitFilesChanged")
	<-d.Changed()
	if got := strings.Join(look("files have changed", 1)[level(0)], " "); got != "a.service b.service" {
		t.Errorf("members: got %s", got)
	}
	f.emit(systemdManager+".Reloading", false)
	<-d.Changed()
	look("reloaded", 1)
	f.set(func() { f.mute, f.loaded = true, 2 })
	look("reloaded without a word", 1)
	look("and no more", 0)
	d.catalog.mu.Lock()
	d.catalog.until = time.Now()
	d.catalog.mu.Unlock()
	look("a minute later", 1)
	f.set(func() { f.loaded = 0 })
	look("no stamp", 1)
	look("still none", 1)
}

// TestAStartCostsFewCalls has one call for each thing that must be known: what the target
// wants, the jobs, and in the end how the members are. Nor does a stop read more.
func TestAStartCostsFewCalls(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.target("cssc-init-0.target", map[string]*fakeUnit{"a.service": {hold: true}, "b.service": {hold: true}})
	f.target("cssc-spare.target", nil)
	d := newDriver(t, f)
	want := func(what, calls string) {
		t.Helper()
		var got []string
		for _, call := range f.log() {
			method, _, _ := strings.Cut(call, " ")
			got = append(got, method)
		}
		if got = slices.Compact(got); strings.Join(got, " ") != calls { // on a busy machine it may look twice
			t.Errorf("%s: called %v, want %s", what, got, calls)
		}
		f.set(func() { f.calls = nil })
	}
	<-d.Changed()
	f.set(func() { f.calls = nil })
	w := background(t, func(ctx context.Context, tell func(levels.Member)) ([]levels.Member, error) {
		return d.Start(ctx, levels.StartUnits{Target: level(0)}, tell)
	})
	f.called(t, "EnqueueUnitJob", 1)
	f.finish("a.service")
	f.finish("b.service")
	wantMembers(t, w.wait(t), map[string]string{"a.service": "done", "b.service": "done"})
	want("start", "GetAll EnqueueUnitJob ListUnitsByNames")
	if _, err := d.Stop(limited(t), levels.StopUnits{Target: level(0)}); err != nil {
		t.Fatal(err)
	}
	want("stop", "GetAll ListUnitsByNames EnqueueUnitJob ListUnitsByNames EnqueueUnitJob")
	plain := levels.PlainTarget("spare")
	if _, err := d.Start(limited(t), levels.StartUnits{Target: plain}, nil); err != nil {
		t.Fatal(err)
	}
	want("start of an empty target", "GetAll EnqueueUnitJob")
	if _, err := d.Stop(limited(t), levels.StopUnits{Target: plain}); err != nil {
		t.Fatal(err)
	}
	want("stop of an empty target", "GetAll EnqueueUnitJob")
}
