package units

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/levels"
)

func defaultLadders() Ladders { return LaddersOf(levels.DefaultConfig("n1")) }

// plant writes files below a new root; "-> x" makes a link.
func plant(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root := tb.TempDir()
	for name, text := range files {
		if !strings.HasPrefix(name, "/") {
			name = "/usr/lib/systemd/system/" + name
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		write := func() error { return os.WriteFile(path, []byte(text), 0o600) }
		if to, link := strings.CutPrefix(text, "-> "); link {
			write = func() error { return os.Symlink(to, path) }
		}
		if err := write(); err != nil {
			tb.Fatal(err)
		}
	}

	return root
}

// names lists what the lines of one key name in a unit file.
func names(text, key string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			out = append(out, strings.Fields(value)...)
		}
	}

	return out
}

func TestGenerateMakesTheTargetsOfTheDesign(t *testing.T) {
	t.Parallel()
	config := levels.DefaultConfig("n1")
	config.Sequences[levels.Init].Ladder.Top = 2
	config.Sequences[levels.Promote].Ladder.Top = 3
	config.Sequences[levels.Shut].Ladder.Top = 0
	files := Generate(LaddersOf(config), &Installed{}).Files
	for unit, want := range map[string]bool{
		"cssc-init-0.target": true, "cssc-init-2.target": true, "cssc-init-3.target": false, "cssc-init-last.target": true,
		"cssc-master-3.target": true, "cssc-master-4.target": false, "cssc-vice-last.target": true, "cssc-promote-3.target": true,
		"cssc-shut-0.target": true, "cssc-shut-1.target": false, "cssc-shut-last.target": true, "cssc-demote-10.target": true,
		"cssc-ready.target": true, "cssc-master.target": true, "cssc-vice.target": true, "cssc-spare.target": true, "cssc-offline.target": true,
	} {
		if _, got := files[unit]; got != want {
			t.Errorf("%s: there %v, want %v", unit, got, want)
		}
	}
	for unit, want := range map[string]string{
		"cssc-init-0.target": "", "cssc-init-last.target": "cssc-init-2.target", "cssc-ready.target": "cssc-init-last.target",
		"cssc-master-1.target": "cssc-master-0.target cssc-init-1.target", "cssc-master-3.target": "cssc-master-2.target",
		"cssc-vice-last.target": "cssc-vice-3.target cssc-init-last.target", "cssc-vice.target": "cssc-vice-last.target", "cssc-shut-last.target": "cssc-shut-0.target",
	} {
		if got := strings.Join(names(files[unit], "After"), " "); got != want {
			t.Errorf("%s: After=%q, want %q", unit, got, want)
		}
	}
	for unit, text := range files {
		target, isTarget := ParseTargetUnit(unit)
		if isTarget && target.Momentary() != strings.Contains(text, "StopWhenUnneeded=yes\n") {
			t.Errorf("%s: momentary %v, but\n%s", unit, target.Momentary(), text)
		}
		if isTarget && !strings.Contains(text, "SourcePath=/etc/cssc/cssc.toml\n") {
			t.Errorf("%s: no SourcePath=", unit)
		}
	}
}

// TestMembersOfHigherLevelsComeLater over empty levels and role levels, with drop-ins,
// masks, aliases, instances and links to nowhere.
func TestMembersOfHigherLevelsComeLater(t *testing.T) {
	t.Parallel()
	etc := "/etc/systemd/system/"
	root := plant(t, map[string]string{
		"a.service": "", "b.service": "", "real.service": "", "i@.service": "", "m.service": "", "k.service": "", "off.service": "", "early.service": "", "r.service": "",
		"alias.service":                                 "-> real.service",
		"cssc-init-3.target.wants/a.service":            "-> ../a.service",
		etc + "cssc-init-5.target.wants/alias.service":  "-> /usr/lib/systemd/system/real.service",
		etc + "cssc-init-7.target.requires/i@x.service": "-> ../i@.service",
		"cssc-init-7.target.wants/off.service":          "-> ../off.service",
		etc + "cssc-init-7.target.wants/off.service":    "-> /dev/null",
		etc + "cssc-init-5.target.d/x.conf":             "[Unit]\nWants=b.service\n",
		etc + "cssc-master-3.target.wants/m.service":    "-> ../m.service",
		etc + "cssc-master-5.target.wants/k.service":    "-> ../k.service",
		etc + "cssc-ready.target.wants/r.service":       "-> ../r.service",
		// Wanted twice: the lower level is its own.
		etc + "cssc-init-7.target.wants/a.service": "-> ../a.service",
		etc + "cssc-init-1.target.wants/m.service": "-> ../m.service",
	})
	got := Generate(defaultLadders(), Scan(root))
	for unit, want := range map[string]string{
		"cssc-init-0.target":   "m.service a.service b.service real.service i@x.service r.service k.service",
		"cssc-init-1.target":   "a.service b.service real.service i@x.service r.service k.service",
		"cssc-init-3.target":   "b.service real.service i@x.service r.service k.service",
		"cssc-init-5.target":   "i@x.service r.service k.service",
		"cssc-init-7.target":   "r.service",
		"cssc-ready.target":    "",
		"cssc-master-2.target": "k.service", // it comes after init-1, to which m.service belongs
		"cssc-shut-0.target":   "",
	} {
		if got := strings.Join(names(got.Files[unit], "Before"), " "); got != want {
			t.Errorf("%s: Before=%q, want %q", unit, got, want)
		}
	}
	if len(got.Findings) != 0 {
		t.Errorf("findings: %v", got.Findings)
	}
	leave := got.Files["cssc-leave.service.d/50-cssc-levels.conf"]
	if after := names(leave, "After"); !slices.Contains(after, "i@x.service") || !slices.Contains(after, "cssc-vice-last.target") {
		t.Errorf("cssc-leave.service: After=%v, want every target and member", after)
	}
}

// TestCheckGraphFindsEachMistake has one of each kind.
func TestCheckGraphFindsEachMistake(t *testing.T) {
	t.Parallel()
	etc := "/etc/systemd/system/"
	root := plant(t, map[string]string{
		"two.service":        "[Unit]\nAfter=mid.service\n\nthis line is no option\n",
		"mid.service":        "[Unit]\n# a comment\nAfter=network.target \\\n  five.service\n",
		"five.service":       "",
		"twice.service":      "[Install]\nWantedBy=multi-user.target\n",
		"sock.service":       "",
		"sock.socket":        "[Socket]\nListenStream=/x\n",
		"timed.service":      "",
		"nightly.timer":      "[Timer]\nUnit=timed.service\n",
		"bus.service":        "",
		"boot.service":       "[Unit]\nBefore=cssc-agent.service\n",
		"cssc-agent.service": "",
		"/usr/share/dbus-1/system-services/org.x.service": "[D-BUS Service]\nName=org.x\nSystemdService=bus.service\n",
		etc + "cssc-init-2.target.wants/two.service":      "-> ../two.service",
		etc + "cssc-init-5.target.wants/five.service":     "-> ../five.service",
		etc + "cssc-init-6.target.wants/twice.service":    "-> ../twice.service",
		etc + "multi-user.target.wants/twice.service":     "-> ../twice.service",
		etc + "cssc-init-6.target.wants/sock.service":     "-> ../sock.service",
		etc + "sockets.target.wants/sock.socket":          "-> ../sock.socket",
		etc + "cssc-init-6.target.wants/timed.service":    "-> ../timed.service",
		etc + "timers.target.wants/nightly.timer":         "-> ../nightly.timer",
		etc + "cssc-init-6.target.wants/bus.service":      "-> ../bus.service",
		etc + "cssc-init-44.target.wants/five.service":    "-> ../five.service",
		etc + "cssc-init-1.target.wants/gone.service":     "-> ../gone.service",
		etc + "cssc-init-3.target.wants/boot.service":     "-> ../boot.service",
	})
	findings := CheckGraph(root, defaultLadders())
	for _, want := range []string{
		"cycle: five.service: ", "five.service → mid.service → two.service", "cycle: boot.service: ",
		"double: twice.service: also enabled in multi-user.target", "double: sock.service: sock.socket is enabled in sockets.target",
		"double: timed.service: nightly.timer is enabled in timers.target", "double: bus.service: D-Bus starts it whenever somebody calls org.x",
		"level: five.service: wanted by cssc-init-44.target", "missing: gone.service: ",
	} {
		if !slices.ContainsFunc(findings, func(f Finding) bool { return strings.Contains(f.String(), want) }) {
			t.Errorf("no finding %q; all: %v", want, findings)
		}
	}
	if len(findings) != 8 {
		t.Errorf("got %d findings, want 8: %v", len(findings), findings)
	}
	text := Generate(defaultLadders(), Scan(root)).Files["cssc-init-2.target"]
	if !strings.Contains(text, "# WARNING: Before=five.service is left out") || slices.Contains(names(text, "Before"), "five.service") {
		t.Errorf("cssc-init-2.target:\n%s", text)
	}
	if got := CheckGraph(t.TempDir(), defaultLadders()); len(got) != 0 {
		t.Errorf("findings without any unit: %v", got)
	}
}

// TestGeneratedOrderIsAcyclicAndComplete draws installations: after Generate there is no
// cycle that was not there before, and without dropped lines the order is exactly "a target
// before every member of each higher level".
func TestGeneratedOrderIsAcyclicAndComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		installed := &Installed{Wanted: map[string][]string{}, Before: map[string][]string{}}
		units := []string{"a.service", "b.service", "c.service", "d.service", "e.service"}
		for range rapid.IntRange(0, 6).Draw(t, "links") {
			target := TargetUnit(anyTarget(t))
			unit := rapid.SampledFrom(units).Draw(t, "unit")
			if !slices.Contains(installed.Wanted[target], unit) {
				installed.Wanted[target] = append(installed.Wanted[target], unit)
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "orders") {
			pair := rapid.Permutation(units).Draw(t, "pair")
			installed.Before[pair[0]] = append(installed.Before[pair[0]], pair[1])
		}
		w := newWeaving(defaultLadders(), installed)
		if again := newWeaving(defaultLadders(), installed); !maps.EqualFunc(w.before, again.before, slices.Equal[[]string]) {
			t.Fatal("not a function of its arguments")
		}
		woven := w.graph()
		if cycle := woven.cycle(); cycle != nil && w.knot == nil {
			t.Fatalf("cycle %v", cycle)
		}
		for _, d := range w.left {
			if len(d.cycle) < 2 || d.cycle[0] != d.earlier || d.cycle[len(d.cycle)-1] != d.earlier {
				t.Fatalf("left out %v without a cycle", d)
			}
		}
		if len(w.left) == 0 {
			checkComplete(t, w)
		}
	})
}

// graph is everything that is ordered in the end.
func (w *weaving) graph() graph {
	g := graph{}
	for earlier, later := range w.installed.Before {
		g[earlier] = append(g[earlier], later...)
	}
	for target, earlier := range w.after {
		for _, e := range earlier {
			g.add(edge{e, target})
		}
	}
	for target, members := range w.before {
		for _, member := range members {
			g.add(edge{target, member})
		}
	}
	for _, r := range w.rungs {
		for _, member := range w.installed.Wanted[TargetUnit(r.target)] {
			g.add(edge{member, TargetUnit(r.target)})
		}
	}

	return g
}

// checkComplete is the naive twin for the init ladder.
func checkComplete(t *rapid.T, w *weaving) {
	ladder := levels.Ladder{Top: 10}
	below := map[string]bool{}
	for low := range ladder.All() {
		unit := TargetUnit(level(low))
		for _, member := range w.installed.Wanted[unit] {
			below[member] = true
		}
		lowIndex, _ := ladder.Index(low)
		for high := range ladder.All() {
			highIndex, _ := ladder.Index(high)
			for _, member := range w.installed.Wanted[TargetUnit(level(high))] {
				if highIndex > lowIndex && !below[member] && !slices.Contains(w.before[unit], member) {
					t.Fatalf("%s is not before %s of level %v", unit, member, high)
				}
			}
		}
	}
}

func TestWeaveLeavesOutOnlyWhatClosesACycle(t *testing.T) {
	t.Parallel()
	g := graph{"a": {"b"}, "b": {"c"}}
	left := g.weave([]edge{{"c", "d"}, {"d", "a"}, {"a", "d"}})
	if len(left) != 1 || left[0].text() != "d → a → b → c → d" {
		t.Errorf("left out: %v", left)
	}
	if got := g.cycle(); got != nil {
		t.Errorf("cycle %v", got)
	}
	if got := (graph{"x": {"x"}}).cycle(); !slices.Equal(got, []string{"x", "x"}) {
		t.Errorf("self: %v", got)
	}
}

// FuzzScan feeds unit files of any content: no panic, no endless loop, and the targets
// are all there.
func FuzzScan(f *testing.F) {
	f.Add("[Unit]\nAfter=b.service\n", "[Install]\nWantedBy=\\\n\n")
	f.Add("[Unit", "=\n[Unit]\nBefore=%i a.service cssc-init-2.target\nDefaultDependencies=NO\n")
	f.Fuzz(func(t *testing.T, one, other string) {
		root := plant(t, map[string]string{
			"a.service": one, "b.service": other, "cssc-init-2.target.d/x.conf": other,
			"cssc-init-2.target.wants/a.service": "-> ../a.service", "cssc-init-5.target.wants/b.service": "-> ../b.service",
		})
		if got := Generate(defaultLadders(), Scan(root)); len(got.Files) != 103 {
			t.Fatalf("%d files", len(got.Files))
		}
	})
}

// FuzzUnitFile feeds text of any content to the reader of unit files, and what it made of
// it to Generate: no panic, no endless loop, no cycle of our own making.
func FuzzUnitFile(f *testing.F) {
	f.Add("[Unit]\nAfter=b.service\n")
	f.Add("[Unit]\nBefore=%i a.service cssc-init-2.target \\\n ; x\n d.service\nDefaultDependencies=NO\n[")
	f.Add("\xff\x00[Unit]=\n\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		var file unitFile
		file.add(parseUnitFile(strings.NewReader(text)))
		installed := &Installed{
			Wanted: map[string][]string{"cssc-init-1.target": {"a.service"}, "cssc-init-2.target": {"b.service"}},
			Before: map[string][]string{"a.service": file.before},
		}
		for _, earlier := range file.after {
			installed.order(earlier, "a.service")
		}
		w := newWeaving(Ladders{}, installed)
		if cycle := w.graph().cycle(); cycle != nil && w.knot == nil {
			t.Fatalf("cycle %v", cycle)
		}
	})
}
