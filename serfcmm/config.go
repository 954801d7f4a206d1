package serfcmm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/memberlist"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// DefaultPort is where nodes listen, UDP and TCP, unless their address names another port.
const DefaultPort = 7946

// Peer is one entry of the node table.
type Peer struct {
	Name levels.NodeID
	// Address is host, host:port, or [v6]:port; the port defaults to DefaultPort. A host
	// name is looked up; an IP address needs nobody's help and is what we recommend.
	Address string
}

// Options is what a Node must know. Nothing in it may be changed once it was handed over.
type Options struct {
	// Self is this node's name in the table.
	Self levels.NodeID
	// Peers is the node table, this node included: who may join.
	Peers []Peer
	// Origin tells this machine from another one that goes by the same name; see OriginOf.
	Origin wire.Origin
	// KeyringFile holds the keys (see package keyring). Empty means no encryption, and is refused
	// for more than one node unless Insecure says so in so many words.
	KeyringFile string
	Insecure    bool
	// StateFile keeps the last known addresses of nodes that are configured by host name;
	// empty keeps nothing.
	StateFile string
	// Log gets what Serf says, and what this package has to say.
	Log *slog.Logger
	// Listen opens the network; nil opens UDP and TCP sockets. For tests.
	Listen func(ctx context.Context, address netip.AddrPort) (Transport, error)
	// Resolve looks a host name up; nil asks the system. For tests.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Transport is the network under Serf.
type Transport interface {
	memberlist.NodeAwareTransport
	// Start lets packets and streams in. Serf is not yet complete when it gets hold of
	// the transport, so nothing may arrive before.
	Start()
}

var (
	// ErrNoKey refuses a cluster of more than one node without a keyring: give it one, or
	// set insecure = true.
	ErrNoKey = errors.New("no keyring for a cluster of more than one node")
	// ErrNodeTable refuses a node table that cannot work; the cause says which entry.
	ErrNodeTable = errors.New("node table")
	// ErrAway refuses what needs the network while this node has left the cluster or has
	// not come up yet.
	ErrAway = errors.New("this node is not on the network")
	// ErrTooLarge refuses an event, a question or an answer over its limit of bytes.
	ErrTooLarge = errors.New("too large")
	// ErrUnknownNode refuses a node that is not in the node table.
	ErrUnknownNode = errors.New("no such node")
	// ErrFull refuses a question while too many are open: ask again in a moment.
	ErrFull = errors.New("too many questions are open")
	// ErrUnreached says that a message did not get to its node, for certain: look whether the
	// node is up, or ask again.
	ErrUnreached = errors.New("not reached")
	// ErrAnswered refuses a second answer, or one that comes too late.
	ErrAnswered = errors.New("answered already, or too late")
)

// validate checks the relations; it looks nothing up.
func (o *Options) validate() error {
	if o.Log == nil || o.Origin == (wire.Origin{}) {
		return errors.New("serfcmm: a logger and an origin are needed")
	}

	return o.validateTable(o.Peers)
}

func (o *Options) validateTable(peers []Peer) error {
	names, addresses := map[levels.NodeID]bool{}, map[string]levels.NodeID{}
	for _, peer := range peers {
		switch {
		case peer.Name == "" || len(peer.Name) > election.MaxName:
			return fmt.Errorf("%w: name %q, want 1 to %d bytes", ErrNodeTable, peer.Name, election.MaxName)
		case names[peer.Name]:
			return fmt.Errorf("%w: two nodes are called %s", ErrNodeTable, peer.Name)
		}
		host, port, err := splitAddress(peer.Address)
		if err != nil {
			return fmt.Errorf("%w: node %s: %w", ErrNodeTable, peer.Name, err)
		}
		address := net.JoinHostPort(strings.ToLower(host), strconv.Itoa(int(port)))
		if other, taken := addresses[address]; taken {
			return fmt.Errorf("%w: %s and %s have the same address %s", ErrNodeTable, other, peer.Name, address)
		}
		names[peer.Name], addresses[address] = true, peer.Name
	}
	switch {
	case !names[o.Self]:
		return fmt.Errorf("%w: this node, %s, is missing from it", ErrNodeTable, o.Self)
	case len(peers) > election.MaxNodes:
		return fmt.Errorf("%w: %d nodes, want at most %d", ErrNodeTable, len(peers), election.MaxNodes)
	case len(peers) > 1 && o.KeyringFile == "" && !o.Insecure:
		return ErrNoKey
	}

	return nil
}

// splitAddress reads host, host:port or a bare IPv6 address.
func splitAddress(text string) (host string, port uint16, err error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().String(), DefaultPort, nil
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		host, number = text, strconv.Itoa(DefaultPort)
	}
	value, err := strconv.ParseUint(number, 10, 16)
	if err != nil || value == 0 || host == "" || strings.ContainsAny(host, " \t/[]") {
		return "", 0, fmt.Errorf("address %q, want host, host:port or [v6]:port", text)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}

	return host, uint16(value), nil
}
