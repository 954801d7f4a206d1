package units

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/levels"
)

func anyTarget(t *rapid.T) levels.Target {
	level := rapid.SampledFrom([]levels.Level{levels.Last, 0, 1, 10, levels.MaxLevel}).Draw(t, "level")
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		return levels.SequenceTarget(levels.Position{Sequence: rapid.SampledFrom(levels.Sequences()).Draw(t, "sequence"), Level: level})
	case 1:
		return levels.RoleTarget(rapid.SampledFrom([]levels.Role{levels.RoleMaster, levels.RoleVice}).Draw(t, "role"), level)
	default:
		return levels.PlainTarget(rapid.SampledFrom([]string{"ready", "master", "vice", "spare", "offline"}).Draw(t, "plain"))
	}
}

func TestTargetUnitAndParseTargetUnitAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := anyTarget(t)
		if got, ok := ParseTargetUnit(TargetUnit(target)); !ok || got != target {
			t.Fatalf("%v: unit %s read as %v, %v", target, TargetUnit(target), got, ok)
		}
	})
	for _, name := range []string{
		"", "cssc-.target", "cssc-init-3.service", "init-3.target", "cssc-init-03.target", "cssc-init-100.target",
		"cssc-none-1.target", "cssc-agent.service", "cssc-ready.target.wants", "Cssc-ready.target",
	} {
		if got, ok := ParseTargetUnit(name); ok {
			t.Errorf("%q: read as %v, want no target", name, got)
		}
	}
}

func TestUnitNameIsWhatSystemctlWouldMakeOfIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"chrony":         "chrony.service",
		"chrony.service": "chrony.service",
		"a.socket":       "a.socket",
		"app-1.2":        "app-1.2.service",
		"my app":         `my\x20app.service`,
		"ümlaut.timer":   `\xc3\xbcmlaut.timer`,
		"/srv/data":      "srv-data.mount",
		"/srv/my data/":  `srv-my\x20data.mount`,
		"/dev/sda1":      "dev-sda1.device",
		"/":              "-.mount",
		"a@b.service":    "a@b.service",
		`x\x2dy.service`: `x\x2dy.service`,
		"":               "", ".service": "", "@x.service": "", "a@.service": "",
	} {
		got, err := UnitName(text)
		if (want == "") != errors.Is(err, levels.ErrInvalid) || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestBusPath compares with what busctl shows for such units.
func TestBusPath(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"cssc-init-3.target": "cssc_2dinit_2d3_2etarget", "1a.mount": "_31a_2emount", "-.mount": "_2d_2emount",
		`a\x20b@c.service`: "a_5cx20b_40c_2eservice", "": "_",
	} {
		if got := busPath(name); got != "/org/freedesktop/systemd1/unit/"+want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
