package levels

// MaxTrouble bounds Card.Trouble.
const MaxTrouble = 64

// Card is what a node tells of itself by gossip: small, late, and for people and defaults
// only. Nothing that must be true hangs on it.
type Card struct {
	Node  NodeID
	State NodeState
	Role  Role
	Term  Term
	// Reached is the highest init level reached; counts when Started.
	Reached   Level
	Started   bool
	Qualified bool
	// Hash is the configuration's, Version the program's, Incarnation the boot's.
	Hash, Version, Incarnation string
	// Fingerprint tells which settings differ when the hashes do: config.Differences.
	Fingerprint string
	// Operation is the kind of what is in progress there, unknown when nothing is; Number and
	// Step are those of the operation. The step is at most MaxCardStep bytes long.
	Operation OperationKind
	Number    OperationID
	Step      string
	// Doing is the level that runs there, SequenceUnknown: none, or init and all is well.
	Doing Position
	// Trouble is what is the matter, in at most MaxTrouble bytes: "held: naming failed".
	Trouble string
	// Barred: promote failed on it, and it wants no role for a while.
	Barred bool
	// Alive: gossip holds the node for a living member. Filled in by who receives the card.
	Alive bool
	// Left: it said goodbye before it went, as against one that is lost. Filled in likewise.
	Left bool
}

// MaxCardStep bounds the step that a card tells.
const MaxCardStep = 24
