package serfcmm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// ring reads the keyring file of a node as fingerprints.
func (c *cluster) ring(name string) []string {
	c.t.Helper()
	ring, err := keyring.Load(c.members[name].ring)
	c.must(err)
	var all []string
	for _, key := range ring {
		all = append(all, key.String())
	}

	return all
}

// rotated checks that every node has the one key of the report, on disk too, and talks.
func (c *cluster) rotated(report serfcmm.KeyReport, err error) {
	c.t.Helper()
	if err != nil || !report.Complete || len(report.Nodes) != len(c.peers) {
		c.t.Fatalf("rotate = %+v, %v", report, err)
	}
	for _, name := range c.names() {
		if got := c.ring(name); !slices.Equal(got, []string{report.Key}) {
			c.t.Errorf("%s has %v on disk, want the new key %s alone", name, got, report.Key)
		}
		if next := c.names()[(slices.Index(c.names(), name)+1)%len(c.peers)]; !c.reaches(name, next) {
			c.t.Errorf("%s does not reach %s after a rotation", name, next)
		}
	}
}

// Goal: a rotation gives every node one new key, survives a restart of any of them, and
// nobody is lost meanwhile. Method: three rotations of five nodes with 10 % of loss, each
// node restarted afterwards.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		c.network.Trouble(0.1, time.Millisecond)
		for range 3 {
			report, err := c.members["n2"].Keys(t.Context(), serfcmm.KeysRotate, "")
			c.network.Trouble(0, time.Millisecond)
			c.rotated(report, err)
		}
		list, err := c.members["n5"].Keys(t.Context(), serfcmm.KeysList, "")
		if err != nil || !list.Complete || len(list.Nodes[0].Keys) != 1 {
			t.Errorf("list = %+v, %v", list, err)
		}
		for _, name := range c.names() {
			c.members[name].stop()
			c.start(name)
			c.formed(40*time.Second, c.names()...)
		}
	})
}

// Goal: a rotation that cannot reach everybody cuts nobody off: the old key stays in use
// everywhere, the report and Problems say who is missing, and the next rotation cleans up.
// Method: rotate while n3 is down, and while 2|3 are parted; then bring all back and repeat.
func TestRotationWaitsForEverybody(t *testing.T) {
	t.Parallel()
	bubble(t, 5, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		c.members["n3"].stop()
		time.Sleep(10 * time.Second)
		report, err := c.members["n1"].Keys(t.Context(), serfcmm.KeysRotate, "")
		if !errors.Is(err, serfcmm.ErrIncomplete) || report.Complete || report.Nodes[2].Answered || !report.Nodes[3].Answered {
			t.Fatalf("rotate with n3 down = %+v, %v; want it incomplete for want of n3", report, err)
		}
		c.wantProblem("n1", "keys install is incomplete: n3 did not answer")
		c.start("n3")
		c.formed(40*time.Second, c.names()...)
		if !c.reaches("n3", "n1") || !c.reaches("n1", "n3") {
			t.Error("n3 is cut off by a rotation that it missed")
		}
		left, right := []string{host(0), host(1)}, []string{host(2), host(3), host(4)}
		c.network.Partition(left, right, true)
		if _, err := c.members["n5"].Keys(t.Context(), serfcmm.KeysRotate, ""); !errors.Is(err, serfcmm.ErrIncomplete) {
			t.Errorf("rotate during a partition = %v, want ErrIncomplete", err)
		}
		if _, err := c.members["n1"].Keys(t.Context(), serfcmm.KeysRotate, ""); !errors.Is(err, serfcmm.ErrIncomplete) {
			t.Errorf("rotate on the other side = %v, want ErrIncomplete", err)
		}
		c.network.Partition(left, right, false)
		c.formed(time.Minute, c.names()...)
		report, err = c.members["n1"].Keys(t.Context(), serfcmm.KeysRotate, "")
		c.rotated(report, err)
		if problems := c.members["n1"].Problems(); strings.Contains(strings.Join(problems, ""), "incomplete") {
			t.Errorf("problems after the rotation: %q", problems)
		}
	})
}

// Goal: the single steps refuse what would cut nodes off. Method: use of a key that nobody
// has, removal of the one in use, a key that is none, then install, use and remove in order.
func TestKeyStepsAreChecked(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		n1, key := c.members["n1"], keyring.NewKey()
		for _, bad := range [][2]string{
			{serfcmm.KeysUse, key.String()},
			{serfcmm.KeysRemove, c.key.String()},
			{serfcmm.KeysInstall, "c2hvcnQ="},
			{serfcmm.KeysInstall, "not base64"},
			{"burn", ""},
		} {
			if report, err := n1.Keys(t.Context(), bad[0], bad[1]); err == nil {
				t.Errorf("%s %s = %+v, want an error", bad[0], bad[1], report)
			}
		}
		for _, good := range [][2]string{
			{serfcmm.KeysInstall, key.Text()},
			{serfcmm.KeysInstall, key.Text()},
			{serfcmm.KeysUse, key.String()},
			{serfcmm.KeysRemove, c.key.String()},
			{serfcmm.KeysRemove, c.key.String()},
		} {
			report, err := n1.Keys(t.Context(), good[0], good[1])
			if err != nil || !report.Complete {
				t.Fatalf("%s %s = %+v, %v", good[0], good[1], report, err)
			}
		}
		if got := c.ring("n3"); !slices.Equal(got, []string{key.String()}) {
			t.Errorf("n3 has %v, want %s", got, key)
		}
	})
}

// Goal: an unlisted holder of the key does not change keyrings. Method: it rotates.
func TestStrangersDoNotRotate(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		unlisted := c.start("n8", func(o *serfcmm.Options) {
			o.Peers = append([]serfcmm.Peer{{Name: "n8", Address: host(7)}}, c.peers...)
		})
		time.Sleep(10 * time.Second)
		if report, err := unlisted.Keys(t.Context(), serfcmm.KeysRotate, ""); err == nil {
			t.Errorf("an unlisted node rotates: %+v", report)
		}
		for _, name := range c.names() {
			if got := c.ring(name); !slices.Equal(got, []string{c.key.String()}) {
				t.Errorf("%s has %v, want the old key alone", name, got)
			}
		}
	})
}
