//go:build integration

package integration

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/lab"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

// unitsRow is one row of the table of what a level job tells: units, how they are joined,
// and what the driver must make of them.
type unitsRow struct {
	name string
	// files by name; "requires" lists those joined by RequiredBy=, every other member
	// in want is joined by WantedBy=.
	files    map[string]string
	requires []string
	// extra members are joined and must not be reported.
	unseen []string
	// want is outcome, then, after a blank, the beginning of the reason.
	want map[string]string
	// again is what a second start tells; nil for none.
	again map[string]string
	// atLeast is how long the start must take, because something has to be waited for.
	atLeast time.Duration
	// inactive says that the target is not active afterwards.
	inactive bool
}

func unitsRows() []unitsRow {
	const slow = "sleep 1"
	stays := "RemainAfterExit=yes"

	return []unitsRow{
		{
			name:  "wants, one fails",
			files: map[string]string{"ok.service": oneshot("true", stays), "bad.service": oneshot("exit 3")},
			want:  map[string]string{"ok.service": "done", "bad.service": "failed exit status 3"},
		}, {
			name:     "requires, one fails",
			files:    map[string]string{"ok.service": oneshot("true", stays), "bad.service": oneshot("exit 3")},
			requires: []string{"ok.service", "bad.service"},
			want:     map[string]string{"ok.service": "done", "bad.service": "failed exit status 3"},
			inactive: true,
		}, {
			name:    "start times out",
			files:   map[string]string{"late.service": "[Service]\nType=notify\nExecStart=/bin/sleep infinity\nTimeoutStartSec=1\n"},
			want:    map[string]string{"late.service": "failed start timed out"},
			atLeast: time.Second,
		}, {
			name:  "wanted, condition not met",
			files: map[string]string{"cond.service": "[Unit]\nConditionPathExists=/nowhere\n" + oneshot("true")},
			want:  map[string]string{"cond.service": "skipped a condition"},
		}, {
			name:     "required, condition not met",
			files:    map[string]string{"cond.service": "[Unit]\nConditionPathExists=/nowhere\n" + oneshot("true")},
			requires: []string{"cond.service"},
			want:     map[string]string{"cond.service": "skipped a condition"},
		}, {
			name:  "wanted, assertion not met",
			files: map[string]string{"assert.service": "[Unit]\nAssertPathExists=/nowhere\n" + oneshot("true")},
			want:  map[string]string{"assert.service": "failed an assertion"},
		}, {
			name:     "required, assertion not met",
			files:    map[string]string{"assert.service": "[Unit]\nAssertPathExists=/nowhere\n" + oneshot("true")},
			requires: []string{"assert.service"},
			want:     map[string]string{"assert.service": "failed an assertion"},
			inactive: true,
		}, {
			name: "wanted, its dependency fails",
			files: map[string]string{
				"needy.service": "[Unit]\nRequires=ROW-base.service\nAfter=ROW-base.service\n" + oneshot("true"),
				"base.service":  oneshot("exit 1"),
			},
			want: map[string]string{"needy.service": "failed a unit that it requires did not start"},
		}, {
			name:    "its job times out",
			files:   map[string]string{"long.service": "[Unit]\nJobTimeoutSec=1\n" + oneshot("sleep 4")},
			want:    map[string]string{"long.service": "failed its job timed out"},
			atLeast: time.Second,
		}, {
			name:    "member without default dependencies is waited for",
			files:   map[string]string{"early.service": "[Unit]\nDefaultDependencies=no\n" + oneshot(slow, stays)},
			want:    map[string]string{"early.service": "done"},
			atLeast: time.Second,
		}, {
			name:   "masked is no member",
			files:  map[string]string{"ok.service": oneshot("true"), "masked.service": "-> /dev/null"},
			unseen: []string{"masked.service"},
			want:   map[string]string{"ok.service": "done"},
		}, {
			name:  "wanted and missing",
			files: map[string]string{"ok.service": oneshot("true")},
			want:  map[string]string{"ok.service": "done", "missing.service": "failed unit not found"},
		}, {
			name:     "required and missing",
			files:    map[string]string{"ok.service": oneshot("true")},
			requires: []string{"missing.service"},
			want:     map[string]string{"ok.service": "failed not started", "missing.service": "failed unit not found"},
			inactive: true,
		}, {
			name: "target without default dependencies",
			files: map[string]string{
				"slow.service": oneshot(slow, stays), "TARGET.d/x.conf": "[Unit]\nDefaultDependencies=no\n",
			},
			want:    map[string]string{"slow.service": "done"},
			atLeast: time.Second,
		}, {
			name: "target whose job times out",
			files: map[string]string{
				"slow.service": oneshot("sleep 2", stays), "TARGET.d/x.conf": "[Unit]\nJobTimeoutSec=1\n",
			},
			want:    map[string]string{"slow.service": "done"},
			atLeast: 2 * time.Second,
		}, {
			name: "started again, what failed is tried again",
			files: map[string]string{
				"ok.service": oneshot("true", stays), "second.service": oneshot("mkdir /run/ROW-seen && exit 1; true", stays),
			},
			want:  map[string]string{"ok.service": "done", "second.service": "failed exit status 1"},
			again: map[string]string{"ok.service": "already", "second.service": "done"},
		}, {
			name:  "killed",
			files: map[string]string{"killed.service": oneshot("kill -9 $$$$")},
			want:  map[string]string{"killed.service": "failed killed by signal 9"},
		}, {
			name:  "restarts by itself",
			files: map[string]string{"again.service": "[Service]\nType=notify\nExecStart=/bin/false\nRestart=on-failure\nRestartSec=1h\n"},
			want:  map[string]string{"again.service": "failed exit status 1; systemd will try it again"},
		}, {
			name:  "does not parse",
			files: map[string]string{"broken.service": "[Service]\nType=oneshot\n"},
			want:  map[string]string{"broken.service": "failed "},
		}, {
			name: "other types of units and strange names",
			files: map[string]string{
				"a.socket":  "[Socket]\nListenStream=/run/ROW-a.sock\n",
				"a.service": oneshot("true"),
				"b.timer":   "[Timer]\nOnActiveSec=1h\n",
				"b.service": oneshot("true"),
				"c.path":    "[Path]\nPathExists=/nowhere\n",
				"c.service": oneshot("true"),
				"d.target":  "[Unit]\nDescription=x\n",
			},
			want: map[string]string{
				"a.socket": "done", "b.timer": "done", "c.path": "done", "d.target": "done",
			},
		}, {
			name:  "a oneshot that leaves nothing behind",
			files: map[string]string{`odd\x20name@x:1.service`: oneshot("true")},
			want:  map[string]string{`odd\x20name@x:1.service`: "done"},
		},
	}
}

// TestLevelJobTable runs every row of the table of what a level job tells: each row is a
// level of its own on one node of each suite.
func TestLevelJobTable(t *testing.T) {
	t.Parallel()
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"/etc/cssc/cssc.toml": "[sequence.init]\nlevels = 60\n"}
			rows := unitsRows()
			for i, row := range rows {
				maps.Copy(files, row.unitFiles(levels.Level(i)))
			}
			n := newUnitsNode(t, suite, files)
			n.boot(t)
			for i, row := range rows {
				t.Run(row.name, func(t *testing.T) { row.run(t, n, levels.Level(i)) })
			}
		})
	}
}

func (r unitsRow) prefix(level levels.Level) string { return "r" + level.String() }

// unitFiles names the row's units after its level, so that rows do not meet.
func (r unitsRow) unitFiles(level levels.Level) map[string]string {
	target := units.TargetUnit(initLevel(level))
	out := map[string]string{}
	for name, text := range r.files {
		text = strings.ReplaceAll(text, "ROW", r.prefix(level))
		if rest, ok := strings.CutPrefix(name, "TARGET"); ok {
			out[target+rest] = text
		} else {
			out[r.prefix(level)+"-"+name] = text
		}
	}
	members := append(sortedKeys(r.want), r.unseen...)
	for _, name := range members {
		out[target+".wants/"+r.prefix(level)+"-"+name] = "-> ../" + r.prefix(level) + "-" + name
	}
	for _, name := range r.requires {
		delete(out, target+".wants/"+r.prefix(level)+"-"+name)
		out[target+".requires/"+r.prefix(level)+"-"+name] = "-> ../" + r.prefix(level) + "-" + name
	}

	return out
}

func (r unitsRow) run(t *testing.T, n *unitsNode, level levels.Level) {
	t.Helper()
	order := levels.StartUnits{Target: initLevel(level)}
	began := time.Now()
	r.compare(t, level, n.start(t, order), r.want)
	if took := time.Since(began); took < r.atLeast {
		t.Errorf("start took %v, want at least %v: something was not waited for", took, r.atLeast)
	}
	if active := n.show(t, units.TargetUnit(order.Target), "ActiveState"); (active == "active") == r.inactive && r.name != "target whose job times out" {
		t.Errorf("target is %s afterwards, want inactive: %v", active, r.inactive)
	}
	if r.again != nil {
		r.compare(t, level, n.start(t, order), r.again)
	}
	for _, member := range n.stop(t, levels.StopUnits{Target: order.Target}) {
		if member.Outcome != levels.OutcomeDone && member.Outcome != levels.OutcomeAlready {
			t.Errorf("stop: got %+v, want done or already", member)
		}
	}
}

func (r unitsRow) compare(t *testing.T, level levels.Level, got map[string]levels.Member, want map[string]string) {
	t.Helper()
	for name, text := range want {
		member := got[r.prefix(level)+"-"+name]
		if described := member.Outcome.String() + " " + member.Reason; !strings.HasPrefix(described, text) {
			t.Errorf("%s: got %q, want %q", name, described, text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("members: got %v, want those of %v", got, want)
	}
}
