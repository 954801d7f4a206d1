package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// coordinator is cssc with one of its profiles.
type coordinator struct {
	profile string
	// longest is the goal for the median of a take-over.
	longest time.Duration
}

func (c coordinator) name() string { return "cssc-" + c.profile }

func (c coordinator) daemon() (unit, program string) { return agentUnit, "/usr/sbin/cssc-agent" }

func (c coordinator) goal() time.Duration { return c.longest }

func (c coordinator) build(t lab.TB, size int) *lab.Lab {
	cluster := lab.NewCluster(t, lab.ClusterConfig{
		Size: size, Mastership: fmt.Sprintf("profile = %q\nflap_limit = 0\n", c.profile),
	})
	for _, node := range cluster.Members() {
		equip(t, node, "", "cssc-master-0.target")
	}

	return cluster.Lab
}

// rested wants all nodes up, of one opinion, with a vice, and the master's recorder running.
func (c coordinator) rested(ctx context.Context, f *fleet) (*lab.Node, error) {
	var first lab.View
	for i, node := range f.Nodes() {
		view, err := node.View(ctx)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = view
		}
		if view.State != "up" || view.Sequence != "" || view.Headless || view.Master == "" || view.Vice == "" ||
			view.Master != first.Master || view.Vice != first.Vice || view.Term != first.Term {
			return nil, fmt.Errorf("node %s is not at rest: %+v", node.Name, view)
		}
	}
	master, err := f.leading()
	if err == nil && master.Name != first.Master {
		err = fmt.Errorf("the recorder runs on %s, the master is %s", master.Name, first.Master)
	}

	return master, err
}

func (c coordinator) release(t lab.TB, node *lab.Node) { node.Run(t, "cssc", "lock", "--yes") }

func (c coordinator) restore(t lab.TB, node *lab.Node) { node.Run(t, "cssc", "unlock") }

// halt: stopping the agent alone stops no service.
func (c coordinator) halt(t lab.TB, node *lab.Node) {
	node.Run(t, "sh", "-c", "systemctl stop "+agentUnit+"; systemctl stop "+guardUnit+"; systemctl stop 'cssc-*.target' "+leadUnit+"; rm -rf /run/cssc/*")
}

func (c coordinator) forget(t lab.TB, node *lab.Node) {
	node.Run(t, "sh", "-c", "rm -rf /var/lib/cssc/*")
}

// vacancy is how long the cluster was without a master while one handed over, as the agents
// tell their journals: from the first word that the term is released to the first of the
// next master. Nodes share the kernel's clock; ok is false when one of the two is missing.
func (c coordinator) vacancy(f *fleet, since time.Time) (vacant time.Duration, ok bool) {
	said, err := f.journals(since)
	if err != nil {
		return 0, false
	}
	var released, elected time.Time
	for _, one := range said {
		switch {
		case !strings.Contains(one.text, "the cluster has decided"):
		case strings.Contains(one.text, `reason="released`) || strings.Contains(one.text, "reason=released"):
			released = earlier(released, one.at)
		case strings.Contains(one.text, "role=master "):
			elected = earlier(elected, one.at)
		}
	}

	return elected.Sub(released), !released.IsZero() && !elected.IsZero()
}

func earlier(one, other time.Time) time.Time {
	if one.IsZero() || other.Before(one) {
		return other
	}

	return one
}

// guardUnit is the dead-man of the agent.
const guardUnit = "cssc-guard.service"
