package serfcmm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// goAndReturn lets nodes leave and join again at times that are drawn.
func (c *cluster) goAndReturn(random *rand.Rand, names []string) {
	c.t.Helper()
	done := make(chan error, len(names))
	for _, name := range names {
		leaves, joins := time.Duration(random.IntN(200))*time.Millisecond, time.Duration(random.IntN(300))*time.Millisecond
		go func() {
			time.Sleep(leaves)
			err := c.members[name].Leave(c.t.Context())
			time.Sleep(joins)
			if err == nil {
				err = c.members[name].Join(c.t.Context())
			}
			done <- err
		}()
	}
	for range names {
		c.must(<-done)
	}
}

// card is what a node knows of another one.
func (c *cluster) card(of string, by *serfcmm.Node) levels.Card {
	for _, card := range by.Seen() {
		if string(card.Node) == of {
			return card
		}
	}

	return levels.Card{}
}

// Goal: nodes that leave and come back at about the same time are alive for everybody soon
// after, whoever has heard what first. Method: two or three of three nodes leave and join at times that are
// drawn, on a network with delays.
func TestNodesThatComeBackTogetherAreSeen(t *testing.T) {
	t.Parallel()
	const soon = 20 * time.Second
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			bubble(t, 3, func(t *testing.T, c *cluster) {
				t.Helper()
				c.startAll()
				c.formed(time.Minute, c.names()...)
				c.network.Trouble(0, 30*time.Millisecond)
				time.Sleep(time.Minute)
				c.goAndReturn(random, []string{"n1", "n3", "n2"}[:2+random.IntN(2)])
				c.formed(soon, c.names()...)
			})
		})
	}
}

// Goal: a node that is lost soon after it came back has not left, whatever the others have heard of
// the farewell before; and one that leaves has, whatever it told of its state. Method: the same
// network; all say that they are up, and nothing else.
func TestALostNodeHasNotLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 2))
			bubble(t, 3, func(t *testing.T, c *cluster) {
				t.Helper()
				c.startAll()
				for _, m := range c.members {
					m.Advertise(levels.Card{State: levels.StateUp})
				}
				c.formed(time.Minute, c.names()...)
				c.network.Trouble(0, 30*time.Millisecond)
				time.Sleep(time.Minute)
				c.goAndReturn(random, []string{"n1", "n3"})
				for _, name := range []string{"n2", "n3"} {
					by := c.members[name].Node
					c.eventually(time.Minute, name+" has no card of n1 since its return", func() bool { return c.card("n1", by).State == levels.StateUp })
				}
				c.members["n1"].stop()
				for _, name := range []string{"n2", "n3"} {
					by := c.members[name].Node
					c.eventually(time.Minute, name+" still sees n1", func() bool { return !c.card("n1", by).Alive })
					if card := c.card("n1", by); card.Left {
						t.Errorf("n1 is lost, and %s knows of it: %+v; want it not left", name, card)
					}
				}
				c.must(c.members["n3"].Leave(t.Context()))
				if card := c.card("n3", c.members["n2"].Node); card.Alive || !card.Left || card.State != levels.StateLeaving {
					t.Errorf("n3 has left, and n2 knows of it: %+v; want it left", card)
				}
			})
		})
	}
}
