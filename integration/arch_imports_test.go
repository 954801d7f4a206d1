package integration_test

import (
	"go/ast"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// rule says what a package may import besides the standard library; std restricts that too
// when it is not nil. The README's import table says the same and is compared.
type rule struct {
	std     []string
	imports []string
}

func rules() map[string]rule {
	pure := []string{"cmp", "errors", "fmt", "iter", "maps", "slices", "strconv", "strings", "time"}

	return map[string]rule{
		"levels":  {std: pure},
		"units":   {imports: []string{"levels", "godbus", "go-systemd", "x/sys"}},
		"serfcmm": {imports: []string{"levels", "serfcmm/election", "serfcmm/keyring", "serfcmm/wire", "serf", "memberlist"}},
		"dbusapi": {imports: []string{"levels", "contrib/dist/dbus-1/interfaces", "godbus"}},
		"agent":   {imports: []string{"levels", "levels/fleet", "agent/config", "serfcmm/election", "agent/lease", "x/sys"}},

		"serfcmm/election":     {std: pure},
		"serfcmm/election/sim": {imports: []string{"serfcmm/election"}},
		"serfcmm/serfcmmtest":  {imports: []string{"serfcmm", "memberlist"}},
		"serfcmm/keyring":      {imports: []string{}},
		"serfcmm/wire": {
			std:     slices.Concat(pure, []string{"encoding/binary"}),
			imports: []string{"serfcmm/election"},
		},

		"levels/fleet":    {std: pure, imports: []string{"levels"}},
		"levels/timeline": {std: pure, imports: []string{"levels"}},

		"agent/config": {imports: []string{"levels", "serfcmm/election", "toml"}},
		"agent/lease":  {imports: []string{"x/sys"}},

		"agent/endpoints": {imports: []string{"levels", "go-metrics", "prometheus"}},

		"cmd/cssc/doctor": {std: pure, imports: []string{"levels", "agent/config"}},
		"cmd/cssc/bundle": {imports: []string{}},
		"cmd/cssc/screen": {imports: []string{"bubbletea", "x/ansi"}},

		"contrib/dist/dbus-1/interfaces": {std: []string{"embed"}},

		"contrib/examples/tally":      {imports: []string{"levels", "dbusapi", "contrib/examples/tally/pair", "go-systemd"}},
		"contrib/examples/tally/pair": {imports: []string{}},
		"contrib/examples/porter/go":  {imports: []string{"levels", "dbusapi", "go-systemd"}},
	}
}

// libraries shortens the import paths that packages of rules may name.
func libraries() map[string]string {
	return map[string]string{
		"github.com/godbus/dbus/v5":           "godbus",
		"github.com/coreos/go-systemd/v22":    "go-systemd",
		"github.com/hashicorp/memberlist":     "memberlist",
		"github.com/hashicorp/serf":           "serf",
		"golang.org/x/sys":                    "x/sys",
		"github.com/BurntSushi/toml":          "toml",
		"charm.land/bubbletea/v2":             "bubbletea",
		"github.com/charmbracelet/x/ansi":     "x/ansi",
		"github.com/hashicorp/go-metrics":     "go-metrics",
		"github.com/prometheus/client_golang": "prometheus",
	}
}

// short is the name of an import in rules, and whether it is of the standard library.
func short(path string) (name string, standard bool) {
	if inside, found := strings.CutPrefix(path, module); found {
		return inside, false
	}
	for prefix, name := range libraries() {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return name, false
		}
	}
	first, _, _ := strings.Cut(path, "/")

	return path, !strings.Contains(first, ".")
}

// TestPackagesImportOnlyWhatTheyMay: the core is pure, shells never import each other, only
// commands wire, nothing but tests imports the lab.
func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		seen[s.folder] = true
		allowed, ruled := rules()[s.folder]
		for _, path := range s.imports() {
			name, standard := short(path)
			switch {
			case strings.HasPrefix(name, "integration") && !strings.HasPrefix(s.folder, "integration"):
				t.Errorf("%s imports %s: only tests and tools of integration may", s, name)
			case strings.HasPrefix(name, "cmd/") && !strings.HasPrefix(name, s.folder+"/"):
				t.Errorf("%s imports %s: nobody imports a command, or a package of another one", s, name)
			case !ruled && (!strings.HasPrefix(s.folder, "cmd/") || strings.Count(s.folder, "/") > 1) && !strings.HasPrefix(s.folder, "integration"):
				t.Errorf("%s: package %s has no rule; add it here and in the README's import table", s, s.folder)
			case ruled && standard && allowed.std != nil && !slices.Contains(allowed.std, name):
				t.Errorf("%s imports %s; %s may import of the standard library only %v", s, name, s.folder, allowed.std)
			case ruled && !standard && !slices.Contains(allowed.imports, name):
				t.Errorf("%s imports %s; %s may import %v", s, name, s.folder, allowed.imports)
			}
		}
	}
	for folder := range rules() {
		if !seen[folder] {
			t.Errorf("rule for %s, which does not exist", folder)
		}
	}
}

// TestReadmeShowsTheRealImports compares the README's import table, rows "| `package` | … |
// imports |", with what the packages import.
func TestReadmeShowsTheRealImports(t *testing.T) {
	t.Parallel()
	actual := map[string]map[string]bool{}
	for _, s := range sources(t) {
		if _, ruled := rules()[s.folder]; !ruled || s.isTest() {
			continue
		}
		if actual[s.folder] == nil {
			actual[s.folder] = map[string]bool{}
		}
		for _, path := range s.imports() {
			if name, standard := short(path); !standard {
				actual[s.folder][name] = true
			}
		}
	}
	table := importTable(t)
	for _, folder := range slices.Sorted(maps.Keys(actual)) {
		want := slices.Sorted(maps.Keys(actual[folder]))
		if got := table[folder]; !slices.Equal(got, want) {
			t.Errorf("README import table, package %s: got %v, the code imports %v", folder, got, want)
		}
	}
}

// importTable reads the rows between the two marks in the README: first cell the package,
// last cell its imports in back quotes; words without quotes are prose.
func importTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(top + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- import table -->")
	rows, _, ended := strings.Cut(rest, "<!-- end of import table -->")
	if !found || !ended {
		t.Fatal("README.md: no table between <!-- import table --> and <!-- end of import table -->")
	}
	table := map[string][]string{}
	for row := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		packages := quoted(cells[0])
		if len(cells) < 2 || len(packages) != 1 {
			continue
		}
		imports := quoted(cells[len(cells)-1])
		slices.Sort(imports)
		table[packages[0]] = imports
	}

	return table
}

func quoted(text string) []string {
	var all []string
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			all = append(all, part)
		}
	}

	return all
}

// TestCallsStayWhereTheyBelong: processes are started only by run-callback, for the journals of a report, and by the lab, and
// goroutines only where somebody is known to wait for them; the pure packages know no
// clock, channel or goroutine.
func TestCallsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.isTest() || strings.HasPrefix(s.folder, "integration") {
			continue
		}
		execs := slices.Contains(s.imports(), "os/exec")
		starts := strings.HasPrefix(s.name, "runcallback") || s.name == "report_journal.go"
		if execs && (s.folder != "cmd/cssc" || !starts) {
			t.Errorf("%s imports os/exec: only cssc run-callback, the journals of cssc report (journalctl) and the lab start processes", s)
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.GoStmt:
				if slices.Contains([]string{"levels", "levels/fleet", "agent", "agent/config", "dbusapi"}, s.folder) {
					t.Errorf("%s: a bare go statement; use WaitGroup.Go, so that somebody waits for it", s.line(node))
				}
			case *ast.ChanType, *ast.SelectStmt:
				if strings.HasPrefix(s.folder, "levels") {
					t.Errorf("%s: a channel in a pure package", s.line(node))
				}
			case *ast.SelectorExpr:
				checkSelector(t, s, node)
			}

			return true
		})
	}
}

func checkSelector(t *testing.T, s source, selector *ast.SelectorExpr) {
	t.Helper()
	pkg, ok := selector.X.(*ast.Ident)
	if !ok {
		return
	}
	call := pkg.Name + "." + selector.Sel.Name
	clock := []string{
		"time.Now", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick",
		"time.NewTimer", "time.NewTicker", "time.Since", "time.Until",
	}
	if strings.HasPrefix(s.folder, "levels") && slices.Contains(clock, call) {
		t.Errorf("%s: %s in a pure package; take the time as data", s.line(selector), call)
	}
	if call == "time.Sleep" {
		t.Errorf("%s: time.Sleep; wait for the event", s.line(selector))
	}
	if call == "os.Exit" && s.file.Name.Name != "main" {
		t.Errorf("%s: os.Exit outside a command", s.line(selector))
	}
}

// TestTestsDoNotSleep: a test waits for the event, or runs in a bubble where time is free.
func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	all, bubbles := sources(t), map[string]bool{}
	for _, s := range all {
		bubbles[s.folder] = bubbles[s.folder] || slices.Contains(s.imports(), "testing/synctest")
	}
	for _, s := range all {
		if !s.isTest() || bubbles[s.folder] {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == "Sleep" {
				if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "time" {
					t.Errorf("%s: time.Sleep; wait for the event (lab.Eventually), or use testing/synctest", s.line(node))
				}
			}

			return true
		})
	}
}
