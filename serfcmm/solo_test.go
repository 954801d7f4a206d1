package serfcmm

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// soloBubble runs one story of a solo cluster in fake time.
func soloBubble(t *testing.T, start SoloStart, story func(*testing.T, *Solo)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start.Node = "n1"
		s := NewSolo(start)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		}()
		synctest.Wait()
		story(t, s)
		cancel()
		<-done
		if err := s.Release(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("Release after the end = %v, want the context's error", err)
		}
	})
}

func wantRole(t *testing.T, s *Solo, role levels.Role, term levels.Term) {
	t.Helper()
	synctest.Wait()
	got := s.Observe()
	known := role == levels.RoleMaster
	if got.Role.Role != role || got.Role.Term != term || got.Known != known || (got.Role.Master == "n1") != known || s.MayAct(0) != known {
		t.Errorf("observed %+v, may act %v; want %s of term %d", got, s.MayAct(0), role, term)
	}
}

// Goal: an eligible, qualified node is master at once with the next term; a
// restarted one keeps its own. Method: the four starts.
func TestSoloStarts(t *testing.T) {
	cases := []struct {
		start SoloStart
		role  levels.Role
		term  levels.Term
	}{
		{SoloStart{Eligible: true, Qualified: true, Term: 6}, levels.RoleMaster, 7},
		{SoloStart{Eligible: true, Qualified: true, Term: 6, Master: true}, levels.RoleMaster, 6},
		{SoloStart{Eligible: true, Term: 6}, levels.RoleOffline, 6},
		{SoloStart{Qualified: true, Term: 6}, levels.RoleNone, 6},
		{SoloStart{Eligible: true, Qualified: true, Term: 6, Left: true}, levels.RoleSpare, 6},
	}
	for _, c := range cases {
		soloBubble(t, c.start, func(t *testing.T, s *Solo) {
			t.Helper()
			wantRole(t, s, c.role, c.term)
		})
	}
}

// Goal: each release waits twice as long as the one before until the node is
// elected again, up to a minute. Method: ten releases, timed.
func TestSoloBacksOff(t *testing.T) {
	soloBubble(t, SoloStart{Eligible: true, Qualified: true}, func(t *testing.T, s *Solo) {
		t.Helper()
		for i := range 10 {
			wantRole(t, s, levels.RoleMaster, levels.Term(i+1))
			if err := s.Release(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			<-s.Changed()
			for s.Observe().Role.Role != levels.RoleMaster {
				<-s.Changed()
			}
			if got, want := time.Since(begin), min(time.Second<<i, time.Minute); got != want {
				t.Errorf("release %d: elected again after %s, want %s", i+1, got, want)
			}
		}
	})
}

// Goal: a master stays one until it gives the role back, and is not elected
// again while it may not. Method: disqualify, release, wait, qualify; leave, join.
func TestSoloHoldsTheRoleUntilReleased(t *testing.T) {
	soloBubble(t, SoloStart{Eligible: true, Qualified: true}, func(t *testing.T, s *Solo) {
		t.Helper()
		act := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		act(s.SetQualified(t.Context(), false))
		wantRole(t, s, levels.RoleMaster, 1)
		act(s.Release(t.Context(), ""))
		wantRole(t, s, levels.RoleOffline, 1)
		time.Sleep(time.Hour)
		wantRole(t, s, levels.RoleOffline, 1)
		act(s.SetQualified(t.Context(), true))
		wantRole(t, s, levels.RoleMaster, 2)
		act(s.Leave(t.Context()))
		time.Sleep(time.Hour)
		wantRole(t, s, levels.RoleSpare, 2)
		act(s.Join(t.Context()))
		wantRole(t, s, levels.RoleMaster, 3)
	})
}
