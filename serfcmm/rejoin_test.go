package serfcmm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

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
				names := []string{"n1", "n3", "n2"}[:2+random.IntN(2)]
				done := make(chan error, len(names))
				for _, name := range names {
					leaves, joins := time.Duration(random.IntN(200))*time.Millisecond, time.Duration(random.IntN(300))*time.Millisecond
					go func() {
						time.Sleep(leaves)
						err := c.members[name].Leave(t.Context())
						time.Sleep(joins)
						if err == nil {
							err = c.members[name].Join(t.Context())
						}
						done <- err
					}()
				}
				for range names {
					c.must(<-done)
				}
				c.formed(soon, c.names()...)
			})
		})
	}
}
