//go:build integration

package integration_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestClientsComeAsPackages: the example service in C, built with what libcssc-dev has, and in
// Python, as cssc-doc has it, open their doors on a node that has nothing but the packages; and
// nothing of those is left in the end.
func TestClientsComeAsPackages(t *testing.T) {
	t.Parallel()
	const examples = "/usr/share/doc/cssc/examples/porter/"
	packages := []string{"cssc", "cssc-agent", "cssc-doc", "libcssc0", "python3-cssc"}
	for _, suite := range lab.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			n := &stage{lab.New(t).Node(t, lab.NodeConfig{Suite: suite, Extra: lab.WithPython}), t}
			n.Boot(t)
			before := n.everything()
			n.InstallPackages(t, lab.NewerVersion, packages...)
			n.Copy(t, packagedPorter(t), "/usr/local/bin/porter-c")
			n.Run(t, "cp", examples+"python/porter-python", "/usr/local/bin/porter-python")
			for _, language := range []string{"c", "python"} {
				n.Run(t, "cp", examples+language+"/porter-"+language+".service", "/etc/systemd/system/")
				n.Run(t, "systemctl", "enable", "porter-"+language+".service")
			}
			n.Run(t, "systemctl", "enable", "--now", agentUnit)
			for _, language := range []string{"c", "python"} {
				lab.Eventually(t, upLimit, suite+": the door of the porter in "+language, func() error {
					if door := n.ReadFile(t, "/run/porter-"+language+"/open"); door != "term 1\n" {
						return fmt.Errorf("it is %q", door)
					}

					return nil
				})
			}
			n.Run(t, n.Apt("purge", packages...)...)
			n.Run(t, "sh", "-ec", "systemctl -q disable porter-c.service porter-python.service; rm -rf /usr/local/bin/porter-* "+
				"/etc/systemd/system/porter-* /var/lib/porter-* /etc/porter; systemctl daemon-reload")
			n.leftNothing(before)
		})
	}
}

// packagedPorter compiles the example service in C with nothing of cssc but its packages.
func packagedPorter(t *testing.T) string {
	t.Helper()
	folder, err := lab.Packages(lab.Deb, lab.NewerVersion)
	if err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	run(t, "sh", "-ec", `for name in libcssc0 libcssc-dev; do dpkg-deb -x "$1/$name"_*.deb "$2"; done
		cc -o "$2/porter" "$3" -I"$2/usr/include" -L"$2/usr/lib/$(cc -print-multiarch)" -lcssc $(pkg-config --cflags --libs libsystemd)`,
		"-", folder, tree, filepath.Join(top, porterFolder, "c", "porter.c"))

	return filepath.Join(tree, "porter")
}
