package serfcmm

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cssc-ha/cssc/serfcmm/election"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

func sealerOf(tb testing.TB, ring ...keyring.Key) *sealer {
	tb.Helper()
	s, err := newSealer(ring)
	if err != nil {
		tb.Fatal(err)
	}

	return s
}

// Goal: what is sealed under any key of a ring is opened by whoever has that key, wherever it
// stands in the ring, and by nobody else; a changed bit, a cut end, a bare datagram in an
// encrypted cluster and a sealed one in an open cluster are refused. Method: keys of all
// three sizes, rings as in the middle of a rotation, every bit and every length.
func TestOnlyAKeyOfTheRingOpens(t *testing.T) {
	t.Parallel()
	old, fresh, other := keyring.NewKey(), keyring.NewKey()[:16], keyring.NewKey()[:24]
	datagram := datagramOf(t, "one", election.Message{Kind: election.KindProbe, From: "n1", To: "n2", Round: 7})
	packet := sealerOf(t, old, fresh).seal(nil, datagram)
	if len(packet) != len(datagram)+sealedMore {
		t.Errorf("sealed in %d bytes, want %d", len(packet), len(datagram)+sealedMore)
	}
	if again := sealerOf(t, old).seal(nil, datagram); bytes.Equal(packet, again) {
		t.Error("the same packet twice, want another nonce")
	}
	for _, receiver := range []*sealer{sealerOf(t, old), sealerOf(t, fresh, other, old)} {
		if got, ok := receiver.open(packet); !ok || !bytes.Equal(got, datagram) {
			t.Errorf("open = %x, %v, want %x", got, ok, datagram)
		}
	}
	refuse := func(what string, s *sealer, packet []byte) {
		if got, ok := s.open(packet); ok {
			t.Errorf("%s: opened as %x, want a refusal", what, got)
		}
	}
	holder := sealerOf(t, old, fresh)
	refuse("another ring", sealerOf(t, fresh, other), packet)
	refuse("a sealed packet without encryption", nil, packet)
	refuse("a bare datagram under encryption", holder, datagram)
	refuse("nothing", holder, nil)
	for bit := range 8 * len(packet) {
		bad := slices.Clone(packet)
		bad[bit/8] ^= 1 << (bit % 8)
		refuse("a changed bit", holder, bad)
	}
	for length := range packet {
		refuse("a cut packet", holder, packet[:length])
	}
	if got, ok := (*sealer)(nil).open((*sealer)(nil).seal(nil, datagram)); !ok || !bytes.Equal(got, datagram) {
		t.Errorf("without encryption: %x, %v, want %x", got, ok, datagram)
	}
}

// FuzzOpen: no packet makes open fall over, and what it takes was sealed by a holder of the key.
func FuzzOpen(f *testing.F) {
	s := sealerOf(f, keyring.NewKey())
	f.Add([]byte{sealedMark})
	f.Add(append([]byte{sealedMark}, make([]byte, 200)...))
	f.Add([]byte{wire.Mark, 1})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if datagram, ok := s.open(packet); ok {
			t.Errorf("open(%x) = %x, want a refusal", packet, datagram)
		}
	})
}
