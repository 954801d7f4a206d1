package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// healthy is everything that can be known of the vice of a cluster of three in perfect health.
func healthy() Facts {
	on := Known[string]{Value: "enabled"}
	yes := Known[bool]{Value: true}
	room := Known[Space]{Value: Space{FreeBytes: 1 << 30, FreeInodes: 1 << 20, Inodes: true}}
	f := Facts{
		CLI: "1.2.3", Root: true,
		Agent: Known[Agent]{Value: Agent{
			Version: "1.2.3", Node: "n2", State: levels.StateUp, Role: levels.RoleVice, Master: "n1", Vice: "n2",
			Election: "following", Quorate: true, Voters: 3, VotersHeard: 3,
		}},
		Keys:   Known[[]levels.KeyView]{Value: []levels.KeyView{{Key: "0011223344aa", Primary: true, Nodes: []levels.NodeID{"n1", "n2", "n3"}}}},
		Config: Known[config.Config]{Value: clusterConfig()},
		Host: Host{
			Systemd: Known[int]{Value: 257},
			Enabled: map[string]Known[string]{"cssc-agent.service": on, "cssc-leave.service": on, "cssc-standalone.service": on},
			Window:  Known[time.Duration]{Value: time.Hour}, StopTimeout: Known[time.Duration]{Value: time.Minute},
			AgentWatchdog: Known[time.Duration]{Value: 10 * time.Second}, GuardWatchdog: Known[time.Duration]{Value: 500 * time.Millisecond},
			GuardActive: Known[string]{Value: "active"}, HardwareWatchdog: Known[time.Duration]{Value: 20 * time.Second},
			Synchronized: yes, BusPolicy: yes, PolkitActions: yes, Polkit: yes, PersistentJournal: yes,
			StateSpace: room, RunSpace: room, MTU: Known[int]{Value: 1500},
		},
		Members: Known[[]Member]{Value: []Member{
			{Name: "db.service", Target: levels.RoleTarget(levels.RoleMaster, 3), Start: 90 * time.Second, Stop: 90 * time.Second},
		}},
	}
	for _, name := range []levels.NodeID{"n1", "n2", "n3"} {
		f.Agent.Value.Nodes = append(f.Agent.Value.Nodes, levels.NodeView{
			Node: name, State: levels.StateUp, Role: levels.RoleSpare, Eligible: true, Qualified: true, Self: name == "n2", Address: "192.0.2.1:7946",
			Vote: true, Alive: true, Version: "1.2.3", ConfigHash: "aa", InStep: true,
		})
		if name != "n2" {
			f.Others = append(f.Others, Other{Node: name, Clock: Known[Clock]{Value: Clock{Ahead: time.Millisecond, Error: time.Millisecond, RateError: 2}}})
		}
	}

	return f
}

func clusterConfig() config.Config {
	c := config.Config{
		Levels: levels.DefaultConfig("n2"), Files: []string{"/etc/cssc/cssc.toml"},
		Mastership: config.Mastership{Lease: 2 * time.Second, ClockErrorPermille: 10, SelfFence: "reboot", TwoNode: "hold"},
		Security:   config.Security{Keyring: "/etc/cssc/keyring"},
		Local:      config.Local{Node: "n2"},
		Shutdown:   config.Shutdown{Timeout: 55 * time.Minute, Margin: 5 * time.Second, Emergency: 45 * time.Second},
	}
	for _, name := range []levels.NodeID{"n1", "n2", "n3"} {
		c.Nodes = append(c.Nodes, config.Node{Name: name, Address: "192.0.2.1:7946", Eligible: true, Vote: true})
	}

	return c
}

// text is the results that are no pass, one a line, as "check verdict text → do".
func text(results []Result) string {
	var lines []string
	for _, r := range results {
		if r.Verdict != Pass {
			lines = append(lines, fmt.Sprintf("%s %s %s → %s", r.Check, r.Verdict, r.Text, strings.Join(r.Do, "; ")))
		}
	}

	return strings.Join(lines, "\n")
}

// TestPerfectHealthPassesEverywhere: every check says something, and nothing but good.
func TestPerfectHealthPassesEverywhere(t *testing.T) {
	t.Parallel()
	results := Examine(healthy())
	if ill := text(results); ill != "" {
		t.Errorf("a healthy node:\n%s", ill)
	}
	for _, name := range Names() {
		if !slices.ContainsFunc(results, func(r Result) bool { return r.Check == name }) {
			t.Errorf("the check %s says nothing", name)
		}
	}
	for _, want := range []string{
		"if n1, the master, is lost: quorum 2 of 3, the vice n2 takes over",
		"if n3 is lost: quorum 2 of 3, n1 stays master",
	} {
		if !slices.ContainsFunc(results, func(r Result) bool { return r.Text == want }) {
			t.Errorf("no result says %q", want)
		}
	}
}

// ailment is one thing that is wrong, and the beginnings of the lines that must tell of it:
// all of what Examine has to say beside the passes.
type ailment struct {
	name string
	make func(f *Facts)
	want []string
}

func node(f *Facts, name levels.NodeID) *levels.NodeView {
	nodes := f.Agent.Value.Nodes
	return &nodes[slices.IndexFunc(nodes, func(n levels.NodeView) bool { return n.Node == name })]
}

func ailments() []ailment {
	return []ailment{
		{"agent down", func(f *Facts) {
			f.Agent.Why, f.Keys.Why, f.Members.Why, f.Others = "cssc-agent is not running", "the agent does not answer", "the agent does not answer", nil
			f.Reach = []string{"start it: systemctl start cssc-agent"}
		}, []string{
			"agent fail no answer from the agent: cssc-agent is not running → start it: systemctl start", "versions skip the versions of the agents",
			"drift skip", "keys skip the keys of the other nodes", "nodes skip", "quorum skip", "limits skip the limits of the members",
		}},
		{"agent down, standalone", func(f *Facts) { f.Host.Standalone = true }, []string{"boot warn the next boot is without the cluster"}},
		{"attention", func(f *Facts) { f.Agent.Value.Attention = []string{"init is held at level 3"} }, []string{"agent warn init is held at level 3 → why"}},
		{
			"not enabled", func(f *Facts) { f.Host.Enabled["cssc-agent.service"] = Known[string]{Value: "disabled"} },
			[]string{"boot warn not enabled, so not there after the next boot: cssc-agent.service (disabled) → systemctl enable"},
		},
		{"masked", func(f *Facts) { f.Host.Enabled["cssc-leave.service"] = Known[string]{Value: "masked"} }, []string{"boot fail cssc-leave.service is masked"}},
		{"old systemd", func(f *Facts) { f.Host.Systemd.Value = 249 }, []string{"versions fail systemd 249 is older than 252"}},
		{"other cssc", func(f *Facts) { f.CLI = "1.3.0" }, []string{"versions warn cssc is 1.3.0, the agent that runs is 1.2.3 → after an upgrade"}},
		{"upgrade half done", func(f *Facts) { node(f, "n3").Version = "1.1.0" }, []string{"versions warn the agents are of different versions: 1.1.0 on n3; 1.2.3 on n1, n2"}},
		{"broken configuration", func(f *Facts) {
			f.Config.Why, f.ConfigProblems = "cssc.toml:2:1", []string{"/etc/cssc/cssc.toml:2:1: cluster.nmae: unknown key"}
		}, []string{
			"configuration fail /etc/cssc/cssc.toml:2:1: cluster.nmae: unknown key → correct it", "keys skip", "voters skip", "logind skip", "limits skip", "units skip",
			"guard skip", "network skip",
		}},
		{"drift", func(f *Facts) {
			node(f, "n3").InStep, node(f, "n3").Differs = false, []string{"mastership.lease"}
		}, []string{"drift fail n3 has another configuration than this node: mastership.lease"}},
		{"no key", func(f *Facts) { f.Config.Value.Security = config.Security{Insecure: true} }, []string{"keys warn the nodes talk in the clear"}},
		{"keyring open", func(f *Facts) { f.Keyring = Of(0, errors.New("others may read or change it")) }, []string{"keys fail the agent cannot start the next time: others may"}},
		{"keyring, not root", func(f *Facts) { f.Root, f.Keyring = false, Of(0, errors.New("permission denied")) }, []string{"keys skip the keyring file not checked: only root"}},
		{"key missing", func(f *Facts) { f.Keys.Value[0].Missing = []levels.NodeID{"n3"} }, []string{"keys fail key 0011223344aa encrypts, and these nodes do not have it: n3"}},
		{"keys not told", func(f *Facts) {
			f.Keys.Value[0].Missing, f.Others[1].Why = []levels.NodeID{"n3"}, "no answer within 3s"
		}, []string{"keys skip the keys of n3 not checked: no answer from there", "nodes warn n3 is heard and does not answer a question: no answer within 3s"}},
		{"rotation half done", func(f *Facts) {
			f.Keys.Value = append(f.Keys.Value, levels.KeyView{Key: "ffff00001111", Nodes: []levels.NodeID{"n1"}})
		}, []string{"keys warn a rotation is half done: ffff00001111 is still accepted"}},
		{"two primaries", func(f *Facts) {
			f.Keys.Value = append(f.Keys.Value, levels.KeyView{Key: "ffff00001111", Primary: true})
		}, []string{"keys warn the nodes encrypt under different keys: 0011223344aa, ffff00001111"}},
		{"silent node", func(f *Facts) {
			node(f, "n3").Alive, f.Agent.Value.VotersHeard, f.Others = false, 2, f.Others[:1]
		}, []string{
			"nodes fail n3 is not heard", "quorum warn if n1, the master, is lost: no quorum, 1 of 3: no master", "quorum warn if n2 is lost: no quorum, 1 of 3",
		}},
		{"node that left", func(f *Facts) {
			n := node(f, "n3")
			n.Alive, n.Heard, n.State, n.Vote, f.Agent.Value.Voters, f.Agent.Value.VotersHeard = false, 1, levels.StateDown, false, 3, 3
		}, []string{"nodes warn n3 has left the cluster → on n3: cssc start"}},
		{"node that does not answer", func(f *Facts) { f.Others[0] = Other{Node: "n1", Why: "timed out"} }, []string{"nodes warn n1 is heard and does not answer a question: timed out"}},
		{"trouble elsewhere", func(f *Facts) { f.Others[1].Attention = []string{"init is held at level 2"} }, []string{"nodes warn on n3: init is held at level 2 → on n3: cssc explain"}},
		{"no quorum", func(f *Facts) { f.Agent.Value.Quorate, f.Agent.Value.VotersHeard = false, 1 }, []string{"quorum fail no quorum: 1 of 3 voters are heard, 2 are needed"}},
		{"no master", func(f *Facts) { f.Agent.Value.Master = "" }, []string{"quorum fail no master is known, though a majority is heard"}},
		{"no vice", func(f *Facts) { f.Agent.Value.Vice = "" }, []string{"quorum warn if n1, the master, is lost: quorum 2 of 3, n2 could take over, but no vice is ready"}},
		{"no heir", func(f *Facts) {
			node(f, "n2").Qualified, node(f, "n3").Eligible, f.Agent.Value.Vice = false, false, ""
		}, []string{"quorum warn if n1, the master, is lost: quorum 2 of 3, but no node could take over → n2 is locked: cssc unlock n2"}},
		{"heir barred", func(f *Facts) {
			node(f, "n2").Barred, node(f, "n3").Qualified, f.Agent.Value.Vice = true, false, ""
		}, []string{"quorum warn if n1, the master, is lost: quorum 2 of 3, but no node could take over → n2 is given no role since its promote failed: cssc explain n2; n3 is locked"}},
		{"one eligible", func(f *Facts) {
			f.Config.Value.Nodes[1].Eligible, f.Config.Value.Nodes[2].Eligible = false, false
		}, []string{"voters warn only one node may hold a role"}},
		{"even voters", func(f *Facts) {
			f.Config.Value.Warnings = []config.Problem{{Key: "node", Text: "4 voters, an even number"}}
		}, []string{"voters warn 4 voters, an even number"}},
		{"surprising setting", func(f *Facts) {
			f.Config.Value.Warnings = []config.Problem{{File: "a", Line: 1, Column: 1, Key: "mastership.lease", Text: "is short"}}
		}, []string{"configuration warn a:1:1: mastership.lease: is short"}},
		{"two nodes", func(f *Facts) {
			f.Agent.Value.Nodes, f.Agent.Value.Voters, f.Agent.Value.VotersHeard, f.Others = f.Agent.Value.Nodes[:2], 2, 2, f.Others[:1]
		}, []string{"quorum warn if n1, the master, is lost: nobody takes over by itself → a person can", "quorum warn if n2 is lost: n1 goes on alone"}},
		{"calendar", func(f *Facts) { f.Others[0].Clock.Value.Ahead = -time.Hour }, []string{"clock warn the calendar of n1 is 1h0m0s behind this node's"}},
		{"lease clock", func(f *Facts) { f.Others[0].Clock.Value.Rate = -15 }, []string{"clock fail the lease clock of n1 goes wrong by -15.0 permille"}},
		{"slow answers", func(f *Facts) { f.Others[0].Clock.Value.RateError = 20 }, []string{"clock skip the lease clock of n1 not checked: its answers took too long"}},
		{"old agent's clock", func(f *Facts) { f.Others[0].Clock = Known[Clock]{Why: "its agent is older"} }, []string{"clock skip the clocks of n1 not checked"}},
		{"unsynchronized", func(f *Facts) { f.Host.Synchronized.Value = false }, []string{"clock warn nothing keeps this node's calendar right"}},
		{"short window", func(f *Facts) { f.Host.Window.Value = 5 * time.Second }, []string{"logind fail a plain reboot is cut off: logind waits 5s"}},
		{"short window, of which the agent complains, too", func(f *Facts) {
			f.Host.Window.Value = 5 * time.Second
			problem := config.Verify(f.Config.Value, f.Host.Window.Value, 0)[0]
			f.Agent.Value.Attention = []string{problem.String()}
		}, []string{"logind fail a plain reboot is cut off: logind waits 5s"}},
		{"short stop", func(f *Facts) { f.Host.StopTimeout.Value = time.Second }, []string{"limits fail TimeoutStopSec: cssc-leave.service is given 1s"}},
		{"slow member", func(f *Facts) {
			m := &f.Members.Value[0]
			m.Start, m.Stop, m.Job = 5*time.Minute, 6*time.Minute, 7*time.Minute
		}, []string{
			"limits warn db.service has 5m0s to start (TimeoutStartSec=), its level 3 of promote only 1m30s", "limits warn db.service may wait 7m0s",
			"limits warn db.service has 6m0s to stop (TimeoutStopSec=), demote gives it only 1m30s",
		}},
		{"double enablement", func(f *Facts) { f.Units = []Unit{{"db.service", "also enabled in multi-user.target"}} }, []string{"units warn db.service: also enabled in multi-user.target"}},
		{"no guard", func(f *Facts) { f.Host.GuardActive.Value = "failed" }, []string{"guard fail cssc-guard.service is failed"}},
		{"guard's watchdog", func(f *Facts) { f.Host.GuardWatchdog.Value = 0 }, []string{"guard warn the guard's watchdog (0s) does not go with the lease of 2s"}},
		{
			"no watchdogs", func(f *Facts) { f.Host.AgentWatchdog.Value, f.Host.HardwareWatchdog.Value = 0, 0 },
			[]string{"watchdog warn systemd does not notice an agent that hangs", "watchdog warn nothing resets this node"},
		},
		{"no policy", func(f *Facts) { f.Host.BusPolicy.Value = false }, []string{"bus fail the bus policy org.cssc.Agent1.conf is not installed"}},
		{"no actions", func(f *Facts) { f.Host.PolkitActions.Value = false }, []string{"bus warn polkit is there, and does not know the actions"}},
		{"no polkit", func(f *Facts) { f.Host.Polkit.Value = false }, nil},
		{"full", func(f *Facts) { f.Host.RunSpace.Value.FreeBytes = 1 << 20 }, []string{"state fail /run/cssc is full: 1 MiB"}},
		{"no inodes", func(f *Facts) { f.Host.StateSpace.Value.FreeInodes = 3 }, []string{"state fail /var/lib/cssc is full"}},
		{"nearly full", func(f *Facts) { f.Host.StateSpace.Value.FreeBytes = 32 << 20 }, []string{"state warn /var/lib/cssc is nearly full: 32 MiB"}},
		{"damaged", func(f *Facts) { f.Host.Damaged = []string{"/var/lib/cssc/vote.damaged-1"} }, []string{"state warn a damaged state file was set aside: /var/lib/cssc/vote.damaged-1"}},
		{"volatile journal", func(f *Facts) { f.Host.PersistentJournal.Value = false }, []string{"journal warn the journal does not outlive a boot"}},
		{"small packets", func(f *Facts) { f.Host.MTU.Value = 1280 }, []string{"network warn the MTU of the interface is 1280"}},
		{"no systemd", func(f *Facts) { f.Host.Mute("no bus"); f.Host.Enabled = nil }, []string{
			"boot skip what starts at boot", "versions skip the version of systemd not checked: systemd does not answer: no bus", "clock skip whether", "logind skip logind's window not checked: systemd does not answer",
			"limits skip TimeoutStopSec=", "guard skip the guard", "watchdog skip the agent's", "watchdog skip the hardware", "bus skip polkit",
		}},
		{"cluster of one", func(f *Facts) {
			one := healthy()
			one.Agent.Value.Nodes, one.Agent.Value.Voters, one.Agent.Value.VotersHeard, one.Others = one.Agent.Value.Nodes[1:2], 1, 1, nil
			one.Config.Value.Nodes, one.Config.Value.Files, one.Host.HardwareWatchdog.Value = nil, nil, 0
			one.Host.GuardActive.Value, one.Keys = "inactive", Known[[]levels.KeyView]{Why: "refused"}
			*f = one
		}, nil},
		{"witness", func(f *Facts) { f.Config.Value.Levels.Eligible, f.Host.GuardActive.Value = false, "inactive" }, nil},
	}
}

// TestEveryAilmentIsFoundAndNothingElse plants one thing at a time.
func TestEveryAilmentIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, a := range ailments() {
		f := healthy()
		a.make(&f)
		results := Examine(f)
		var got []string
		for _, r := range results {
			if r.Verdict != Pass {
				got = append(got, text([]Result{r}))
				found[r.Check] = true
			}
			if r.Do == nil || (r.Verdict == Pass && len(r.Do) > 0) || ((r.Verdict == Warn || r.Verdict == Fail) && len(r.Do) == 0) {
				t.Errorf("%s: %s %s: to do: %q", a.name, r.Check, r.Verdict, r.Do)
			}
			if strings.HasSuffix(r.Text, ".") || strings.Contains(r.Text, "%!") {
				t.Errorf("%s: text %q", a.name, r.Text)
			}
		}
		if len(got) != len(a.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", a.name, strings.Join(got, "\n"), strings.Join(a.want, "\n"))

			continue
		}
		for i, want := range a.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got\n%s\nwant it to begin with\n%s", a.name, got[i], want)
			}
		}
	}
	for _, name := range Names() {
		if !found[name] {
			t.Errorf("the check %s has never found anything", name)
		}
	}
}

// TestManyNodesAreNotThoughtThroughOneByOne bounds what a large cluster has to read.
func TestManyNodesAreNotThoughtThroughOneByOne(t *testing.T) {
	t.Parallel()
	f := healthy()
	for i := range 300 {
		n := f.Agent.Value.Nodes[2]
		n.Node, n.Vote = levels.NodeID(fmt.Sprintf("m%d", i)), i < 20
		f.Agent.Value.Nodes = append(f.Agent.Value.Nodes, n)
	}
	f.Agent.Value.Voters, f.Agent.Value.VotersHeard = 23, 23
	if count := len(Examine(f)); count > 60 {
		t.Errorf("%d results", count)
	}
}

// TestVerdictsReadBack: the word is the JSON form.
func TestVerdictsReadBack(t *testing.T) {
	t.Parallel()
	for _, want := range []Verdict{Pass, Warn, Fail, Skip} {
		text, _ := want.MarshalText()
		var got Verdict
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s reads as %s, %v", text, got, err)
		}
	}
	var v Verdict
	if v.UnmarshalText([]byte("good")) == nil {
		t.Error("any word is a verdict")
	}
}
