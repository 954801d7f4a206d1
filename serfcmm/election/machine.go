package election

// Start is what a new machine begins with.
type Start struct {
	Config Config
	// State is what was on disk; nil when there was none, or it was damaged.
	State *State
	// Lease is the mastership that this process held before it was restarted in the same
	// boot; zero when it held none. A lease that is over by Now is lost at the first step.
	Lease Lease
	// Serving: something of that mastership, or of an older one, may still run.
	Serving  bool
	Standing Standing
	// Left: the node is out of the cluster until JoinAsked.
	Left bool
	Now  Instant
	// FirstRound is above every round of earlier lives in this boot; the clock will do.
	FirstRound Round
}
