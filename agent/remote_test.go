package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// on asks one node's agent for an operation on another node.
func (c *cluster) on(asker, node levels.NodeID, operation levels.OperationRequested) (levels.OperationID, error) {
	c.t.Helper()
	operation.By = "uid 0"
	id, _, err := c.nodes[asker].agent.OperationOn(c.t.Context(), node, operation)

	return id, err
}

// over asks, waits for the end as the asker's status tells it, and wants it done.
func (c *cluster) over(asker, node levels.NodeID, operation levels.OperationRequested) levels.OperationView {
	c.t.Helper()
	id, err := c.on(asker, node, operation)
	if err != nil {
		c.t.Fatalf("%s of %s asked on %s: %v", operation.Kind, node, asker, err)
	}

	return c.ends(asker, id, levels.ResultDone)
}

func (c *cluster) ends(asker levels.NodeID, id levels.OperationID, want levels.OperationResult) levels.OperationView {
	c.t.Helper()
	var view levels.OperationView
	c.nodes[asker].until("the operation ends on "+string(asker), func(s *Status) bool {
		at := slices.IndexFunc(s.Operations, func(o levels.OperationView) bool { return o.ID == id })
		if at >= 0 {
			view = s.Operations[at]
		}

		return at >= 0 && view.Result != levels.ResultRunning
	})
	if view.Result != want {
		c.t.Errorf("operation %d ended %s (%s), want %s", id, view.Result, view.Error, want)
	}

	return view
}

// notices are what one node's bus was told of operations.
func (c *cluster) operationNotices(node levels.NodeID) string {
	var told []string
	c.nodes[node].set(func() {
		for _, notice := range c.nodes[node].notices {
			switch notice := notice.(type) {
			case levels.TellOperationStarted:
				told = append(told, "new "+notice.Operation.Kind.String()+" on "+string(notice.Operation.Node))
			case levels.TellOperationFinished:
				told = append(told, notice.Operation.Result.String()+" "+notice.Operation.Kind.String())
			}
		}
	})

	return strings.Join(told, ", ")
}

// Goal: lock, unlock, switchover and shutdown of other nodes are asked for on one node, are
// carried out on theirs, and are seen on both with who asked. Method: the spare asks for each, of
// the vice and of the master.
func TestOperationsOnOtherNodes(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		locked := c.over("n3", "n2", levels.OperationRequested{Kind: levels.OperationDisqualify, Reason: "repair"})
		if locked.Node != "n2" || locked.By != "uid 0" || locked.Reason != "repair" || locked.ID < remoteBase {
			t.Errorf("the asker shows %+v", locked)
		}
		c.is("n2", levels.RoleOffline)
		there := c.nodes["n2"].agent.Status().Operations
		if len(there) != 1 || there[0].By != "uid 0 on n3" || there[0].Reason != "repair" || there[0].ID != 1 {
			t.Errorf("the node itself shows %+v", there)
		}
		c.over("n3", "n2", levels.OperationRequested{Kind: levels.OperationQualify})
		c.is("n2", levels.RoleVice)

		moved := c.over("n2", "", levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n2"})
		if moved.Node != "n1" || moved.To != "n2" {
			t.Errorf("the switchover ran on %s to %s, want on n1 to n2", moved.Node, moved.To)
		}
		c.is("n2", levels.RoleMaster)

		c.over("n3", "n1", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModePoweroff})
		if ended := c.nodes["n1"].endings; !slices.Equal(ended, []levels.Mode{levels.ModePoweroff}) {
			t.Errorf("n1 ended %v, want powered off", ended)
		}
		want := "new disqualify on n2, done disqualify, new qualify on n2, done qualify, new shutdown on n1, done shutdown"
		if got := c.operationNotices("n3"); got != want {
			t.Errorf("n3 told its bus %q, want %q", got, want)
		}
		if ids := c.nodes["n3"].agent.Status().Operations; !slices.IsSortedFunc(ids, func(a, b levels.OperationView) int { return int(a.ID) - int(b.ID) }) {
			t.Errorf("the numbers do not rise: %+v", ids)
		}
	})
}

// Goal: what is refused there is refused here with the same meaning, and nothing is shown. Method:
// a node that is locked already, one that forbids it, nobody, a wrong argument, the
// wrong node, one that is busy.
func TestRefusalsKeepTheirMeaning(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.nodes["n2"].set(func() {
			c.nodes["n2"].config.Security.RemoteOperations = []levels.OperationKind{levels.OperationQualify}
		})
		c.formed()
		if err := c.nodes["n2"].agent.Reload(c.t.Context()); err != nil {
			t.Fatal(err)
		}
		refuses := func(node levels.NodeID, operation levels.OperationRequested, want error, part string) {
			t.Helper()
			_, err := c.on("n3", node, operation)
			if !errors.Is(err, want) || !strings.Contains(err.Error(), part) {
				t.Errorf("%s of %s = %v, want %v with %q", operation.Kind, node, err, want, part)
			}
		}
		refuses("n2", levels.OperationRequested{Kind: levels.OperationDisqualify}, levels.ErrRefused, "n2: refused: disqualify is not what other nodes may ask of this one; see security.remote_operations")
		refuses("n2", levels.OperationRequested{Kind: levels.OperationQualify}, levels.ErrRefused, "n2: qualify: refused: the node is qualified already")
		refuses("n1", levels.OperationRequested{Kind: levels.OperationSwitchover, Mode: levels.ModeHalt}, levels.ErrInvalid, "mode")
		refuses("n1", levels.OperationRequested{Kind: levels.OperationShutdown, CallbacksOnly: true}, levels.ErrInvalid, "callbacks-only")
		refuses("n22", levels.OperationRequested{Kind: levels.OperationShutdown}, levels.ErrNoSuchNode, `"n22"; did you mean "n2"?`)
		c.nodes["n1"].register(":1.5", &component{name: "slow", takes: time.Minute}, "demote:0")
		if _, err := c.on("n3", "n1", levels.OperationRequested{Kind: levels.OperationDisqualify}); err != nil {
			t.Fatal(err)
		}
		refuses("n1", levels.OperationRequested{Kind: levels.OperationDisqualify}, levels.ErrOperationInProgress, "disqualify by uid 0 on n3")
		c.nodes["n3"].agent.Fresh(c.t.Context())
		if shown := c.nodes["n3"].agent.Status().Operations; len(shown) != 1 {
			t.Errorf("n3 shows %+v, want the one that was begun", shown)
		}
		if _, plan, err := c.nodes["n3"].agent.OperationOn(c.t.Context(), "n2", levels.OperationRequested{Kind: levels.OperationQualify, DryRun: true}); !errors.Is(err, levels.ErrRefused) {
			t.Errorf("the plan of what is refused = %q, %v", plan, err)
		}
	})
}

// Goal: a plan of another node is that node's. Method: shutdown of the master, asked on the spare.
func TestPlansOfOtherNodes(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		ask := levels.OperationRequested{Kind: levels.OperationShutdown, DryRun: true}
		id, plan, err := c.nodes["n3"].agent.OperationOn(c.t.Context(), "n1", ask)
		_, want, _ := c.nodes["n1"].agent.Operation(c.t.Context(), ask)
		if err != nil || id != 0 || len(plan) == 0 || !slices.Equal(plan, want) {
			t.Errorf("plan = %d, %q, %v, want %q", id, plan, err, want)
		}
	})
}

// Goal: an answer that is lost is asked for again, and the operation begins once. Method: the
// first two answers of n2 are swallowed.
func TestLostAnswersBeginNothingTwice(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.network.mu.Lock()
		c.network.lose = 2
		c.network.mu.Unlock()
		c.over("n3", "n2", levels.OperationRequested{Kind: levels.OperationDisqualify})
		if there := c.nodes["n2"].agent.Status().Operations; len(there) != 1 {
			t.Errorf("n2 shows %+v, want one operation", there)
		}
	})
}

// Goal: whoever cannot be asked is named, and whether it may have begun. Method: n2 is killed;
// then it is there and its answers are lost.
func TestUnreachableNodes(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.die("n2")
		if _, err := c.on("n3", "n2", levels.OperationRequested{Kind: levels.OperationDisqualify}); !errors.Is(err, levels.ErrUnreachable) ||
			!strings.Contains(err.Error(), "disqualify on n2: nothing was asked of it") {
			t.Errorf("a dead node = %v", err)
		}
		c.nodes["n3"].until("n3 misses n2", func(s *Status) bool { return !s.Nodes[1].Alive })
		if _, err := c.nodes["n3"].agent.NodeStatus(c.t.Context(), "n2"); !errors.Is(err, levels.ErrUnreachable) {
			t.Errorf("the status of a dead node = %v", err)
		}
		c.lives["n2"] = c.nodes["n2"].launch()
		c.is("n2", levels.RoleVice)
		c.network.mu.Lock()
		c.network.lose = 3
		c.network.mu.Unlock()
		if _, err := c.on("n3", "n2", levels.OperationRequested{Kind: levels.OperationDisqualify}); !errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(err.Error(), "it does not answer and may have begun") {
			t.Errorf("a node that does not answer = %v", err)
		}
	})
}

// Goal: a node that dies in the middle ends its operation as failed where it was asked for, with
// what it did; one whose agent only restarts is followed on; one that boots anew is failed. Method:
// a component that takes its time at demote, kills at that moment.
func TestTheTargetDies(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n1"].register(":1.5", &component{name: "slow", takes: time.Minute}, "demote:1")
		begin := func() levels.OperationID {
			t.Helper()
			id, err := c.on("n3", "n1", levels.OperationRequested{Kind: levels.OperationDisqualify})
			if err != nil {
				t.Fatal(err)
			}
			c.nodes["n3"].until("the step is seen on n3", func(s *Status) bool {
				return slices.ContainsFunc(s.Operations, func(o levels.OperationView) bool { return o.ID == id && o.Step == "demote level 1" })
			})

			return id
		}
		id := begin()
		c.die("n1")
		time.Sleep(time.Second)
		c.lives["n1"] = c.nodes["n1"].launch()
		c.ends("n3", id, levels.ResultDone)
		c.is("n1", levels.RoleOffline)
		c.over("n3", "n1", levels.OperationRequested{Kind: levels.OperationQualify})
		c.over("n3", "", levels.OperationRequested{Kind: levels.OperationSwitchover, To: "n1"})
		c.is("n1", levels.RoleMaster)

		id = begin()
		c.die("n1")
		c.nodes["n1"].set(func() { clear(c.nodes["n1"].active) })
		begun := time.Now()
		view := c.ends("n3", id, levels.ResultFailed)
		if took := time.Since(begun); took > lostAfter+5*time.Second || !strings.HasPrefix(view.Error, "n1 was lost while it did this: demote level 1; what it did so far stays") {
			t.Errorf("after %v: %q", took, view.Error)
		}
	})
}

// Goal: a shutdown is done when the node has left in order, seen or not, and failed when it was
// lost before that. Method: n2 with answers that are lost from the moment at which it leaves, then n3 with
// a power cut in the middle.
func TestShutdownOfAnotherNodeEnds(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n2"].register(":1.5", &component{name: "slow", takes: 5 * time.Second}, "shut:last")
		id, err := c.on("n1", "n2", levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		c.network.mu.Lock()
		c.network.lose = 10
		c.network.mu.Unlock()
		c.ends("n1", id, levels.ResultDone)
		c.nodes["n2"].until("n2 is down", func(s *Status) bool { return s.State == levels.StateDown })
		c.network.mu.Lock()
		c.network.lose = 0
		c.network.mu.Unlock()

		c.nodes["n3"].register(":1.6", &component{name: "slow", takes: 5 * time.Second}, "shut:2")
		id, err = c.on("n1", "n3", levels.OperationRequested{Kind: levels.OperationShutdown})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		c.die("n3")
		view := c.ends("n1", id, levels.ResultFailed)
		if !strings.Contains(view.Error, "n3 was lost while it did this: shut level 2") {
			t.Errorf("error %q", view.Error)
		}
	})
}

// Goal: an operation goes on when the node that asked for it dies, and is followed no more after
// its agent has restarted; the next number is a new one. Method: n3 asks and dies.
func TestTheAskerDies(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n1"].register(":1.5", &component{name: "slow", takes: 5 * time.Second}, "demote:1")
		first, err := c.on("n3", "n1", levels.OperationRequested{Kind: levels.OperationDisqualify})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		c.die("n3")
		time.Sleep(300 * time.Millisecond)
		c.lives["n3"] = c.nodes["n3"].launch()
		c.is("n1", levels.RoleOffline)
		status := c.is("n3", levels.RoleVice)
		if len(status.Operations) != 0 {
			t.Errorf("n3 shows %+v after its restart", status.Operations)
		}
		second := c.over("n3", "n1", levels.OperationRequested{Kind: levels.OperationQualify})
		if second.ID <= first {
			t.Errorf("number %d after %d", second.ID, first)
		}
	})
}

// Goal: a node that leaves while it follows says that, and nothing of the other, which goes on. Method:
// n3 is shut down without a reboot while n1 is locked for it.
func TestTheAskerLeaves(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		c.nodes["n1"].register(":1.5", &component{name: "slow", takes: 5 * time.Minute}, "demote:1")
		id, err := c.on("n3", "n1", levels.OperationRequested{Kind: levels.OperationDisqualify})
		if err != nil {
			t.Fatal(err)
		}
		down := levels.OperationRequested{Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, By: "test", Force: true}
		if _, _, err := c.nodes["n3"].agent.Operation(c.t.Context(), down); err != nil {
			t.Fatal(err)
		}
		if view := c.ends("n3", id, levels.ResultFailed); !strings.HasPrefix(view.Error, "this node is out of the cluster itself") {
			t.Errorf("error %q", view.Error)
		}
		c.nodes["n1"].until("n1 goes on", func(s *Status) bool { return s.Operations[0].Result == levels.ResultRunning })
	})
}

// Goal: status and history of another node are its own; they are cut where they do not fit.
// Method: a run of n2 is asked for on n3, then n2 is given more registrations than fit.
func TestStatusAndHistoryOfAnotherNode(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		text, err := c.nodes["n3"].agent.NodeStatus(c.t.Context(), "n2")
		var status Status
		if err != nil || json.Unmarshal([]byte(text), &status) != nil || status.Node != "n2" || status.Role != levels.RoleVice {
			t.Errorf("status of n2 = %.200s, %v", text, err)
		}
		if read := time.Now().UnixMicro(); status.Clock == nil || status.Clock.CalendarUSec > read || read-status.Clock.CalendarUSec > 1e6 || status.Clock.Lease == 0 {
			t.Errorf("clocks of n2 = %+v, asked for at %d", status.Clock, read)
		}
		for _, node := range []levels.NodeID{"", "n3"} {
			if text, err := c.nodes["n3"].agent.NodeStatus(c.t.Context(), node); err != nil || !strings.Contains(text, `"node":"n3"`) {
				t.Errorf("status of %q = %.200s, %v", node, text, err)
			}
		}
		records, err := c.nodes["n3"].agent.NodeHistory(c.t.Context(), "n2", 1)
		own, _ := c.nodes["n2"].agent.History(c.t.Context(), 1)
		if err != nil || !slices.Equal(records, own) || len(own) != 1 {
			t.Errorf("history of n2 = %q, %v, want %q", records, err, own)
		}
		if _, err := c.nodes["n3"].agent.NodeHistory(c.t.Context(), "n7", 1); !errors.Is(err, levels.ErrNoSuchNode) {
			t.Errorf("history of nobody = %v", err)
		}
		long := strings.Repeat("c", 240)
		for i := range 1000 {
			id := levels.ClientID(":1." + strings.Repeat("9", 1+i/100) + string(rune('0'+i%10)))
			_, err := c.nodes["n2"].agent.Register(c.t.Context(), levels.Registration{
				Component: long + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)), Client: id, Position: at("shut:3"),
			})
			if err != nil && !errors.Is(err, levels.ErrBusy) {
				t.Fatal(err)
			}
		}
		text, err = c.nodes["n3"].agent.NodeStatus(c.t.Context(), "n2")
		if err != nil || len(text) > answerLimit || !strings.Contains(text, "ask there") {
			t.Errorf("a long status = %d bytes, %v", len(text), err)
		}
	})
}

// Goal: nodes of different versions refuse what they do not know, in words, and nothing else
// happens. Method: an unknown word, an unknown field, another protocol, rubbish.
func TestUnknownQuestionsAreRefusedInWords(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.formed()
		way := *c.nodes["n3"].agent.peers.Load()
		for question, part := range map[string]string{
			`{"version":1,"ask":"tea","body":{}}`:                                                                 `does not know the question "tea"`,
			`{"version":2,"ask":"status","body":{}}`:                                                              `does not know the question "status" (2)`,
			`{"version":1,"ask":"operation","body":{"kind":"shutdown","softly":1}}`:                               `unknown field \"softly\"`,
			`{"version":1,"ask":"operation","body":{"kind":"explode"}}`:                                           `explode`,
			`{"version":1,"ask":"operation","body":{"kind":"shutdown","by":"` + strings.Repeat("x", 5000) + `"}}`: `longer than 4096 bytes`,
			`{"version":1,"ask":"operation","body":{"kind":"shutdown","reason":"a\u0000b"}}`:                      `control characters`,
			`{"version":1,"ask":"status"}`:                                                                        `not understood`,
			`rubbish`:                                                                                             `cannot be read`,
		} {
			data, err := way.Ask(c.t.Context(), "n2", []byte(question))
			if err != nil || !strings.Contains(string(data), part) && !strings.Contains(string(data), strings.ReplaceAll(part, `"`, `\"`)) {
				t.Errorf("%s is answered %s, %v, want %s", question, data, err, part)
			}
		}
		if status := c.is("n2", levels.RoleVice); len(status.Operations) != 0 {
			t.Errorf("n2 did %+v", status.Operations)
		}
	})
}

// Goal: an error means the same on the other side, whichever it is. Method: each row of the table,
// and one that is not in it.
func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	for _, row := range refusalKinds() {
		_, err := readAnswer[statusAnswer]("n2", writeAnswer(nil, row.sentinel))
		meant := row.sentinel
		if row.kind == "try-again" {
			meant = levels.ErrTryAgain
		}
		if !errors.Is(err, meant) || !strings.HasPrefix(err.Error(), "n2: ") {
			t.Errorf("%v arrives as %v", row.sentinel, err)
		}
	}
	_, err := readAnswer[statusAnswer]("n2", writeAnswer(nil, errors.New("the disk is full")))
	if err == nil || err.Error() != "n2: the disk is full" || errors.Unwrap(err) != nil {
		t.Errorf("an error without a meaning arrives as %v", err)
	}
	if _, err := readAnswer[statusAnswer]("n2", writeAnswer(strings.Repeat("x", answerLimit), nil)); !errors.Is(err, levels.ErrRefused) {
		t.Errorf("an answer that is too long arrives as %v", err)
	}
}

// FuzzQuestion: whatever another node asks is answered with a document that can be read, and
// a refusal is one line of plain text.
func FuzzQuestion(f *testing.F) {
	for _, text := range []string{
		`{"version":1,"ask":"operation","body":{"kind":"shutdown","by":"uid 0","key":"k","dry_run":true}}`,
		`{"version":1,"ask":"operation-state","body":{"id":1,"incarnation":"boot-1"}}`,
		`{"version":1,"ask":"history","body":{"limit":-1}}`, `{"version":1,"ask":"status","body":{}}`, `{}`, ``,
	} {
		f.Add([]byte(text))
	}
	a := New(Options{Incarnation: "boot-1", Version: "test"})
	a.config.Store(&config.Config{})
	a.status.Store(&Status{})
	handlers := a.handlers()
	delete(handlers, askHistory) // they have a disk and a wiring behind them
	delete(handlers, askStatus)
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		answer := a.reply(ctx, handlers, Question{From: "n2", Data: data})
		_, err := readAnswer[stateAnswer]("n1", answer)
		if told, refused := errors.AsType[*nodeError](err); err != nil && (!refused || told.text != clean(told.text)) {
			t.Errorf("%q is answered %q: %v", data, answer, err)
		}
	})
}
