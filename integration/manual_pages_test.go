package integration_test

import (
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the manuals by their names: "cssc.1". Those of section 3, one a function, have a form
// of their own.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, file := range glob(t, "contrib/man/*.scd") {
		if name := strings.TrimSuffix(filepath.Base(file), ".scd"); !strings.HasSuffix(name, ".3") {
			found[name] = readFile(t, file)
		}
	}

	return found
}

// TestManualsHaveTheSectionsOfAManual: what a reader looks for by its heading, by the kind of page.
func TestManualsHaveTheSectionsOfAManual(t *testing.T) {
	t.Parallel()
	all := []string{"NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO"}
	wanted := map[byte][]string{
		'1': {"SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES"},
		'5': {"FILES"},
		'7': nil,
		'8': {"SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "DIAGNOSTICS"},
	}
	for name, text := range pages(t) {
		for _, heading := range slices.Concat(all, wanted[name[len(name)-1]]) {
			if !strings.Contains(text, "\n# "+heading+"\n") {
				t.Errorf("%s has no section %s", name, heading)
			}
		}
		for _, status := range []string{"0", "1", "2"} {
			if strings.HasSuffix(name, ".8") && !strings.Contains(text, "\n*"+status+"*\n\t") {
				t.Errorf("%s does not explain exit status %s", name, status)
			}
		}
	}
}

// TestManualsReferToPagesThatExist, each leads to others of ours, and the README to all.
func TestManualsReferToPagesThatExist(t *testing.T) {
	t.Parallel()
	ours := pages(t)
	reference := regexp.MustCompile(`\*((?:cssc|org\.cssc)[A-Za-z0-9.-]*)\*\(([0-9])\)`)
	named := map[string]bool{}
	for name, text := range ours {
		leads := 0
		for _, match := range reference.FindAllStringSubmatch(text, -1) {
			page := match[1] + "." + match[2]
			if _, err := os.Stat(manPage(match[1], match[2])); err != nil {
				t.Errorf("%s refers to %s(%s), which does not exist", name, match[1], match[2])
			}
			if page != name {
				named[page] = true
				leads++
			}
		}
		if leads == 0 {
			t.Errorf("%s leads to no other page", name)
		}
	}
	readme := read(t, "README.md")
	for name := range ours {
		if !named[name] {
			t.Errorf("no other page leads to %s", name)
		}
		base, section := name[:len(name)-2], name[len(name)-1:]
		if !strings.Contains(readme, "`"+base+"("+section+")`") {
			t.Errorf("README.md does not name %s(%s)", base, section)
		}
	}
}

// TestManualsNameTheEnvironment: every variable that a program of ours reads, or gives to a
// command, stands in the section ENVIRONMENT of a page or with the command, and every CSSC_ word
// of the pages is one of them or a field of the journal.
func TestManualsNameTheEnvironment(t *testing.T) {
	t.Parallel()
	used := regexp.MustCompile(`(?i:getenv|LookupEnv)\("([A-Z_]+)"\)|"(CSSC_[A-Z]+)="`)
	known := map[string]bool{}
	for _, dir := range []string{"agent", "cmd", "dbusapi", "levels", "serfcmm", "units"} {
		walk(t, filepath.Join(top, dir), func(path string) {
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return
			}
			for _, match := range used.FindAllStringSubmatch(readFile(t, path), -1) {
				known[match[1]+match[2]] = true
			}
		})
	}
	all := strings.Join(slices.Collect(maps.Values(pages(t))), "\n")
	if len(known) < 15 {
		t.Errorf("only %d variables found", len(known))
	}
	for name := range known {
		if !strings.Contains(all, "*"+name+"*") {
			t.Errorf("no manual names the variable %s", name)
		}
	}
	for _, match := range regexp.MustCompile(`\*(CSSC_[A-Z]+)\*`).FindAllStringSubmatch(all, -1) {
		if !known[match[1]] {
			t.Errorf("a manual names the variable %s, which nobody uses", match[1])
		}
	}
}

// TestManualsNameTheFlagsOfThePrograms: those of the daemons, both ways. Those of cssc have a
// test of their own.
func TestManualsNameTheFlagsOfThePrograms(t *testing.T) {
	t.Parallel()
	declared := regexp.MustCompile(`flags\.\w+\((?:&s\.\w+, )?"([a-z-]+)",`)
	for _, program := range []string{"cssc-agent", "cssc-guard"} {
		flags := map[string]bool{}
		for _, file := range glob(t, "cmd/"+program+"/*.go") {
			for _, match := range declared.FindAllStringSubmatch(readFile(t, file), -1) {
				flags[match[1]] = true
			}
		}
		page := pages(t)[program+".8"]
		documented := map[string]bool{}
		_, options, _ := strings.Cut(page, "\n# OPTIONS\n")
		options, _, _ = strings.Cut(options, "\n# ")
		for _, match := range regexp.MustCompile(`(?m)^\*--([a-z-]+)\*`).FindAllStringSubmatch(options, -1) {
			documented[match[1]] = true
		}
		if got, want := slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(flags)); len(flags) < 3 || !slices.Equal(got, want) {
			t.Errorf("%s(8), OPTIONS: got %q, want the flags of the program %q", program, got, want)
		}
	}
}

// TestManualNamesEveryAction: the actions of polkit, both ways.
func TestManualNamesEveryAction(t *testing.T) {
	t.Parallel()
	var policy struct {
		Actions []struct {
			ID string `xml:"id,attr"`
		} `xml:"action"`
	}
	if err := xml.Unmarshal([]byte(read(t, "contrib/dist/polkit-1/actions/org.cssc.agent1.policy")), &policy); err != nil {
		t.Fatal(err)
	}
	_, access, _ := strings.Cut(pages(t)["org.cssc.Agent1.5"], "\n# ACCESS\n")
	access, _, _ = strings.Cut(access, "\n# ")
	documented := map[string]bool{}
	for _, match := range regexp.MustCompile(`_(?:org\.cssc\.agent1)?\.([a-z-]+)_`).FindAllStringSubmatch(access, -1) {
		documented["org.cssc.agent1."+match[1]] = true
	}
	actions := map[string]bool{}
	for _, action := range policy.Actions {
		actions[action.ID] = true
	}
	if got, want := slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(actions)); !slices.Equal(got, want) {
		t.Errorf("org.cssc.Agent1(5), ACCESS: got %q, want %q", got, want)
	}
}

// TestManualsNameWhatIsInstalled: the units, and the folders of configuration and state that the units name.
func TestManualsNameWhatIsInstalled(t *testing.T) {
	t.Parallel()
	all := strings.Join(slices.Collect(maps.Values(pages(t))), "\n")
	for _, pattern := range []string{"systemd/system/*", "systemd/system-preset/*", "systemd/logind.conf.d/*", "dbus-1/system.d/*", "polkit-1/actions/*"} {
		for _, file := range glob(t, "contrib/dist/"+pattern) {
			if !strings.Contains(all, filepath.Base(file)) {
				t.Errorf("no manual names %s", filepath.Base(file))
			}
		}
	}
}

// TestManualNamesEveryConfigurationKeyOfTheBus: those of GetConfig, both ways.
func TestManualNamesEveryConfigurationKeyOfTheBus(t *testing.T) {
	t.Parallel()
	_, code, found := strings.Cut(read(t, "agent/requests.go"), "func (a *Agent) ConfigValue(")
	code, _, _ = strings.Cut(code, "\n}\n")
	plain, grouped, _ := strings.Cut(code, "strings.Cut(key")
	var keys []string
	name := regexp.MustCompile(`case "([a-z.-]+)"`)
	for _, match := range name.FindAllStringSubmatch(plain, -1) {
		keys = append(keys, match[1])
	}
	for _, match := range name.FindAllStringSubmatch(grouped, -1) {
		keys = append(keys, match[1]+".SEQUENCE")
	}
	_, section, _ := strings.Cut(pages(t)["org.cssc.Agent1.5"], "\n# CONFIGURATION KEYS\n")
	section, _, _ = strings.Cut(section, "\n# ")
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^\|  (.+)$`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, strings.Split(match[1], ", ")...)
	}
	slices.Sort(keys)
	slices.Sort(documented)
	if !found || len(keys) < 8 || !slices.Equal(documented, keys) {
		t.Errorf("org.cssc.Agent1(5), CONFIGURATION KEYS: got %q, want %q", documented, keys)
	}
}
