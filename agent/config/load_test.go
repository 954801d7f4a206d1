package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// write makes a configuration directory from pairs of name and text.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// Goal: without any file there is a complete cluster of one. Method: load an
// empty and a missing directory and compare with the core's defaults.
func TestNoFileIsAClusterOfOne(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/nonexistent"} {
		c, err := load(dir, "host1")
		if err != nil {
			t.Fatalf("load(%s) = %v, want no error", dir, err)
		}
		if c.Levels.Node != "host1" || !c.ClusterOfOne() || len(c.Files) != 0 || !c.Levels.Eligible {
			t.Errorf("load(%s) = %+v, want an eligible cluster of one named host1", dir, c)
		}
		if got, want := c.Levels.Sequences, levels.DefaultConfig("host1").Sequences; got[levels.Init].Ladder != want[levels.Init].Ladder {
			t.Errorf("init ladder = %v, want %v", got[levels.Init].Ladder, want[levels.Init].Ladder)
		}
	}
}

const full = `
[cluster]
name = "plant-7"
gate_vice = true
registration_timeout = "30s"

[[node]]
name = "n1"
address = "192.0.2.1"
[[node]]
name = "n2"
address = "192.0.2.2:7946"
[[node]]
name = "n3"
address = "192.0.2.3"
eligible = false

[sequence.init]
levels = 4
timeout = "60s"
on_failure = "continue"
[sequence.init.level.3]
timeout = "5m"
on_failure = "hold"
[sequence.shut]
level.last.timeout = "10s"

[[component]]
name = "naming"
required = ["init:0", "init:last", "demote:0"]
unit = "naming.service"
timeout = "7s"
on_failure = "abort"

[mastership]
profile = "fast"
restart_grace = "20s"
self_fence = "reboot"

[security]
keyring = "/etc/cssc/keyring"
remote_operations = ["disqualify", "qualify"]

[local]
node = "n2"
log_level = "debug"

[shutdown]
timeout = "4m"
margin = "10s"
emergency = "20s"

[limits]
registrations = 100
registrations_per_client = 10
history_runs = 20

[endpoints]
listen = "0.0.0.0:7947"
exposed = true
`

// Goal: every setting arrives where it belongs. Method: a file that sets each
// one to something that is not the default.
func TestEverySettingArrives(t *testing.T) {
	c, err := load(write(t, "cssc.toml", full), "ignored")
	if err != nil {
		t.Fatal(err)
	}
	init, shut := c.Levels.Sequences[levels.Init], c.Levels.Sequences[levels.Shut]
	component := c.Levels.Components["naming"]
	checks := []struct {
		name string
		ok   bool
	}{
		{"cluster", c.Levels.Cluster == "plant-7" && c.Levels.GateVice && c.Levels.RegistrationTimeout == 30*time.Second},
		{"nodes", len(c.Nodes) == 3 && c.Nodes[0].Address == "192.0.2.1:7946" && c.Nodes[1].Address == "192.0.2.2:7946" && !c.Nodes[2].Eligible && c.Nodes[2].Vote && c.Nodes[0].Eligible},
		{"node", c.Levels.Node == "n2" && c.Levels.Eligible && !c.ClusterOfOne()},
		{"init", init.Ladder.Top == 4 && init.Timeout == time.Minute && init.OnFailure == levels.PolicyContinue},
		{"init 3", init.Levels[3] == levels.LevelConfig{Timeout: 5 * time.Minute, OnFailure: levels.PolicyHold}},
		{"shut", shut.Ladder.Top == 10 && shut.Levels[levels.Last].Timeout == 10*time.Second},
		{"component", component.Timeout == 7*time.Second && component.OnFailure == levels.PolicyAbort && component.Unit == "naming.service"},
		{"required", len(component.Required) == 3 && component.Required[1] == levels.Position{Sequence: levels.Init, Level: levels.Last}},
		{"mastership", c.Mastership.Lease == 560*time.Millisecond && c.Mastership.RestartGrace == 20*time.Second && c.Mastership.SelfFence == "reboot"},
		{"security", c.Security.Keyring == "/etc/cssc/keyring" && len(c.Security.RemoteOperations) == 2},
		{"local", c.Local.LogLevel == "debug"},
		{"shutdown", c.Shutdown == Shutdown{Timeout: 4 * time.Minute, Margin: 10 * time.Second, Emergency: 20 * time.Second}},
		{"limits", c.Levels.MaxRegistrations == 100 && c.Levels.MaxRegistrationsPerClient == 10 && c.Limits.HistoryRuns == 20},
		{"endpoints", c.Endpoints == Endpoints{Listen: "0.0.0.0:7947", Exposed: true}},
		{"warnings", len(c.Warnings) == 0},
	}
	for _, check := range checks {
		if !check.ok {
			t.Errorf("%s did not arrive: %+v", check.name, c)
		}
	}
}

// Goal: drop-ins override key by key and add nodes and components. Method: three
// files whose names order them.
func TestDropInsMergeInOrder(t *testing.T) {
	dir := write(t,
		"cssc.toml", "[sequence.init]\nlevels = 3\ntimeout = \"1s\"\n[[component]]\nname = \"a\"\n",
		"conf.d/20-b.toml", "[sequence.init]\nlevels = 7\n",
		"conf.d/10-a.toml", "[sequence.init]\nlevels = 5\n[[component]]\nname = \"b\"\n",
		"conf.d/30.toml~", "not toml at all",
		"conf.d/.hidden.toml", "not toml either")
	c, err := load(dir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	init := c.Levels.Sequences[levels.Init]
	if init.Ladder.Top != 7 || init.Timeout != time.Second || len(c.Levels.Components) != 2 || len(c.Files) != 3 {
		t.Errorf("got top %v, timeout %v, %d components, files %q; want 7, 1s, 2, three files", init.Ladder.Top, init.Timeout, len(c.Levels.Components), c.Files)
	}
}

// Goal: each kind of mistake is one clear line at its place. Method: the exact
// text, where DIR stands for the directory.
func TestMistakes(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{
			"syntax", "[cluster\nname = 1\n",
			`DIR/cssc.toml:1:9: not valid TOML: expected '.' or ']' to end table name, but got '\n' instead`,
		},
		{
			"duplicate key", "[cluster]\nname = \"a\"\nname = \"b\"\n",
			`DIR/cssc.toml:3:1: cluster.name: not valid TOML: Key 'cluster.name' has already been defined.`,
		},
		{
			"unknown key", "[sequence.init]\n# a comment\n\tlevles = 3\n",
			`DIR/cssc.toml:3:2: sequence.init.levles: unknown key; did you mean "levels"? allowed are level, levels, on_failure, timeout`,
		},
		{
			"unknown key in an array", "[[component]]\nname = \"a\"\n[[component]]\nname = \"b\"\nunits = \"b.service\"\n",
			`DIR/cssc.toml:5:1: component[2].units: unknown key; did you mean "unit"? allowed are name, on_failure, required, timeout, unit`,
		},
		{
			"unknown table", "[clustre]\nname = \"x\"\n",
			`DIR/cssc.toml:1:1: clustre: unknown key; did you mean "cluster"? allowed are cluster, component, endpoints, limits, local, mastership, node, security, sequence, shutdown`,
		},
		{
			"unknown quoted key", "[cluster]\n\"na me\" = 1\n",
			`DIR/cssc.toml:2:1: cluster."na me": unknown key; did you mean "name"? allowed are gate_vice, name, registration_timeout`,
		},
		{
			"unknown sequence", "[sequence.inti]\nlevels = 2\n",
			`DIR/cssc.toml:1:1: sequence.inti: unknown key; did you mean "init"? allowed are demote, disqualify, init, promote, qualify, shut`,
		},
		{
			"unknown key in an inline table", "sequence = { init = { levels = 3, levelz = 1 } }\n",
			`DIR/cssc.toml:1:35: sequence.init.levelz: unknown key; did you mean "levels"? allowed are level, levels, on_failure, timeout`,
		},
		{
			"wrong type", "[sequence.init]\nlevels = \"three\"\n",
			`DIR/cssc.toml:2:1: sequence.init.levels: want a whole number in 0…99, got the string "three"`,
		},
		{
			"duration without unit", "[sequence.init]\ntimeout = 90\n",
			`DIR/cssc.toml:2:1: sequence.init.timeout: want a time in quotes with a unit, like "90s" or "5m", got the number 90`,
		},
		{
			"duration out of range", "[sequence.init]\ntimeout = \"-5s\"\n",
			`DIR/cssc.toml:2:1: sequence.init.timeout: want a time from 1ms to 24h, got -5s`,
		},
		{
			"word", "[sequence.init]\non_failure = \"cotinue\"\n",
			`DIR/cssc.toml:2:1: sequence.init.on_failure: unknown word "cotinue"; did you mean "continue"? allowed are abort, continue, fence, hold`,
		},
		{
			"table where a value belongs", "[cluster.name]\n",
			`DIR/cssc.toml:1:1: cluster.name: want a string, got a table`,
		},
		{
			"value where a table belongs", "cluster = 3\n",
			`DIR/cssc.toml:1:1: cluster: want a table [cluster], got the number 3`,
		},
		{
			"table where entries belong", "[node]\nname = \"n1\"\n",
			`DIR/cssc.toml:1:1: node: want entries that begin with [[node]], got a table`,
		},
		{
			"level that is no level", "[sequence.init.level.x]\ntimeout = \"1s\"\n",
			`DIR/cssc.toml:1:1: sequence.init.level.x: no such level; want a number in 0…99 or last`,
		},
		{
			"level beyond levels", "[sequence.init]\nlevels = 2\n[sequence.init.level.3]\ntimeout = \"1s\"\n",
			`DIR/cssc.toml:3:1: sequence.init.level.3: level 3 does not exist, the sequence has levels = 2; raise it or remove this table`,
		},
		{
			"position", "[[component]]\nname = \"a\"\nrequired = [\n \"init0\",\n]\n",
			`DIR/cssc.toml:3:1: component[1].required: "init0" is not a position; want sequence:level, like "init:0" or "shut:last"`,
		},
		{
			"required beyond levels", "[sequence.init]\nlevels = 2\n[[component]]\nname = \"a\"\nrequired = [\"init:3\"]\n",
			`DIR/cssc.toml:5:1: component[1].required: component "a" is required at init:3, but sequence init has levels = 2`,
		},
		{
			"component twice", "[[component]]\nname = \"a\"\n[[component]]\nname = \"a\"\n",
			`DIR/cssc.toml:4:1: component[2].name: component "a" is listed twice, first at DIR/cssc.toml:1; put its settings into one entry`,
		},
		{
			"component without name", "[[component]]\nunit = \"a.service\"\n",
			`DIR/cssc.toml:1:1: component[1].name: missing; every [[component]] needs the name that it registers under`,
		},
		{
			"unit without suffix", "[[component]]\nname = \"a\"\nunit = \"naming\"\n",
			`DIR/cssc.toml:3:1: component[1].unit: "naming" is not a unit name; want one with its suffix, like "naming.service"`,
		},
		{
			"node not listed", "[[node]]\nname = \"n9\"\n",
			`DIR/cssc.toml:2:1: local.node: this node is "n1", which no [[node]] names; add it there, or set [local] node to the name it has there`,
		},
		{
			"two nodes without key", "[[node]]\nname = \"n1\"\naddress = \"a\"\n[[node]]\nname = \"n2\"\naddress = \"b\"\n",
			`DIR/cssc.toml:5:1: security.keyring: missing; a cluster of more than one node needs a key, or security.insecure = true in so many words; make one with: cssc keys generate`,
		},
		{
			"two nodes without address", "[security]\ninsecure = true\n[[node]]\nname = \"n1\"\naddress = \"a\"\n[[node]]\nname = \"n2\"\n",
			`DIR/cssc.toml:7:1: node.address: node "n2" has no address; a cluster of more than one node needs one for each`,
		},
		{
			"nobody eligible", "[[node]]\nname = \"n1\"\neligible = false\n",
			`DIR/cssc.toml:2:1: node: no node is eligible, so there could never be a master; remove one eligible = false`,
		},
		{
			"timeouts do not nest", "[shutdown]\ntimeout = \"1m\"\n[sequence.shut]\ntimeout = \"2m\"\n[sequence.demote]\ntimeout = \"1s\"\n[sequence.disqualify]\ntimeout = \"1s\"\n",
			`DIR/cssc.toml:4:1: sequence.shut.timeout: 2m for one participant is longer than shutdown.timeout = 1m for the whole shutdown; lower the first or raise the second`,
		},
		{
			"margin", "[shutdown]\nmargin = \"56m\"\n",
			`DIR/cssc.toml:2:1: shutdown.margin: 56m is not shorter than shutdown.timeout = 55m`,
		},
		{
			"remote operation", "[security]\nremote_operations = [\"shutdwon\"]\n",
			`DIR/cssc.toml:2:1: security.remote_operations: unknown operation "shutdwon"; did you mean "shutdown"? allowed are cluster-shutdown, disqualify, qualify, rolling-reboot, shutdown, start, switchover`,
		},
		{
			"name", "[cluster]\nname = \"my cluster\"\n",
			`DIR/cssc.toml:2:1: cluster.name: "my cluster" is not a name; want 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit`,
		},
		{
			"restart grace", "[mastership]\nlease = \"5s\"\nrestart_grace = \"1s\"\n",
			`DIR/cssc.toml:3:1: mastership.restart_grace: 1s is shorter than the lease of 5s; want 0 or at least the lease`,
		},
		{
			"endpoints by name", "[endpoints]\nlisten = \"localhost:7947\"\n",
			`DIR/cssc.toml:2:1: endpoints.listen: "localhost:7947" is not an address to listen on: "localhost" is not an IP address; want ip:port, like "127.0.0.1:7947"`,
		},
		{
			"endpoints without port", "[endpoints]\nlisten = \"127.0.0.1\"\n",
			`DIR/cssc.toml:2:1: endpoints.listen: "127.0.0.1" is not an address to listen on: it is not of the form ip:port; want ip:port, like "127.0.0.1:7947"`,
		},
		{
			"endpoints on a privileged port", "[endpoints]\nlisten = \"[::1]:80\"\n",
			`DIR/cssc.toml:2:1: endpoints.listen: "[::1]:80" is not an address to listen on: port "80" is not a number in 1024…65535; want ip:port, like "127.0.0.1:7947"`,
		},
		{
			"endpoints for everybody", "[endpoints]\nlisten = \"0.0.0.0:7947\"\n",
			`DIR/cssc.toml:2:1: endpoints.listen: other machines reach 0.0.0.0:7947, without a password and unencrypted; use a loopback address, or say endpoints.exposed = true in so many words`,
		},
		{
			"endpoints' key", "[endpoints]\nport = 7947\n",
			`DIR/cssc.toml:2:1: endpoints.port: unknown key; allowed are exposed, listen`,
		},
		{
			"limits", "[limits]\nregistrations = 5\nregistrations_per_client = 6\n",
			`DIR/cssc.toml:3:1: limits.registrations_per_client: 6 for one client is more than the 5 of the node; lower it or raise limits.registrations`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, "cssc.toml", c.text)
			_, err := load(dir, "n1")
			invalid, ok := errors.AsType[*InvalidError](err)
			if !ok {
				t.Fatalf("load = %v, want *InvalidError", err)
			}
			if got := strings.ReplaceAll(invalid.Error(), dir, "DIR"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// Goal: all mistakes are told at once, in all files. Method: two files with
// three mistakes.
func TestAllMistakesAtOnce(t *testing.T) {
	dir := write(t, "cssc.toml", "x = 1\ny = 2\n", "conf.d/a.toml", "[sequence.init]\nlevels = 100\n")
	_, err := load(dir, "n1")
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok || len(invalid.Problems) != 3 {
		t.Fatalf("load = %v, want three problems", err)
	}
}

// Goal: what cannot be read is reported, not taken for absent. Method: a
// directory in the place of the file, and a file that is too large.
func TestUnreadableFiles(t *testing.T) {
	dir := write(t, "cssc.toml/x", "", "conf.d/big.toml", strings.Repeat("#", maxFileSize+1))
	_, err := load(dir, "n1")
	if err == nil || !strings.Contains(err.Error(), "cssc.toml: cannot be read: is a directory") ||
		!strings.Contains(err.Error(), "big.toml: cannot be read: larger than") {
		t.Errorf("load = %v, want both files named", err)
	}
}

// Goal: the places of multi-line values and odd strings do not shift what
// follows. Method: an unknown key after each of them.
func TestPlacesAfterOddValues(t *testing.T) {
	for _, before := range []string{
		"a = \"\"\"\n[x]\nb = 1\n\"\"\"\n", "a = '''\n[x]'''\n", "a = [ # ]\n \"]\", [1, 2],\n]\n",
		"a = \"\\\"#\"\n", "a = '\\'\n", "a = { b = \"}\", c = [1] }\n", "a = \"\"\"x\"\"\"\"\"\n", "a.\"b.c\".'d' = 1979-05-27T07:32:00Z # c\n",
	} {
		places := locate(before + "here = 1\n")
		if got, want := places["here"], len(before); got != want {
			t.Errorf("locate(%q): here at %d, want %d", before, got, want)
		}
	}
}

// Goal: Verify names the limit that does not nest. Method: each relation broken once.
func TestVerifyNamesTheLimit(t *testing.T) {
	c := defaults("n1")
	whole := c.Shutdown.Timeout
	short, tight := defaults("n1"), defaults("n1")
	short.Shutdown.Timeout = time.Minute
	tight.Shutdown.Timeout = 10 * time.Minute
	cases := []struct {
		config       Config
		window, stop time.Duration
		want         string
	}{
		{c, whole + time.Minute, time.Minute, ""},
		{c, 0, 0, ""},
		{c, 5 * time.Second, 0, "InhibitDelayMaxSec"},
		{c, whole + time.Minute, 30 * time.Second, "TimeoutStopSec"},
		{c, whole + time.Minute, whole + 2*time.Minute, "TimeoutStopSec"},
		{short, 10 * time.Minute, 5 * time.Minute, "sequence.demote.timeout sequence.disqualify.timeout sequence.shut.timeout"},
		{tight, 0, 0, "shutdown.timeout"},
	}
	for _, check := range cases {
		var keys []string
		for _, problem := range Verify(check.config, check.window, check.stop) {
			keys = append(keys, problem.Key)
		}
		if got := strings.Join(keys, " "); got != check.want {
			t.Errorf("Verify(window %s, stop %s) names %q, want %q", check.window, check.stop, got, check.want)
		}
	}
}

// Goal: no input panics, every problem has a place, and what loads satisfies the
// relations. Method: fuzzing, seeded with the whole file.
func FuzzLoad(f *testing.F) {
	f.Add(full)
	f.Add("[[node]]\nname = 'n1'\n[sequence.init.level.last]\ntimeout=\"1s\"")
	f.Add("[mastership]\nlease='250ms'\nkill_margin='1ms'\ncease_after='2ms'\nrenew_every='1ms'\nclock_error_permille=100")
	f.Add("a.b = [{c = 1}, {d = \"\"\"x\"\"\"}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse([]string{"cssc.toml"}, []string{text}, nil, "n1")
		if invalid, ok := errors.AsType[*InvalidError](err); ok {
			for _, problem := range invalid.Problems {
				if problem.Line < 1 || problem.Column < 1 || problem.Line > 1+strings.Count(text, "\n") {
					t.Fatalf("problem without a place: %+v", problem)
				}
			}

			return
		}
		if err := c.Election().Validate(); err != nil {
			t.Fatalf("what loads is refused by the election: %v", err)
		}
		for _, sequence := range levels.Sequences() {
			s := c.Levels.Sequences[sequence]
			for level := range s.Levels {
				if _, ok := s.Ladder.Index(level); !ok {
					t.Fatalf("%s level %s beyond %v", sequence, level, s.Ladder)
				}
			}
		}
	})
}

// BenchmarkLoad is what the generator pays at every daemon-reload.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cssc.toml"), []byte(full), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := load(dir, "n1"); err != nil {
			b.Fatal(err)
		}
	}
}
