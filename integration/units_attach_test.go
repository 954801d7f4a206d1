//go:build integration

package integration

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// TestAttachAndDetach covers a unit that the
// distribution enables elsewhere, one without [Install], a template's instance, a socket.
func TestAttachAndDetach(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := newUnitsNode(t, suite, map[string]string{
				"/usr/lib/systemd/system/plain.service":  oneshot("true", "[Install]", "WantedBy=multi-user.target"),
				"/usr/lib/systemd/system/bare.service":   oneshot("true"),
				"/usr/lib/systemd/system/inst@.service":  oneshot("true"),
				"/usr/lib/systemd/system/sock.service":   oneshot("true"),
				"/usr/lib/systemd/system/sock.socket":    "[Socket]\nListenStream=/run/sock\n[Install]\nWantedBy=sockets.target\n",
				"sockets.target.wants/sock.socket":       "-> /usr/lib/systemd/system/sock.socket",
				"multi-user.target.wants/plain.service":  "-> /usr/lib/systemd/system/plain.service",
				"/usr/lib/systemd/system/masked.service": oneshot("true"),
				"masked.service":                         "-> /dev/null",
			})
			n.boot(t)
			attacher := units.Attacher{Root: n.Root(), Address: n.bus()}
			attach := func(unit, target string) string {
				parsed, err := levels.ParseTarget(target)
				if err != nil {
					t.Fatal(err)
				}
				warnings, err := attacher.Attach(t.Context(), unit, []levels.Target{parsed})
				if err != nil {
					warnings = append(warnings, err.Error())
				}

				return strings.Join(warnings, "\n")
			}
			for _, c := range []struct{ unit, target, want string }{
				{"plain.service", "init-3", "also enabled in multi-user.target"},
				{"plain", "shut-last", "also enabled in multi-user.target"},
				{"bare.service", "master-3", ""},
				{"inst@x.service", "init-2", ""},
				{"sock.service", "init-4", "sock.socket is enabled in sockets.target"},
				{"none.service", "init-3", "attach none.service: invalid argument: there is no such unit"},
				{"masked.service", "init-3", "is masked"},
				{"inst@.service", "init-3", "is a template"},
				{"plain.service", "init-77", "there is no cssc-init-77.target"},
				{"cssc-init-2.target", "init-3", "part of cssc itself"},
			} {
				if got := attach(c.unit, c.target); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
					t.Errorf("attach %s %s: got %q, want %q", c.unit, c.target, got, c.want)
				}
			}
			members, err := n.driver.Members(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for target, want := range map[levels.Target]string{
				initLevel(2):                            "inst@x.service",
				initLevel(3):                            "plain.service",
				initLevel(4):                            "sock.service",
				levels.RoleTarget(levels.RoleMaster, 3): "bare.service",
				levels.SequenceTarget(levels.Position{Sequence: levels.Shut, Level: levels.Last}): "plain.service",
			} {
				if got := strings.Join(members[target], " "); got != want {
					t.Errorf("members of %v: got %q, want %q", target, got, want)
				}
			}
			if len(members) != 5 {
				t.Errorf("members: got %v, want five targets", members)
			}
			if got := n.Run(t, "systemctl", "is-enabled", "plain.service"); got != "enabled\n" {
				t.Errorf("is-enabled: got %q", got)
			}
			// Detach leaves how the distribution enabled it.
			if err := attacher.Detach(t.Context(), "plain.service"); err != nil {
				t.Errorf("detach: %v", err)
			}
			if err := attacher.Detach(t.Context(), "plain.service"); !errors.Is(err, levels.ErrInvalid) {
				t.Errorf("detach twice: got %v, want ErrInvalid", err)
			}
			if members, err = n.driver.Members(t.Context()); err != nil || len(members) != 3 {
				t.Errorf("members after detach: got %v, %v, want three targets", members, err)
			}
			if _, err := os.Lstat(n.Root() + "/etc/systemd/system/multi-user.target.wants/plain.service"); err != nil {
				t.Errorf("detach took away how the unit was enabled before: %v", err)
			}
			if _, err := os.Lstat(n.Root() + "/etc/systemd/system/plain.service.d"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("detach left the drop-in's folder: %v", err)
			}
		})
	}
}
