package election

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLeaseEndsBeforeThePromise is the lease rule as a property, in exact arithmetic: for
// all leases, bounds ρ, clock rates within 1 ± ρ, readings and delays, the asker's last
// instant in true time is not after the first instant in true time at which the voter may
// answer another node.
func TestLeaseEndsBeforeThePromise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := Config{DriftPermille: rapid.IntRange(0, maxDriftPermille).Draw(t, "ρ")}
		lease := time.Duration(rapid.Int64Range(1, int64(longestLease)).Draw(t, "lease"))
		const fine = 1_000_000 // rates are drawn in millionths of ρ
		rate := func(label string) *big.Rat {
			part := rapid.OneOf(rapid.Just(int64(-fine)), rapid.Just(int64(fine)), rapid.Int64Range(-fine, fine)).Draw(t, label)

			return big.NewRat(permille*fine+int64(config.DriftPermille)*part, permille*fine)
		}
		delay := rapid.Int64Range(0, int64(time.Hour)).Draw(t, "delay")

		// Both count from true time 0 and from when the question arrives, each with its own rate.
		asker := new(big.Rat).Quo(big.NewRat(int64(config.ownLease(lease)), 1), rate("asker"))
		voter := new(big.Rat).Quo(big.NewRat(int64(config.promise(lease)), 1), rate("voter"))
		voter.Add(voter, big.NewRat(delay, 1))
		if asker.Cmp(voter) > 0 {
			t.Fatalf("lease %v, ρ %d ‰: the asker acts until %s, the voter is free from %s on",
				lease, config.DriftPermille, asker.FloatString(3), voter.FloatString(3))
		}
	})
}

// TestLeaseLosesLittle: the rounding costs at most a nanosecond each, so nobody waits for
// nothing. The naive twin is exact.
func TestLeaseLosesLittle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		drift := rapid.IntRange(0, maxDriftPermille).Draw(t, "ρ")
		lease := time.Duration(rapid.Int64Range(1, int64(longestLease)).Draw(t, "lease"))
		exact := new(big.Rat).Mul(big.NewRat(int64(lease), 1), big.NewRat(int64(drift), permille))
		more := new(big.Rat).Sub(big.NewRat(int64(share(lease, drift)), 1), exact)
		if more.Sign() < 0 || more.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("share of %d ‰ of %d ns: got %d ns, want %s rounded up", drift, lease, share(lease, drift), exact.FloatString(3))
		}
	})
}

// TestMajoritiesMeet: any two majorities of the same voters share one, and a majority is no
// larger than it must be.
func TestMajoritiesMeet(t *testing.T) {
	t.Parallel()
	for voters := 1; voters <= MaxNodes; voters++ {
		if got := majority(voters); 2*got <= voters || 2*(got-1) > voters {
			t.Errorf("majority of %d voters: got %d, want the least more than half", voters, got)
		}
	}
}

// TestEndlessStaysEndless: a lease or promise without an end stays so, in arithmetic too.
func TestEndlessStaysEndless(t *testing.T) {
	t.Parallel()
	config := Config{DriftPermille: 10, TwoNodeHold: true, Lease: time.Second, Nodes: []Node{{ID: "a", Vote: true}, {ID: "b", Vote: true}}}
	if got := config.promise(time.Second); got != Endless {
		t.Errorf("promise of two nodes that hold on: got %v, want an endless one", got)
	}
	if got := config.ownLease(Endless); got != Endless {
		t.Errorf("own lease of an endless one: got %v, want an endless one", got)
	}
	if got := Instant(7).Add(Endless); got != Forever {
		t.Errorf("7 + endless: got %d, want forever", got)
	}
	if got := Forever.Add(time.Second); got != Forever {
		t.Errorf("forever + 1 s: got %d, want forever", got)
	}
}
