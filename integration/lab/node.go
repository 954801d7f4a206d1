package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// NodeConfig says what node to make.
type NodeConfig struct {
	// Name is the node's host name, unique in the lab; default "n1", "n2", ….
	Name string
	// Suite is its operating system; default Bookworm.
	Suite string
	// Extra is what it has besides the base system; default Bare.
	Extra Extra
}

// Node is one container with a systemd of its own.
type Node struct {
	Name  string
	Suite string
	// Address is the node's in the lab's network.
	Address string

	lab     *Lab
	machine string // unique on the machine, names the network link
	folder  string
	group   string

	mutex sync.Mutex
	run   *incarnation // nil before the first boot

	busMutex sync.Mutex
	busConn  *dbus.Conn // to the node's bus, nil without one
	busOf    int        // the PID 1 whose bus it is
}

// Node makes a node; it does not boot it.
func (l *Lab) Node(t TB, config NodeConfig) *Node {
	t.Helper()
	node, err := l.MakeNode(context.Background(), config)
	if err != nil {
		t.Fatalf("make node %q: %v", config.Name, err)
	}

	return node
}

// MakeNode is Node without a test.
func (l *Lab) MakeNode(ctx context.Context, config NodeConfig) (*Node, error) {
	if config.Suite == "" {
		config.Suite = Bookworm
	}
	base, err := Prepare(ctx, config.Suite, config.Extra)
	if err != nil {
		return nil, err
	}
	node := l.addNode(config)
	if err := node.build(base); err != nil {
		return nil, err
	}

	return node, nil
}

func (l *Lab) addNode(config NodeConfig) *Node {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	number := len(l.nodes) + 1
	if config.Name == "" {
		config.Name = fmt.Sprintf("n%d", number)
	}
	node := &Node{
		Name: config.Name, Suite: config.Suite, Address: fmt.Sprintf("192.0.2.%d", number),
		lab: l, machine: fmt.Sprintf("%sn%d", l.name, number),
		folder: filepath.Join(l.folder, config.Name),
		group:  filepath.Join(l.groups, config.Name),
	}
	l.nodes = append(l.nodes, node)

	return node
}

func (n *Node) build(base string) error {
	upper, work := filepath.Join(n.folder, "upper"), filepath.Join(n.folder, "work")
	for _, folder := range []string{upper, work, n.Root(), n.group} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", base, upper, work)
	if err := syscall.Mount("overlay", n.Root(), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay on %s: %w", n.Root(), err)
	}

	return n.configure()
}

// configure writes what makes the node this node, and masks what only slows its boot.
func (n *Node) configure() error {
	id := sha256.Sum256([]byte(n.machine))
	files := map[string]string{
		"etc/hostname":   n.Name + "\n",
		"etc/hosts":      "127.0.0.1 localhost\n" + n.Address + " " + n.Name + "\n",
		"etc/machine-id": hex.EncodeToString(id[:16]) + "\n",
		"etc/systemd/system/lab-network.service": "[Unit]\nDefaultDependencies=no\nBefore=network-pre.target\n" +
			"[Service]\nType=oneshot\nRemainAfterExit=yes\n" +
			"ExecStart=/bin/ip addr add " + n.Address + "/24 dev host0\nExecStart=/bin/ip link set host0 up\n",
	}
	var all error
	for path, text := range files {
		all = errors.Join(all, os.WriteFile(filepath.Join(n.Root(), path), []byte(text), 0o644))
	}
	for _, folder := range []string{"var/log/journal", "etc/systemd/system/sysinit.target.wants"} {
		all = errors.Join(all, os.MkdirAll(filepath.Join(n.Root(), folder), 0o755))
	}
	units := filepath.Join(n.Root(), "etc/systemd/system")
	all = errors.Join(all, os.Symlink("../lab-network.service", filepath.Join(units, "sysinit.target.wants/lab-network.service")))
	for _, unit := range slowUnits() {
		path := filepath.Join(units, unit)
		_ = os.Remove(path)
		all = errors.Join(all, os.Symlink("/dev/null", path))
	}

	return all
}

func slowUnits() []string {
	return []string{
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
		"e2scrub_reap.service", "fstrim.timer", "systemd-pstore.service", "ldconfig.service",
		"systemd-journal-catalog-update.service", "console-getty.service", "getty@tty1.service",
		"systemd-networkd.service", "systemd-networkd.socket", "dev-hugepages.mount",
	}
}

// Root is the node's root folder as the host sees it. /run and /tmp of a running node are
// not in it; see WriteFile.
func (n *Node) Root() string { return filepath.Join(n.folder, "root") }

// link is the node's port of the lab's bridge.
func (n *Node) link() string { return "vb-" + n.machine }
