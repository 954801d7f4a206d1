package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// lowestPort is the first that the agent may bind: it has no capability for those below.
const lowestPort = 1024

const listenKey = "endpoints.listen"

// endpoints reads the [endpoints] table.
func (r *reader) endpoints(t *table) {
	text := ""
	if t.text("listen", &text) {
		listen, err := listenAddress(text)
		if err != nil {
			t.problem("listen", "%q is not an address to listen on: %v; want ip:port, like %q", text, err, "127.0.0.1:7947")
		} else {
			r.config.Endpoints.Listen = listen
			r.mark(t, "listen")
		}
	}
	t.flag("exposed", &r.config.Endpoints.Exposed)
}

// listenAddress gives an address its one form. Names are refused: which address one of them
// means is decided elsewhere, and may change. Empty stays empty: nothing listens.
func listenAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("it is not of the form ip:port")
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "", fmt.Errorf("%q is not an IP address", host)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number < lowestPort {
		return "", fmt.Errorf("port %q is not a number in %d…65535", port, lowestPort)
	}

	return netip.AddrPortFrom(address, uint16(number)).String(), nil
}

// checkEndpoints wants it in words when other machines can ask.
func (r *reader) checkEndpoints() {
	e := r.config.Endpoints
	address, err := netip.ParseAddrPort(e.Listen)
	if err != nil || e.Exposed || address.Addr().Unmap().IsLoopback() {
		return
	}
	r.relation(r.places[listenKey], listenKey, "other machines reach %s, without a password and unencrypted; "+
		"use a loopback address, or say endpoints.exposed = true in so many words", e.Listen)
}
