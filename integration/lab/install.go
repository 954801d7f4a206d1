package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Install puts cssc into the node as "make install" does, and enables its
// unit. The node may be running; then the caller reloads systemd.
func (n *Node) Install(t TB) {
	t.Helper()
	tree, err := InstallTree()
	if err == nil {
		ctx := context.Background()
		err = command(ctx, "cp", "-a", tree+"/.", n.Root()+"/")
		if err == nil {
			err = command(ctx, "chroot", n.Root(), "/bin/sh", "-c",
				"systemctl --quiet enable cssc-agent.service && journalctl --update-catalog")
		}
	}
	if err != nil {
		t.Fatalf("install cssc into node %s: %v", n.Name, err)
	}
}

// Enable does what "systemctl enable" does to the named units of a node, running or not.
func Enable(n *Node, units ...string) error {
	argv := append([]string{n.Root(), "systemctl", "--quiet", "enable"}, units...)

	return command(context.Background(), "chroot", argv...)
}

// InstallTree runs "make build install install-python" into a folder of build/, once per process, and returns
// the folder, which the next process sweeps away.
func InstallTree() (string, error) { return installOnce() }

//nolint:gochecknoglobals // one build per process is the purpose
var installOnce = sync.OnceValues(makeInstallTree)

func makeInstallTree() (string, error) {
	top, err := Repository()
	if err != nil {
		return "", err
	}
	build := filepath.Join(top, "build")
	if err = os.MkdirAll(build, 0o755); err != nil {
		return "", err
	}
	ctx := context.Background()
	unlock, err := lock(ctx, filepath.Join(build, "install.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if err = sweepTrees(build); err != nil {
		return "", err
	}
	tree := treeOf(build, strconv.Itoa(os.Getpid()))

	return tree, command(ctx, "make", "-s", "-C", top, "build", "install", "install-python", "DESTDIR="+tree)
}

// treeOf is the install tree of a process: its own, since it copies from it while others
// build theirs.
func treeOf(build, process string) string { return filepath.Join(build, "tree-"+process) }

// sweepTrees removes the trees of processes that are gone, and one that this process's
// number has left behind.
func sweepTrees(build string) error {
	trees, err := filepath.Glob(treeOf(build, "*"))
	for _, tree := range trees {
		process := strings.TrimPrefix(filepath.Base(tree), "tree-")
		if _, gone := os.Stat("/proc/" + process); gone != nil || process == strconv.Itoa(os.Getpid()) {
			err = errors.Join(err, os.RemoveAll(tree))
		}
	}

	return err
}

// Repository is the top folder of the source tree that the process was started in.
func Repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err = os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == "/" {
			return "", errors.New("no go.mod here or above: run this inside the source tree")
		}
	}
}

// BuildProgram compiles a package of this module statically into build/ and returns the
// program's path.
func BuildProgram(t TB, pkg string) string {
	t.Helper()
	top, err := Repository()
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	program := filepath.Join(top, "build", "test", filepath.Base(pkg))
	unlock, err := lock(context.Background(), filepath.Join(top, "build", "program.lock"))
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	defer unlock()
	process := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", program, pkg)
	process.Dir, process.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := process.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, output)
	}

	return program
}

// diskJournal reads the journal files of a node that is off.
func (n *Node) diskJournal(args ...string) (string, error) {
	all := append([]string{"--no-pager", "-D", filepath.Join(n.Root(), "var/log/journal")}, args...)
	output, err := exec.CommandContext(context.Background(), "journalctl", all...).CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("journalctl %s: %w", strings.Join(args, " "), err)
	}

	return string(output), nil
}
