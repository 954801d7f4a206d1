package levels

// Result is what one step decided.
type Result struct {
	// Actions in the order in which they must be started.
	Actions []Action
	// Wake is when Ticked is wanted next; 0 = not needed.
	Wake Instant
	// Err answers a request that was not taken; then nothing changed.
	Err error
	// ID answers Registered and OperationRequested.
	ID uint64
	// Plan answers a dry run: one line a step, for a person.
	Plan []string
}

// Start is what a new machine begins with.
type Start struct {
	Config Config
	// FirstTag and FirstRun continue the counts of earlier lives; tags begin at a
	// random number, so that nobody guesses them.
	FirstTag Tag
	FirstRun RunNumber
	// Qualified is the persistent attribute.
	Qualified bool
}
