package config

import (
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

const (
	shortestLease = 250 * time.Millisecond
	longestLease  = 10 * time.Minute
	// A planned hand-over that goes wrong is over when every promise is, and a few elections.
	takeOverLeases = 3
	worstClock     = 100 // permille
	permille       = 1000
	defaultGrace   = 10 * time.Second
	defaultForming = time.Minute
)

// mastership reads the [mastership] table. What is not given and follows from something
// else stays zero until checkMastership.
func (r *reader) mastership(t *table) {
	m := &r.config.Mastership
	profile := m.Profile
	t.choice("profile", []string{"default", "fast", "floor", "wide"}, &profile)
	if profile != m.Profile {
		m.Profile, m.Lease = profile, profileLease(profile)
		r.mark(t, "profile")
	}
	given := func(key string, lowest, highest time.Duration, into *time.Duration) bool {
		set := t.duration(key, lowest, highest, into)
		if set {
			r.mark(t, key)
		}

		return set
	}
	if given("lease", shortestLease, longestLease, &m.Lease) {
		m.Profile = "custom"
	}
	if t.integer("clock_error_permille", 0, worstClock, &m.ClockErrorPermille) {
		r.mark(t, "clock_error_permille")
	}
	given("renew_every", time.Millisecond, longestLease, &m.RenewEvery)
	given("cease_after", time.Millisecond, longestLease, &m.CeaseAfter)
	given("kill_margin", time.Millisecond, longestLease, &m.KillMargin)
	given("stagger", time.Millisecond, longestLease, &m.Stagger)
	given("restart_grace", 0, longestLease, &m.RestartGrace)
	given("formation_timeout", time.Second, longest, &m.FormationTimeout)
	t.integer("flap_limit", 0, election.MaxChanges, &m.FlapLimit)
	given("flap_window", time.Second, longest, &m.FlapWindow)
	t.choice("two_node", []string{"hold"}, &m.TwoNode)
	t.choice("self_fence", []string{"off", "reboot"}, &m.SelfFence)
}

// set says whether a key of [mastership] stands in a file.
func (r *reader) set(key string) bool {
	_, set := r.places["mastership."+key]

	return set
}

// checkMastership fills in what follows from the lease, then checks the relations that
// the election rests on. Each is reported at the first of its keys that somebody wrote.
func (r *reader) checkMastership() {
	m := &r.config.Mastership
	derived := election.Config{Lease: m.Lease}.DefaultTimes()
	fill := func(key string, into *time.Duration, value time.Duration) {
		if !r.set(key) {
			*into = value
		}
	}
	fill("renew_every", &m.RenewEvery, derived.RenewEvery)
	fill("cease_after", &m.CeaseAfter, derived.CeaseAfter)
	fill("kill_margin", &m.KillMargin, derived.KillMargin)
	fill("stagger", &m.Stagger, derived.Stagger)
	fill("restart_grace", &m.RestartGrace, max(defaultGrace, m.Lease))
	promise := lengthened(max(m.Lease, m.RestartGrace), m.ClockErrorPermille)
	fill("formation_timeout", &m.FormationTimeout, max(defaultForming, 2*promise))

	r.config.Levels.TakeOver = takeOverLeases * promise

	if m.RestartGrace > 0 && m.RestartGrace < m.Lease {
		r.broken([]string{"restart_grace", "lease", "profile"}, "%s is shorter than the lease of %s; want 0 or at least the lease",
			short(m.RestartGrace), short(m.Lease))
	}
	if 2*m.RenewEvery > m.CeaseAfter {
		r.broken([]string{"renew_every", "cease_after", "lease", "profile"},
			"a renewal every %s leaves no room for two of them before cease_after = %s; want renew_every of at most %s",
			short(m.RenewEvery), short(m.CeaseAfter), short(m.CeaseAfter/2))
	}
	if room := m.Lease - (lengthened(m.Lease, m.ClockErrorPermille) - m.Lease) - m.KillMargin; m.CeaseAfter >= room {
		r.broken([]string{"cease_after", "kill_margin", "clock_error_permille", "lease", "profile"},
			"the lease of %s, shortened by a clock error of %d permille and a kill_margin of %s, ends %s after a renewal; want cease_after = %s below that",
			short(m.Lease), m.ClockErrorPermille, short(m.KillMargin), short(max(0, room)), short(m.CeaseAfter))
	}
	if m.Stagger > m.Lease {
		r.broken([]string{"stagger", "lease", "profile"}, "%s is longer than the lease of %s; want at most the lease", short(m.Stagger), short(m.Lease))
	}
	if m.FormationTimeout <= promise {
		r.broken([]string{"formation_timeout", "restart_grace", "lease", "profile"},
			"%s is not longer than the longest promise of %s, which is restart_grace or the lease with the clock error on top; want more",
			short(m.FormationTimeout), short(promise))
	}
}

// broken reports a relation of [mastership] at the first of its keys that is set.
func (r *reader) broken(keys []string, format string, args ...any) {
	for _, key := range keys {
		if place, set := r.places["mastership."+key]; set {
			r.relation(place, "mastership."+key, format, args...)

			return
		}
	}
	panic("config: the defaults of mastership contradict each other")
}

// lengthened adds the clock error to a time, rounded up, as a voter does with a promise.
func lengthened(d time.Duration, drift int) time.Duration {
	return d + (d*time.Duration(drift)+permille-1)/permille
}

// Election is what the election of this cluster must know. Every Config that Load has
// returned satisfies its Validate.
func (c Config) Election() election.Config {
	m := c.Mastership
	made := election.Config{
		Self: election.NodeID(c.Levels.Node), Hash: c.Hash,
		Lease: m.Lease, DriftPermille: m.ClockErrorPermille,
		RenewEvery: m.RenewEvery, CeaseAfter: m.CeaseAfter, KillMargin: m.KillMargin, Stagger: m.Stagger,
		RestartGrace: m.RestartGrace, FormationTimeout: m.FormationTimeout,
		TwoNodeHold: m.TwoNode == "hold", FlapLimit: m.FlapLimit, FlapWindow: m.FlapWindow,
	}
	for _, node := range c.Nodes {
		made.Nodes = append(made.Nodes, election.Node{ID: election.NodeID(node.Name), Vote: node.Vote, Eligible: node.Eligible})
	}
	if len(made.Nodes) == 0 {
		made.Nodes = []election.Node{{ID: made.Self, Vote: true, Eligible: true}}
	}

	return made
}
