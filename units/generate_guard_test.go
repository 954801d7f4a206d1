package units

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGuardOutlivesWhatItGuards: the agent wants the guard, which starts before and so stops
// after every target and member of the master, also one that another role has too, and no
// other; its watchdog is a quarter of the lease.
func TestGuardOutlivesWhatItGuards(t *testing.T) {
	t.Parallel()
	installed := &Installed{Wanted: map[string][]string{
		"cssc-master-0.target": {"db.service", "both.service", "cssc-agent.service"}, "cssc-master.target": {"ip.service"},
		"cssc-vice-0.target": {"both.service", "standby.service"}, "cssc-init-0.target": {"clock.service"},
	}}
	files := GenerateGuard(defaultLadders(), installed, 250*time.Millisecond)
	guard, agent := files["cssc-guard.service.d/50-cssc.conf"], files["cssc-agent.service.d/50-cssc-guard.conf"]
	if len(files) != 2 || !strings.Contains(guard, "\n[Service]\nWatchdogSec=62ms\n") {
		t.Errorf("%d files, the guard's says\n%s", len(files), guard)
	}
	before := names(guard, "Before")
	for unit, want := range map[string]bool{
		"cssc-master-0.target": true, "cssc-master-10.target": true, "cssc-master-last.target": true, "cssc-master.target": true,
		"db.service": true, "both.service": true, "ip.service": true,
		"cssc-vice-0.target": false, "standby.service": false, "clock.service": false, "cssc-agent.service": false,
	} {
		if got := slices.Contains(before, unit); got != want {
			t.Errorf("Before= names %s: %v, want %v", unit, got, want)
		}
	}
	for _, key := range []string{"Wants", "After"} {
		if got := names(agent, key); !slices.Equal(got, []string{"cssc-guard.service"}) {
			t.Errorf("the agent's %s=%v, want the guard", key, got)
		}
	}
}
