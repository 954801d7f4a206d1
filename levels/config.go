package levels

import "time"

// Config is what the machine must know beforehand. It is complete: whoever
// makes it has filled in every default (see DefaultConfig) and validated it.
type Config struct {
	Node    NodeID
	Cluster string
	// Eligible says whether this node may ever hold a role.
	Eligible bool
	// Sequences is indexed by Sequence; the entry of SequenceUnknown is unused.
	Sequences [7]SequenceConfig
	// Components by name; one that is not listed has no settings of its own.
	Components map[string]ComponentConfig
	// GateVice makes the vice wait for the master's init levels too.
	GateVice bool
	// TakeOver is how long a cluster may be without a master after a planned release, before
	// that counts as a failure; less than half a minute counts as that.
	TakeOver time.Duration
	// RegistrationTimeout bounds the wait for required components before their level.
	RegistrationTimeout time.Duration
	// Limits on what clients may ask for.
	MaxRegistrations          int // on the node
	MaxRegistrationsPerClient int
}

// SequenceConfig holds one sequence's settings.
type SequenceConfig struct {
	Ladder Ladder
	// Timeout bounds each participant of a level, not the level or the run.
	Timeout time.Duration
	// OnFailure is never PolicyInherit here.
	OnFailure Policy
	Levels    map[Level]LevelConfig
}

// LevelConfig overrides the sequence's settings; zero values inherit.
type LevelConfig struct {
	Timeout   time.Duration
	OnFailure Policy
}

// ComponentConfig overrides the level's and the sequence's settings for one
// component (callbacks by component name, members by unit name); zero values inherit.
type ComponentConfig struct {
	Timeout   time.Duration
	OnFailure Policy
	// Required lists the positions at which init and the other sequences expect a registration.
	Required []Position
	// Unit is what is stopped after the component's last shut level. Empty: the unit
	// its client was seen to run in.
	Unit string
}

// DefaultConfig is that of a cluster of one without any configuration file.
func DefaultConfig(node NodeID) Config {
	config := Config{
		Node:                      node,
		Cluster:                   "local",
		Eligible:                  true,
		Components:                map[string]ComponentConfig{},
		RegistrationTimeout:       90 * time.Second,
		MaxRegistrations:          4096,
		MaxRegistrationsPerClient: 1024,
	}
	for _, sequence := range Sequences() {
		config.Sequences[sequence] = SequenceConfig{
			Ladder:    Ladder{Top: 10},
			Timeout:   90 * time.Second,
			OnFailure: defaultPolicy(sequence),
		}
	}

	return config
}

func defaultPolicy(sequence Sequence) Policy {
	switch sequence {
	case Promote, Demote:
		return PolicyAbort
	case Shut:
		return PolicyContinue
	case SequenceUnknown, Init, Disqualify, Qualify:
		return PolicyHold
	default:
		return PolicyHold
	}
}
