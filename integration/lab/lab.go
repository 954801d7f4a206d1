package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// labsFolder holds one folder per living lab, named like the lab.
const labsFolder = "/var/tmp/cssc-lab"

// Lab is a set of nodes on a network of their own.
type Lab struct {
	name   string
	folder string
	groups string

	mutex sync.Mutex
	nodes []*Node
}

// New makes an empty lab that ends with the test. It first removes labs whose owner died.
func New(t TB) *Lab {
	t.Helper()
	l, err := Make(context.Background())
	if err != nil {
		t.Fatalf("make lab: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			l.logJournals(t)
		}
		if err := l.Close(); err != nil {
			t.Logf("close lab %s: %v", l.name, err)
		}
	})

	return l
}

// Make is New without a test; the caller closes the lab.
func Make(ctx context.Context) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root: run as root (sudo)")
	}
	if err := os.MkdirAll(labsFolder, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, filepath.Join(labsFolder, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err = Sweep(); err != nil {
		return nil, fmt.Errorf("remove labs left behind: %w", err)
	}
	if err = raiseWatchers(); err != nil {
		return nil, fmt.Errorf("allow for many nodes: %w", err)
	}
	groups, err := groupsFolder()
	if err != nil {
		return nil, err
	}
	random := make([]byte, 3)
	if _, err = rand.Read(random); err != nil {
		return nil, err
	}
	name := "cl" + hex.EncodeToString(random)
	l := &Lab{name: name, folder: filepath.Join(labsFolder, name), groups: filepath.Join(groups, name)}
	if err = l.build(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}

	return l, nil
}

func (l *Lab) build(ctx context.Context) error {
	for _, folder := range []string{l.folder, l.groups} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.Mount("cssc-lab", l.folder, "tmpfs", 0, "size=4g,mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	if err := os.Mkdir(l.Shared(), 0o755); err != nil {
		return err
	}
	owner, err := processID(os.Getpid())
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(l.folder, "owner"), []byte(owner), 0o644); err != nil {
		return err
	}

	return l.buildNetwork(ctx)
}

// Name is the lab's own; its folder, namespace and control groups carry it.
func (l *Lab) Name() string { return l.name }

// Shared is the folder that every node of the lab has as /lab.
func (l *Lab) Shared() string { return filepath.Join(l.folder, "shared") }

// Nodes lists the nodes in the order in which they were made.
func (l *Lab) Nodes() []*Node {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	return append([]*Node(nil), l.nodes...)
}

// Close ends all nodes and removes everything of the lab. It is idempotent.
func (l *Lab) Close() error {
	for _, node := range l.Nodes() {
		node.kill()
	}

	return remove(l.name, l.groups)
}

func (l *Lab) logJournals(t TB) {
	for _, node := range l.Nodes() {
		t.Logf("node %s (%s): end of its journal:\n%s", node.Name, node.Suite, node.lastJournal())
	}
}

// Sweep removes every lab whose owner process is gone.
func Sweep() error {
	entries, err := os.ReadDir(labsFolder)
	if err != nil {
		return err
	}
	groups, err := groupsFolder()
	if err != nil {
		return err
	}
	var all error
	for _, entry := range entries {
		if !entry.IsDir() || owned(entry.Name()) {
			continue
		}
		all = errors.Join(all, remove(entry.Name(), filepath.Join(groups, entry.Name())))
	}

	return all
}

// owned says whether the process that made the lab still lives.
func owned(name string) bool {
	owner, err := os.ReadFile(filepath.Join(labsFolder, name, "owner"))
	if err != nil {
		return false
	}
	number, err := strconv.Atoi(strings.Fields(string(owner) + " 0")[0])
	if err != nil {
		return false
	}
	now, err := processID(number)

	return err == nil && now == string(owner)
}

// processID names a process so that a reused number differs: number and start time.
func processID(number int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", number))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", fmt.Errorf("read /proc/%d/stat: %d fields", number, len(fields))
	}

	return fmt.Sprintf("%d %s", number, fields[19]), nil
}

// remove ends the processes of a lab and takes away its parts. Parts that are missing are
// fine, also those that go meanwhile: the lab's own process may be closing it.
func remove(name, groups string) error {
	all := removeGroups(groups)
	ctx := context.Background()
	namespace := filepath.Join("/run/netns", name)
	if _, err := os.Stat(namespace); err == nil {
		err = command(ctx, "ip", "netns", "del", name)
		if _, gone := os.Stat(namespace); !errors.Is(gone, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	folder := filepath.Join(labsFolder, name)
	mounts, err := mountsUnder(folder)
	all = errors.Join(all, err)
	for _, mount := range slices.Backward(mounts) { // the newest first
		err := syscall.Unmount(mount, syscall.MNT_DETACH)
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			all = errors.Join(all, fmt.Errorf("unmount %s: %w", mount, err))
		}
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = errors.Join(all, err)
	}

	return all
}

func mountsUnder(folder string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[4] == folder || strings.HasPrefix(fields[4], folder+"/")) {
			found = append(found, fields[4])
		}
	}

	return found, nil
}
