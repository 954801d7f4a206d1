package election

import "time"

// The lease rule, all of it. L is the lease that the asker names, ρ the bound on the error
// of any clock's rate. The asker counts a shortened lease from before it asked, the voter a
// lengthened promise from after it was asked:
//
//	asker   sent ────────────── L(1−ρ) ──────────────┤ acts no more
//	voter        received ────────────────── L(1+ρ) ──────────────────┤ may answer another
//
// With both rates within 1 ± ρ of true time the first ends at the latest L after sent, and
// the second at the earliest L after received, which is not before sent. So as long as a
// voter answers only one node at a time, and every mastership needs a majority, the answers
// that two masterships would need at the same moment cannot exist.

const permille = 1000

// ownLease is how long an asker may act after it sent the question, rounded down.
func (c Config) ownLease(lease time.Duration) time.Duration {
	if lease == Endless {
		return Endless
	}

	return lease - share(lease, c.DriftPermille)
}

// promise is how long a voter answers nobody else after it received it, rounded up.
func (c Config) promise(lease time.Duration) time.Duration {
	if lease == Endless || c.holds() {
		return Endless
	}

	return lease + share(lease, c.DriftPermille)
}

// share is drift thousandths of the lease, rounded up.
func share(lease time.Duration, drift int) time.Duration {
	whole, rest, part := int64(lease)/permille, int64(lease)%permille, int64(drift)

	return time.Duration(whole*part + (rest*part+permille-1)/permille)
}

// longestPromise is what a voter without any memory may have given: the rule of a restart
// where there is no state file.
func (c Config) longestPromise() time.Duration {
	longest := max(c.Lease, c.RestartGrace)

	return longest + share(longest, c.DriftPermille)
}

// majority is how many of the voters it takes.
func majority(voters int) int { return voters/2 + 1 }
