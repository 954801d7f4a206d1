package serfcmm_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// answering lets a node answer every question with what answer makes of it, and counts them,
// until the story ends.
func (c *cluster) answering(name string, answer func(*serfcmm.Question) []byte) (count *atomic.Int64, stop func()) {
	count = new(atomic.Int64)
	node, done := c.members[name], make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case question := <-node.Asked():
				count.Add(1)
				work.Go(func() { _ = question.Answer(answer(question)) }) // the asker tells
			case <-done:
				return
			}
		}
	})

	return count, func() { close(done); work.Wait() }
}

func turnRound(q *serfcmm.Question) []byte { return append([]byte(q.From+": "), q.Data...) }

// Goal: a question of any size up to the limit reaches the node asked, once, and its answer
// comes back in no time, many at once too, and over losses. Method: n3 turns them round.
func TestQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		c.network.Trouble(0.2, time.Millisecond)
		count, stop := c.answering("n3", turnRound)
		defer stop()
		begin := time.Now()
		for range 3 {
			answer, err := c.members["n1"].Ask(t.Context(), "n3", []byte("lock?"))
			if err != nil || string(answer) != "n1: lock?" {
				t.Errorf("Ask = %q, %v", answer, err)
			}
		}
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("three questions took %v of virtual time, want no waiting", took)
		}
		var many sync.WaitGroup
		for i := range 40 {
			many.Go(func() {
				asked := bytes.Repeat([]byte{byte(i)}, 1+i*1000)
				answer, err := c.members["n2"].Ask(t.Context(), "n3", asked)
				if err != nil || !bytes.Equal(answer, append([]byte("n2: "), asked...)) {
					t.Errorf("Ask with %d bytes = %d bytes, %v", len(asked), len(answer), err)
				}
			})
		}
		many.Wait()
		if got := count.Load(); got != 43 {
			t.Errorf("n3 was asked %d times, want 43", got)
		}
	})
}

// Goal: every way of not being answered has its own error and its bound. Method: too much,
// nobody, this node itself, a node that is down, one that is cut off, one that hears and does not
// answer, one that answers too much, an asker without a network, a context that ends.
func TestQuestionsEnd(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		n1 := c.members["n1"]
		fails := func(what string, want error, within time.Duration, node levels.NodeID, data []byte) {
			t.Helper()
			begin := time.Now()
			_, err := n1.Ask(t.Context(), node, data)
			if took := time.Since(begin); !errors.Is(err, want) || took > within {
				t.Errorf("%s: %v after %v, want %v within %v", what, err, took, want, within)
			}
		}
		fails("too much", serfcmm.ErrTooLarge, 0, "n3", make([]byte, serfcmm.MaxQuestion+1))
		fails("nobody", serfcmm.ErrUnknownNode, 0, "n4", nil)
		fails("itself", serfcmm.ErrUnknownNode, 0, "n1", nil)
		fails("no answer", context.DeadlineExceeded, 10*time.Second, "n2", nil)
		late := <-c.members["n2"].Asked()
		time.Sleep(time.Second)
		if err := late.Answer(nil); !errors.Is(err, serfcmm.ErrAnswered) {
			t.Errorf("an answer too late = %v", err)
		}
		c.network.Partition([]string{host(0)}, []string{host(1)}, true)
		fails("cut off", serfcmm.ErrUnreached, 5*time.Second, "n2", nil)
		c.network.Partition([]string{host(0)}, []string{host(1)}, false)
		c.members["n2"].stop()
		fails("down", serfcmm.ErrUnreached, time.Second, "n2", nil)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n1.Ask(ctx, "n3", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a context that ends = %v", err)
		}
		question := <-c.members["n3"].Asked()
		if err := question.Answer(make([]byte, serfcmm.MaxQuestion+1)); !errors.Is(err, serfcmm.ErrTooLarge) {
			t.Errorf("an answer that is too long = %v", err)
		}
		c.must(n1.Leave(t.Context()))
		fails("away", serfcmm.ErrAway, 0, "n3", nil)
	})
}

// Goal: a flood of questions is refused at once on both sides, and leaves nothing behind.
// Method: n1 and n2 ask n3, which does not look, more than may be open.
func TestTooManyQuestions(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		var many sync.WaitGroup
		var here, there, late atomic.Int64
		for i := range 200 {
			from := c.members[nodeName(i%2)]
			many.Go(func() {
				_, err := from.Ask(t.Context(), "n3", []byte("?"))
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					late.Add(1)
				case err.Error() == "ask n3: too many questions are open here":
					here.Add(1)
				case errors.Is(err, serfcmm.ErrFull):
					there.Add(1)
				default:
					t.Errorf("Ask = %v", err)
				}
			})
		}
		many.Wait()
		if late.Load() < 64 || here.Load()+there.Load() == 0 {
			t.Errorf("%d refused here, %d there, %d waited in vain, want 64 who wait or a few more", here.Load(), there.Load(), late.Load())
		}
		_, stop := c.answering("n3", turnRound)
		defer stop()
		for _, name := range []string{"n1", "n2"} {
			if _, err := c.members[name].Ask(t.Context(), "n3", nil); err != nil {
				t.Errorf("after the flood: %v", err)
			}
		}
	})
}

// Goal: a restart of either side, with a clock that went back too, costs a question nothing but
// a round trip. Method: the target is restarted, then the asker again and again in between.
func TestQuestionsOverRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		for round := range 6 {
			name := nodeName(round % 2)
			c.members[name].stop()
			c.start(name)
			c.formed(20*time.Second, c.names()...)
			count, stop := c.answering("n2", turnRound)
			for range 3 {
				if answer, err := c.members["n1"].Ask(t.Context(), "n2", []byte("?")); err != nil || string(answer) != "n1: ?" {
					t.Errorf("round %d: Ask = %q, %v", round, answer, err)
				}
			}
			synctest.Wait()
			if got := count.Load(); got != 3 {
				t.Errorf("round %d: n2 was asked %d times, want 3", round, got)
			}
			stop()
		}
	})
}

// Goal: an unlisted holder of the key is neither answered nor heard. Method: n8 asks n1, and n1
// does not even know n8.
func TestNobodyUnlistedIsAnswered(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, c *cluster) {
		t.Helper()
		c.startAll()
		c.formed(10*time.Second, c.names()...)
		unlisted := c.start("n8", func(o *serfcmm.Options) {
			o.Peers = append([]serfcmm.Peer{{Name: "n8", Address: host(7)}}, c.peers...)
		})
		time.Sleep(10 * time.Second)
		count, stop := c.answering("n1", turnRound)
		defer stop()
		if _, err := unlisted.Ask(t.Context(), "n1", []byte("shutdown?")); err == nil || count.Load() > 0 {
			t.Errorf("Ask of an unlisted node = %v, and %d questions got through", err, count.Load())
		}
		if !slices.ContainsFunc(c.members["n1"].Problems(), func(p string) bool {
			return p == "a node that calls itself n8 has the key but is not in the node table"
		}) {
			t.Errorf("n1 does not tell: %q", c.members["n1"].Problems())
		}
	})
}
