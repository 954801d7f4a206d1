package levels

// RunRecord is what history keeps of a run. Fields were added over time: those marked
// omitempty are zero in records of older agents.
type RunRecord struct {
	Run RunNumber `json:"run"`
	// Node is where it ran.
	Node     NodeID   `json:"node,omitempty"`
	Sequence Sequence `json:"sequence"`
	// Role and Term are the node's as of the start of the run, after init or promote took on
	// theirs. From is the role before that, To the one that the node has when the run completes.
	Role  Role   `json:"role"`
	From  Role   `json:"from,omitempty"`
	To    Role   `json:"to,omitempty"`
	Term  Term   `json:"term"`
	Cause string `json:"cause"`
	// Operation is the node's operation that the run belongs to, with its kind and the reason
	// that was given for it; 0 = none.
	Operation       OperationID   `json:"operation,omitempty"`
	OperationKind   OperationKind `json:"operation_kind,omitempty"`
	OperationReason string        `json:"operation_reason,omitempty"`
	// LostLease marks a demote because the lease ran out.
	LostLease bool `json:"lost_lease,omitempty"`
	// Outcome is "completed", "failed" or "canceled".
	Outcome string  `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	Started Instant `json:"started"`
	Ended   Instant `json:"ended"`
	// Levels that did something or waited; the others leave no entry.
	Levels []LevelRecord `json:"levels"`
}

// LevelRecord is one level of a record.
type LevelRecord struct {
	Level   Level   `json:"level"`
	Entered Instant `json:"entered"`
	// Reached is zero for the level at which a run ended that did not complete.
	Reached Instant `json:"reached,omitempty"`
	// Waits are the times in which the level did not go on by itself, one after the other.
	Waits        []Wait        `json:"waits,omitempty"`
	Participants []Participant `json:"participants"`
}

// Wait is a time that a level spent in one phase for one reason: waiting (for the gate or
// a required component), held, or cancelling. It is longer than zero.
type Wait struct {
	Phase  Phase   `json:"phase"`
	Reason string  `json:"reason,omitempty"`
	Since  Instant `json:"since"`
	// Until is zero only in a run in progress.
	Until Instant `json:"until,omitempty"`
}

// As many waits as maxWaits are kept of one level, for whoever retries for ever; the last
// one then stands for all that follow.
const maxWaits = 64

// enterPhase is the only way from phase to phase: it keeps the account of the waits.
func (m *Machine) enterPhase(phase Phase, reason string) {
	run := m.s.Run
	if run.Phase == phase && run.Reason == reason {
		return
	}
	m.endWait()
	run.Phase, run.Reason = phase, reason
	switch {
	case !phase.waits():
	case len(run.Waits) == maxWaits:
		last := &run.Waits[maxWaits-1]
		last.Phase, last.Reason, last.Until = phase, reason, 0
	default:
		run.Waits = append(run.Waits, Wait{Phase: phase, Reason: reason, Since: m.now})
	}
}

// waits says whether a phase is one of waiting.
func (p Phase) waits() bool {
	return p == PhaseWaiting || p == PhaseHeld || p == PhaseCancelling
}

// waitsInOrder is an invariant.
func waitsInOrder(run *RunState) bool {
	for i, wait := range run.Waits {
		last := i == len(run.Waits)-1
		switch {
		case !wait.Phase.waits() || i > 0 && wait.Since < run.Waits[i-1].Until:
			return false
		case wait.Until == 0 && (!last || run.Phase != wait.Phase):
			return false
		case wait.Until != 0 && wait.Until <= wait.Since:
			return false
		}
	}

	return true
}

// endWait closes the open wait; one of no length is forgotten.
func (m *Machine) endWait() {
	waits := m.s.Run.Waits
	if len(waits) == 0 || waits[len(waits)-1].Until != 0 {
		return
	}
	last := &waits[len(waits)-1]
	last.Until = m.now
	if last.Until <= last.Since {
		m.s.Run.Waits = waits[:len(waits)-1]
	}
}

// record keeps what the present level did; reached is zero when it was not.
func (m *Machine) record(reached Instant) {
	run := m.s.Run
	m.endWait()
	if len(run.Parts) == 0 && len(run.Waits) == 0 {
		return
	}
	record := LevelRecord{
		Level: run.level(), Entered: run.Entered, Reached: reached, Waits: run.Waits,
		Participants: make([]Participant, 0, len(run.Parts)),
	}
	for i := range run.Parts {
		record.Participants = append(record.Participants, run.Parts[i].Participant)
	}
	run.Levels = append(run.Levels, record)
}

// runRecord is the record of the run as it ends now.
func (m *Machine) runRecord(run *RunState, outcome, reason string) RunRecord {
	operation := m.operationByID(run.Op)

	return RunRecord{
		Run: run.Number, Node: run.Info.Node, Sequence: run.Sequence, Role: run.Info.Role,
		From: run.From, To: run.To, Term: run.Info.Term,
		Cause: run.Cause, Operation: run.Op, OperationKind: operation.Kind, OperationReason: operation.Reason, LostLease: run.LostLease,
		Outcome: outcome, Reason: reason, Started: run.Started, Ended: m.now, Levels: run.Levels,
	}
}

// operationByID is an operation in progress or lately ended, or the zero value.
func (m *Machine) operationByID(id OperationID) OperationView {
	if op := m.s.Operation; op != nil && op.ID == id {
		return op.OperationView
	}
	for _, ended := range m.s.Operations {
		if ended.ID == id {
			return ended
		}
	}

	return OperationView{}
}
