//go:build integration

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestEndpointsComeAndGoByReload: nothing listens by default. A reload puts them into force,
// the services stay; an address that another has is a problem that cssc status shows, and goes
// with its cause.
func TestEndpointsComeAndGoByReload(t *testing.T) {
	t.Parallel()
	onEachSuite(t, func(t *testing.T, n *stage) {
		n.unit("thief.service", "[Service]\nType=notify\nExecStart=/usr/bin/probe answer 127.0.0.1:7947\n[Install]\nWantedBy=multi-user.target\n")
		n.bootUp()
		pid := n.agentPID()
		if text := n.Run(t, "ss", "-Hltnp"); strings.Contains(text, "cssc-agent") {
			t.Errorf("sockets of the agent without a configuration:\n%s", text)
		}
		n.config("[endpoints]\nlisten = \"127.0.0.1:7947\"\n")
		n.Run(t, "cssc", "reload")
		n.problem("load balancers and monitoring get no answer")
		n.Run(t, "systemctl", "stop", "thief.service")
		for path, want := range map[string]string{
			"/master": "200\nnode is master of term 1", "/vice": "503\nnode is master", "/ready": "200\nnode is up, master",
			"/live": "200\n", "/metrics": "cssc_lease_remaining_seconds +Inf\n",
		} {
			lab.Eventually(t, settleLimit, path+" to answer", func() error {
				text, _, err := n.Try("/usr/bin/probe", "get", "http://127.0.0.1:7947"+path)
				if want := strings.ReplaceAll(want, "node", n.Name); err == nil && !strings.Contains(text, want) {
					err = fmt.Errorf("got %q, want %q", text, want)
				}

				return err
			})
		}
		n.config("")
		n.Run(t, "cssc", "reload")
		lab.Eventually(t, settleLimit, "silence", func() error {
			_, code, err := n.Try("/usr/bin/probe", "get", "http://127.0.0.1:7947/live")
			if err == nil && code == 0 {
				err = errors.New("it answers still")
			}

			return err
		})
		if after := n.agentPID(); after != pid {
			t.Errorf("the agent's process is %s, was %s", after, pid)
		}
	})
}

// problem waits until cssc status shows these words.
func (n *stage) problem(words string) {
	n.t.Helper()
	lab.Eventually(n.t, settleLimit, "a problem in cssc status", func() error {
		text, _, err := n.Try("cssc", "status")
		if err == nil && !strings.Contains(text, words) {
			err = fmt.Errorf("got\n%s\nwant %q", text, words)
		}

		return err
	})
}
