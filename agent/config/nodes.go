package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// node reads one [[node]] entry.
func (r *reader) node(t *table) {
	node := Node{Eligible: true, Vote: true}
	name := ""
	if _, present := t.values["name"]; !present {
		t.problem("name", `missing; every [[node]] needs a name, like name = "n1"`)
	}
	named := r.name(t, "name", &name)
	node.Name = levels.NodeID(name)
	if t.text("address", &node.Address) {
		address, err := hostPort(node.Address)
		if err != nil {
			t.problem("address", "%q is not an address: %v; want a host or host:port", node.Address, err)
		}
		node.Address = address
	}
	t.flag("eligible", &node.Eligible)
	t.flag("vote", &node.Vote)
	if !named {
		return
	}
	if first, twice := r.nodes[node.Name]; twice {
		t.problem("name", "node %q is listed twice, first at %s:%d; remove one", name, first.File, first.Line)

		return
	}
	r.nodes[node.Name] = t.source.at(keyPath(t.path, "name"), "")
	r.addresses[node.Name] = t.source.at(keyPath(t.path, "address"), "")
	r.config.Nodes = append(r.config.Nodes, node)
}

// hostPort gives an address its one form, host:port, so that two spellings of the same
// one are equal: the port filled in, names in small letters, IP addresses as Go prints them.
func hostPort(text string) (string, error) {
	host, port := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), strconv.Itoa(DefaultPort)
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(text, ":") {
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errors.New("it has a colon and is neither host:port nor an IPv6 address")
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", fmt.Errorf("port %q is not a number in 1…65535", port)
	}
	if address, err := netip.ParseAddr(host); err == nil {
		if address = address.Unmap(); address.IsUnspecified() || address.IsMulticast() {
			return "", fmt.Errorf("%s is not the address of one node", address)
		}
		host = address.String()
	} else if !validHost(host) {
		return "", fmt.Errorf("%q is neither an IP address nor a host name", host)
	}

	return net.JoinHostPort(strings.ToLower(host), strconv.FormatUint(number, 10)), nil
}

// validHost wants labels of letters, digits, '-' and '_'; one that is all digits and dots
// was meant to be an IP address.
func validHost(host string) bool {
	if host == "" || len(host) > 253 || strings.Trim(host, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.ContainsFunc(label, func(c rune) bool { return !isBare(c) }) {
			return false
		}
	}

	return true
}

func (r *reader) checkNodes() {
	nodes := r.config.Nodes
	if len(nodes) == 0 {
		return
	}
	index := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == r.config.Local.Node })
	if index < 0 {
		r.relation(r.localPlace(), "local.node",
			"this node is %q, which no [[node]] names; add it there, or set [local] node to the name it has there", r.config.Local.Node)
	} else {
		r.config.Levels.Eligible = nodes[index].Eligible
	}
	if len(nodes) > election.MaxNodes {
		r.relation(r.nodes[nodes[election.MaxNodes].Name], "node", "%d nodes are listed, at most %d are allowed", len(nodes), election.MaxNodes)
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Eligible }) {
		r.relation(r.nodes[nodes[0].Name], "node", "no node is eligible, so there could never be a master; remove one eligible = false")
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Vote }) {
		r.relation(r.nodes[nodes[0].Name], "node", "no node has a vote, so there could never be a quorum; remove one vote = false")
	}
	if len(nodes) > 1 {
		r.checkCluster(nodes)
		r.checkVoters(nodes)
	}
}

// localPlace is where the name of this node was said, or the first node entry
// when it is the host's.
func (r *reader) localPlace() Problem {
	if place, set := r.places["local.node"]; set {
		return place
	}

	return r.nodes[r.config.Nodes[0].Name]
}

func (r *reader) checkCluster(nodes []Node) {
	first := map[string]levels.NodeID{}
	for _, node := range nodes {
		other, twice := first[node.Address]
		switch {
		case node.Address == "":
			r.relation(r.nodes[node.Name], "node.address", "node %q has no address; a cluster of more than one node needs one for each", node.Name)
		case twice:
			place := r.addresses[other]
			r.relation(r.addresses[node.Name], "node.address", "node %q has the address %s, and so has node %q at %s:%d; each needs its own",
				node.Name, node.Address, other, place.File, place.Line)
		default:
			first[node.Address] = node.Name
		}
	}
	if r.config.Security.Keyring == "" && !r.config.Security.Insecure {
		r.relation(r.nodes[nodes[1].Name], "security.keyring",
			"missing; a cluster of more than one node needs a key, or security.insecure = true in so many words; make one with: cssc keys generate")
	}
}

// checkVoters warns of numbers that do not do what people expect of them.
func (r *reader) checkVoters(nodes []Node) {
	var voters []Node
	for _, node := range nodes {
		if node.Vote {
			voters = append(voters, node)
		}
	}
	count := len(voters)
	switch {
	case count == 0:
	case count == 1:
		r.warn(r.nodes[voters[0].Name], "node",
			"only node %q has a vote: without it no other node can become master; remove vote = false from at least two more", voters[0].Name)
	case count == 2:
		r.warn(r.nodes[voters[1].Name], "node", "two voters cannot tell a dead peer from a broken link: the master goes on alone when the other is lost, "+
			"and nobody takes over from a lost master (two_node = \"hold\"); add a third with eligible = false as witness")
	case count%2 == 0:
		r.warn(r.nodes[voters[count-1].Name], "node",
			"%d voters, an even number: a majority is %d, so no more than %s may be lost, as with %d voters; set vote = false for one, or add one",
			count, count/2+1, counted(count/2-1, "voter"), count-1)
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return strconv.Itoa(n) + " " + noun + "s"
}

func (r *reader) warn(place Problem, key, format string, args ...any) {
	place.Key, place.Text = key, fmt.Sprintf(format, args...)
	r.config.Warnings = append(r.config.Warnings, place)
}
