package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const agentUnit = "cssc-agent.service"

// benchGenerator: the generator with all its targets, beside a process that does nothing.
func (w *worker) benchGenerator(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "generator")
	if err != nil {
		return err
	}
	back, err := putConfigAside()
	if err != nil {
		return err
	}
	defer back()
	const generator = "/usr/lib/systemd/system-generators/cssc-generator"
	const trials = 41
	value, reference, err := turns(trials,
		func() (time.Duration, error) { return timed(ctx, generator, folder, folder, folder) },
		func() (time.Duration, error) { return timed(ctx, "/bin/true") })
	if err != nil {
		return err
	}

	return w.report(figure{
		Name: "generator, 101 targets", Value: value, Reference: reference, Against: "/bin/true",
		Unit: "ms", Goal: 10, Absolute: true, Trials: trials,
	})
}

// putConfigAside leaves the default ladders, of 101 targets, until back is called.
func putConfigAside() (back func(), err error) {
	const file, aside = "/etc/cssc/cssc.toml", "/etc/cssc/cssc.toml.aside"

	return func() { _ = os.Rename(aside, file) }, os.Rename(file, aside)
}

func timed(ctx context.Context, argv ...string) (time.Duration, error) {
	begin := time.Now()
	err := exec.CommandContext(ctx, argv[0], argv[1:]...).Run()

	return time.Since(begin), err
}

// benchStart: the agent from exec to READY=1, beside a service that is ready at once
// in the same sandbox.
func (w *worker) benchStart(ctx context.Context) error {
	text, err := os.ReadFile("/usr/lib/systemd/system/" + agentUnit)
	if err != nil {
		return err
	}
	const plain = "/run/systemd/system/bench-notify.service"
	if err = os.WriteFile(plain, []byte(emptyService(string(text))), 0o600); err != nil {
		return err
	}
	if err = w.system.call(ctx, "Reload"); err != nil {
		return err
	}
	const trials = 9
	value, reference, err := turns(trials,
		func() (time.Duration, error) { return w.system.restart(ctx, agentUnit) },
		func() (time.Duration, error) { return w.system.restart(ctx, "bench-notify.service") })
	if err != nil {
		return err
	}

	return w.report(figure{
		Name: "agent start to READY", Value: value, Reference: reference, Against: "ready at once, same sandbox",
		Unit: "ms", Goal: 50, Absolute: true, Trials: trials,
	})
}

// emptyService is the agent's unit with another program in it.
func emptyService(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		switch key, _, _ := strings.Cut(line, "="); key {
		case "ExecStart":
			lines[i] = "ExecStart=/usr/local/bin/bench node notify"
		case "StateDirectory", "RuntimeDirectory":
			lines[i] = key + "=bench"
		}
	}

	return strings.Join(lines, "\n")
}

// restart returns the time from the start of the main process to the unit being active.
func (s *systemd) restart(ctx context.Context, unit string) (time.Duration, error) {
	if err := s.run(ctx, "RestartUnit", unit); err != nil {
		return 0, err
	}
	var began, ready uint64
	if err := s.property(ctx, unit, "Service", "ExecMainStartTimestampMonotonic", &began); err != nil {
		return 0, err
	}
	if err := s.property(ctx, unit, "Unit", "ActiveEnterTimestampMonotonic", &ready); err != nil {
		return 0, err
	}

	return time.Duration(ready-began) * time.Microsecond, nil
}

// runNotify is the reference service of benchStart.
func runNotify(ctx context.Context) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	<-ctx.Done()

	return nil
}

// idleWindow is how long the agent is watched doing nothing.
const idleWindow = 30 * time.Second

// benchIdle: memory and processor time of the agent with the default configuration
// while nothing happens.
func (w *worker) benchIdle(ctx context.Context) error {
	back, err := putConfigAside()
	if err != nil {
		return err
	}
	if err = w.renew(ctx); err == nil {
		err = w.watchIdle(ctx)
	}
	back()
	if err != nil {
		return err
	}

	return w.renew(ctx)
}

// renew makes systemd and the agent read the configuration that there is now.
func (w *worker) renew(ctx context.Context) error {
	if err := w.system.call(ctx, "Reload"); err != nil {
		return err
	}
	if err := w.system.run(ctx, "RestartUnit", agentUnit); err != nil {
		return err
	}

	return w.settle(ctx)
}

func (w *worker) watchIdle(ctx context.Context) error {
	var before, after uint64
	var pid uint32
	if err := w.system.property(ctx, agentUnit, "Service", "MainPID", &pid); err != nil {
		return err
	}
	if err := w.system.property(ctx, agentUnit, "Service", "CPUUsageNSec", &before); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.NewTimer(idleWindow).C:
	}
	if err := w.system.property(ctx, agentUnit, "Service", "CPUUsageNSec", &after); err != nil {
		return err
	}
	memory, err := residentMB(pid)
	if err != nil {
		return err
	}
	share := 100 * float64(after-before) / float64(idleWindow)
	if err = w.report(figure{Name: "agent at idle, processor", Value: share, Unit: "% of a core", Goal: 0.5, Trials: 1}); err != nil {
		return err
	}

	return w.report(figure{Name: "agent at idle, resident memory", Value: memory, Unit: "MB", Goal: 20, Trials: 1})
}

func residentMB(pid uint32) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	var kilobytes float64
	if _, err = fmt.Sscan(rest, &kilobytes); !found || err != nil {
		return 0, fmt.Errorf("no VmRSS in /proc/%d/status", pid)
	}

	return kilobytes / 1024, nil
}
