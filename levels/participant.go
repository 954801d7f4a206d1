package levels

import "time"

// Registration is one component's wish to be called at one position.
type Registration struct {
	// ID is given by the machine.
	ID        RegistrationID `json:"id"`
	Component string         `json:"component"`
	Position  Position       `json:"position"`
	// Client is the connection that registered and that will be called.
	Client ClientID `json:"client"`
	// Unit is the systemd unit the client runs in, as the owner found out; may be empty.
	Unit string `json:"unit,omitempty"`
	// Cookie is the client's own and returned in every invocation.
	Cookie uint64 `json:"cookie,omitempty"`
	// Timeout and OnFailure override the configuration when not zero.
	Timeout   time.Duration `json:"timeout,omitempty"`
	OnFailure Policy        `json:"on_failure,omitempty"`
}

// Outcome is how one participant of a level stands. The zero value is waiting.
type Outcome uint8

// The outcomes.
const (
	OutcomeWaiting Outcome = iota // not asked yet
	OutcomeRunning                // invoked or starting
	OutcomeDone                   // did what was asked
	OutcomeAlready                // a member that was up (or down) beforehand
	OutcomeSkipped                // a member whose condition was not met
	OutcomeFailed                 // see the reason
	OutcomePassed                 // failed, and an operator or the policy went on without it
)

func outcomeWords() []string {
	return []string{"waiting", "running", "done", "already", "skipped", "failed", "passed"}
}

// String returns the word.
func (o Outcome) String() string { return word(o, outcomeWords()) }

// ParseOutcome is the inverse of String, "waiting" included.
func ParseOutcome(text string) (Outcome, error) {
	if text == OutcomeWaiting.String() {
		return OutcomeWaiting, nil
	}

	return parseWord[Outcome]("outcome", text, outcomeWords())
}

// MarshalText writes the word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word.
func (o *Outcome) UnmarshalText(text []byte) error {
	value, err := ParseOutcome(string(text))
	*o = value

	return err
}

// What a participant is passed for that did not fail: its run was cancelled, or systemd
// took over.
const (
	reasonCanceled = "canceled"
	reasonLeft     = "left to systemd"
)

// Member is one systemd unit's part in a work.
type Member struct {
	Unit    string  `json:"unit"`
	Outcome Outcome `json:"outcome"`
	// Reason says why, in words for an operator: "exit status 1", "start timed out".
	Reason string `json:"reason,omitempty"`
}

// Kind tells the two ways to take part in a level.
type Kind uint8

// The kinds.
const (
	KindUnknown  Kind = iota
	KindCallback      // registered over D-Bus
	KindMember        // wanted by the level's target
)

func kindWords() []string { return []string{"unknown", "callback", "member"} }

// String returns the word.
func (k Kind) String() string { return word(k, kindWords()) }

// ParseKind is the inverse of String.
func ParseKind(text string) (Kind, error) { return parseWord[Kind]("kind", text, kindWords()) }

// MarshalText writes the word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the word.
func (k *Kind) UnmarshalText(text []byte) error { return unmarshalWord(k, text, ParseKind) }

// Participant is one line of a level's account.
type Participant struct {
	Kind Kind `json:"kind"`
	// Name is the component of a callback, the unit of a member.
	Name     string   `json:"name"`
	Position Position `json:"position"`
	// Target is the member's; zero for callbacks.
	Target Target `json:"target,omitzero"`
	// Stop marks a member that was to be stopped, not started.
	Stop    bool    `json:"stop,omitempty"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	// Started and Ended are zero until they happen; Deadline is zero without a limit.
	Started  Instant `json:"started,omitempty"`
	Ended    Instant `json:"ended,omitempty"`
	Deadline Instant `json:"deadline,omitempty"`
}

// Broke says that it failed, whether the run went on without it or not; one that was passed
// because its run was cancelled, or because systemd took over, did not.
func (p Participant) Broke() bool {
	return p.Outcome == OutcomeFailed || p.Outcome == OutcomePassed && p.Reason != reasonCanceled && p.Reason != reasonLeft
}
