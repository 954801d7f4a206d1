package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// three is the node table of a good cluster, whose first node is the one that loads.
const three = `
[security]
insecure = true
[[node]]
name = "n1"
address = "192.0.2.1"
[[node]]
name = "n2"
address = "192.0.2.2"
[[node]]
name = "n3"
address = "192.0.2.3"
`

// loaded is the configuration of a text that must be good.
func loaded(t *testing.T, text string) Config {
	t.Helper()
	c, err := load(write(t, "cssc.toml", text), "n1")
	if err != nil {
		t.Fatalf("load: %v\n%s", err, text)
	}

	return c
}

// Goal: every value of the election comes from the files, or follows from the lease as
// cssc.toml(5) says. Method: the profiles, a lease beyond the other defaults, and a file
// that sets each key; the election itself judges every one of them.
func TestElectionIsDerivedFromTheLease(t *testing.T) {
	const ms = time.Millisecond
	type times struct{ lease, renew, cease, kill, stagger, grace, forming time.Duration }
	cases := []struct {
		name, text string
		want       times
	}{
		{"default", "", times{2000 * ms, 250 * ms, 1200 * ms, 200 * ms, 125 * ms, 10 * time.Second, time.Minute}},
		{"fast", `profile = "fast"`, times{560 * ms, 70 * ms, 336 * ms, 56 * ms, 35 * ms, 10 * time.Second, time.Minute}},
		{"floor", `profile = "floor"`, times{250 * ms, 31250 * time.Microsecond, 150 * ms, 50 * ms, 15625 * time.Microsecond, 10 * time.Second, time.Minute}},
		{"wide", `profile = "wide"`, times{10 * time.Second, 1250 * ms, 6 * time.Second, time.Second, 625 * ms, 10 * time.Second, time.Minute}},
		{"long", `lease = "1m"`, times{time.Minute, 7500 * ms, 36 * time.Second, 6 * time.Second, 3750 * ms, time.Minute, 121200 * ms}},
		{"no grace", "profile = \"wide\"\nrestart_grace = \"0s\"", times{10 * time.Second, 1250 * ms, 6 * time.Second, time.Second, 625 * ms, 0, time.Minute}},
		{
			"all", "lease = \"3s\"\nrenew_every = \"400ms\"\ncease_after = \"2s\"\nkill_margin = \"300ms\"\nstagger = \"50ms\"\n" +
				"restart_grace = \"4s\"\nformation_timeout = \"30s\"",
			times{3 * time.Second, 400 * ms, 2 * time.Second, 300 * ms, 50 * ms, 4 * time.Second, 30 * time.Second},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			made := loaded(t, three+"[mastership]\n"+c.text).Election()
			got := times{made.Lease, made.RenewEvery, made.CeaseAfter, made.KillMargin, made.Stagger, made.RestartGrace, made.FormationTimeout}
			if got != c.want {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
			if err := made.Validate(); err != nil {
				t.Errorf("the election refuses it: %v", err)
			}
		})
	}
}

// Goal: the rest of the election's configuration arrives, in a cluster and in a cluster of
// one without a file. Method: a table with a witness, and nothing.
func TestElectionKnowsTheNodeTable(t *testing.T) {
	c := loaded(t, three+"eligible = false\n[[node]]\nname = \"n4\"\naddress = \"n4\"\nvote = false\n"+
		"[mastership]\nclock_error_permille = 0\nflap_limit = 0\nflap_window = \"1m\"\n")
	made := c.Election()
	want := []election.Node{
		{ID: "n1", Vote: true, Eligible: true},
		{ID: "n2", Vote: true, Eligible: true},
		{ID: "n3", Vote: true},
		{ID: "n4", Eligible: true},
	}
	if !slices.Equal(made.Nodes, want) || made.Self != "n1" || made.Hash != c.Hash || !made.TwoNodeHold ||
		made.DriftPermille != 0 || made.FlapLimit != 0 || made.FlapWindow != time.Minute {
		t.Errorf("got %+v, want the table %v of n1", made, want)
	}
	alone := loaded(t, "").Election()
	if err := alone.Validate(); err != nil || len(alone.Nodes) != 1 || alone.FlapLimit != 3 || alone.DriftPermille != 10 {
		t.Errorf("cluster of one: %+v, %v; want one node, a flap limit of 3 and 10 permille", alone, err)
	}
}

// Goal: each relation of [mastership] that does not hold is one line at the key that
// somebody wrote, with what is allowed. Method: the exact text.
func TestMastershipMistakes(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{
			"lease too short", "lease = \"249ms\"",
			`3:1: mastership.lease: want a time from 250ms to 10m, got 249ms`,
		},
		{
			"clock error", "clock_error_permille = 101",
			`3:1: mastership.clock_error_permille: want a whole number in 0…100, got the number 101`,
		},
		{
			"more changes than a renewal can tell", "flap_limit = 17",
			`3:1: mastership.flap_limit: want a whole number in 0…16, got the number 17`,
		},
		{
			"renewals", "renew_every = \"601ms\"",
			`3:1: mastership.renew_every: a renewal every 601ms leaves no room for two of them before cease_after = 1.2s; want renew_every of at most 600ms`,
		},
		{
			"renewals against another key", "cease_after = \"400ms\"",
			`3:1: mastership.cease_after: a renewal every 250ms leaves no room for two of them before cease_after = 400ms; want renew_every of at most 200ms`,
		},
		{
			"ceasing", "cease_after = \"1780ms\"",
			`3:1: mastership.cease_after: the lease of 2s, shortened by a clock error of 10 permille and a kill_margin of 200ms, ends 1.78s after a renewal; want cease_after = 1.78s below that`,
		},
		{
			"kill margin", "\nkill_margin = \"1s\"",
			`4:1: mastership.kill_margin: the lease of 2s, shortened by a clock error of 10 permille and a kill_margin of 1s, ends 980ms after a renewal; want cease_after = 1.2s below that`,
		},
		{
			"stagger", "stagger = \"3s\"",
			`3:1: mastership.stagger: 3s is longer than the lease of 2s; want at most the lease`,
		},
		{
			"grace", "profile = \"wide\"\nrestart_grace = \"2s\"",
			`4:1: mastership.restart_grace: 2s is shorter than the lease of 10s; want 0 or at least the lease`,
		},
		{
			"formation", "formation_timeout = \"10s\"",
			`3:1: mastership.formation_timeout: 10s is not longer than the longest promise of 10.1s, which is restart_grace or the lease with the clock error on top; want more`,
		},
		{
			"two node", "two_node = \"promote\"",
			`3:1: mastership.two_node: unknown word "promote"; allowed are hold`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, "cssc.toml", "# "+c.name+"\n[mastership]\n"+c.text+"\n")
			_, err := load(dir, "n1")
			invalid, ok := errors.AsType[*InvalidError](err)
			if !ok {
				t.Fatalf("load = %v, want *InvalidError", err)
			}
			if got, want := invalid.Error(), dir+"/cssc.toml:"+c.want; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Goal: two spellings of one address are one, and what is no address is refused with the
// reason. Method: a table; an empty want is a refusal.
func TestAddressesHaveOneForm(t *testing.T) {
	cases := map[string]string{
		"192.0.2.1": "192.0.2.1:7946", "192.0.2.1:07946": "192.0.2.1:7946", "n1.Example": "n1.example:7946",
		"n1:1": "n1:1", "2001:DB8::1": "[2001:db8::1]:7946", "[2001:db8:0:0::1]:80": "[2001:db8::1]:80",
		"[2001:db8::1]": "[2001:db8::1]:7946", "::ffff:192.0.2.1": "192.0.2.1:7946", "127.0.0.1:65535": "127.0.0.1:65535",
		"": "", " n1": "", "n1:": "", ":7946": "", "n1:0": "", "n1:65536": "", "n1:http": "", "n1:1:2": "", "a/b": "",
		"0.0.0.0": "", "[::]:7946": "", "224.0.0.1": "", "1.2.3": "", "192.0.2.256": "", "-n": "", "a..b": "", "[n1]:80x": "",
	}
	for text, want := range cases {
		got, err := hostPort(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("hostPort(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

// Goal: the mistakes and the surprises of a node table are told. Method: one file each;
// warnings are those of a file that loads.
func TestNodeTables(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"good", three, ""},
		{
			"one address twice", strings.Replace(three, "192.0.2.3", "192.0.2.1:7946", 1),
			`12:1: node.address: node "n3" has the address 192.0.2.1:7946, and so has node "n1" at DIR/cssc.toml:6; each needs its own`,
		},
		{
			"bad address", strings.Replace(three, "192.0.2.3", "192.0.2.3:http", 1),
			`12:1: node[3].address: "192.0.2.3:http" is not an address: port "http" is not a number in 1…65535; want a host or host:port`,
		},
		{
			"four voters", three + "[[node]]\nname = \"n4\"\naddress = \"n4\"\n",
			`14:1: node: 4 voters, an even number: a majority is 3, so no more than 1 voter may be lost, as with 3 voters; set vote = false for one, or add one`,
		},
		{"four nodes, three voters", three + "[[node]]\nname = \"n4\"\naddress = \"n4\"\nvote = false\n", ""},
		{
			"two voters", three + "vote = false\n",
			`8:1: node: two voters cannot tell a dead peer from a broken link: the master goes on alone when the other is lost, ` +
				`and nobody takes over from a lost master (two_node = "hold"); add a third with eligible = false as witness`,
		},
		{
			"one voter", strings.ReplaceAll(three, "[[node]]\nname = \"n", "[[node]]\nvote = false\nname = \"n") + "[[node]]\nname = \"n4\"\naddress = \"n4\"\n",
			`17:1: node: only node "n4" has a vote: without it no other node can become master; remove vote = false from at least two more`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, "cssc.toml", c.text)
			config, err := load(dir, "n1")
			var lines []string
			for _, warning := range config.Warnings {
				lines = append(lines, warning.String())
			}
			if err != nil {
				lines = append(lines, err.Error())
			}
			want := c.want
			if want != "" {
				want = "DIR/cssc.toml:" + want
			}
			if got := strings.ReplaceAll(strings.Join(lines, "\n"), dir, "DIR"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Goal: Hash and Fingerprint change with what nodes must agree on and with nothing else,
// the fingerprint names it, and Digest changes with every byte. Method: one change at a
// time to the same file.
func TestDifferencesNameTheSettings(t *testing.T) {
	base := loaded(t, three)
	cases := []struct {
		name string
		text string
		want []string
	}{
		{"comment", three + "# nothing\n", nil},
		{"timeout of a participant", three + "[sequence.init]\ntimeout = \"4s\"\n", nil},
		{"local", three + "[local]\nlog_level = \"debug\"\n", nil},
		{"the default port", strings.Replace(three, "192.0.2.2", "192.0.2.2:7946", 1), nil},
		{"lease", three + "[mastership]\nlease = \"2100ms\"\n", []string{"mastership.lease"}},
		{"what follows from the lease", three + "[mastership]\nkill_margin = \"100ms\"\n", []string{"mastership.kill_margin"}},
		{"levels", three + "[sequence.init]\nlevels = 9\n[sequence.demote]\nlevels = 1\n", []string{"sequence.init.levels", "sequence.demote.levels"}},
		{"vote", three + "vote = false\n", []string{"node.vote"}},
		{"witness", three + "eligible = false\n", []string{"node.eligible"}},
		{"address", strings.Replace(three, "192.0.2.2", "192.0.2.9", 1), []string{"node.address"}},
		{"clock", three + "[mastership]\nclock_error_permille = 11\n", []string{"mastership.clock_error_permille"}},
		{"flapping", three + "[mastership]\nflap_limit = 4\nflap_window = \"1m\"\n", []string{"mastership.flap_limit", "mastership.flap_window"}},
		{"cluster", three + "[cluster]\nname = \"x\"\ngate_vice = true\n", []string{"cluster.name", "cluster.gate_vice"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			other := loaded(t, c.text)
			got := Differences(base.Fingerprint, other.Fingerprint)
			if !slices.Equal(got, c.want) {
				t.Errorf("Differences = %q, want %q", got, c.want)
			}
			if (base.Hash == other.Hash) != (len(c.want) == 0) {
				t.Errorf("hashes %s and %s, differences %q", base.Hash, other.Hash, c.want)
			}
			if (base.Digest == other.Digest) != (c.text == three) {
				t.Errorf("digests %s and %s", base.Digest, other.Digest)
			}
		})
	}
	if limit := 64; len(base.Fingerprint) > limit || len(base.Hash) > election.MaxHash {
		t.Errorf("fingerprint of %d and hash of %d bytes, want at most %d and %d: they go into gossip", len(base.Fingerprint), len(base.Hash), limit, election.MaxHash)
	}
	for _, foreign := range []string{"", "x", base.Fingerprint + "AA", strings.Repeat("é", 40)} {
		if got := Differences(base.Fingerprint, foreign); len(got) == 0 || got[len(got)-1] != "the version of cssc" {
			t.Errorf("Differences with %q = %q, want it to name the version", foreign, got)
		}
	}
	reordered := strings.NewReplacer("n1", "n2", "n2", "n1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.1").Replace(three)
	if got := Differences(base.Fingerprint, loaded(t, reordered).Fingerprint); !slices.Equal(got, []string{"node.name", "node.address"}) {
		t.Errorf("with the nodes in another order: %q, want node.name and node.address", got)
	}
}

// Goal: Digest reads the same bytes as Load. Method: both on one directory, before and
// after a change.
func TestDigestIsThatOfTheLoadedFiles(t *testing.T) {
	dir := write(t, "cssc.toml", three)
	c, err := load(dir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if now := Digest(dir); now != c.Digest {
		t.Errorf("Digest = %s, want that of the loaded configuration, %s", now, c.Digest)
	}
	if other := Digest(write(t, "cssc.toml", three+"#")); other == c.Digest {
		t.Error("Digest is the same for other bytes")
	}
}
