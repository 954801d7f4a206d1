package levels

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// option understands what stands on the case line: top=3, shut.top=1, eligible=false and so on.
func (s *story) option(key string, values []string, start *Start) {
	s.t.Helper()
	value := strings.Join(values, ",")
	switch key {
	case "top":
		for _, sequence := range Sequences() {
			s.config.Sequences[sequence].Ladder.Top = Level(s.number(value))
		}
	case "eligible":
		s.config.Eligible = value == "true"
	case "qualified":
		start.Qualified = value == "true"
	case "gate_vice":
		s.config.GateVice = value == "true"
	case "takeover":
		limit, err := time.ParseDuration(value)
		s.must(err)
		s.config.TakeOver = limit
	case "max":
		s.config.MaxRegistrations = s.number(value)
	case "max_per_client":
		s.config.MaxRegistrationsPerClient = s.number(value)
	default:
		s.configure(key, value)
	}
}

// configure understands sequence.setting and sequence.level.setting.
func (s *story) configure(key, value string) {
	s.t.Helper()
	parts := strings.Split(key, ".")
	sequence, err := ParseSequence(parts[0])
	s.must(err)
	config := s.config.Sequences[sequence]
	level := LevelConfig{}
	switch setting := parts[len(parts)-1]; setting {
	case "top":
		config.Ladder.Top = Level(s.number(value))
	case "on_failure":
		level.OnFailure, err = ParsePolicy(value)
		s.must(err)
	case "timeout":
		level.Timeout, err = time.ParseDuration(value)
		s.must(err)
	default:
		s.t.Fatalf("unknown setting %q", key)
	}
	if len(parts) == 3 {
		at, err := ParseLevel(parts[1])
		s.must(err)
		config.Levels = maps.Clone(config.Levels)
		if config.Levels == nil {
			config.Levels = map[Level]LevelConfig{}
		}
		config.Levels[at] = level
	} else if level.OnFailure != PolicyInherit {
		config.OnFailure = level.OnFailure
	} else if level.Timeout > 0 {
		config.Timeout = level.Timeout
	}
	s.config.Sequences[sequence] = config
}

func clientOf(named map[string]string) ClientID {
	if client, given := named["client"]; given {
		return ClientID(client)
	}

	return ":1.1"
}

func (s *story) registration(plain []string, named map[string]string) Registration {
	s.t.Helper()
	registration := Registration{Component: plain[0], Client: clientOf(named), Unit: named["unit"]}
	sequence, level, _ := strings.Cut(plain[1], ":")
	registration.Position.Sequence, _ = ParseSequence(sequence)
	registration.Position.Level, _ = ParseLevel(level)
	if level != registration.Position.Level.String() {
		registration.Position.Level = Level(s.number(level)) // deliberately out of range
	}
	if text := named["on_failure"]; text != "" {
		policy, err := ParsePolicy(text)
		s.must(err)
		registration.OnFailure = policy
	}
	if text := named["timeout"]; text != "" {
		limit, err := time.ParseDuration(text)
		s.must(err)
		registration.Timeout = limit
	}

	return registration
}

func (s *story) done(name string, named map[string]string) CallbackDone {
	s.t.Helper()
	done := CallbackDone{Client: clientOf(named), OK: true}
	if message, failed := named["error"]; failed {
		done.OK, done.Message = false, message
	}
	if tag, raw := strings.CutPrefix(name, "#"); raw {
		done.Tag = Tag(s.number(tag))

		return done
	}
	for _, open := range s.machine.View().Pending {
		if open.Registration.Component == name {
			done.Tag = open.Tag
			if named["client"] == "" {
				done.Client = open.Registration.Client
			}

			return done
		}
	}
	s.say("!! no open invocation of %s", name)

	return done
}

func (s *story) role(word string, plain []string, named map[string]string) RoleChanged {
	s.t.Helper()
	role, err := ParseRole(word)
	s.must(err)
	if text := named["term"]; text != "" {
		s.term = Term(s.number(text))
	}
	changed := RoleChanged{Role: role, Term: s.term, Master: "n2", Vice: NodeID(named["vice"])}
	switch role {
	case RoleMaster:
		changed.Master = "n1"
	case RoleVice:
		changed.Vice = "n1"
	default:
	}
	if master, given := named["master"]; given {
		changed.Master = NodeID(master)
	}
	changed.Lost = slices.Contains(plain, "lost")

	return changed
}

func (s *story) gate(word string, named map[string]string) MasterProgress {
	s.t.Helper()
	gate := MasterProgress{Master: s.machine.View().Master, Term: s.term, Complete: word == "complete", Ready: word == "complete" && named["ready"] != "false"}
	if master, given := named["master"]; given {
		gate.Master = NodeID(master)
	}
	if text := named["reached"]; text != "" {
		level, err := ParseLevel(text)
		s.must(err)
		gate.Started, gate.Reached = true, level
	}

	return gate
}

// leader reads "leader master n2 role=master state=up doing=promote:3 trouble=…".
func (s *story) leader(plain []string, named map[string]string) LeadersSeen {
	s.t.Helper()
	leader := Leader{Node: NodeID(plain[1]), State: StateUp}
	leader.Role, _ = ParseRole(plain[0])
	if text := named["role"]; text != "" {
		leader.Role, _ = ParseRole(text)
	}
	if text := named["state"]; text != "" {
		state, err := ParseNodeState(text)
		s.must(err)
		leader.State = state
	}
	if text := named["doing"]; text != "" {
		sequence, level, _ := strings.Cut(text, ":")
		leader.Doing.Sequence, _ = ParseSequence(sequence)
		leader.Doing.Level, _ = ParseLevel(level)
	}
	leader.Trouble = named["trouble"]
	if plain[0] == "master" {
		s.leaders.Master = leader
	} else {
		s.leaders.Vice = leader
	}

	return s.leaders
}

// brief reads "brief quorate=false n2=fit n3=silent,locked": what the owner knows of the
// others from now on; "brief nothing" forgets it.
func (s *story) brief(first string, named map[string]string) {
	s.t.Helper()
	if s.briefing = nil; first == "nothing" {
		return
	}
	b := &Briefing{Quorate: named["quorate"] != "false", Voters: 3, VotersHeard: 3, Others: []Other{}}
	if !b.Quorate {
		b.VotersHeard = 1
	}
	delete(named, "quorate")
	for _, name := range slices.Sorted(maps.Keys(named)) {
		node := NodeView{Node: NodeID(name), State: StateUp, Eligible: true, Qualified: true, Alive: true, InStep: true}
		for word := range strings.SplitSeq(named[name], ",") {
			s.spoil(&node, word)
		}
		b.Others = append(b.Others, Other{Node: node.Node, Obstacles: node.Obstacles()})
	}
	s.briefing = b
}

// spoil makes a node one that cannot take over.
func (s *story) spoil(node *NodeView, word string) {
	s.t.Helper()
	switch word {
	case "fit":
	case "silent":
		node.Alive = false
	case "left":
		node.Alive, node.State = false, StateDown
	case "locked":
		node.Qualified = false
	case "witness":
		node.Eligible = false
	case "initializing":
		node.State = StateInitializing
	case "differs":
		node.InStep, node.Differs = false, []string{"mastership.lease"}
	case "barred":
		node.Barred, node.Trouble = true, "promote failed until 14:03:22: no database"
	case "held":
		node.Trouble = "held: web: no database"
	default:
		s.t.Fatalf("unknown trouble %q", word)
	}
}

func (s *story) operation(kind string, plain []string, named map[string]string) OperationRequested {
	s.t.Helper()
	request := OperationRequested{
		To: NodeID(named["to"]), By: "uid 0", Reason: named["reason"],
		Force: slices.Contains(plain, "force"), DryRun: slices.Contains(plain, "dry-run"),
		CallbacksOnly: slices.Contains(plain, "callbacks-only"), Linger: slices.Contains(plain, "linger"), Briefing: s.briefing,
	}
	request.Kind, _ = ParseOperationKind(kind)
	request.Mode, _ = ParseMode(named["mode"])
	if by := named["by"]; by != "" {
		request.By = by
	}

	return request
}

func (s *story) component(name string, named map[string]string) {
	s.t.Helper()
	component := ComponentConfig{Unit: named["unit"]}
	if text := named["required"]; text != "" {
		for position := range strings.SplitSeq(text, ",") {
			sequence, level, _ := strings.Cut(position, ":")
			parsed, err := ParseSequence(sequence)
			s.must(err)
			at, err := ParseLevel(level)
			s.must(err)
			component.Required = append(component.Required, Position{parsed, at})
		}
	}
	if text := named["on_failure"]; text != "" {
		policy, err := ParsePolicy(text)
		s.must(err)
		component.OnFailure = policy
	}
	if text := named["timeout"]; text != "" {
		limit, err := time.ParseDuration(text)
		s.must(err)
		component.Timeout = limit
	}
	s.config.Components = maps.Clone(s.config.Components)
	s.config.Components[name] = component
	s.step(Configured{Config: s.config})
}

// member reads "done", "failed:exit status 1".
func (s *story) member(unit, text string) Member {
	s.t.Helper()
	word, reason, _ := strings.Cut(text, ":")
	outcome, err := ParseOutcome(word)
	s.must(err)

	return Member{Unit: unit, Outcome: outcome, Reason: reason}
}
