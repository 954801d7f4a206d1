package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// path is the host's name of a file in the node: as a process in it sees it while it runs,
// on its disk while it is off.
func (n *Node) path(path string) string {
	if run := n.current(); !run.ended() && run.pid != 0 {
		return filepath.Join(fmt.Sprintf("/proc/%d/root", run.pid), path)
	}

	return filepath.Join(n.Root(), path)
}

// WriteFile writes a file of the node, with the folders above it. The path must not lead
// over absolute symbolic links.
func (n *Node) WriteFile(t TB, path, text string) {
	t.Helper()
	n.writeFile(t, path, []byte(text), 0o644)
}

// WriteScript is WriteFile with the executable bits.
func (n *Node) WriteScript(t TB, path, text string) {
	t.Helper()
	n.writeFile(t, path, []byte(text), 0o755)
}

func (n *Node) writeFile(t TB, path string, text []byte, mode os.FileMode) {
	t.Helper()
	name := n.path(path)
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, text, mode)
	}
	if err == nil {
		err = os.Chmod(name, mode)
	}
	if err != nil {
		t.Fatalf("node %s: write file: %v", n.Name, err)
	}
}

// ReadFile returns a file of the node, "" when it does not exist.
func (n *Node) ReadFile(t TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(n.path(path))
	if err != nil && !os.IsNotExist(err) {
		t.Fatalf("node %s: read file: %v", n.Name, err)
	}

	return string(text)
}

// Copy copies a file of the host into the node and keeps its mode.
func (n *Node) Copy(t TB, hostPath, nodePath string) {
	t.Helper()
	text, err := os.ReadFile(hostPath)
	if err != nil {
		t.Fatalf("node %s: copy: %v", n.Name, err)
	}
	info, err := os.Stat(hostPath)
	if err != nil {
		t.Fatalf("node %s: copy: %v", n.Name, err)
	}
	n.writeFile(t, nodePath, text, info.Mode().Perm())
}

// Journal returns what journalctl of the node says, with all that was sent to the journal until
// now, or, when the node is off, what its journal files say.
func (n *Node) Journal(t TB, args ...string) string {
	t.Helper()
	if n.Running() {
		n.Run(t, "journalctl", "--sync")

		return n.Run(t, append([]string{"journalctl", "--no-pager"}, args...)...)
	}
	output, err := n.diskJournal(args...)
	if err != nil {
		t.Fatalf("node %s: journal: %v", n.Name, err)
	}

	return output
}

// lastJournal is the end of the journal, whatever state the node is in.
func (n *Node) lastJournal() string {
	args := []string{"-o", "short-monotonic", "-n", "80"}
	if n.Running() {
		output, _, err := n.Try(append([]string{"journalctl", "--no-pager"}, args...)...)
		if err == nil {
			return output
		}
	}
	output, err := n.diskJournal(args...)
	if err != nil {
		return strings.TrimSpace(output + err.Error())
	}

	return output
}
