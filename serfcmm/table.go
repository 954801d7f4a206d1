package serfcmm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// table is one version of the node table with the addresses as far as they are known. It is
// never changed once it is published; a new one takes its place.
type table struct {
	peers []Peer
	// at has the index of each name, because every member that gossip tells of is looked up
	// several times.
	at map[levels.NodeID]int
	// known has an address for every name that could be resolved.
	known map[levels.NodeID]netip.AddrPort
	// texts are those addresses as Serf's transports take them.
	texts map[levels.NodeID]string
}

const resolveTimeout = 3 * time.Second

// resolver makes host names into addresses.
type resolver func(ctx context.Context, host string) ([]netip.Addr, error)

func systemResolver(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func emptyTable(peers []Peer) *table {
	t := &table{peers: peers, at: map[levels.NodeID]int{}, known: map[levels.NodeID]netip.AddrPort{}, texts: map[levels.NodeID]string{}}
	for i := range peers {
		t.at[peers[i].Name] = i
	}

	return t
}

// newTable keeps of the old addresses what a lookup does not replace: a name server that is
// away must not take a cluster apart.
func newTable(ctx context.Context, peers []Peer, resolve resolver, last map[levels.NodeID]netip.AddrPort) (*table, []string) {
	type found struct {
		address netip.AddrPort
		err     error
	}
	all := make([]found, len(peers))
	var lookups sync.WaitGroup
	for i, peer := range peers {
		lookups.Go(func() { all[i].address, all[i].err = lookUp(ctx, peer, resolve, last[peer.Name]) })
	}
	lookups.Wait()
	t := emptyTable(peers)
	var problems []string
	for i, peer := range peers {
		if all[i].err != nil {
			problems = append(problems, all[i].err.Error())
		}
		t.put(peer.Name, all[i].address)
	}

	return t, problems
}

// quickTable looks nothing up: it has the addresses that are numbers, and those that were
// known before.
func quickTable(peers []Peer, last map[levels.NodeID]netip.AddrPort) *table {
	t := emptyTable(peers)
	for _, peer := range peers {
		if address, ok := literal(peer.Address); ok {
			t.put(peer.Name, address)
		} else {
			t.put(peer.Name, last[peer.Name])
		}
	}

	return t
}

func (t *table) put(name levels.NodeID, address netip.AddrPort) {
	if address.IsValid() {
		t.known[name], t.texts[name] = address, address.String()
	}
}

// literal reads an address that needs no name service.
func literal(text string) (netip.AddrPort, bool) {
	host, port, err := splitAddress(text)
	ip, noIP := netip.ParseAddr(host)

	return netip.AddrPortFrom(ip, port), err == nil && noIP == nil
}

// lookUp returns the last address together with the error when the name is not known now.
func lookUp(ctx context.Context, peer Peer, resolve resolver, last netip.AddrPort) (netip.AddrPort, error) {
	if address, ok := literal(peer.Address); ok {
		return address, nil
	}
	host, port, err := splitAddress(peer.Address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	all, err := resolve(ctx, host)
	if err != nil || len(all) == 0 {
		what := "nobody is looked for there"
		if last.IsValid() {
			what = "its last address " + last.String() + " is used"
		}

		return last, fmt.Errorf("address %s of node %s is not known to the name service, so %s", host, peer.Name, what)
	}
	// One that is still right stays, whatever order the name server likes today.
	best := all[0].Unmap()
	for _, ip := range all {
		if ip.Unmap() == last.Addr() {
			best = last.Addr()
		}
	}

	return netip.AddrPortFrom(best, port), nil
}

// lists says whether the name is in the table, resolved or not.
func (t *table) lists(name levels.NodeID) bool {
	_, listed := t.at[name]

	return listed
}

// admits returns nil for a member whose name and address are those of the table, and
// otherwise says what an operator has to know.
func (t *table) admits(name levels.NodeID, ip net.IP, port uint16) error {
	address, _ := netip.AddrFromSlice(ip)
	got := netip.AddrPortFrom(address.Unmap(), port)
	want, known := t.known[name]
	switch {
	case !t.lists(name):
		return fmt.Errorf("a node called %s at %s has the key but is not in the node table", printable(string(name)), got)
	case known && want != got:
		return fmt.Errorf("a node called %s at %s is kept out: the node table says %s", name, got, want)
	case !known:
		return fmt.Errorf("node %s at %s is kept out while its address %s cannot be looked up", name, got, t.addressOf(name))
	}

	return nil
}

func (t *table) addressOf(name levels.NodeID) string {
	if i, listed := t.at[name]; listed {
		return t.peers[i].Address
	}

	return ""
}

// named returns the node at an address, or the address itself.
func (t *table) named(address string) string {
	for name, text := range t.texts {
		if text == address || hostOf(text) == hostOf(address) {
			return fmt.Sprintf("%s (%s)", address, name)
		}
	}

	return address
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}

	return host
}

const longestText = 64

// printable makes a text of a stranger fit for a log and a terminal.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0x7e {
			return '?'
		}

		return r
	}, text[:min(len(text), longestText)])

	return text
}
