package levels

// What is asked of the cluster rather than of this node's sequences: plain data that the
// bus hands to the agent. The machine knows nothing of it.

// KeyVerb is what to do with the cluster's keys. The zero value is unknown.
type KeyVerb uint8

// The verbs.
const (
	KeyVerbUnknown KeyVerb = iota
	KeysList               // ask every node which keys it has
	KeysRotate             // make a new key, give it to every node, use it, forget the others
	KeysRemove             // make every node forget a key that is not in use
)

func keyVerbWords() []string { return []string{"unknown", "list", "rotate", "remove"} }

// String returns the word.
func (v KeyVerb) String() string { return word(v, keyVerbWords()) }

// ParseKeyVerb is the inverse of String.
func ParseKeyVerb(text string) (KeyVerb, error) {
	return parseWord[KeyVerb]("verb", text, keyVerbWords())
}

// KeyRequest asks about the keys that gossip and votes are encrypted with.
type KeyRequest struct {
	Verb KeyVerb
	// Key is the one to remove, by the name that KeyView gives it; else empty.
	Key string
	// By is who asked.
	By string
}

// KeyView is one key of the cluster.
type KeyView struct {
	// Key names it: 12 hexadecimal digits that give nothing away. The key itself is never
	// told.
	Key string `json:"key"`
	// Primary: messages are encrypted with it. The others are only tried on what comes in.
	Primary bool `json:"primary"`
	// Nodes have it, Missing are listed and do not, or have not answered. Both are sorted.
	Nodes   []NodeID `json:"nodes"`
	Missing []NodeID `json:"missing"`
}

// FailoverRequest is a person's word that a node is off and stays off until it is seen
// again: its vote counts as given to whoever stands, its promise as void.
type FailoverRequest struct {
	Fenced     NodeID
	Reason, By string
}
