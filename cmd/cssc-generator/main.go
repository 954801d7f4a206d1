// Command cssc-generator makes the level targets. The service manager runs it before anything
// else starts, and again at every daemon-reload; see systemd.generator(7).
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/units"
)

func main() {
	debug.SetGCPercent(collectSeldom)
	kernel, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	warn := io.Writer(os.Stderr)
	if err == nil {
		warn = io.MultiWriter(os.Stderr, prefixed{kernel})
	}
	os.Exit(run(os.Args[1:], "/", warn))
}

// collectSeldom is the garbage collector's percentage: every boot waits for this short
// process, and what it reads is bounded.
const collectSeldom = 800

// prefixed writes each message to the kernel's log, as a warning.
type prefixed struct{ out io.Writer }

func (p prefixed) Write(text []byte) (int, error) {
	_, _ = fmt.Fprintf(p.out, "<4>%s", text) // what the kernel does not take, stderr has

	return len(text), nil
}

// run writes the targets below the first of the three folders that systemd names. It
// succeeds whatever the configuration is like: a boot that hangs is worse than the
// default levels with a loud message.
func run(args []string, root string, warn io.Writer) int {
	if len(args) != 3 {
		_, _ = fmt.Fprintln(warn, "cssc-generator: want three folders, as systemd.generator(7) says; it is run by systemd")

		return 2
	}
	loaded, valid := configuration(filepath.Join(root, "/etc/cssc"), warn)
	ladders, installed := units.LaddersOf(loaded.Levels), units.Scan(root)
	generated := units.Generate(ladders, installed)
	for _, finding := range generated.Findings {
		_, _ = fmt.Fprintf(warn, "cssc-generator: %s\n", finding)
	}
	if valid && !loaded.ClusterOfOne() && loaded.Levels.Eligible {
		maps.Copy(generated.Files, units.GenerateGuard(ladders, installed, loaded.Mastership.Lease))
	}
	for name, text := range generated.Files {
		if err := write(filepath.Join(args[0], name), text); err != nil {
			_, _ = fmt.Fprintf(warn, "cssc-generator: write unit: %v\n", err)

			return 1
		}
	}

	return 0
}

// configuration reads it; of one that is not valid nothing counts, and the numbers of levels
// are the default ones.
func configuration(dir string, warn io.Writer) (loaded config.Config, valid bool) {
	loaded, err := config.Load(dir)
	if err == nil {
		return loaded, true
	}
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintf(warn, "cssc-generator: %s\n", strings.TrimSpace(line))
	}
	_, _ = fmt.Fprintln(warn, "cssc-generator: the configuration is not valid, the level targets are those of the default levels; correct it (cssc verify), then systemctl daemon-reload")

	return config.Config{Levels: levels.DefaultConfig("")}, false
}

func write(path, text string) error {
	err := os.WriteFile(path, []byte(text), 0o644)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		err = os.WriteFile(path, []byte(text), 0o644)
	}

	return err
}
