package levels

import (
	"fmt"
	"slices"
	"strings"
)

// Briefing is what the owner knows of the cluster when an operation is asked for. It goes
// with the request, so that the machine need not follow every node all the time.
type Briefing struct {
	// Quorate: a majority of voters is heard; VotersHeard of Voters are.
	Quorate             bool `json:"quorate"`
	Voters, VotersHeard int
	// Others are the eligible nodes but this one, in the order of the node table, and the
	// target of a switchover when it is another node of the table.
	Others []Other `json:"others"`
}

// Other is another node in a briefing.
type Other struct {
	Node NodeID `json:"node"`
	// Obstacles say what keeps it from taking over now, each with what to do; empty: nothing.
	Obstacles []string `json:"obstacles,omitempty"`
}

// Obstacles says what keeps a node from taking a role over now, each with what to do; nil
// when nothing does.
func (n *NodeView) Obstacles() []string {
	var list []string
	add := func(holds bool, format string, args ...any) {
		if holds {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(!n.Eligible, "it is not eligible by the configuration; choose another node")
	gone := n.State == StateDown || n.State == StateLeaving
	add(!n.Alive && gone, "it has left the cluster; start it there with \"cssc start\"")
	add(!n.Alive && !gone, "it is silent; see whether it runs and can be reached")
	if !n.Alive || !n.Eligible {
		return list
	}
	add(!n.Qualified, "it is locked; unlock it with \"cssc unlock %s\"", n.Node)
	add(n.State != StateUp, "it is %v; wait until it is up", n.State)
	differs := ""
	if len(n.Differs) > 0 {
		differs = " (" + strings.Join(n.Differs, ", ") + ")"
	}
	add(!n.InStep, "it has another configuration%s; make the files equal and reload both", differs)
	add(n.Barred, "%s; wait, or put it right and say \"cssc sequence retry promote\" there", n.trouble())
	add(!n.Barred && n.Trouble != "", "%s; put it right there, or retry, skip or abort the sequence", n.Trouble)

	return list
}

func (n *NodeView) trouble() string {
	if n.Trouble == "" {
		return "promote failed there"
	}

	return n.Trouble
}

// admissible checks the preconditions of an operation. Everything that does not hold is
// named at once.
func (m *Machine) admissible(ev OperationRequested) error {
	if err := m.wellFormed(ev); err != nil {
		return err
	}
	if text := m.occupied(ev); text != "" {
		return fmt.Errorf("%w: %s", ErrOperationInProgress, text) // its end may change all the rest
	}
	reasons := m.hindrances(ev)
	switch len(reasons) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: %s", ErrRefused, reasons[0])
	default:
		for i := range reasons {
			reasons[i] = fmt.Sprintf("(%d) %s", i+1, reasons[i])
		}

		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(reasons, "; "))
	}
}

// occupied says which operation is in progress, unless this one takes over from it.
func (m *Machine) occupied(ev OperationRequested) string {
	running := m.s.Operation
	if running == nil {
		return ""
	}
	forced := ev.Force || ev.CallbacksOnly || imperative(ev.By)
	if ev.Kind == OperationShutdown && (running.Kind != OperationShutdown || forced) {
		return ""
	}

	advice := "wait for its end"
	if run := m.s.Run; run != nil && run.Op == running.ID && run.Phase == PhaseHeld {
		advice = fmt.Sprintf("it is held: %s; retry, skip or abort that with \"cssc sequence\"", run.Reason)
	}

	return fmt.Sprintf("operation %d, %v by %s, since %v, at %s; %s",
		running.ID, running.Kind, running.By, m.now.Sub(running.Started), m.stepText(running), advice)
}

// wellFormed checks the arguments alone.
func (m *Machine) wellFormed(ev OperationRequested) error {
	switch {
	case ev.Kind == OperationUnknown || ev.Kind > OperationStart:
		return fmt.Errorf("%w: operation of a node, want one of %q", ErrInvalid, operationWords()[1:OperationStart+1])
	case ev.Mode > ModeStandalone:
		return fmt.Errorf("%w: mode, want one of %q", ErrInvalid, modeWords()[1:])
	case ev.Mode != ModeNone && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown has a mode", ErrInvalid)
	case ev.Linger && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown can linger", ErrInvalid)
	case ev.CallbacksOnly && ev.Kind != OperationShutdown:
		return fmt.Errorf("%w: only a shutdown can be callbacks only", ErrInvalid)
	case ev.To != "" && ev.Kind != OperationSwitchover:
		return fmt.Errorf("%w: only a switchover has a node to go to", ErrInvalid)
	}

	return nil
}

// hindrances lists what keeps an operation from beginning, each with what to do.
func (m *Machine) hindrances(ev OperationRequested) []string {
	switch ev.Kind {
	case OperationShutdown:
		switch m.s.State {
		case StateDown:
			return []string{"the node is down already"}
		case StateLeaving:
			return []string{"the node is leaving already"}
		case StateJoining, StateInitializing, StateUp, StateShuttingDown:
		}

		return nil
	case OperationStart:
		if m.s.State != StateDown {
			return []string{fmt.Sprintf("the node is %v; only a node that is down can be started", m.s.State)}
		}

		return nil
	case OperationDisqualify, OperationQualify, OperationSwitchover, OperationUnknown,
		OperationClusterShutdown, OperationRollingReboot:
	}

	return m.roleHindrances(ev)
}

// roleHindrances are those of lock, unlock and switchover.
func (m *Machine) roleHindrances(ev OperationRequested) []string {
	var reasons []string
	early := ev.Kind == OperationQualify && (m.s.State == StateJoining || m.s.State == StateInitializing)
	if m.s.State != StateUp && !early {
		reasons = append(reasons, fmt.Sprintf("the node is %v; wait until it is up", m.s.State))
	}
	if !m.s.Config.Eligible {
		return append(reasons, "the node is not eligible by its configuration")
	}
	reasons = append(reasons, m.heldReasons(ev.Kind)...)
	switch ev.Kind {
	case OperationQualify:
		if m.s.Qualified && (m.s.Bar == nil || !m.s.Bar.Active) {
			reasons = append(reasons, "the node is qualified already")
		}
	case OperationDisqualify:
		reasons = append(reasons, m.lockReasons(ev)...)
	case OperationSwitchover:
		reasons = append(reasons, m.switchReasons(ev)...)
	case OperationUnknown, OperationShutdown, OperationStart, OperationClusterShutdown, OperationRollingReboot:
	}

	return reasons
}

// heldReasons names a held run that the operation would have to wait for.
func (m *Machine) heldReasons(kind OperationKind) []string {
	run := m.s.Run
	if run == nil || run.Phase != PhaseHeld {
		return nil
	}
	first := Qualify
	switch {
	case kind == OperationSwitchover, kind == OperationDisqualify && m.s.Role.Leads():
		first = Demote
	case kind == OperationDisqualify:
		first = Disqualify
	}
	if kind != OperationSwitchover && (first.Outranks(run.Sequence) || run.Sequence == Init) {
		return nil // it is cancelled, or goes on beside it
	}

	return []string{fmt.Sprintf("%v is held at level %v: %s; retry, skip or abort it first, with \"cssc sequence\"", run.Sequence, run.level(), run.Reason)}
}

func (m *Machine) lockReasons(ev OperationRequested) []string {
	switch {
	case !m.s.Qualified:
		return []string{"the node is disqualified already"}
	case !m.masters() || ev.Force:
		return nil
	}
	var reasons []string
	if !m.heirs(ev) {
		reasons = append(reasons, "this node is the master and no other qualified node is there to take over"+
			m.whyNobody(ev)+"; qualify one, or force it and have no master")
	}

	return append(reasons, quorumReason(ev.Briefing)...)
}

func (m *Machine) switchReasons(ev OperationRequested) []string {
	switch {
	case !m.masters() && m.s.Master == "":
		return []string{fmt.Sprintf("this node is %v and no master is known; see \"cssc explain\"", m.s.Role)}
	case !m.masters() && m.s.Role == RoleMaster:
		return []string{fmt.Sprintf("this node is giving the mastership up; ask the master %s", m.s.Master)}
	case !m.masters():
		return []string{fmt.Sprintf("this node is %v; ask the master %s", m.s.Role, m.s.Master)}
	case ev.To == m.s.Config.Node:
		return []string{fmt.Sprintf("%s is the master already", ev.To)}
	}
	var reasons []string
	to := ev.To
	if to == "" {
		to = m.heir(ev)
	}
	switch other, known := ev.Briefing.other(to); {
	case to == "":
		reasons = append(reasons, "no other qualified node is there to take over"+m.whyNobody(ev)+"; qualify one or add one to the cluster")
	case ev.Briefing == nil && ev.To != "" && !m.otherVice():
		reasons = append(reasons, "no other qualified node is there to take over; qualify one or add one to the cluster")
	case ev.Briefing == nil:
	case !known:
		reasons = append(reasons, fmt.Sprintf("%s is not in the node table; \"cssc nodes\" lists it", to))
	default:
		for _, obstacle := range other.Obstacles {
			reasons = append(reasons, fmt.Sprintf("%s cannot take over: %s", to, obstacle))
		}
	}

	return append(reasons, quorumReason(ev.Briefing)...)
}

func quorumReason(b *Briefing) []string {
	if b == nil || b.Quorate {
		return nil
	}

	return []string{fmt.Sprintf("no majority of voters is heard (%d of %d), so that nobody could be elected; bring nodes or the network back", b.VotersHeard, b.Voters)}
}

func (b *Briefing) other(node NodeID) (Other, bool) {
	if b == nil {
		return Other{}, false
	}
	i := slices.IndexFunc(b.Others, func(o Other) bool { return o.Node == node })
	if i < 0 {
		return Other{}, false
	}

	return b.Others[i], true
}

// heir is who takes over when nobody is asked for: the vice if it can, or else the first
// node that can.
func (m *Machine) heir(ev OperationRequested) NodeID {
	if ev.Briefing == nil {
		return m.s.Vice
	}
	if vice, there := ev.Briefing.other(m.s.Vice); there && len(vice.Obstacles) == 0 {
		return m.s.Vice
	}
	for _, other := range ev.Briefing.Others {
		if len(other.Obstacles) == 0 {
			return other.Node
		}
	}

	return ""
}

// heirs says that somebody could take over the role that this node has.
func (m *Machine) heirs(ev OperationRequested) bool {
	if ev.Briefing == nil {
		return m.otherVice() || m.s.Vice == m.s.Config.Node
	}

	return slices.ContainsFunc(ev.Briefing.Others, func(o Other) bool {
		return len(o.Obstacles) == 0 && (o.Node != m.s.Master || m.s.Vice != m.s.Config.Node)
	})
}

// whyNobody lists for each node that might what keeps it from taking over.
func (m *Machine) whyNobody(ev OperationRequested) string {
	if ev.Briefing == nil || len(ev.Briefing.Others) == 0 {
		return ""
	}
	var list []string
	for _, other := range ev.Briefing.Others {
		if len(other.Obstacles) > 0 && len(list) < 5 {
			list = append(list, fmt.Sprintf("%s: %s", other.Node, other.Obstacles[0]))
		}
	}

	return " (" + strings.Join(list, "; ") + ")"
}

// masters says that this node is the master, and no other one has taken that from it.
func (m *Machine) masters() bool {
	return m.s.Role == RoleMaster && (!m.s.Known || m.s.Master == m.s.Config.Node)
}

// otherVice says that somebody stands by to take the mastership.
func (m *Machine) otherVice() bool { return m.s.Vice != "" && m.s.Vice != m.s.Config.Node }
