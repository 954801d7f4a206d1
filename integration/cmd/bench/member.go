package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// runMembers is "bench members FOLDER COUNT": as many members of the cluster whose
// configuration is in the folder, each with gossip and an election of its own, and all that a
// member has beside: sockets, keys, a node table. It prints lines, each with the monotonic
// clock: "all" and a name whenever all of them have come to name one master; "gossip" when
// each of them has come to see all nodes of the table; "count" with the messages of the
// election that they sent and received, every second; and "news", "role" and "seen" whenever
// one of them hears how far the master's init is, of another role, or of another node, see
// talk. It reads what they should do, see obey.
func runMembers(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	loaded, err := config.Load(args[0])
	if err != nil {
		return err
	}
	var peers []serfcmm.Peer
	for _, node := range loaded.Nodes {
		peers = append(peers, serfcmm.Peer{Name: node.Name, Address: node.Address})
	}
	debug.SetGCPercent(crowdGarbage)
	opinions := make(chan memberOpinion, count)
	var nodes []*serfcmm.Node
	var kills []context.CancelFunc
	var all sync.WaitGroup
	watched := make(chan struct{})
	for i := range count {
		life, kill := context.WithCancel(ctx)
		defer kill()
		kills = append(kills, kill)
		name := memberName(i)
		node, err := serfcmm.New(serfcmm.Options{
			Self: levels.NodeID(name), Peers: peers, Origin: serfcmm.OriginOf(name),
			KeyringFile: filepath.Join(args[0], "keyring"), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		rules := loaded.Election()
		rules.Self = election.NodeID(name)
		machine := election.New(election.Start{
			Config: rules, State: &election.State{}, Standing: election.Standing{Up: true}, Now: instant(), FirstRound: election.Round(now()), FirstSerial: uint64(time.Now().UnixNano()),
		})
		node.Advertise(levels.Card{State: levels.StateUp, Hash: loaded.Hash})
		nodes = append(nodes, node)
		all.Go(func() { _ = node.Run(life) })
		all.Go(func() { follow(life, i, node, machine, opinions) })
		all.Go(func() { watch(life, name, node, watched) })
	}
	go obey(ctx, nodes, kills, watched)
	all.Go(func() { countMembers(ctx, nodes) })
	tally(ctx, count, opinions)
	all.Wait()

	return nil
}

// countMembers prints what all members have sent and received, and when gossip is complete.
func countMembers(ctx context.Context, nodes []*serfcmm.Node) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	complete := 0 // so many of them, from the first, see everybody
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var total serfcmm.Stats
		for _, node := range nodes {
			one := node.Stats()
			total.Sent, total.Received = total.Sent+one.Sent, total.Received+one.Received
			total.Dropped, total.Unsent = total.Dropped+one.Dropped, total.Unsent+one.Unsent
			total.GossipLost += one.GossipLost
		}
		fmt.Println("count", now().Nanoseconds(), total.Sent, total.Received, total.Dropped+total.Unsent, total.GossipLost)
		before := complete
		for complete < len(nodes) && seesAll(nodes[complete]) {
			complete++
		}
		if complete == len(nodes) && before < complete {
			fmt.Println("gossip", now().Nanoseconds())
		}
	}
}

func seesAll(node *serfcmm.Node) bool {
	return !slices.ContainsFunc(node.Seen(), func(card levels.Card) bool { return !card.Alive })
}

func instant() election.Instant { return election.Instant(now()) }

// memberOpinion says whom a member holds for the master now; empty for nobody.
type memberOpinion struct {
	member int
	master election.NodeID
}

// follow is one member's life: its machine between the network and the clock.
func follow(ctx context.Context, number int, node *serfcmm.Node, machine *election.Machine, opinions chan<- memberOpinion) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	master := election.NodeID("")
	for {
		var event election.Event
		select {
		case <-ctx.Done():
			return
		case message := <-node.Received():
			event = election.Received{Message: message}
		case <-timer.C:
			event = election.Ticked{}
		}
		result := machine.Step(instant(), event)
		for _, action := range result.Actions {
			switch action := action.(type) {
			case election.Send:
				node.Send(action.Message)
			case election.MasterProgressed:
				news := action.Progress
				fmt.Println("news", now().Nanoseconds(), memberName(number), action.Term, news.Reached, news.Started, news.Complete)
			case election.RoleDecided:
				if action.Master != master {
					fmt.Println("role", now().Nanoseconds(), memberName(number), action.Master, roleWord)
					master = action.Master
					opinions <- memberOpinion{number, master}
				}
			}
		}
		if result.Wake != 0 {
			timer.Reset(max(0, result.Wake.Sub(instant())))
		}
	}
}

// tally prints the moments at which all members have one opinion.
func tally(ctx context.Context, count int, opinions <-chan memberOpinion) {
	of, votes := make([]election.NodeID, count), map[election.NodeID]int{"": count}
	progress := time.NewTicker(10 * time.Second)
	defer progress.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-progress.C:
			fmt.Fprintln(os.Stderr, "members by whom they hold for the master:", votes)
		case one := <-opinions:
			votes[of[one.member]]--
			of[one.member] = one.master
			votes[one.master]++
			if one.master != "" && votes[one.master] == count {
				fmt.Println("all", now().Nanoseconds(), one.master)
			}
		}
	}
}
