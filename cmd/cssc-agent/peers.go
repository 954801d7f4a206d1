package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/agent"
	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/agent/lease"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// peers are the other nodes, in the agent's terms.
type peers struct{ *serfcmm.Node }

// newPeers makes the way to the other nodes of the configuration.
func (n *node) newPeers(s settings) func(c config.Config) (agent.Peers, error) {
	return func(c config.Config) (agent.Peers, error) {
		id, err := os.ReadFile("/etc/machine-id")
		if err != nil {
			return nil, fmt.Errorf("find out which machine this is: %w", err)
		}
		made, err := serfcmm.New(serfcmm.Options{
			Self: c.Levels.Node, Peers: tableOf(c), Origin: serfcmm.OriginOf(strings.TrimSpace(string(id))),
			KeyringFile: c.Security.Keyring, Insecure: c.Security.Insecure,
			StateFile: filepath.Join(s.stateDir, "peers.json"), Log: n.log,
		})
		if err != nil {
			return nil, err
		}

		n.way.Store(made)

		return peers{made}, nil
	}
}

func tableOf(c config.Config) []serfcmm.Peer {
	table := make([]serfcmm.Peer, 0, len(c.Nodes))
	for _, entry := range c.Nodes {
		table = append(table, serfcmm.Peer{Name: entry.Name, Address: entry.Address})
	}

	return table
}

// Reconfigure puts another node table into force.
func (p peers) Reconfigure(c config.Config) error { return p.Node.Reconfigure(tableOf(c)) }

// Ask puts what became of a question into the words of levels.
func (p peers) Ask(ctx context.Context, node levels.NodeID, question []byte) ([]byte, error) {
	answer, err := p.Node.Ask(ctx, node, question)
	for sentinel, meaning := range map[error]error{
		serfcmm.ErrUnknownNode: levels.ErrNoSuchNode, serfcmm.ErrAway: levels.ErrUnreachable,
		serfcmm.ErrUnreached: levels.ErrUnreachable, serfcmm.ErrFull: levels.ErrBusy, serfcmm.ErrTooLarge: levels.ErrInvalid,
	} {
		if errors.Is(err, sentinel) {
			return nil, fmt.Errorf("%w: %s", meaning, err.Error())
		}
	}

	return answer, err
}

// Asked waits for the next question of another node.
func (p peers) Asked(ctx context.Context) (agent.Question, error) {
	select {
	case question := <-p.Node.Asked():
		return agent.Question{From: question.From, Data: question.Data, Answer: question.Answer}, nil
	case <-ctx.Done():
		return agent.Question{}, context.Cause(ctx)
	}
}

// Keys carries out a verb and shows the keys as they are afterwards. A list is shown although
// nodes do not answer: it says which.
func (p peers) Keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	if request.Verb != levels.KeysList {
		if _, err := p.Node.Keys(ctx, request.Verb.String(), request.Key); err != nil {
			return nil, refusal(err)
		}
	}
	report, err := p.Node.Keys(ctx, serfcmm.KeysList, "")
	if err != nil && !errors.Is(err, serfcmm.ErrIncomplete) {
		return nil, refusal(err)
	}

	return keyViews(report), nil
}

// refusal puts what Serf's side says, which names the nodes that have not confirmed, into the
// words of the bus.
func refusal(err error) error { return fmt.Errorf("%w: %s", levels.ErrRefused, err.Error()) }

// keyViews turns "which node has which keys" round.
func keyViews(report serfcmm.KeyReport) []levels.KeyView {
	byKey := map[string]*levels.KeyView{}
	for _, holder := range report.Nodes {
		for i, key := range holder.Keys {
			view := byKey[key]
			if view == nil {
				view = &levels.KeyView{Key: key}
				byKey[key] = view
			}
			view.Nodes = append(view.Nodes, holder.Node)
			view.Primary = view.Primary || i == 0
		}
	}
	var views []levels.KeyView
	for _, view := range byKey {
		for _, holder := range report.Nodes {
			if !slices.Contains(view.Nodes, holder.Node) {
				view.Missing = append(view.Missing, holder.Node)
			}
		}
		slices.Sort(view.Nodes)
		slices.Sort(view.Missing)
		views = append(views, *view)
	}
	slices.SortFunc(views, func(a, b levels.KeyView) int {
		if a.Primary != b.Primary {
			if a.Primary {
				return -1
			}

			return 1
		}

		return strings.Compare(a.Key, b.Key)
	})

	return views
}

// openLease opens the record that the guard reads.
func openLease(s settings) (*lease.Writer, error) {
	if err := os.MkdirAll(s.runDir, 0o755); err != nil {
		return nil, fmt.Errorf("open the lease record: %w", err)
	}

	return lease.Open(filepath.Join(s.runDir, filepath.Base(lease.Path)))
}
