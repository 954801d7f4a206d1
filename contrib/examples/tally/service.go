package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cssc-ha/cssc/contrib/examples/tally/pair"
	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

const (
	// How long a new primary looks for a copy that goes further than its own. At init the
	// others start at the same time; at promote they are there, or dead.
	lookAtInit    = 10 * time.Second
	lookAtPromote = 250 * time.Millisecond

	agentLimit = 2 * time.Second
	doneLimit  = time.Minute
	never      = 365 * 24 * time.Hour
)

// service ties a copy to the levels of its node: the agent says when and in which role, the
// copy does it, and the service says done.
type service struct {
	client *dbusapi.Client
	copy   *pair.Copy
	log    *slog.Logger
	// turn is held by the duty at work: one that was cancelled ends before the next begins.
	turn sync.Mutex
}

// duty is the work of one level. It must bear being asked for twice in one term: after a
// crash of the agent or the bus nobody knows how far it came.
type duty struct {
	sequence levels.Sequence
	level    levels.Level
	do       func(ctx context.Context, info levels.Info) error
}

// duties are all that the service does for the cluster. The last level comes after all others
// of all services: a new primary has everything at level 0, and lets clients in when all else
// on the node is ready. An old one lets nobody in from level 0 on, and has handed over then.
func (s *service) duties() []duty {
	return []duty{
		{levels.Init, 0, s.takeUp(lookAtInit)},
		{levels.Init, levels.Last, s.admit},
		{levels.Promote, 0, s.takeUp(lookAtPromote)},
		{levels.Promote, levels.Last, s.admit},
		{levels.Demote, 0, s.handOver},
		{levels.Demote, levels.Last, s.retire},
	}
}

// takeUp is primary on the master, secondary on the vice, and nothing elsewhere. The level is
// reached when the new primary has everything, the new secondary too.
func (s *service) takeUp(look time.Duration) func(context.Context, levels.Info) error {
	return func(ctx context.Context, info levels.Info) error {
		if info.Role == levels.RoleMaster {
			return s.copy.TakeOver(ctx, uint64(info.Term), look)
		}
		if info.Role == levels.RoleVice {
			return s.copy.Follow(ctx)
		}

		return nil
	}
}

func (s *service) admit(_ context.Context, info levels.Info) error {
	if info.Role != levels.RoleMaster {
		return nil
	}

	return s.copy.Admit(uint64(info.Term))
}

// handOver is told the role that the node is about to lose.
func (s *service) handOver(ctx context.Context, info levels.Info) error {
	if info.Role == levels.RoleMaster {
		return s.copy.HandOver(ctx)
	}
	s.copy.Retire()

	return nil
}

func (s *service) retire(context.Context, levels.Info) error {
	s.copy.Retire()

	return nil
}

// handler does a duty when it is asked for, and answers. A handler returns soon, so the work
// goes on beside it; ctx ends when it was cancelled, and then nobody waits for an answer.
func (s *service) handler(d duty) dbusapi.Handler {
	return func(ctx context.Context, call dbusapi.Invocation) {
		go func() {
			s.turn.Lock()
			defer s.turn.Unlock()
			if ctx.Err() != nil {
				return
			}
			failure := d.do(ctx, call.Info)
			s.log.InfoContext(ctx, "level done", "sequence", call.Sequence, "level", call.Level,
				"role", call.Info.Role, "term", call.Info.Term, "failure", failure)
			answer, cancel := context.WithTimeout(context.WithoutCancel(ctx), doneLimit)
			defer cancel()
			err := s.client.Done(answer, call.Tag, failure)
			if err != nil && !errors.Is(err, levels.ErrNoSuchInvocation) {
				s.log.WarnContext(ctx, "not answered", "error", err)
			}
		}()
	}
}

// serve keeps this node's copy until ctx ends.
func serve(ctx context.Context, folder string) error {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	s := &service{client: client, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	if s.copy, err = pair.Open(filepath.Join(folder, "numbers"), string(status.Node), s.standing); err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", ":"+port)
	if err != nil {
		return err
	}
	running := make(chan error, 1)
	go func() { running <- s.copy.Run(ctx, listener) }()
	for _, d := range s.duties() {
		registration := dbusapi.Registration{Component: "tally", Sequence: d.sequence, Level: d.level}
		if err = client.Register(ctx, registration, s.handler(d)); err != nil {
			return err
		}
	}
	if err = s.catchUp(ctx); err != nil {
		return err
	}
	// The level that started this unit waits until now, so it calls what is registered for it.
	if _, err = daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}

	return <-running
}

// catchUp is for a service that was started again: the levels behind the node do not come
// back for it. The levels of a run in progress do.
func (s *service) catchUp(ctx context.Context) error {
	status, err := s.status(ctx)
	if err != nil || !status.Ready || status.Run != nil {
		return err
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	info := levels.Info{Role: status.Role, Term: status.Term}
	if err = s.takeUp(lookAtPromote)(ctx, info); err != nil {
		return err
	}

	return s.admit(ctx, info)
}

func (s *service) status(ctx context.Context) (*dbusapi.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, agentLimit)
	defer cancel()
	status, err := s.client.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}

	return status, nil
}

// standing is what the agent knows, in the words of package pair.
func (s *service) standing(ctx context.Context) (pair.Standing, error) {
	status, err := s.status(ctx)
	if err != nil {
		return pair.Standing{}, err
	}
	now := pair.Standing{
		Master: string(status.Master), Vice: string(status.Vice), Term: uint64(status.Term),
		Copies: map[string]string{}, Alive: map[string]bool{},
	}
	for i := range status.Nodes {
		node := &status.Nodes[i]
		if node.Eligible {
			now.Copies[string(node.Node)], now.Alive[string(node.Node)] = addressOf(node), node.Alive
		}
	}
	switch {
	case status.Role != levels.RoleMaster:
	case len(status.Nodes) == 1:
		now.MasterFor = never // a cluster of one has no lease
	default:
		now.MasterFor = time.Duration(status.LeaseRemaining) * time.Microsecond
	}

	return now, nil
}
