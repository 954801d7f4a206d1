package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cssc-ha/cssc/integration/scenario"
	"github.com/cssc-ha/cssc/levels"
)

// TestScenarios replays every story of testdata: goal is that each decision stands in a file
// for a person to read. A case is one node's machine and a script; its output is what the
// machine did after each line, and what it is at the end. Invariants are checked after
// every step.
func TestScenarios(t *testing.T) {
	t.Parallel()
	scenario.Run(t, "testdata/scenarios", "", 120, runCase)
}

// story is a machine under a script.
type story struct {
	t       *testing.T
	machine *Machine
	config  Config
	cluster Cluster
	now     levels.Instant
	wake    levels.Instant
	boot    int
	saved   []byte
	out     strings.Builder
}

func runCase(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	limits := DefaultLimits(10 * time.Minute)
	s := &story{t: t, config: Config{Self: "n1", Limits: limits}, now: levels.Instant(time.Minute), boot: 1}
	nodes, master := 3, levels.NodeID("n1")
	for _, arg := range d.CmdArgs[1:] {
		value := strings.Join(arg.Vals, ",")
		switch arg.Key {
		case "nodes":
			nodes = s.number(value)
		case "self":
			s.config.Self = levels.NodeID(value)
		case "master":
			master = levels.NodeID(value)
		case "hold":
			s.config.Hold = true
		default:
			d.Fatalf(t, "unknown option %s", arg.Key)
		}
	}
	for i := range nodes {
		role := levels.RoleSpare
		if i < 2 {
			role = levels.RoleMaster + levels.Role(i)
		}
		s.cluster.Nodes = append(s.cluster.Nodes, Node{
			Node: levels.NodeID(fmt.Sprintf("n%d", i+1)), Vote: true, Eligible: true, Alive: true, State: levels.StateUp,
			Role: role, Qualified: true, InStep: true, Incarnation: fmt.Sprintf("n%d-1", i+1),
		})
	}
	s.cluster.Master, s.cluster.Term, s.cluster.Ready = master, 1, true
	s.cluster.Leading = master == s.config.Self
	s.begin()
	s.now = s.now.Add(limits.Settle)
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.say("> %s", line)
		s.line(line)
	}
	s.say("= %s", strings.ReplaceAll(strings.TrimSpace(s.machine.Describe()), "\n", "\n= "))

	return s.out.String()
}

// begin makes the machine of one life of the agent.
func (s *story) begin() {
	start := Start{Config: s.config, Incarnation: fmt.Sprintf("%s-%d", s.config.Self, s.boot)}
	if s.saved != nil {
		start.Plan = &Plan{}
		s.must(json.Unmarshal(s.saved, start.Plan))
	}
	s.machine = New(start)
	s.step(Seen{s.cluster})
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) number(text string) int {
	s.t.Helper()
	number, err := strconv.Atoi(text)
	s.must(err)

	return number
}

// line understands one line: a word, then plain words and key=value.
func (s *story) line(line string) {
	s.t.Helper()
	list := scenario.Words(line)
	plain, named := scenario.Arguments(list[1:])
	first := ""
	if len(plain) > 0 {
		first = plain[0]
	}
	switch list[0] {
	case "ask":
		s.step(OperationAsked{
			Ticket: Ticket(s.number(first)), Request: s.request(plain[1], plain, named), Orderer: levels.NodeID(named["orderer"]),
		})
	case "begun":
		s.step(OperationBegun{Ticket: Ticket(s.number(first)), Number: s.operation(named["number"])})
	case "dropped":
		s.step(OperationDropped{Ticket: Ticket(s.number(first))})
	case "ended":
		s.step(OperationEnded{Number: s.operation(first), Result: result(plain, named), Error: named["failed"]})
	case "turn-asked":
		kind, err := levels.ParseOperationKind(plain[2])
		s.must(err)
		s.step(TurnAsked{Question: Question(s.number(first)), From: levels.NodeID(plain[1]), Kind: kind, By: "uid 0"})
	case "answered":
		s.step(s.answered(plain, named))
	case "over":
		s.step(TurnOver{From: levels.NodeID(first), Turn: turnID(named["turn"]), Number: s.operation(named["number"])})
	case "idle-said":
		s.step(IdleAnswered{
			From: levels.NodeID(first), Roll: uint64(s.number(plain[1])), Idle: !slices.Contains(plain, "busy"), Number: s.operation(named["number"]),
		})
	case "idle-asked":
		idle, number := s.machine.Idle(levels.NodeID(first), levels.Term(s.number(plain[1])))
		s.say("  idle: %t, newest operation that is over: %d", idle, number)
	case "cluster-shutdown", "rolling-reboot":
		s.step(ClusterAsked{Request: s.request(list[0], plain, named), Number: 100})
	case "order":
		s.step(s.ordered(plain, named))
	case "order-ended":
		s.step(OrderEnded{Order: OrderID(s.number(first)), Result: result(plain, named), Error: named["failed"]})
	default:
		s.clusterLine(list[0], plain, named)
	}
}

func (s *story) clusterLine(command string, plain []string, named map[string]string) {
	s.t.Helper()
	first := ""
	if len(plain) > 0 {
		first = plain[0]
	}
	switch command {
	case "node":
		for id := range strings.SplitSeq(first, ",") {
			s.change(s.node(id), plain[1:], named)
		}
		s.step(Seen{s.cluster})
	case "master":
		s.cluster.Master = levels.NodeID(first)
		s.cluster.Term++
		s.cluster.Leading = s.cluster.Master == s.config.Self && !slices.Contains(plain, "ceasing")
		s.cluster.Ready = !slices.Contains(plain, "unready")
		s.step(Seen{s.cluster})
	case "headless":
		s.cluster.Master, s.cluster.Leading = "", false
		s.step(Seen{s.cluster})
	case "tick":
		duration, err := time.ParseDuration(first)
		s.must(err)
		s.now = s.now.Add(duration)
		s.step(Ticked{})
	case "wake":
		s.say("  after %v", s.wake.Sub(s.now))
		s.now = max(s.now, s.wake)
		s.step(Ticked{})
	case "restart":
		s.begin()
	case "boot":
		s.boot++
		s.now = levels.Instant(time.Second)
		self := s.node(string(s.config.Self))
		self.Incarnation, self.State, self.Alive = fmt.Sprintf("%s-%d", s.config.Self, s.boot), levels.StateJoining, true
		s.begin()
	case "describe":
		s.say("  %s", strings.ReplaceAll(strings.TrimSpace(s.machine.Describe()), "\n", "\n  "))
	default:
		s.t.Fatalf("unknown command %q", command)
	}
}

func (s *story) node(id string) *Node {
	for i := range s.cluster.Nodes {
		if s.cluster.Nodes[i].Node == levels.NodeID(id) {
			return &s.cluster.Nodes[i]
		}
	}
	s.t.Fatalf("no node %q", id)

	return nil
}

// change understands what happened to a node: stopping, left, lost, booted, up, and settings.
func (s *story) change(node *Node, plain []string, named map[string]string) {
	for _, word := range plain {
		switch word {
		case "known": // to gossip as well
			node.Alive, node.Former = true, false
		case "stopping":
			node.State = levels.StateShuttingDown
		case "leaving":
			node.State = levels.StateLeaving
		case "left":
			node.Alive, node.Left, node.State, node.Operation, node.Role = false, true, levels.StateLeaving, 0, levels.RoleUnknown
		case "lost":
			node.Alive = false
		case "heard": // directly, before gossip knows
			node.Alive, node.Former = true, true
		case "booted":
			node.Alive, node.Left, node.State, node.Operation, node.Role = true, false, levels.StateInitializing, 0, levels.RoleSpare
			node.Former = false
			_, number, _ := strings.Cut(node.Incarnation, "-")
			boot, _ := strconv.Atoi(number)
			node.Incarnation = fmt.Sprintf("%s-%d", node.Node, boot+1)
		case "up":
			node.Alive, node.Left, node.State, node.Operation, node.Step = true, false, levels.StateUp, 0, ""
		case "idle":
			node.Operation, node.Number, node.Step = 0, 0, ""
		case "novote":
			node.Vote = false
		case "drifted":
			node.InStep = false
		case "locked":
			node.Qualified, node.Role = false, levels.RoleOffline
		default:
			s.t.Fatalf("what is %q of a node?", word)
		}
	}
	if text := named["role"]; text != "" {
		role, err := levels.ParseRole(text)
		s.must(err)
		node.Role = role
	}
	if text := named["operation"]; text != "" {
		kind, err := levels.ParseOperationKind(text)
		s.must(err)
		node.Operation, node.Number, node.Step = kind, s.operation(named["number"]), named["step"]
	}
}

func (s *story) request(kind string, plain []string, named map[string]string) levels.OperationRequested {
	r := levels.OperationRequested{
		By: "uid 0", Reason: named["reason"], Force: slices.Contains(plain, "force"),
		DryRun: slices.Contains(plain, "dry-run"), CallbacksOnly: slices.Contains(plain, "callbacks-only"),
	}
	r.Kind, _ = levels.ParseOperationKind(kind)
	if text := named["mode"]; text != "" {
		mode, err := levels.ParseMode(text)
		s.must(err)
		r.Mode = mode
	}
	if by := named["by"]; by != "" {
		r.By = by
	}

	return r
}

func (s *story) operation(text string) levels.OperationID {
	if text == "" {
		return 0
	}

	return levels.OperationID(s.number(text))
}

func result(plain []string, named map[string]string) levels.OperationResult {
	switch {
	case named["failed"] != "":
		return levels.ResultFailed
	case slices.Contains(plain, "canceled"):
		return levels.ResultCanceled
	default:
		return levels.ResultDone
	}
}

func (s *story) answered(plain []string, named map[string]string) TurnAnswered {
	answered := TurnAnswered{Ticket: Ticket(s.number(plain[0])), From: levels.NodeID(plain[1])}
	answered.Answer.Turn, answered.Answer.Text = turnID(named["granted"]), named["in-progress"]
	switch {
	case named["granted"] != "":
		answered.Answer.Outcome = TurnGranted
	case named["in-progress"] != "":
		answered.Answer.Outcome = TurnInProgress
	case slices.Contains(plain, "not-master"):
		answered.Answer.Outcome = TurnNotMaster
	}

	return answered
}

func (s *story) ordered(plain []string, named map[string]string) OrderAnswered {
	answered := OrderAnswered{Order: OrderID(s.number(plain[0])), Number: s.operation(named["taken"]), Incarnation: named["boot"]}
	switch {
	case named["refused"] != "":
		answered.Answer, answered.Error = OrderRefused, named["refused"]
	case named["unknown"] != "":
		answered.Answer, answered.Error = OrderUnknown, named["unknown"]
	}

	return answered
}

func turnID(text string) TurnID {
	var id TurnID
	_, _ = fmt.Sscanf(text, "%d.%d", &id.Term, &id.Serial)

	return id
}

// step feeds one event, prints what came of it and checks the machine.
func (s *story) step(event Event) {
	s.t.Helper()
	result := s.machine.Step(s.now, event)
	s.wake = result.Wake
	if result.Err != nil {
		s.say("  error: %v", result.Err)
	}
	for _, line := range result.Plan {
		s.say("  plan: %s", line)
	}
	for _, action := range result.Actions {
		if persist, ok := action.(Persist); ok {
			s.persist(persist)
		}
		s.say("  %s", actionText(action))
	}
	if err := s.machine.Check(); err != nil {
		s.t.Fatalf("%v after %T\n%s", err, event, s.out.String())
	}
	if result.Wake != 0 && result.Wake <= s.now {
		s.t.Fatalf("wake %v is not after %v\n%s", result.Wake, s.now, s.out.String())
	}
}

func (s *story) persist(action Persist) {
	s.saved = nil
	if action.Plan != nil {
		text, err := json.Marshal(action.Plan)
		s.must(err)
		s.saved = text
	}
}
