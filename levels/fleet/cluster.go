package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// Node is what is known of one listed node now. Of a node that is not alive the rest is what
// it said last.
type Node struct {
	Node levels.NodeID
	// Vote and Eligible are the configuration's.
	Vote, Eligible bool
	// Alive: it is heard. Left: it said goodbye before it went.
	Alive, Left bool
	State       levels.NodeState
	Role        levels.Role
	Qualified   bool
	// InStep: its configuration is this node's, as far as is known.
	InStep bool
	// Incarnation names its boot; empty while unknown.
	Incarnation string
	// Former: it is heard directly and gossip still holds it for lost, so that what follows is of
	// before that, perhaps of another boot.
	Former bool
	// Operation is the kind of what is in progress there, unknown when nothing is.
	Operation levels.OperationKind
	Number    levels.OperationID
	Step      string
}

// gone says that a node has left in order.
func (n Node) gone() bool {
	return n.Left || !n.Alive && (n.State == levels.StateLeaving || n.State == levels.StateDown && n.Incarnation != "")
}

// told says that the node is there and what its card tells is of now.
func (n Node) told() bool { return n.Alive && !n.Former }

// Cluster is what is known of all of them: whole, and newer than the one before.
type Cluster struct {
	// Nodes stand in the order of the node table, this one included; of the latter all is exact.
	Nodes []Node
	// Master is empty while none is known.
	Master levels.NodeID
	Term   levels.Term
	// Leading: this node is the master, and its lease runs.
	Leading bool
	// Ready: the services of the master may be used.
	Ready bool
}

func (c *Cluster) node(id levels.NodeID) Node {
	for i := range c.Nodes {
		if c.Nodes[i].Node == id {
			return c.Nodes[i]
		}
	}

	return Node{Node: id}
}

// voters counts those whose vote counts, and those of them that are heard.
func (c *Cluster) voters() (all, alive int) {
	for i := range c.Nodes {
		if c.Nodes[i].Vote {
			all++
			if c.Nodes[i].Alive {
				alive++
			}
		}
	}

	return all, alive
}

// without says why the cluster cannot do without the nodes, "" when it can: those that
// remain must be a majority of all voters. With hold, one of two voters suffices.
func (c *Cluster) without(hold bool, nodes ...levels.NodeID) string {
	all, alive := c.voters()
	left := alive
	for _, id := range nodes {
		if node := c.node(id); node.Vote && node.Alive {
			left--
		}
	}
	need := all/2 + 1
	if hold && all == 2 {
		need = 1
	}
	if left >= need || left == alive {
		return ""
	}

	return fmt.Sprintf("without %s %d of %d voters would be left, and the majority is %d", join(nodes), left, all, need)
}

// vice is the node that would take over now; empty when there is none that can.
func (c *Cluster) vice() levels.NodeID {
	for i := range c.Nodes {
		node := &c.Nodes[i]
		if node.Role == levels.RoleVice && node.Alive && node.Qualified && node.InStep && node.State == levels.StateUp {
			return node.Node
		}
	}

	return ""
}

func join(nodes []levels.NodeID) string {
	words := make([]string, 0, len(nodes))
	for _, node := range nodes {
		words = append(words, string(node))
	}

	return strings.Join(words, ", ")
}

// clone returns a copy that the owner of the first cannot change.
func (c *Cluster) clone() Cluster {
	copied := *c
	copied.Nodes = slices.Clone(c.Nodes)

	return copied
}
