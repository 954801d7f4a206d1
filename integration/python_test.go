//go:build integration

package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/lab"
)

// TestPythonClientOnEachPython runs the tests of the Python client where it will live: with the
// Python, the bus and the modules of Debian 12 (Python 3.11) and of Debian 13 (3.13). The server
// they run against is the same; contrib/examples/porter shows the client on a real agent.
func TestPythonClientOnEachPython(t *testing.T) {
	t.Parallel()
	const source = "/opt/cssc-python"
	top, err := lab.Repository()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "dbusapi.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "./dbusapi")
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the tests of dbusapi: %v\n%s", err, output)
	}
	onEachSuiteWith(t, lab.NodeConfig{Extra: lab.WithPython}, func(t *testing.T, n *stage) {
		n.Copy(t, program, "/opt/dbusapi.test")
		for _, pattern := range []string{"cssc/*.py", "tests/*.py"} {
			files, err := filepath.Glob(filepath.Join(top, "contrib/python", pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files %s (%v)", pattern, err)
			}
			for _, file := range files {
				n.Copy(t, file, filepath.Join(source, filepath.Dir(pattern), filepath.Base(file)))
			}
		}
		n.Boot(t)
		output, code, err := n.TryContext(t.Context(), "env", "CSSC_PYTHON_CLIENT="+source, "/opt/dbusapi.test", "-test.run=^TestPythonClient$", "-test.v")
		if err != nil || code != 0 || strings.Contains(output, "--- SKIP") || strings.Count(output, "\n        OK\n") < 2 {
			t.Errorf("status %d (%v)\n%s", code, err, output)
		}
	})
}
