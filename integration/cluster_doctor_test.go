//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
)

// opinion is one result of cssc doctor.
type opinion struct {
	Check   string   `json:"check"`
	Verdict string   `json:"verdict"`
	Text    string   `json:"text"`
	Do      []string `json:"do"`
}

// line is "check verdict text".
func (o opinion) line() string { return o.Check + " " + o.Verdict + " " + o.Text }

// examined runs cssc doctor on the node and compares its exit status with what it says.
func (f *fleet) examined(node *lab.Node) []opinion {
	f.t.Helper()

	return f.examinedAs(0, node)
}

func (f *fleet) examinedAs(uid int, node *lab.Node) []opinion {
	f.t.Helper()
	output, code, err := node.TryAs(f.t.Context(), uid, "cssc", "doctor", "--json")
	if err != nil {
		f.t.Fatal(err)
	}
	var document struct {
		OK      bool      `json:"ok"`
		Results []opinion `json:"results"`
	}
	if err := json.Unmarshal([]byte(output), &document); err != nil {
		f.t.Fatalf("%s: cssc doctor says what is no document: %v\n%s", node.Name, err, output)
	}
	if want := map[bool]int{true: 0, false: 6}[document.OK]; code != want {
		f.t.Errorf("%s: cssc doctor ends with status %d, want %d", node.Name, code, want)
	}

	return document.Results
}

// finds waits until the doctor of the node has an opinion that begins like each of the lines.
func (f *fleet) finds(node *lab.Node, what string, lines ...string) {
	f.t.Helper()
	lab.Eventually(f.t, settleLimit, node.Name+" to find: "+what, func() error {
		results := f.examined(node)
		for _, line := range lines {
			if !slices.ContainsFunc(results, func(o opinion) bool { return strings.HasPrefix(o.line(), line) }) {
				return fmt.Errorf("nothing begins with %q:\n%s", line, opinions(results, "fail", "warn", "skip"))
			}
		}

		return nil
	})
}

// wants fails the test without an opinion that begins like the line.
func (f *fleet) wants(results []opinion, line string) {
	f.t.Helper()
	if !slices.ContainsFunc(results, func(o opinion) bool { return strings.HasPrefix(o.line(), line) }) {
		f.t.Errorf("nothing begins with %q:\n%s", line, opinions(results, "pass", "fail", "warn", "skip"))
	}
}

// opinions are the lines with one of the verdicts.
func opinions(results []opinion, verdicts ...string) string {
	var lines []string
	for _, result := range results {
		if slices.Contains(verdicts, result.Verdict) {
			lines = append(lines, result.line())
		}
	}

	return strings.Join(lines, "\n")
}

// sh runs a line of shell in the node.
func sh(t *testing.T, node *lab.Node, line string) {
	t.Helper()
	node.Run(t, "/bin/sh", "-ec", line)
}

// TestDoctorWatchAndReportOnRealNodes: a cluster in good order has nothing that fails and nothing
// that was not looked at; then everything that can go wrong on a node is planted on a node of each
// suite, of which a bundle is written, too; a switchover is watched; and after that comes what
// concerns the cluster: drift, a rotation half done, a guard that is away, a node that is lost, an
// agent that is down.
func TestDoctorWatchAndReportOnRealNodes(t *testing.T) {
	f := prepare(t, lab.ClusterConfig{Size: 3}, 2*time.Second)
	for _, node := range f.Members() {
		(&stage{node, t}).unit("web.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=cssc-init-3.target\n")
	}
	f.Boot(t)
	all := f.calm()
	for _, node := range f.Members()[:2] { // one of each suite
		f.wellExcept(node)
		f.plantOnHost(node)
		f.reported(node)
	}
	f.withoutRights(all.master)
	f.watched()
	all = f.calm()
	first, second, third := all.master, all.vice, f.spares(all)[0]
	f.plantInCluster(first, second, third)
	f.fault("power cut of the spare")
	third.PowerCut(t)
	f.finds(first, "a lost node", "nodes fail "+third.Name+" is not heard",
		"quorum warn if "+first.Name+", the master, is lost: no quorum, 1 of 3", "quorum warn if "+second.Name+" is lost: no quorum, 1 of 3")
	f.fault("agent of the vice stopped")
	second.Run(t, "systemctl", "stop", "cssc-agent.service")
	f.finds(second, "an agent that is down", "agent fail no answer from the agent: cssc-agent is not running", "quorum skip ", "configuration pass ", "logind pass ")
	second.Run(t, "systemctl", "start", "cssc-agent.service")
	third.Boot(t)
	f.settled()
	f.wellExcept(first)
	f.wellExcept(second)
}

// wellExcept wants no failure on the node, and no warning but those that every node of a lab has.
func (f *fleet) wellExcept(node *lab.Node) {
	f.t.Helper()
	usual := []string{"watchdog warn nothing resets this node", "journal warn ", "clock warn nothing keeps"}
	lab.Eventually(f.t, settleLimit, node.Name+" to be well", func() error {
		var ill []opinion
		for _, o := range f.examined(node) {
			known := slices.ContainsFunc(usual, func(line string) bool { return strings.HasPrefix(o.line(), line) })
			if o.Verdict != "pass" && !known {
				ill = append(ill, o)
			}
		}
		if len(ill) > 0 {
			return fmt.Errorf("it has:\n%s", opinions(ill, "fail", "warn", "skip"))
		}

		return nil
	})
}

// planting is one mistake: how it is made, how it is undone, and what the doctor says of it.
type planting struct{ make, undo, want string }

// plantOnHost makes mistakes that do not disturb each other, all at once, looks, undoes them and
// looks again.
func (f *fleet) plantOnHost(node *lab.Node) {
	f.t.Helper()
	dropIn := func(unit, text string) string {
		return fmt.Sprintf("mkdir -p /etc/systemd/system/%[1]s.d; printf '%[2]s' >/etc/systemd/system/%[1]s.d/99-test.conf", unit, text)
	}
	window := "printf '[Login]\\nInhibitDelayMaxSec=5\\n' >/etc/systemd/logind.conf.d/zzz-test.conf; systemctl kill -s HUP systemd-logind"
	plantings := []planting{
		{"systemctl disable cssc-agent.service 2>/dev/null", "systemctl enable cssc-agent.service 2>/dev/null", "boot warn not enabled"},
		{"mkdir -p /etc/systemd/logind.conf.d; " + window, "rm /etc/systemd/logind.conf.d/zzz-test.conf; systemctl kill -s HUP systemd-logind", "logind fail a plain reboot is cut off: logind waits 5s"},
		{dropIn("cssc-leave.service", "[Service]\\nTimeoutStopSec=1s\\n"), "rm -r /etc/systemd/system/cssc-leave.service.d", "limits fail TimeoutStopSec: cssc-leave.service is given 1s"},
		{dropIn("cssc-agent.service", "[Service]\\nWatchdogSec=0\\n"), "rm -r /etc/systemd/system/cssc-agent.service.d", "watchdog warn systemd does not notice an agent that hangs"},
		{dropIn("cssc-guard.service", "[Service]\\nWatchdogSec=1h\\n"), "rm -r /etc/systemd/system/cssc-guard.service.d", "guard warn the guard's watchdog (1h0m0s)"},
		{dropIn("web.service", "[Service]\\nTimeoutStartSec=10min\\nTimeoutStopSec=11min\\n[Unit]\\nJobTimeoutSec=12min\\n"), "rm -r /etc/systemd/system/web.service.d", "limits warn web.service has 10m0s to start"},
		{"mkdir -p /etc/systemd/system/multi-user.target.wants; ln -s ../web.service /etc/systemd/system/multi-user.target.wants/", "rm /etc/systemd/system/multi-user.target.wants/web.service", "units warn web.service: also enabled in multi-user.target"},
		{"touch /var/lib/cssc/vote.damaged-1", "rm /var/lib/cssc/vote.damaged-1", "state warn a damaged state file was set aside"},
		{"ip link set host0 mtu 1280", "ip link set host0 mtu 1500", "network warn the MTU of the interface is 1280"},
		{"mkdir -p /var/log/journal", "", "journal pass "},
	}
	var wants []string
	for _, p := range plantings {
		sh(f.t, node, p.make)
		wants = append(wants, p.want)
	}
	reload := "systemctl daemon-reload; systemctl restart cssc-guard.service cssc-agent.service" // which read their limits when they start
	sh(f.t, node, reload)
	sh(f.t, node, "chmod 0644 /etc/cssc/keyring; touch /var/lib/cssc/standalone") // with these the agent would not start
	f.finds(node, "what was planted", append(wants, "keys fail the agent cannot start the next time", "boot warn the next boot is without the cluster",
		"limits warn web.service may wait 12m0s", "limits warn web.service has 11m0s to stop")...)
	sh(f.t, node, "chmod 0600 /etc/cssc/keyring; rm /var/lib/cssc/standalone")
	for _, p := range plantings {
		sh(f.t, node, p.undo)
	}
	sh(f.t, node, reload)
	sh(f.t, node, "mv /usr/share/dbus-1/system.d/org.cssc.Agent1.conf /var/tmp/; systemctl reload dbus.service")
	f.finds(node, "no bus policy", "bus fail the bus policy", "agent fail no answer from the agent: ")
	sh(f.t, node, "mv /var/tmp/org.cssc.Agent1.conf /usr/share/dbus-1/system.d/; systemctl reload dbus.service")
	sh(f.t, node, "printf 'x = 1\\n' >/etc/cssc/conf.d/99-test.toml")
	f.finds(node, "a broken configuration", "configuration fail /etc/cssc/conf.d/99-test.toml:1:1: x: unknown key")
	sh(f.t, node, "rm /etc/cssc/conf.d/99-test.toml; cssc reload")
}

// plantInCluster makes the mistakes that other nodes see, one after the other.
func (f *fleet) plantInCluster(master, vice, spare *lab.Node) {
	f.t.Helper()
	sh(f.t, master, "systemctl stop cssc-guard.service")
	f.finds(master, "no guard", "guard fail cssc-guard.service is inactive")
	sh(f.t, master, "systemctl start cssc-guard.service")

	f.fault("another configuration on the spare")
	sh(f.t, spare, "printf '[sequence.init]\\nlevels = 9\\n' >/etc/cssc/conf.d/99-test.toml; cssc reload")
	f.finds(master, "drift", "drift fail "+spare.Name+" has another configuration than this node: sequence.init.levels")
	f.finds(spare, "drift", "drift fail "+master.Name+" has another configuration than this node: sequence.init.levels")
	sh(f.t, spare, "rm /etc/cssc/conf.d/99-test.toml; cssc reload")

	f.fault("a second key on the spare")
	sh(f.t, spare, "cssc keys generate --file /tmp/second >/dev/null; grep -v '^#' /tmp/second >>/etc/cssc/keyring; systemctl restart cssc-agent.service")
	f.finds(vice, "a rotation half done", "keys warn a rotation is half done")
	vice.Run(f.t, "cssc", "keys", "rotate")
	f.settled()

	f.fault("a member that fails on the spare")
	sh(f.t, spare, "printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n[Install]\\nWantedBy=cssc-init-last.target\\n' >/etc/systemd/system/broken.service;"+
		"systemctl enable broken.service 2>/dev/null; systemctl daemon-reload; cssc sync || true; systemctl reboot")
	f.t.Log(spare.WaitExit(f.t))
	spare.Boot(f.t)
	f.finds(master, "a held run elsewhere", "nodes warn on "+spare.Name+": init is held at level last")
	f.finds(spare, "a held run", "agent warn init is held at level last")
	sh(f.t, spare, "systemctl disable broken.service 2>/dev/null; cssc sequence skip init")
	f.settled()
}
