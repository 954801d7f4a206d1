package agent

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// slowStart is a systemd that takes its time to start and none to stop.
type slowStart struct {
	Units

	seen chan string // has room for all that a test does
}

func (u slowStart) Start(context.Context, levels.StartUnits, func(levels.Member)) ([]levels.Member, error) {
	time.Sleep(time.Second)
	u.seen <- "started"

	return nil, nil
}

func (u slowStart) Stop(context.Context, levels.StopUnits) ([]levels.Member, error) {
	u.seen <- "stopped"

	return nil, nil
}

// Goal: nobody waits for an empty plain target, and yet it ends as it was asked last.
// Method: a start that takes long, a stop and a start right behind it; and a target with
// a member, whose stop may not wait for a start that hangs.
func TestEmptyPlainTargetsKeepTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		members []string
		want    []string
	}{
		"empty":    {nil, []string{"started", "stopped", "started"}},
		"occupied": {[]string{"a.service"}, []string{"stopped", "started", "started"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				units := slowStart{seen: make(chan string, 3)}
				l := &loop{
					Agent: New(Options{}), ports: Ports{Units: units}, works: t.Context(), unitWorks: t.Context(),
					members: map[levels.Target][]string{levels.ReadyTarget(): c.members},
				}
				l.config.Store(&config.Config{})
				l.startUnits(levels.StartUnits{Target: levels.ReadyTarget()})
				synctest.Wait()
				l.stopUnits(levels.StopUnits{Target: levels.ReadyTarget()})
				synctest.Wait()
				l.startUnits(levels.StartUnits{Target: levels.ReadyTarget()})
				l.running.Wait()
				close(units.seen)
				if got := drained(units.seen); !slices.Equal(got, c.want) {
					t.Errorf("systemd saw %q, want %q", got, c.want)
				}
			})
		})
	}
}

// Members is a look at systemd.
func (u slowStart) Members(context.Context) (map[levels.Target][]string, error) {
	u.seen <- "looked"

	return nil, nil
}

// silentSystem is a logind that answers nothing.
type silentSystem struct{ System }

func (silentSystem) Running(context.Context, string) (bool, error) { return true, nil }
func (silentSystem) Stopping(context.Context) (bool, error)        { return false, nil }

func (silentSystem) PreparingForShutdown(context.Context) (bool, error) { return false, errNoLogind }

// Goal: a plain target that is on its way up is not taken for lost. Method: a look right
// behind a start that takes long.
func TestLookWaitsForEmptyPlainTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := slowStart{seen: make(chan string, 2)}
		l := &loop{
			Agent: New(Options{}), ports: Ports{Units: units, System: silentSystem{}}, works: t.Context(), unitWorks: t.Context(),
			open: true, view: &levels.View{},
		}
		l.config.Store(&config.Config{})
		l.startUnits(levels.StartUnits{Target: levels.PlainTarget("spare")})
		l.look()
		l.running.Wait()
		close(units.seen)
		if got, want := drained(units.seen), []string{"started", "looked"}; !slices.Equal(got, want) {
			t.Errorf("systemd saw %q, want %q", got, want)
		}
	})
}

// Goal: a node that is a spare for a moment on its way to be the vice troubles systemd with the
// vice alone, and not while others hurry; what says that a node leads does not wait. Method:
// both starts and the stop between them, at the same instant.
func TestStartOfAnEmptyPlainTargetRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := &orders{}
		l := &loop{
			Agent: New(Options{}), ports: Ports{Units: units}, works: t.Context(), unitWorks: t.Context(), machine: levels.New(levels.Start{}),
		}
		l.config.Store(&config.Config{})
		began := time.Now()
		for _, role := range []levels.Role{levels.RoleSpare, levels.RoleVice} {
			l.startUnits(levels.StartUnits{Target: levels.PlainTarget(role.String())})
			if role == levels.RoleSpare {
				l.stopUnits(levels.StopUnits{Target: levels.PlainTarget(role.String())})
			}
		}
		l.running.Wait()
		if got := units.text(); got != "start vice" || time.Since(began) != plainRest {
			t.Errorf("systemd was asked to %q after %v, want \"start vice\" after %v", got, time.Since(began), plainRest)
		}
		began = time.Now()
		l.stopUnits(levels.StopUnits{Target: levels.PlainTarget("vice")})
		l.startUnits(levels.StartUnits{Target: levels.PlainTarget("master")})
		l.startUnits(levels.StartUnits{Target: levels.ReadyTarget()})
		l.running.Wait()
		if got := units.text(); got != "start vice, stop vice, start master, start ready" || time.Since(began) != 0 {
			t.Errorf("systemd was asked to %q after %v", got, time.Since(began))
		}
		// A member that came meanwhile is stopped, and its target does not come up behind it.
		l.startUnits(levels.StartUnits{Target: levels.PlainTarget("spare")})
		l.members = map[levels.Target][]string{levels.PlainTarget("spare"): {"a.service"}}
		l.stopUnits(levels.StopUnits{Target: levels.PlainTarget("spare")})
		l.running.Wait()
		if got := units.text(); got != "start vice, stop vice, start master, start ready, stop spare" {
			t.Errorf("systemd was asked to %q", got)
		}
	})
}

// orders remembers what systemd was asked for.
type orders struct {
	Units

	mu   sync.Mutex
	said []string
}

func (o *orders) say(verb string, target levels.Target) ([]levels.Member, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, verb+" "+target.String())

	return nil, nil
}

func (o *orders) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()

	return strings.Join(o.said, ", ")
}

func (o *orders) Start(_ context.Context, order levels.StartUnits, _ func(levels.Member)) ([]levels.Member, error) {
	return o.say("start", order.Target)
}

func (o *orders) Stop(_ context.Context, order levels.StopUnits) ([]levels.Member, error) {
	return o.say("stop", order.Target)
}

func drained(from <-chan string) (all []string) {
	for text := range from {
		all = append(all, text)
	}

	return all
}

// Goal: what a turn without an event changes, a problem say, is published soon and not at
// the next occasion. Method: a turn right behind a publication.
func TestTurnBehindAPublicationLeavesTheStatusStale(t *testing.T) {
	l := &loop{Agent: New(Options{}), shownAt: 1}
	l.show(t.Context(), 2, nil)
	if !l.stale.Load() {
		t.Error("the status counts as fresh although nothing was published")
	}
}

// Goal: what gossip tells of another node, that it was locked say, is on the bus soon, and hundreds
// of nodes that it tells of do not keep the agent busy with looking at all of them. Method:
// when the status after the last is due, after an event, after gossip, and without either.
func TestGossipIsShownByTheSizeOfTheTable(t *testing.T) {
	for nodes, want := range map[int]time.Duration{3: 28 * time.Millisecond, 303: 328 * time.Millisecond, 1000: quietPause} {
		l := &loop{Agent: New(Options{}), shownAt: 1, unshown: true}
		l.config.Store(&config.Config{Nodes: make([]config.Node, nodes)})
		if got := l.showDue().Sub(1); got != want {
			t.Errorf("%d nodes: due after %v, want %v", nodes, got, want)
		}
		l.unshown = false
		if got := l.showDue().Sub(1); got != quietPause {
			t.Errorf("%d nodes, nothing happened: due after %v, want %v", nodes, got, quietPause)
		}
		l.eventful, l.unshown = true, true
		if got := l.showDue().Sub(1); got != publishPause {
			t.Errorf("%d nodes, an event: due after %v, want %v", nodes, got, publishPause)
		}
	}
}
