package main

import (
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/levels"
)

// A copy answers where its node is, at the tally's own port.
func TestAddressOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:7474", "192.0.2.1:7946": "192.0.2.1:7474", "2001:db8::1": "[2001:db8::1]:7474",
		"[2001:db8::1]:7946": "[2001:db8::1]:7474", "n1.example": "n1.example:7474", "": ":7474",
	} {
		if got := addressOf(&levels.NodeView{Address: address}); got != want {
			t.Errorf("%q: got %s, want %s", address, got, want)
		}
	}
}

// What cannot be meant is answered with how to use it.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve"}, {"serve", "a", "b"}, {"write"}, {"check"}, {"sing", "a"}} {
		if err := run(t.Context(), args); err == nil || !strings.HasPrefix(err.Error(), "usage: ") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
