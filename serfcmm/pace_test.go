package serfcmm

import (
	"math"
	"strconv"
	"testing"
	"time"
)

// Goal: gossip gets slower with the table, never faster, never so slow that cards take longer
// than a second or two each, news is sent on often enough to miss hardly anybody, and who has
// missed it learns it from an exchange of everything within three quarters of a minute. Method:
// all sizes of a table up to the largest; memberlist's formula for that exchange.
func TestGossipSlowsDownWithTheTable(t *testing.T) {
	t.Parallel()
	before := paceOf(1)
	for nodes := 2; nodes <= 1024; nodes++ {
		p := paceOf(nodes)
		if p.gossip < before.gossip || p.probe < before.probe || p.cards < before.cards {
			t.Errorf("%d nodes: %+v is faster than %+v", nodes, p, before)
		}
		digits := len(strconv.Itoa(nodes))
		if sent := p.retransmit * digits; sent < 8 || sent > 12 || 2*p.probeTimeout > p.probe {
			t.Errorf("%d nodes: news is sent %d times, want 8 to 12; %+v", nodes, sent, p)
		}
		const unscaled = 32 // nodes
		every := p.exchange
		if nodes > unscaled {
			every *= time.Duration(math.Ceil(math.Log2(float64(nodes)/unscaled)) + 1)
		}
		if every < 10*time.Second || every > 45*time.Second || p.settle > p.cards/4 {
			t.Errorf("%d nodes: everything is exchanged every %v; %+v", nodes, every, p)
		}
		before = p
	}
	if p := paceOf(300); p.cards > 2*time.Second || p.probe > 2*time.Second {
		t.Errorf("300 nodes: %+v, want two seconds at most", p)
	}
}

// Goal: the begin and the end of what a node does are told at once, and a node that tells much
// tells no more than one card in each span of time. Method: a hundred cards as fast as they may
// be told; then two after a long silence.
func TestCardsTakeTurns(t *testing.T) {
	t.Parallel()
	const each = time.Second
	var next turns
	begin := time.Now()
	now := begin
	for i := range 100 {
		if told := now.Sub(begin); i > 0 && told != time.Duration(i-1)*each {
			t.Fatalf("card %d is told after %v, want the second at once and then one in each %v", i+1, told, each)
		}
		now = now.Add(next.after(now, each))
	}
	now = now.Add(time.Hour)
	if first, second := next.after(now, each), next.after(now, each); first != 0 || second != each {
		t.Errorf("after a silence the waits are %v and %v, want 0 and %v", first, second, each)
	}
}
