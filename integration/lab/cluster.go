package lab

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

const (
	configFile  = "/etc/cssc/cssc.toml"
	keyringFile = "/etc/cssc/keyring"
)

// ClusterConfig says what cluster to make.
type ClusterConfig struct {
	// Size is the number of nodes; their suites alternate, older first.
	Size int
	// Witnesses are the names of nodes that vote and never have a role.
	Witnesses []string
	// Mastership are lines of the table of that name, More any tables after it.
	Mastership, More string
	// Extra is what every node has besides the base system.
	Extra Extra
	// Packages is the version of the Debian packages that the nodes have; empty for what
	// "make install" installs.
	Packages string
}

// Cluster is a lab whose nodes have cssc installed and one configuration.
type Cluster struct {
	*Lab

	config ClusterConfig
	key    string
}

// NewCluster makes a lab with the nodes n1, n2, … of one cluster, and boots none of them.
func NewCluster(t TB, config ClusterConfig) *Cluster {
	t.Helper()
	c := &Cluster{Lab: New(t), config: config, key: NewKey(t)}
	for range config.Size {
		c.Stranger(t, "")
	}
	for _, node := range c.Nodes() {
		c.Configure(t, node)
	}

	return c
}

// Stranger adds a node with cssc installed that is not in the cluster's table and not
// configured; an empty name is the next number's. It begins with the older suite, too.
func (c *Cluster) Stranger(t TB, name string) *Node {
	t.Helper()
	suites := Suites()
	node := c.Node(t, NodeConfig{Name: name, Suite: suites[len(c.Nodes())%len(suites)], Extra: c.config.Extra})
	if c.config.Packages == "" {
		node.Install(t)

		return node
	}
	node.InstallPackages(t, c.config.Packages, "cssc", "cssc-agent")
	if err := Enable(node, "cssc-agent.service"); err != nil {
		t.Fatalf("enable the agent of node %s: %v", node.Name, err)
	}

	return node
}

// Configure writes the cluster's configuration and key onto a node, running or not.
func (c *Cluster) Configure(t TB, node *Node) {
	t.Helper()
	c.ConfigureAs(t, node, c.key, "")
}

// ConfigureAs is Configure with a key of the caller's choice and with more lines.
func (c *Cluster) ConfigureAs(t TB, node *Node, key, more string) {
	t.Helper()
	node.WriteFile(t, configFile, c.Text()+more)
	node.writeFile(t, keyringFile, []byte(key+"\n"), 0o600)
}

// Key is the cluster's first key.
func (c *Cluster) Key() string { return c.key }

// NewKey makes a key as "cssc keys generate" does.
func NewKey(t TB) string {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatalf("make a key: %v", err)
	}

	return base64.StdEncoding.EncodeToString(key)
}

// Members are the nodes of the cluster's table, without strangers.
func (c *Cluster) Members() []*Node { return c.Nodes()[:c.config.Size] }

// Text is the configuration file, the same for every node.
func (c *Cluster) Text() string {
	var text strings.Builder
	text.WriteString("[cluster]\nname = \"lab\"\n")
	for _, node := range c.Members() {
		fmt.Fprintf(&text, "\n[[node]]\nname = %q\naddress = %q\n", node.Name, node.Address)
		if slices.Contains(c.config.Witnesses, node.Name) {
			text.WriteString("eligible = false\n")
		}
	}
	fmt.Fprintf(&text, "\n[mastership]\n%s\n[security]\nkeyring = %q\n%s", c.config.Mastership, keyringFile, c.config.More)

	return text.String()
}

// Boot boots the nodes, all members when none is named, at the same time.
func (c *Cluster) Boot(t TB, nodes ...*Node) {
	t.Helper()
	if len(nodes) == 0 {
		nodes = c.Members()
	}
	for _, node := range nodes {
		node.PowerOn(t)
	}
	for _, node := range nodes {
		node.WaitBoot(t)
	}
}

// CutPower is PowerCut of several nodes at the same time.
func (c *Cluster) CutPower(t TB, nodes ...*Node) {
	t.Helper()
	for _, node := range nodes {
		if err := syscall.Kill(node.PID(), syscall.SIGKILL); err != nil {
			t.Fatalf("cut the power of node %s: %v", node.Name, err)
		}
	}
	for _, node := range nodes {
		if exit := node.WaitExit(t); exit != Killed {
			t.Fatalf("cut the power of node %s: it %v first", node.Name, exit)
		}
	}
}

// Member finds a node of the cluster by its name.
func (c *Cluster) Member(t TB, name string) *Node {
	t.Helper()
	for _, node := range c.Nodes() {
		if node.Name == name {
			return node
		}
	}
	t.Fatalf("the lab has no node %q", name)

	return nil
}

// Signal sends a signal, as "STOP", to the main process of a unit of the node.
func (n *Node) Signal(t TB, unit, signal string) {
	t.Helper()
	n.Run(t, "systemctl", "kill", "--kill-whom=main", "--signal="+signal, unit)
}
