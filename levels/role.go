package levels

// Role is what a node is in its cluster. The zero value is unknown.
type Role uint8

// The roles.
const (
	RoleUnknown Role = iota
	RoleMaster       // one per cluster
	RoleVice         // the hot standby, at most one
	RoleSpare        // qualified, no role
	RoleOffline      // disqualified
	RoleNone         // not eligible
)

func roleWords() []string {
	return []string{"unknown", "master", "vice", "spare", "offline", "none"}
}

// String returns the word.
func (r Role) String() string { return word(r, roleWords()) }

// ParseRole is the inverse of String.
func ParseRole(text string) (Role, error) { return parseWord[Role]("role", text, roleWords()) }

// MarshalText writes the word.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word; "unknown" reads as the zero value.
func (r *Role) UnmarshalText(text []byte) error { return unmarshalWord(r, text, ParseRole) }

// Leads says whether the role has targets and duties of its own: master or vice.
func (r Role) Leads() bool { return r == RoleMaster || r == RoleVice }

// NodeState is where a node is in its life. The zero value is down.
type NodeState uint8

// The states, in the order of a life.
const (
	StateDown         NodeState = iota
	StateJoining                // looking for a master
	StateInitializing           // running init
	StateUp                     // init complete
	StateShuttingDown           // running the sequences of a shutdown
	StateLeaving                // shut is complete, the ending is under way
)

func stateWords() []string {
	return []string{"down", "joining", "initializing", "up", "shutting-down", "leaving"}
}

// String returns the word.
func (s NodeState) String() string { return word(s, stateWords()) }

// ParseNodeState is the inverse of String, "down" included.
func ParseNodeState(text string) (NodeState, error) {
	if text == StateDown.String() {
		return StateDown, nil
	}

	return parseWord[NodeState]("state", text, stateWords())
}

// MarshalText writes the word.
func (s NodeState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *NodeState) UnmarshalText(text []byte) error {
	value, err := ParseNodeState(string(text))
	*s = value

	return err
}

// Policy says what a failed participant does to its run. The zero value means
// "as the next wider setting says": component, then level, then sequence.
type Policy uint8

// The policies.
const (
	PolicyInherit  Policy = iota
	PolicyHold            // stay at the level until an operator or the component resumes
	PolicyAbort           // undo the run
	PolicyContinue        // note it and go on
	PolicyFence           // never keep serving: stop members by force, then self-fence
)

func policyWords() []string { return []string{"inherit", "hold", "abort", "continue", "fence"} }

// String returns the word.
func (p Policy) String() string { return word(p, policyWords()) }

// ParsePolicy is the inverse of String for the four real policies.
func ParsePolicy(text string) (Policy, error) {
	return parseWord[Policy]("policy", text, policyWords())
}

// MarshalText writes the word.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the word; "inherit" reads as the zero value.
func (p *Policy) UnmarshalText(text []byte) error { return unmarshalWord(p, text, ParsePolicy) }

// Mode is the ending of a shutdown. The zero value is none.
type Mode uint8

// The endings.
const (
	ModeNone       Mode = iota
	ModeReboot          // the default
	ModePoweroff        //
	ModeHalt            //
	ModeNoboot          // cluster services stop, the node stays up
	ModeStandalone      // reboot; the next boot is without the cluster
)

func modeWords() []string {
	return []string{"none", "reboot", "poweroff", "halt", "noboot", "standalone"}
}

// String returns the word.
func (m Mode) String() string { return word(m, modeWords()) }

// ParseMode is the inverse of String for the five endings.
func ParseMode(text string) (Mode, error) { return parseWord[Mode]("mode", text, modeWords()) }

// MarshalText writes the word.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the word; "none" reads as the zero value.
func (m *Mode) UnmarshalText(text []byte) error { return unmarshalWord(m, text, ParseMode) }

// OperationKind is an administrative request. The zero value is unknown.
type OperationKind uint8

// The operations.
const (
	OperationUnknown OperationKind = iota
	OperationDisqualify
	OperationQualify
	OperationShutdown
	OperationSwitchover
	OperationStart           // back into the cluster after a shutdown with noboot
	OperationClusterShutdown // of all nodes, the master last; package fleet
	OperationRollingReboot   // of all nodes, one after the other; package fleet
)

// takesOut says that the node may have no role when the operation is over.
func (o OperationKind) takesOut() bool { return o == OperationDisqualify || o == OperationShutdown }

func operationWords() []string {
	return []string{"unknown", "disqualify", "qualify", "shutdown", "switchover", "start", "cluster-shutdown", "rolling-reboot"}
}

// String returns the word.
func (o OperationKind) String() string { return word(o, operationWords()) }

// OfCluster says that the operation concerns every node: the machine of one node does not
// take it, package fleet does.
func (o OperationKind) OfCluster() bool {
	return o == OperationClusterShutdown || o == OperationRollingReboot
}

// ParseOperationKind is the inverse of String.
func ParseOperationKind(text string) (OperationKind, error) {
	return parseWord[OperationKind]("operation", text, operationWords())
}

// MarshalText writes the word.
func (o OperationKind) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word; "unknown" reads as the zero value.
func (o *OperationKind) UnmarshalText(text []byte) error {
	return unmarshalWord(o, text, ParseOperationKind)
}

// unmarshalWord reads a saved enumeration, whose zero value is written too.
func unmarshalWord[T interface {
	~uint8
	String() string
}](into *T, text []byte, parse func(string) (T, error)) error {
	var zero T
	if *into = zero; zero.String() == string(text) {
		return nil
	}
	value, err := parse(string(text))
	*into = value

	return err
}
