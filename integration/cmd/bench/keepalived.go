package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

// keepalived is what cssc is compared with: VRRP with unicast peers, without preemption,
// that starts and stops the recorder as its notifications say. Where there is a choice it is
// the one in its favour: priorities near the top, so that the skew is small; the recorder
// bound to keepalived's own unit, so that it ends when keepalived is killed; notifications
// by a pipe, which keeps their order. (Scripts for each state run at the same time: a node
// that was master for a moment and backup again stopped the recorder first, started it
// then, and two ran for good. Seen here, with advertisements every 0.1 s on a busy machine.)
type keepalived struct{ advert time.Duration }

func (k keepalived) name() string { return "keepalived-" + k.advert.String() }

func (k keepalived) daemon() (unit, program string) {
	return "keepalived.service", "/usr/sbin/keepalived"
}

func (k keepalived) goal() time.Duration { return 0 }

func (k keepalived) build(t lab.TB, size int) *lab.Lab {
	l := lab.New(t)
	suites := lab.Suites()
	for i := range size {
		l.Node(t, lab.NodeConfig{Suite: suites[i%len(suites)], Extra: lab.WithKeepalived})
	}
	for i, node := range l.Nodes() {
		equip(t, node, "BindsTo=keepalived.service\nAfter=keepalived.service\n", "")
		node.WriteFile(t, "/etc/keepalived/keepalived.conf", k.config(l.Nodes(), i))
		node.WriteScript(t, "/usr/local/bin/follow", followScript)
		// Only VRRP: what balances load would want kernel modules.
		node.WriteFile(t, "/etc/default/keepalived", "DAEMON_ARGS=\"--vrrp\"\n")
	}

	return l
}

// followScript starts and stops the recorder, one notification after the other.
const followScript = `#!/bin/sh
while read -r kind name state priority; do
  case $state in
  MASTER) systemctl --no-block start ` + leadUnit + ` ;;
  BACKUP | FAULT | STOP | DELETED) systemctl --no-block stop ` + leadUnit + ` ;;
  esac
done <"$1"
`

func (k keepalived) config(nodes []*lab.Node, self int) string {
	var peers []string
	for i, node := range nodes {
		if i != self {
			peers = append(peers, node.Address)
		}
	}
	return fmt.Sprintf(`global_defs {
  router_id %s
  script_user root
  enable_script_security
  vrrp_version 3
  vrrp_notify_fifo /run/keepalived.fifo
  vrrp_notify_fifo_script /usr/local/bin/follow
}
vrrp_instance bench {
  state BACKUP
  nopreempt
  interface host0
  virtual_router_id 51
  priority %d
  advert_int %g
  unicast_src_ip %s
  unicast_peer {
    %s
  }
  virtual_ipaddress {
    192.0.2.200/24
  }
}
`, nodes[self].Name, 250-10*self, k.advert.Seconds(), nodes[self].Address, strings.Join(peers, "\n    "))
}

func (k keepalived) rested(_ context.Context, f *fleet) (*lab.Node, error) {
	for _, node := range f.Nodes() {
		if _, err := node.UnitProcesses("keepalived.service"); err != nil {
			return nil, err
		}
	}

	// With short advertisements masters change by themselves while nodes boot.
	for _, r := range f.records[f.recent(calmFor):] {
		if r.Duty == history.Lead && r.Word != history.Beat {
			return nil, fmt.Errorf("the master has changed within %v", calmFor)
		}
	}

	return f.leading()
}

// calmFor is how long a cluster without a word of agreement must have been without a change.
const calmFor = time.Second

// release stops keepalived, which tells its peers with an advertisement of priority 0.
func (k keepalived) release(t lab.TB, node *lab.Node) {
	node.Run(t, "systemctl", "stop", "keepalived.service")
}

func (k keepalived) restore(t lab.TB, node *lab.Node) {
	node.Run(t, "systemctl", "start", "keepalived.service")
}

func (k keepalived) halt(t lab.TB, node *lab.Node) {
	node.Run(t, "systemctl", "stop", "keepalived.service", leadUnit)
}

// forget does nothing: it remembers nothing.
func (k keepalived) forget(lab.TB, *lab.Node) {}
