//go:build integration

package integration

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

func bootTime(t *testing.T) levels.Instant {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}

	return levels.Instant(now.Nano())
}

// slowMember writes down each start and takes until it is let go.
func slowMember() string {
	return "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\n" +
		"ExecStart=/bin/sh -c 'echo start %n >> /var/record; until test -e /run/go; do sleep 0.05; done'\n"
}

// started is what Start returned.
type started struct {
	members map[string]levels.Member
	err     error
}

// startSlowly starts a target and returns when the given unit is on its way.
func (n *unitsNode) startSlowly(t *testing.T, order levels.StartUnits, unit string) <-chan started {
	t.Helper()
	done := make(chan started, 1)
	ctx, cancel := context.WithTimeout(context.Background(), unitsLimit)
	t.Cleanup(cancel)
	driver := n.driver
	go func() {
		members, err := driver.Start(ctx, order, nil)
		done <- started{byUnit(members), err}
	}()
	eventually(t, unit+" is activating", func() bool { return n.show(t, unit, "ActiveState") == "activating" })

	return done
}

func await(t *testing.T, done <-chan started) map[string]levels.Member {
	t.Helper()
	select {
	case result := <-done:
		if result.err != nil {
			t.Fatalf("start: %v; members %v", result.err, result.members)
		}

		return result.members
	case <-time.After(unitsLimit):
		t.Fatalf("start has not returned within %v", unitsLimit)

		return nil
	}
}

func (n *unitsNode) record(t *testing.T) string {
	t.Helper()

	return strings.Join(strings.Split(strings.TrimSpace(n.ReadFile(t, "/var/record")), "\n"), ", ")
}

func wantOutcome(t *testing.T, members map[string]levels.Member, unit string, outcome levels.Outcome, reason string) {
	t.Helper()
	if got := members[unit]; got.Outcome != outcome || !strings.Contains(got.Reason, reason) {
		t.Errorf("%s: got %v %q, want %v %q; all: %v", unit, got.Outcome, got.Reason, outcome, reason, members)
	}
}

// TestWorkSurvivesWhatHappensToSystemd reloads and re-executes PID 1 and restarts the bus
// while a level is on its way: the member runs once, and the driver tells its end.
func TestWorkSurvivesWhatHappensToSystemd(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			events := [][]string{
				{"systemctl", "daemon-reload"},
				{"systemctl", "daemon-reexec"},
				{"systemctl", "restart", "dbus.service"}, // last: logind does not come back to the bus on 257
			}
			for i := range events {
				for _, kind := range []string{"slow", "bad", "cond"} {
					unit := kind + strconv.Itoa(i) + ".service"
					files[unit] = map[string]string{
						"slow": slowMember(),
						"bad":  "[Unit]\nAfter=slow" + strconv.Itoa(i) + ".service\n" + oneshot("exit 7"),
						"cond": "[Unit]\nAfter=slow" + strconv.Itoa(i) + ".service\nConditionPathExists=/nowhere\n" + oneshot("true"),
					}[kind]
					link, to := wantedBy(initLevel(levels.Level(i)), unit)
					files[link] = to
				}
			}
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			for i, event := range events {
				number := strconv.Itoa(i)
				done := n.startSlowly(t, levels.StartUnits{Target: initLevel(levels.Level(i))}, "slow"+number+".service")
				n.Run(t, event...)
				n.WriteFile(t, "/run/go", "")
				members := await(t, done)
				wantOutcome(t, members, "slow"+number+".service", levels.OutcomeDone, "")
				wantOutcome(t, members, "bad"+number+".service", levels.OutcomeFailed, "exit status 7")
				wantOutcome(t, members, "cond"+number+".service", levels.OutcomeSkipped, "")
				n.Run(t, "rm", "/run/go")
			}
			if got, want := n.record(t), "start slow0.service, start slow1.service, start slow2.service"; got != want {
				t.Errorf("starts: got %q, want %q", got, want)
			}
		})
	}
}

// TestResumeStartsNothingTwice gives the same order again, as a restarted agent does, before
// the request was made, while it runs and after it has ended.
func TestResumeStartsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				"slow.service": slowMember(),
				"gone.service": oneshot("echo start %n >> /var/record"),
				"bad.service":  oneshot("echo start %n >> /var/record; exit 1"),
				"cond.service": "[Unit]\nConditionPathExists=/nowhere\n" + oneshot("true"),
			}
			lasting := initLevel(1)
			momentary := levels.SequenceTarget(levels.Position{Sequence: levels.Promote, Level: 1})
			for _, unit := range sortedKeys(files) {
				for _, target := range []levels.Target{lasting, momentary} {
					link, to := wantedBy(target, unit)
					files[link] = to
				}
			}
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			for _, target := range []levels.Target{lasting, momentary} {
				n.Run(t, "rm", "-f", "/var/record", "/run/go")
				n.stop(t, levels.StopUnits{Target: target})
				order := levels.StartUnits{Target: target, Resume: true, Since: bootTime(t)}
				// Killed before it asked: resume asks.
				first := n.startSlowly(t, order, "slow.service")
				// Killed while it waited: resume waits too.
				n.driver = n.newDriver(t)
				second := n.startSlowly(t, order, "slow.service")
				n.WriteFile(t, "/run/go", "")
				// Killed before the answer was known: resume finds it.
				third := make(chan started, 1)
				answers := []<-chan started{first, second, third}
				for i, answer := range answers {
					if i == 2 {
						third <- started{n.start(t, order), nil}
					}
					members := await(t, answer)
					wantOutcome(t, members, "slow.service", levels.OutcomeDone, "")
					wantOutcome(t, members, "gone.service", levels.OutcomeDone, "")
					wantOutcome(t, members, "bad.service", levels.OutcomeFailed, "exit status 1")
					wantOutcome(t, members, "cond.service", levels.OutcomeSkipped, "")
				}
				if got := n.record(t); strings.Count(got, "start") != 3 {
					t.Errorf("%v: starts: got %q, want each once", target, got)
				}
				// A later order is not the same order.
				n.start(t, levels.StartUnits{Target: target, Resume: true, Since: bootTime(t)})
				if got := n.record(t); strings.Count(got, "gone.service") != 2 {
					t.Errorf("%v: starts after a new order: got %q, want gone.service twice", target, got)
				}
			}
			// What the evidence hangs on: the momentary target is loaded, and no longer active.
			name := units.TargetUnit(momentary)
			eventually(t, name+" is down", func() bool { return n.show(t, name, "ActiveState") == "inactive" })
			if got := n.Run(t, "systemctl", "list-units", "--all", "--plain", "--no-legend", name); !strings.Contains(got, name) {
				t.Errorf("%s is not loaded between runs; its time stamps are lost", name)
			}
			if got := n.show(t, name, "InactiveExitTimestampMonotonic"); got == "0" {
				t.Errorf("%s: time stamp is lost", name)
			}
		})
	}
}

// TestRetryAndSyncStartOnlyTheUnitsNamed and make the target active without touching any
// other member.
func TestRetryAndSyncStartOnlyTheUnitsNamed(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				"gone.service": oneshot("echo start %n >> /var/record"),
				"need.service": oneshot("echo start %n >> /var/record; test -e /run/go", "RemainAfterExit=yes"),
			}
			target := initLevel(4)
			link, to := wantedBy(target, "gone.service")
			files[link] = to
			files[units.TargetUnit(target)+".requires/need.service"] = "-> ../need.service"
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			members := n.start(t, levels.StartUnits{Target: target})
			wantOutcome(t, members, "need.service", levels.OutcomeFailed, "exit status 1")
			if lost, err := n.driver.Lost(t.Context(), []levels.Target{target}); err != nil || len(lost) != 1 {
				t.Errorf("lost after a required member failed: got %v, %v, want %v", lost, err, target)
			}
			n.WriteFile(t, "/run/go", "")
			members = n.start(t, levels.StartUnits{Target: target, Units: []string{"need.service"}})
			wantOutcome(t, members, "need.service", levels.OutcomeDone, "")
			if got := n.show(t, units.TargetUnit(target), "ActiveState"); got != "active" || len(members) != 1 {
				t.Errorf("after the retry: target is %s, members %v, want active and only need.service", got, members)
			}
			if got, want := n.record(t), "start gone.service"; strings.Count(got, want) != 1 {
				t.Errorf("starts: got %q, want %q once", got, want)
			}
		})
	}
}

// TestStopWaitsKeepsAndKills stops what is running, what hangs and what must stay.
func TestStopWaitsKeepsAndKills(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			master, vice := levels.RoleTarget(levels.RoleMaster, 2), levels.RoleTarget(levels.RoleVice, 2)
			stubborn := "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=infinity\nRestart=always\n"
			files := map[string]string{
				"both.service":  "[Service]\nExecStart=/bin/sleep infinity\n",
				"slow.service":  "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 1\n",
				"hang.service":  stubborn,
				"hang2.service": stubborn,
				"off.service":   "[Unit]\nConditionPathExists=/nowhere\n" + oneshot("true"),
			}
			for _, unit := range sortedKeys(files) {
				link, to := wantedBy(master, unit)
				files[link] = to
			}
			link, to := wantedBy(vice, "both.service")
			files[link] = to
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			n.start(t, levels.StartUnits{Target: vice})
			pid := n.show(t, "both.service", "MainPID")
			members := n.start(t, levels.StartUnits{Target: master})
			wantOutcome(t, members, "both.service", levels.OutcomeAlready, "")

			// A member whose time is up while the rest of the level stays.
			members = n.stop(t, levels.StopUnits{Target: master, Units: []string{"hang2.service"}, Kill: true})
			wantOutcome(t, members, "hang2.service", levels.OutcomeDone, "")
			if got := n.show(t, units.TargetUnit(master), "ActiveState"); got != "active" || len(members) != 1 {
				t.Errorf("stop of one unit: target is %s, members %v, want active and only hang2.service", got, members)
			}

			// The whole level; the hung member is killed meanwhile, as the machine would order.
			ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
			defer cancel()
			done := make(chan started, 1)
			go func() {
				members, err := n.driver.Stop(ctx, levels.StopUnits{Target: master, Keep: []levels.Target{vice}})
				done <- started{byUnit(members), err}
			}()
			eventually(t, "hang.service hangs", func() bool { return n.show(t, "hang.service", "ActiveState") == "deactivating" })
			n.stop(t, levels.StopUnits{Target: master, Units: []string{"hang.service"}, Kill: true})
			members = await(t, done)
			wantOutcome(t, members, "slow.service", levels.OutcomeDone, "")
			wantOutcome(t, members, "hang.service", levels.OutcomeDone, "")
			wantOutcome(t, members, "hang2.service", levels.OutcomeAlready, "")
			wantOutcome(t, members, "off.service", levels.OutcomeAlready, "")
			wantOutcome(t, members, "both.service", levels.OutcomeSkipped, "cssc-vice-2.target")
			if got := n.show(t, "both.service", "MainPID"); got != pid || pid == "0" {
				t.Errorf("both.service: PID %s afterwards, want %s: it was not kept", got, pid)
			}
			for _, unit := range []string{"slow.service", "hang.service", units.TargetUnit(master)} {
				if got := n.show(t, unit, "ActiveState"); got != "inactive" && got != "failed" {
					t.Errorf("%s is %s after the stop, want down", unit, got)
				}
			}
		})
	}
}

// TestLostTargetIsNoticed isolates another target behind the driver's back.
func TestLostTargetIsNoticed(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"a.service": oneshot("true", "RemainAfterExit=yes")}
			link, to := wantedBy(initLevel(0), "a.service")
			files[link] = to
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			n.start(t, levels.StartUnits{Target: initLevel(0)})
			expected := []levels.Target{initLevel(0), initLevel(0)}
			if lost, err := n.driver.Lost(t.Context(), expected); err != nil || len(lost) != 0 {
				t.Fatalf("lost at first: got %v, %v, want none", lost, err)
			}
			for len(n.driver.Changed()) > 0 {
				<-n.driver.Changed()
			}
			n.Run(t, "systemctl", "isolate", "multi-user.target")
			select {
			case <-n.driver.Changed():
			case <-time.After(unitsLimit):
				t.Fatal("no hint that a target was lost")
			}
			if lost, err := n.driver.Lost(t.Context(), expected); err != nil || len(lost) != 2 {
				t.Fatalf("lost: got %v, %v, want both", lost, err)
			}
			// A new link becomes a member at the reload.
			n.WriteFile(t, "/etc/systemd/system/b.service", "[Install]\nWantedBy=cssc-init-0.target\n"+oneshot("true"))
			n.Run(t, "systemctl", "enable", "b.service")
			select {
			case <-n.driver.Changed():
			case <-time.After(unitsLimit):
				t.Fatal("no hint that the members changed")
			}
			members, err := n.driver.Members(t.Context())
			if got := strings.Join(members[initLevel(0)], " "); err != nil || got != "a.service b.service" || len(members) != 1 {
				t.Fatalf("members: got %v, %v, want a.service b.service at init:0 and nothing else", members, err)
			}
		})
	}
}

// TestStartNeverCancelsAShutdown: systemd would forget a shutdown for any start in mode
// "replace"; a job of another kind that is in the way is replaced.
func TestStartNeverCancelsAShutdown(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				"a.service":    oneshot("true", "RemainAfterExit=yes", "ExecStop=/bin/sleep 1"),
				"hold.service": "[Unit]\nAfter=dbus.service dbus.socket\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/sh -c 'until test -e /run/go; do sleep 0.05; done'\n",
			}
			link, to := wantedBy(initLevel(0), "a.service")
			files[link] = to
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			n.start(t, levels.StartUnits{Target: initLevel(0)})
			n.Run(t, "systemctl", "start", "hold.service")
			n.Run(t, "systemctl", "stop", "--no-block", "a.service")
			wantOutcome(t, n.start(t, levels.StartUnits{Target: initLevel(0)}), "a.service", levels.OutcomeDone, "")

			n.Run(t, "systemctl", "start", "--no-block", "poweroff.target")
			eventually(t, "the node shuts down", func() bool {
				state, _, err := n.Try("systemctl", "is-system-running")

				return err == nil && state == "stopping\n"
			})
			ctx, cancel := context.WithTimeout(t.Context(), unitsLimit)
			defer cancel()
			_, err := n.driver.Start(ctx, levels.StartUnits{Target: initLevel(0)}, nil)
			if err == nil || !strings.Contains(err.Error(), "shutting down") {
				t.Errorf("start during a shutdown: got %v, want a refusal that says why", err)
			}
			n.WriteFile(t, "/run/go", "")
			if got := n.WaitExit(t); got != lab.PoweredOff {
				t.Errorf("node: got %v, want powered off", got)
			}
		})
	}
}

// TestStartWithoutABusSaysSo within the time it was given.
func TestStartWithoutABusSaysSo(t *testing.T) {
	t.Parallel()
	driver := units.NewDriver(units.Options{Address: "unix:path=" + t.TempDir() + "/none"})
	runUntilCleanup(t, driver.Run)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := driver.Start(ctx, levels.StartUnits{Target: initLevel(0)}, nil)
	if !errors.Is(err, units.ErrNoBus) || !strings.Contains(err.Error(), "start cssc-init-0.target") || !strings.Contains(err.Error(), "no such file") {
		t.Fatalf("start: got %v, want ErrNoBus with operation and cause", err)
	}
}
