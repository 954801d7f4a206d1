//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

func (n *unitsNode) newSystem(t *testing.T) *units.System {
	t.Helper()
	system := units.NewSystem(units.Options{Address: n.bus()})
	runUntilCleanup(t, system.Run)

	return system
}

func (n *unitsNode) inhibitors(t *testing.T) int {
	t.Helper()

	return strings.Count(n.Run(t, "systemd-inhibit", "--list", "--no-legend"), "cssc")
}

// holder is the environment variable that makes this test program, run in a node, the
// holder of the inhibitor: logind gives none to processes that it cannot see.
const holder = "CSSC_TEST_HOLDER"

// TestHolder is no test of its own: in a node it holds the inhibitor, writes down what
// is announced and gives it back when told so.
func TestHolder(t *testing.T) {
	if os.Getenv(holder) == "" {
		return
	}
	system := units.NewSystem(units.Options{})
	runUntilCleanup(t, system.Run)
	for range 2 { // to take it twice is to take it once
		if err := system.Inhibit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mode := <-system.ShutdownAnnounced()
	if err := os.WriteFile("/run/announced", []byte(mode.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, unitsLimit, "told to release", func() error {
		_, err := os.Stat("/run/release")

		return err
	})
	if err := errors.Join(system.Release(), system.Release()); err != nil {
		t.Fatal(err)
	}
}

// TestInhibitorHoldsTheShutdown takes the inhibitor, loses logind, and is still asked
// before the node goes down; the node waits for Release.
func TestInhibitorHoldsTheShutdown(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := newUnitsNode(t, suite, map[string]string{
				"/etc/systemd/logind.conf.d/zz.conf": "[Login]\nInhibitDelayMaxSec=30\n",
				"holder.service": "[Unit]\nAfter=systemd-logind.service\n[Service]\nEnvironment=" + holder + "=1\n" +
					"ExecStart=/usr/bin/holder -test.run=^TestHolder$\n",
			})
			n.Copy(t, program, "/usr/bin/holder")
			n.boot(t)
			system := n.newSystem(t)
			n.Run(t, "systemctl", "start", "holder.service")
			eventually(t, "one inhibitor", func() bool { return n.inhibitors(t) == 1 })
			n.Run(t, "systemctl", "restart", "systemd-logind.service")
			eventually(t, "one inhibitor after logind restarted", func() bool { return n.inhibitors(t) == 1 })
			n.checkReaders(t, system, suite)

			began := time.Now()
			n.Run(t, "systemctl", "poweroff")
			eventually(t, "an announcement", func() bool { return n.ReadFile(t, "/run/announced") != "" })
			if got := n.ReadFile(t, "/run/announced"); got != "poweroff" {
				t.Errorf("announced: got %q, want poweroff", got)
			}
			if preparing, err := system.PreparingForShutdown(t.Context()); err != nil || !preparing {
				t.Errorf("preparing: got %v, %v, want true", preparing, err)
			}
			if !n.Running() {
				t.Fatal("the node did not wait for the inhibitor")
			}
			n.WriteFile(t, "/run/release", "")
			if got := n.WaitExit(t); got != lab.PoweredOff {
				t.Errorf("exit: got %v, want powered off", got)
			}
			if took := time.Since(began); took > 25*time.Second {
				t.Errorf("the node went down after %v: by the window and not by the release", took)
			}
		})
	}
}

// checkReaders reads what the agent and "cssc verify" want to know of a healthy node.
func (n *unitsNode) checkReaders(t *testing.T, system *units.System, suite string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
	defer cancel()
	if window, err := system.Window(ctx); err != nil || window != 30*time.Second {
		t.Errorf("window: got %v, %v, want 30s", window, err)
	}
	if preparing, err := system.PreparingForShutdown(ctx); err != nil || preparing {
		t.Errorf("preparing: got %v, %v, want false", preparing, err)
	}
	if stopping, err := system.Stopping(ctx); err != nil || stopping {
		t.Errorf("stopping: got %v, %v, want false", stopping, err)
	}
	if limit, err := system.StopTimeout(ctx, "holder.service"); err != nil || limit != 90*time.Second {
		t.Errorf("stop timeout: got %v, %v, want 90s", limit, err)
	}
	if booted, err := system.Booted(ctx); err != nil || booted <= 0 {
		t.Errorf("booted: %v, %v", booted, err)
	}
	if count, err := system.SoftReboots(ctx); err != nil || count != 0 {
		t.Errorf("soft-reboots on %s: got %v, %v, want 0", suite, count, err)
	}
	if err := n.driver.Reload(ctx); err != nil {
		t.Errorf("reload: %v", err)
	}
}

// TestEndingsEscalate ends nodes in each way, and a node whose logind does not answer by
// PID 1, three seconds later.
func TestEndingsEscalate(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := newUnitsNode(t, suite, map[string]string{})
			cases := []struct {
				mode   levels.Mode
				before []string
				steps  string
				exit   lab.Exit
			}{
				{levels.ModeReboot, nil, "login1", lab.Rebooted},
				{levels.ModeStandalone, nil, "login1", lab.Rebooted},
				{levels.ModeHalt, nil, "login1", lab.PoweredOff},
				{levels.ModeReboot, []string{"systemctl", "kill", "-s", "STOP", "systemd-logind.service"}, "login1! target", lab.Rebooted},
				{levels.ModePoweroff, nil, "login1", lab.PoweredOff},
			}
			for _, c := range cases {
				n.boot(t)
				system := n.newSystem(t)
				if c.before != nil {
					n.Run(t, c.before...)
				}
				ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
				var steps []string
				overtaken := false // the bus went down before it could deliver logind's answer
				err := system.End(ctx, c.mode, func(step string, err error) {
					if err != nil {
						overtaken = overtaken || step == "login1" && strings.HasSuffix(err.Error(), "EOF")
						step += "!"
					}
					steps = append(steps, step)
				})
				cancel()
				if got := strings.Join(steps, " "); !overtaken && (err != nil || got != c.steps) {
					t.Errorf("%v: steps %q, %v, want %q", c.mode, got, err, c.steps)
				}
				if got := n.WaitExit(t); got != c.exit {
					t.Errorf("%v: node %v, want %v", c.mode, got, c.exit)
				}
			}
			system := units.NewSystem(units.Options{})
			for _, mode := range []levels.Mode{levels.ModeNone, levels.ModeNoboot} {
				if err := system.End(t.Context(), mode, nil); !errors.Is(err, levels.ErrInvalid) {
					t.Errorf("%v: got %v, want ErrInvalid", mode, err)
				}
			}
		})
	}
}
