package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/units"
)

const (
	// A limit: limitDoctor bounds the whole, limitOther one question to another node.
	limitDoctor = time.Minute
	limitOther  = 3 * time.Second
	// So many answers are compared for the quickest.
	readings = 3
	// The lease clocks of two nodes are compared over at least this time.
	clockSpan = time.Second
)

// facts gathers what the checks look at. What cannot be had is not known, and why.
func (a *app) facts(ctx context.Context) doctor.Facts {
	facts := doctor.Facts{CLI: version, Root: os.Geteuid() == 0}
	loaded, err := config.Load(configDir)
	facts.Config = doctor.Of(loaded, err)
	if invalid, ok := errors.AsType[*config.InvalidError](err); ok {
		for _, problem := range invalid.Problems {
			facts.ConfigProblems = append(facts.ConfigProblems, problem.String())
		}
	}
	if err == nil {
		ring, err := keyring.Load(loaded.Security.Keyring)
		facts.Keyring = doctor.Of(len(ring), err)
		for _, found := range a.graph(units.LaddersOf(loaded.Levels)) {
			facts.Units = append(facts.Units, doctor.Unit{Name: found.Key, Text: found.Text})
		}
	}
	members, err := a.agentFacts(ctx, &facts)
	if err != nil {
		facts.Agent.Why, facts.Keys.Why, facts.Members.Why = err.Error(), noAnswer, noAnswer
		_, facts.Reach = classify(err)
		facts.Reach = slices.DeleteFunc(facts.Reach, func(hint string) bool {
			return strings.Contains(hint, "cssc doctor") || strings.HasPrefix(hint, "look at it") // the doctor says so itself
		})
	}
	host, limits := a.host(ctx, hostQuestion{members: members, address: ownAddress(loaded)})
	if facts.Host = host; facts.Members.Why == "" {
		facts.Members = limits
	}

	return facts
}

const noAnswer = "the agent does not answer"

// agentFacts asks the agent, and by way of it the other nodes, and returns the units that take
// part; the error is that it does not answer.
func (a *app) agentFacts(ctx context.Context, facts *doctor.Facts) ([]levels.MemberView, error) {
	agent, err := a.dial(ctx, a.address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = agent.Close() }()
	asking, cancel := context.WithTimeout(ctx, limitCall)
	defer cancel()
	status, err := agent.Status(asking)
	if errors.Is(err, errNoAgent) {
		return nil, errNoAgent // what the bus says of it helps nobody
	}
	if err != nil {
		return nil, err
	}
	for i, node := range status.Nodes {
		status.Nodes[i].Barred = barredWords(node) != "" // which does not travel
	}
	facts.Agent.Value = doctor.Agent{
		Version: status.Version, Node: status.Node, State: status.State, Role: status.Role, Master: status.Master, Vice: status.Vice,
		Election: status.Election, Quorate: status.Quorate, Voters: status.Voters, VotersHeard: status.VotersHeard,
		Nodes: status.Nodes, Attention: ownAttention(status),
	}
	if !several(status) {
		return status.Members, nil
	}
	var keys sync.WaitGroup // which wait for nodes that are away
	keys.Go(func() {
		limited, cancel := context.WithTimeout(ctx, limitKeys)
		defer cancel()
		list, err := agent.Keys(limited, levels.KeyRequest{Verb: levels.KeysList})
		facts.Keys = doctor.Of(list, err)
	})
	facts.Others = a.others(ctx, agent, status)
	keys.Wait()

	return status.Members, nil
}

// ownAttention is what waits for an operator on the node itself: what is the matter with the
// cluster as a whole, checks of their own tell.
func ownAttention(status *report) []string {
	alone := *status
	alone.Nodes, alone.Headless, alone.Quorate, alone.Why = nil, false, true, ""

	return attention(&alone)
}

// others asks every node that is heard, twice, so that the rates of the clocks can be compared.
func (a *app) others(ctx context.Context, agent agentPort, status *report) []doctor.Other {
	first := map[levels.NodeID]reading{}
	begun := a.boot()
	for _, node := range status.Nodes {
		if !node.Self && node.Alive {
			first[node.Node] = a.read(ctx, agent, node.Node)
		}
	}
	if len(first) > 0 {
		rest(ctx, clockSpan-a.boot().Sub(begun))
	}
	var others []doctor.Other
	for _, node := range status.Nodes {
		before, asked := first[node.Node]
		if !asked {
			continue
		}
		other := doctor.Other{Node: node.Node}
		switch {
		case before.err != nil:
			other.Why = strings.TrimPrefix(before.err.Error(), "status of "+string(node.Node)+": ")
		default:
			other.Attention = ownAttention(before.status)
			other.Clock = compared(before, a.read(ctx, agent, node.Node))
		}
		others = append(others, other)
	}

	return others
}

// rest waits; a context that ends wakes it.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reading is one answer of another node, with this node's lease clock and calendar around it.
type reading struct {
	status      *report
	err         error
	sent, came  int64
	calendarNow time.Time // when it came
}

// read asks the node a few times and keeps the quickest answer: it tells most of the clocks.
func (a *app) read(ctx context.Context, agent agentPort, node levels.NodeID) reading {
	ctx, cancel := context.WithTimeout(ctx, limitOther)
	defer cancel()
	var best reading
	for try := range readings {
		r := reading{sent: a.lease()}
		r.status, r.err = agent.NodeStatus(ctx, string(node))
		r.came, r.calendarNow = a.lease(), a.now()
		if errors.Is(r.err, context.DeadlineExceeded) {
			r.err = fmt.Errorf("no answer within %v", limitOther)
		}
		if try == 0 || (r.err == nil && (best.err != nil || r.took() < best.took())) {
			best = r
		}
		if r.err != nil && !errors.Is(r.err, levels.ErrBusy) {
			break
		}
	}

	return best
}

func (r reading) took() time.Duration { return time.Duration(r.came - r.sent) }

// compared is what two readings tell of the node's clocks: its answer was written at some time
// between question and answer, and nothing else is known of the way.
func compared(one, two reading) doctor.Known[doctor.Clock] {
	switch {
	case two.err != nil:
		return doctor.Known[doctor.Clock]{Why: two.err.Error()}
	case one.status.Clock == nil || two.status.Clock == nil:
		return doctor.Known[doctor.Clock]{Why: "its agent is older and does not tell"}
	}
	half := two.took() / 2
	here := two.calendarNow.Add(-half)
	passed := two.middle() - one.middle()
	there := two.status.Clock.Lease - one.status.Clock.Lease
	wrong := half + one.took()/2

	return doctor.Known[doctor.Clock]{Value: doctor.Clock{
		Ahead: time.UnixMicro(two.status.Clock.CalendarUSec).Sub(here), Error: half,
		Rate:      float64(there-passed) / float64(passed) * 1000,
		RateError: float64(wrong) / float64(passed) * 1000,
	}}
}

// middle is the most likely time at which the answer was written.
func (r reading) middle() int64 { return r.sent + int64(r.took())/2 }

// ownAddress is where the others reach this node, empty in a cluster of one.
func ownAddress(c config.Config) string {
	for _, node := range c.Nodes {
		if node.Name == c.Local.Node {
			return node.Address
		}
	}

	return ""
}
