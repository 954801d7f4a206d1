package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// brief puts what is known of the other nodes into every request for an operation, before
// it is made durable: the machine decides on nothing else.
func (l *loop) brief(batch []pending) {
	for i := range batch {
		if request, ok := batch[i].event.(levels.OperationRequested); ok {
			request.Briefing = l.briefing(request.To)
			batch[i].event = request
		}
	}
}

// briefing describes the nodes that might take a role over, and the one that is asked to.
func (l *loop) briefing(to levels.NodeID) *levels.Briefing {
	observed, seen := l.observation(l.view), l.election.View()
	b := &levels.Briefing{
		Quorate: observed.Quorate, Voters: observed.Voters, VotersHeard: observed.VotersHeard, Others: []levels.Other{},
	}
	for i := range observed.Nodes {
		if node := &observed.Nodes[i]; !node.Self && (node.Eligible || node.Node == to) {
			b.Others = append(b.Others, levels.Other{Node: node.Node, Obstacles: obstacles(node, &seen)})
		}
	}

	return b
}

// obstacles are those of a node as of now. The master hears everybody directly, and that is
// newer than a card; another node takes who was initializing a moment ago for up: it asks
// only whether it is worth waiting.
func obstacles(node *levels.NodeView, seen *election.View) []string {
	i := slices.IndexFunc(seen.Peers, func(p election.PeerView) bool { return p.Node == election.NodeID(node.Node) })
	early := node.State == levels.StateDown || node.State == levels.StateJoining || node.State == levels.StateInitializing
	leads := seen.Role == election.RoleMaster
	if i < 0 || leads && !seen.Peers[i].Alive {
		return node.Obstacles()
	}
	standing, fresh := seen.Peers[i].Standing, *node
	if early && (leads && standing.Up || !leads && node.Alive && node.State != levels.StateDown) {
		fresh.State = levels.StateUp
	}
	if leads && standing.Qualified {
		fresh.Qualified, fresh.Barred = true, false
		if node.Barred {
			fresh.Trouble = ""
		}
	}
	list := fresh.Obstacles()
	if leads && !standing.Qualified && len(list) == 0 {
		list = append(list, fmt.Sprintf("it takes no role now, and gossip does not say why yet: unlock it with \"cssc unlock %[1]s\" if it is locked, "+
			"or ask \"cssc explain %[1]s\"", node.Node))
	}

	return list
}

// tellLeaders lets the machine know what gossip says of the master and the vice, when that
// has changed.
func (l *loop) tellLeaders() {
	about := [2]levels.NodeID{l.view.Master, l.view.Vice}
	if !l.cardsNew && about == l.leadersAre {
		return
	}
	l.cardsNew, l.leadersAre = false, about
	next := levels.LeadersSeen{}
	for _, card := range l.way.Seen() {
		leader := levels.Leader{Node: card.Node, State: card.State, Role: card.Role, Doing: card.Doing, Trouble: card.Trouble}
		switch {
		case card.Node == l.view.Node || !card.Alive:
		case card.Node == l.view.Master:
			next.Master = leader
		case card.Node == l.view.Vice:
			next.Vice = leader
		}
	}
	if next != l.leaders {
		l.leaders = next
		l.push(next)
	}
}

// doing is the level that runs here, for the others. In init they know how far this node
// is, and hear of it only what is the matter.
func doing(view *levels.View) levels.Position {
	run := view.Run
	if run == nil || run.Phase == levels.PhaseFinished || run.Sequence == levels.Init && run.Phase != levels.PhaseHeld {
		return levels.Position{}
	}

	return levels.Position{Sequence: run.Sequence, Level: run.Level}
}

// trouble is what is the matter here, for the others: why a run is held, or until when this
// node wants no role.
func (l *loop) trouble(view *levels.View) string {
	switch run := view.Run; {
	case run != nil && run.Phase == levels.PhaseHeld:
		return shorten("held: "+plainly(run.Reason), levels.MaxTrouble)
	case view.Barred != nil:
		return shorten(fmt.Sprintf("promote failed, no role %s: %s", l.barredUntil(view.Barred), plainly(view.Barred.Reason)), levels.MaxTrouble)
	default:
		return ""
	}
}

// barredUntil is the end of a bar by the time of day. It is worked out once, so that the
// text stays the same.
func (l *loop) barredUntil(bar *levels.Bar) string {
	if bar.Until == 0 {
		return "until an operator says so"
	}
	if bar.Until != l.barEnd {
		l.barEnd = bar.Until
		l.barEndText = "until " + time.Now().Add(bar.Until.Sub(l.ports.Clock())).Format(time.TimeOnly)
	}

	return l.barEndText
}

// tellBar shows a promote that failed as a standing problem, with the ways out.
func (l *loop) tellBar(view *levels.View) {
	bar := view.Barred
	if bar == nil {
		l.problems.clear("promote")

		return
	}
	l.problems.set("promote", fmt.Sprintf("promote to %s failed %s: %s; the cluster gives this node no role %s; "+
		"put it right, then \"cssc sequence retry promote\" or \"cssc unlock\"", bar.Role, times(bar.Failures), plainly(bar.Reason), l.barredUntil(bar)))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}

	return fmt.Sprintf("%d times in a row", n)
}

// plainly leaves out of a failure what is clear where it is told: "naming failed: no disk".
func plainly(reason string) string {
	who, what, found := strings.Cut(reason, " failed at ")
	_, why, because := strings.Cut(what, ": ")
	if !found || !because {
		return reason
	}
	_, name, _ := strings.Cut(who, " ")

	return name + " failed: " + why
}

// shorten cuts a text to so many bytes, between characters.
func shorten(text string, limit int) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= limit {
		return text
	}
	const more = "..." // a card has no other characters than those of ASCII
	end := limit - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}

	return text[:end] + more
}
