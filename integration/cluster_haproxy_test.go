//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	endpointsText = "[endpoints]\nlisten = \"0.0.0.0:7947\"\nexposed = true\n"
	haproxyFile   = "contrib/examples/haproxy/haproxy.cfg"
)

// balanced is a fleet with a service on the master, HAProxy on a machine of its own in front of
// it, and there a client of the service and one of every node's /master.
type balanced struct {
	*fleet

	balancer *lab.Node
}

// balance makes and boots it.
func balance(t *testing.T) *balanced {
	t.Helper()
	b := &balanced{fleet: prepare(t, lab.ClusterConfig{Size: 3, More: endpointsText}, 2*time.Second)}
	for _, node := range b.Members() {
		n := &stage{node, t}
		n.unit("service.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nExecStart=/usr/bin/probe answer :9000\n"+
			"[Install]\nWantedBy=cssc-master-0.target\n")
	}
	b.balancer = b.Node(t, lab.NodeConfig{Name: "lb", Extra: lab.WithHAProxy})
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	b.balancer.Copy(t, filepath.Join(top, haproxyFile), "/etc/haproxy/haproxy.cfg")
	b.balancer.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
	b.Boot(t, append(b.Members(), b.balancer)...)
	b.settled(b.Members()...)
	b.balancer.Background(t, "/usr/bin/probe", "ask", "/lab/served", "127.0.0.1:9000")
	masters := []string{"/usr/bin/probe", "ask", "/lab/masters"}
	for _, node := range b.Members() {
		masters = append(masters, fmt.Sprintf("%s=http://%s:7947/master", node.Name, node.Address))
	}
	b.balancer.Background(t, masters...)

	return b
}

// answers reads what a client was told so far.
func (b *balanced) answers(file string) []history.Answer {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.Shared(), file))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	whole := text[:strings.LastIndexByte(string(text), '\n')+1] // the last line may be under way
	answers, err := history.ReadAnswers(strings.NewReader(string(whole)))
	if err != nil {
		b.t.Fatal(err)
	}

	return answers
}

// reaches waits until the client is served by the node, for questions asked from now on.
func (b *balanced) reaches(node *lab.Node) {
	b.t.Helper()
	before := len(b.answers("served"))
	lab.Eventually(b.t, settleLimit, "the client to reach "+node.Name, func() error {
		served := b.answers("served")
		if len(served) < before+10 {
			return errors.New("too few answers yet")
		}
		for _, a := range served[len(served)-10:] {
			if a.Node != node.Name {
				return fmt.Errorf("the last is %v", a)
			}
		}

		return nil
	})
}

// says asks a node's endpoint from the balancer, and returns the status and the text.
func (b *balanced) says(node *lab.Node, path string) (int, string) {
	b.t.Helper()
	status, text, _ := strings.Cut(b.balancer.Run(b.t, "/usr/bin/probe", "get", "http://"+node.Address+":7947"+path), "\n")
	code, err := strconv.Atoi(status)
	if err != nil {
		b.t.Fatalf("ask %s for %s: status %q", node.Name, path, status)
	}

	return code, text
}

// TestHAProxyFollowsTheMaster: clients behind HAProxy reach the new master after a switchover,
// a power cut, an isolation in which the balancer still reaches the old master, and while the
// master's agent is stopped. Nobody is served by a node that is not master, and no node says
// yes after another had the mastership; not even an agent that was stopped and goes on, with
// the questions of meanwhile in its hands.
func TestHAProxyFollowsTheMaster(t *testing.T) {
	b := balance(t)
	before := b.calm()
	b.reaches(before.master)
	b.endpointsAgree(before)

	b.fault("switchover")
	before.master.Run(t, "cssc", "switchover", "--yes")
	after := b.settled(b.Members()...)
	if after.master != before.vice {
		t.Errorf("after the switchover %s is master, want %s", after.master.Name, before.vice.Name)
	}
	b.reaches(after.master)

	b.fault("power of the master")
	b.CutPower(t, after.master)
	before, after = after, b.replaced(after, b.without(after.master))
	b.reaches(after.master)
	before.master.PowerOn(t)
	before.master.WaitBoot(t)
	after = b.calm()

	b.fault("master isolated, not from the balancer")
	for _, node := range b.without(after.master) {
		b.Part(t, after.master, node)
	}
	before, after = after, b.replaced(after, b.without(after.master))
	b.reaches(after.master)
	if code, text := b.says(before.master, "/master"); code != 503 || !strings.Contains(text, "no master is known") {
		t.Errorf("the isolated node says %d %q, want 503 and that no master is known", code, text)
	}
	b.heal()
	after = b.calm()

	b.fault("master's agent stopped")
	after.master.Signal(t, agentUnit, "STOP")
	before, after = after, b.replaced(after, b.without(after.master))
	b.reaches(after.master)
	before.master.Signal(t, agentUnit, "CONT")
	after = b.settled(b.Members()...)
	b.reaches(after.master)
	b.endpointsAgree(after)
	b.verdict()
}

// endpointsAgree asks every endpoint of every node of a cluster at rest.
func (b *balanced) endpointsAgree(s standing) {
	b.t.Helper()
	yes := map[bool]int{true: 200, false: 503}
	for _, node := range b.Members() {
		for path, want := range map[string]int{"/master": yes[node == s.master], "/vice": yes[node == s.vice], "/ready": 200, "/live": 200} {
			if code, text := b.says(node, path); code != want {
				b.t.Errorf("%s of %s: %d %q, want %d", path, node.Name, code, text, want)
			}
		}
		_, page := b.says(node, "/metrics")
		for _, want := range []string{
			fmt.Sprintf("cssc_term %d\n", s.term), "cssc_quorate 1\n", "cssc_voters_heard 3\n",
			`cssc_gossip_messages_total{kind="alive"}`, fmt.Sprintf("cssc_node_info{cluster=\"lab\",node=%q} 1", node.Name),
		} {
			if !strings.Contains(page, want) {
				b.t.Errorf("the metrics of %s lack %q", node.Name, want)
			}
		}
		if alone := !strings.Contains(page, "cssc_lease_remaining_seconds 0\n"); alone != (node == s.master) {
			b.t.Errorf("the metrics of %s show a lease: %v, want one of the master only", node.Name, alone)
		}
	}
}

// verdict judges everything that the clients were told.
func (b *balanced) verdict() {
	b.t.Helper()
	records := b.records()
	for _, file := range []string{"served", "masters"} {
		answers := b.answers(file)
		nodes := map[string]int{}
		for _, a := range answers {
			nodes[a.Node]++
		}
		b.t.Logf("%s: answers by node: %v", file, nodes)
		if len(nodes) < 2 {
			b.t.Errorf("%s: only %v answered", file, nodes)
		}
		for _, violation := range history.CheckAnswers(answers, records) {
			b.t.Errorf("%s: %s", file, violation)
		}
	}
}
