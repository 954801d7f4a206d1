//go:build integration

package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestPackagesHoldWhatIsInstalled: "make install", the .deb and the .rpm have the same files
// with the same content and mode, but for what the distributions call otherwise, and each file
// is in one package.
func TestPackagesHoldWhatIsInstalled(t *testing.T) {
	t.Parallel()
	debs, rpms := unpacked(t, lab.Deb, ".deb", "dpkg-deb -x %s %s"), unpacked(t, lab.RPM, ".rpm", "rpm2archive - <%s | tar -xz -C %s")
	installed := filepath.Join(t.TempDir(), "tree")
	run(t, "make", "-s", "-C", top, "build", "docs", "libcssc", "install", "install-python", "BUILD="+t.TempDir(), "DESTDIR="+installed, "VERSION="+lab.NewerVersion)
	want := contents(t, installed)
	if len(want) < 30 {
		t.Errorf("make install installs %d files, want at least 30: %v", len(want), want)
	}
	for kind, tree := range map[string]string{"the .deb": debs, "the .rpm": rpms} {
		got := contents(t, tree)
		for _, line := range slices.Concat(want, got) {
			if !slices.Contains(want, line) {
				t.Errorf("only in %s: %s", kind, line)
			} else if !slices.Contains(got, line) {
				t.Errorf("not in %s: %s", kind, line)
			}
		}
	}
}

// unpacked unpacks every package of the newer version into one folder and fails when two have
// the same file.
func unpacked(t *testing.T, kind, suffix, how string) string {
	t.Helper()
	folder, err := lab.Packages(kind, lab.NewerVersion)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil || len(files) != 6 {
		t.Fatalf("%s has %d packages (%v), want 6", folder, len(files), err)
	}
	all, seen := t.TempDir(), map[string]string{}
	for _, file := range files {
		one := t.TempDir()
		run(t, "sh", "-ec", fmt.Sprintf(how, file, one))
		for _, line := range contents(t, one) {
			if other, twice := seen[line]; twice {
				t.Errorf("%s is in %s, too: %s", line, other, file)
			}
			seen[line] = file
		}
		run(t, "cp", "-a", one+"/.", all)
	}

	return all
}

// contents lists the files below a folder with mode and checksum, compressed ones as they are
// without, and each under the name that Debian gives it.
func contents(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, folder)
		if err != nil || entry.IsDir() || ofTheKind(name) {
			return err
		}
		all = append(all, named(name)+" "+content(t, path))

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)

	return all
}

// named gives a file the name that Debian gives it, without what says that it is compressed.
func named(name string) string {
	name = regexp.MustCompile(`^/usr/lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)/`).ReplaceAllString(name, "/usr/lib/ARCHITECTURE/")
	name = regexp.MustCompile(`^/usr/lib/python3[0-9.]*/(site|dist)-packages/`).ReplaceAllString(name, "/usr/lib/python3/dist-packages/")
	name = strings.Replace(name, "/zsh/site-functions/", "/zsh/vendor-completions/", 1)

	return strings.TrimSuffix(name, ".gz")
}

// content is mode and checksum of a file, or where it leads; of what is compiled with other
// options, or says where it is, only the mode.
func content(t *testing.T, path string) string {
	t.Helper()
	if target, err := os.Readlink(path); err == nil {
		return "→ " + target
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := ""
	if !regexp.MustCompile(`/libcssc\.(so\.[0-9.]+|pc)$`).MatchString(path) {
		sum = run(t, "sh", "-ec", `case $1 in *.gz) zcat "$1" ;; *) cat "$1" ;; esac | sha256sum`, "-", path)
	}

	return fmt.Sprintf("%o %.12s", info.Mode().Perm(), sum)
}

// ofTheKind says whether a file is what each kind of package has of its own.
func ofTheKind(name string) bool {
	return regexp.MustCompile(`^/usr/share/(doc/[^/]+/(copyright|changelog.*)|lintian/.*|licenses/.*)$`).MatchString(name)
}

// run runs a tool of the machine that the test runs on.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, output)
	}

	return string(output)
}

// TestPackagesPassLintian: no error and no warning, in the packages and in their source.
func TestPackagesPassLintian(t *testing.T) {
	t.Parallel()
	folder, err := lab.Packages(lab.Deb, lab.NewerVersion)
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	run(t, filepath.Join(top, "contrib/packages/deb.sh"), lab.NewerVersion, source, "source")
	changes, _ := filepath.Glob(filepath.Join(folder, "*.changes"))
	sources, _ := filepath.Glob(filepath.Join(source, "*.dsc"))
	if len(changes) != 1 || len(sources) != 1 {
		t.Fatalf("got %v and %v, want one of each", changes, sources)
	}
	run(t, "lintian", "--allow-root", "--fail-on", "error,warning", changes[0], sources[0])
}
